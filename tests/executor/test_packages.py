"""Which locked packages a program depends on."""

import json
from pathlib import Path
from typing import Any

import pytest

from executor import packages
from executor.packages import Packages, imported_modules, installed_versions


def test_what_is_imported_is_pinned_with_what_it_requires(project: Any) -> None:
    program = project.program("# %%\nimport pandas as pd\nimport json\n")
    found = Packages(project.lock).of(program)
    assert found["pandas"] == "3.1.1"
    assert found["numpy"] == "2.5.5"
    assert found["python-dateutil"] == "4.0.0"
    assert "torch" not in found
    assert "json" not in found


def test_a_module_may_be_named_unlike_its_package(project: Any) -> None:
    project.lock.write_text("pillow==13.0.0\nPyYAML==6.0.3  # comment\n")
    program = project.program("# %%\nfrom PIL import Image\nimport yaml\n")
    assert Packages(project.lock).of(program) == {"pillow": "13.0.0", "pyyaml": "6.0.3"}


def test_a_package_without_a_pin_says_so(project: Any) -> None:
    project.lock.write_text("")
    program = project.program("# %%\nimport yaml\n")
    assert Packages(project.lock).of(program) == {"pyyaml": "not locked"}


def test_a_package_that_transformers_uses_counts_though_not_required(
    project: Any,
) -> None:
    program = project.program("# %%\nfrom transformers import pipeline\n")
    assert Packages(project.lock).of(program)["torch"] == "2.14.0"


@pytest.mark.parametrize(
    "cell",
    [
        "def f():\n    import numpy",
        "try:\n    from numpy import linalg\nexcept ImportError:\n    pass",
        "# %precision 3\nimport numpy.linalg",
    ],
)
def test_imports_anywhere_count(project: Any, cell: str) -> None:
    assert imported_modules(project.program(f"# %%\n{cell}\n")) == ["numpy"]


def test_of_two_pins_that_of_this_system_counts(project: Any) -> None:
    project.lock.write_text(
        "numpy==1.0 ; python_full_version < '3.11'\n"
        "numpy==2.0 ; python_full_version >= '3.11'\n"
        "numpy==1.5 ; sys_platform == 'nowhere'\n"
    )
    assert Packages(project.lock).pins == {"numpy": "2.0"}


def test_names_in_the_lock_may_be_spelt_in_any_way(project: Any) -> None:
    project.lock.write_text("# comment\nHuggingface_Hub==2.4.0\n-e .\nruff>=1\n")
    assert Packages(project.lock).pins == {"huggingface-hub": "2.4.0"}


def test_what_was_worked_out_is_kept(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = project.root / ".cache" / "packages.json"
    program = project.program("# %%\nimport pandas\n")
    first = Packages(project.lock, store).of(program)
    monkeypatch.setattr(packages, "_closure", None)
    assert Packages(project.lock, store).of(program) == first


def test_what_was_worked_out_holds_for_one_lock(project: Any) -> None:
    store = project.root / "packages.json"
    program = project.program("# %%\nimport pandas\n")
    Packages(project.lock, store).of(program)
    saved = json.loads(store.read_text())
    saved["needs"]["pandas"] = ["pandas"]
    store.write_text(json.dumps(saved))
    assert list(Packages(project.lock, store).of(program)) == ["pandas"]
    project.lock.write_text("pandas==4.0.0\n")
    assert "numpy" in Packages(project.lock, store).of(program)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"state": 1}', "\ud800", '{"state": "STATE", "needs": []}']
)
def test_a_damaged_store_does_no_harm(project: Any, text: str) -> None:
    store: Path = project.root / "packages.json"
    state = Packages(project.lock)._state
    store.write_bytes(text.replace("STATE", state).encode("utf-8", "surrogatepass"))
    program = project.program("# %%\nimport pandas\n")
    assert "numpy" in Packages(project.lock, store).of(program)


def test_installed_versions_are_of_what_is_imported_by_name(project: Any) -> None:
    import numpy
    import PIL

    program = project.program("# %%\nimport numpy, os\nfrom PIL import Image\n")
    assert installed_versions(program) == {
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
    }
