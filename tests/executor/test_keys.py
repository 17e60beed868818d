"""Keys: what a page shows is in its key, and nothing else is."""

import sys
from collections import namedtuple
from typing import Any

import pytest

import hub_mirror
from executor import keys
from executor.errors import PageError
from executor.keys import Key, changes

SNIPPET = '''\
"""A module."""

import numpy as np

FACTOR = 2
OTHER = 3


def _helper(x):
    return np.add(x, FACTOR)


def shown(x):
    """Returns more than x."""
    return _helper(x)


def not_shown(x):
    return x * OTHER
'''
PAGE = """\
# %% [markdown]
# ---
# description: About it.
# executor:
#   timeout: 9
#   memory_gb: 2
#   data: [data/x.csv]
#   weights: [a/b]
# ---
# # Title
#
# Prose.

# %%
#| alt: A line.
#| record:
#|   total: total
import pandas as pd

from snippets.chapter.code import shown

total = shown(1)
"""


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    known = {"a/b": "digest of a/b"}

    def digests(hub_id: str) -> str:
        if hub_id not in known:
            raise ValueError(f"nothing carries {hub_id}")
        return known[hub_id]

    monkeypatch.setattr(hub_mirror, "digests", digests)
    return known


@pytest.fixture
def before(project: Any) -> Key:
    project.snippet(SNIPPET)
    project.write("data/x.csv", "1,2\n")
    key: Key = project.key(PAGE)
    return key


def differences(before: Key, after: Key) -> list[str]:
    """What changed in words; the digest must agree on whether anything did."""
    said = changes(before.parts, after.parts)
    assert bool(said) == (before.digest != after.digest)
    return said


def test_the_same_page_has_the_same_key(project: Any, before: Key) -> None:
    assert project.key(PAGE) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    return _helper(x)", "    return _helper(x) + 0", "shown"),
        ("Returns more than x.", "Returns x and more.", "shown"),
        ("np.add(x, FACTOR)", "np.add(FACTOR, x)", "_helper"),
        ("FACTOR = 2", "FACTOR = 2.5", "FACTOR"),
    ],
)
def test_a_definition_that_is_shown(
    project: Any, before: Key, old: str, new: str, said: str
) -> None:
    assert old in SNIPPET
    project.snippet(SNIPPET.replace(old, new))
    reasons = differences(before, project.key(PAGE))
    assert reasons == [f"snippets.chapter.code:{said} changed"]


def test_a_definition_that_is_added_or_removed(project: Any, before: Key) -> None:
    project.snippet(SNIPPET.replace("np.add(x, FACTOR)", "np.add(x, 2)"))
    after = project.key(PAGE)
    helper = "snippets.chapter.code:_helper changed"
    factor = "snippets.chapter.code:FACTOR"
    assert differences(before, after) == [f"{factor} removed", helper]
    assert differences(after, before) == [f"{factor} added", helper]


def test_an_import_of_a_snippet(project: Any, before: Key) -> None:
    project.snippet(SNIPPET.replace("import numpy as np", "import numpy as np  # arrays"))
    reasons = differences(before, project.key(PAGE))
    assert reasons == ["an import in a snippets module changed"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("#|   total: total", "#|   total: total * 2", "cell 1 changed"),
        ("#|   total: total", "#|   sum: total", "cell 1 changed"),
        ("total = shown(1)", "total = shown(2)", "cell 1 changed"),
        ("total = shown(1)", "total = shown(1)\n\n# %%\nprint(total)", "cell 2 added"),
    ],
)
def test_a_cell(project: Any, before: Key, old: str, new: str, said: str) -> None:
    assert old in PAGE
    assert differences(before, project.key(PAGE.replace(old, new))) == [said]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pandas==3.1.1", "pandas==3.1.2", ["pandas 3.1.1 → 3.1.2"]),
        ("numpy==2.5.5", "numpy==2.5.6", ["numpy 2.5.5 → 2.5.6"]),
        (
            "python-dateutil==4.0.0",
            "python-dateutil==4.1.0",
            ["python-dateutil 4.0.0 → 4.1.0"],
        ),
        ("torch==2.14.0", "torch==2.14.1", []),
        ("transformers==5.23.0", "transformers==6.0.0", []),
        ("pandas==", "nonsense==1\npandas==", []),
    ],
)
def test_a_pin(project: Any, before: Key, old: str, new: str, said: list[str]) -> None:
    text = project.lock.read_text()
    assert old in text
    project.lock.write_text(text.replace(old, new))
    assert differences(before, project.key(PAGE)) == said


def test_a_package_that_is_imported_anew(project: Any, before: Key) -> None:
    after = project.key(PAGE.replace("import pandas as pd", "import numpy as np"))
    reasons = differences(before, after)
    assert reasons[0] == "cell 1 changed"
    assert "pandas removed" in reasons
    assert "numpy removed" not in reasons


def test_data(project: Any, before: Key) -> None:
    project.write("data/x.csv", "1,3\n")
    assert differences(before, project.key(PAGE)) == ["data/x.csv changed"]


def test_weights(project: Any, before: Key, weights: dict[str, str]) -> None:
    weights["a/b"] = "another"
    assert differences(before, project.key(PAGE)) == ["a/b changed"]


def test_the_minor_version_of_python(
    project: Any, before: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = namedtuple("version", "major minor micro")
    now = sys.version_info
    monkeypatch.setattr(sys, "version_info", version(3, 99, 0))
    reasons = differences(before, project.key(PAGE))
    assert reasons == [f"Python {now.major}.{now.minor} → 3.99"]
    monkeypatch.setattr(sys, "version_info", version(now.major, now.minor, 99))
    assert differences(before, project.key(PAGE)) == []


def test_the_style_of_figures_and_how_pages_run(
    project: Any, before: Key, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    style = tmp_path / "matplotlibrc"
    style.write_text(keys._STYLE.read_text() + "lines.linewidth: 3\n")
    with monkeypatch.context() as patch:
        patch.setattr(keys, "_STYLE", style)
        keys._executor.cache_clear()
        assert differences(before, project.key(PAGE)) == ["executor changed"]
    with monkeypatch.context() as patch:
        patch.setattr(keys, "_EXECUTION", "another")
        keys._executor.cache_clear()
        assert differences(before, project.key(PAGE)) == ["executor changed"]
    keys._executor.cache_clear()
    assert project.key(PAGE) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Prose.", "# Other prose, {{ total }}.\n#\n# ## And a heading"),
        ("#| alt: A line.", "#| alt: A line that rises."),
        ("#   timeout: 9", "#   timeout: 90"),
        ("#   memory_gb: 2", "#   memory_gb: 2.5"),
        ("# description: About it.", "# title: It"),
    ],
)
def test_what_readers_alone_see_is_not_in_the_key(
    project: Any, before: Key, old: str, new: str
) -> None:
    assert old in PAGE
    assert differences(before, project.key(PAGE.replace(old, new))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return x * OTHER", "return x - OTHER"),
        ("OTHER = 3", "OTHER = 4"),
        ('"""A module."""', '"""A module with code."""\n\n# A comment.'),
        ("def not_shown", "def unrelated():\n    pass\n\n\ndef not_shown"),
    ],
)
def test_what_the_page_does_not_show_of_a_module_is_not_in_the_key(
    project: Any, before: Key, old: str, new: str
) -> None:
    assert old in SNIPPET
    project.snippet(SNIPPET.replace(old, new))
    assert differences(before, project.key(PAGE)) == []


def test_the_name_of_the_page_is_not_in_the_key(project: Any, before: Key) -> None:
    assert project.key(PAGE, "elsewhere/other.py") == before


@pytest.mark.parametrize(
    "path",
    [
        "data/y.csv",
        "../outside.csv",
        "data/../data/x.csv",
        "link.csv",
        "{root}/x",
    ],
)
def test_data_that_is_not_a_file_of_the_project(
    project: Any, before: Key, path: str
) -> None:
    project.write("../outside.csv", "1\n")
    project.write("x", "1\n")
    (project.root / "link.csv").symlink_to(project.root.parent / "outside.csv")
    path = path.format(root=project.root)
    with pytest.raises(PageError) as caught:
        project.key(PAGE.replace("data/x.csv", path))
    assert caught.value.place == "docs/chapter/page.py"
    assert (
        f"executor.data names {path}, which is not a file or folder"
        in caught.value.message
    )


def test_weights_that_nothing_carries(project: Any, before: Key) -> None:
    with pytest.raises(PageError, match=r"executor\.weights: nothing carries c/d"):
        project.key(PAGE.replace("a/b", "c/d"))


def test_changes_come_most_telling_first() -> None:
    old = {
        "definitions": {"s:f": "1"},
        "cells": {"cell 1": "1"},
        "packages": {"torch": "2.14.0"},
        "data": {"data/x": "1"},
        "weights": {},
        "environment": {"python": "3.12", "executor": "1"},
        "program": {"source": "1"},
    }
    new = {
        "definitions": {"s:f": "2"},
        "cells": {"cell 1": "2"},
        "packages": {"torch": "2.14.1"},
        "data": {},
        "weights": {"a/b": "1"},
        "environment": {"python": "3.13", "executor": "2"},
        "program": {"source": "2"},
    }
    assert changes(old, new) == [
        "s:f changed",
        "cell 1 changed",
        "torch 2.14.0 → 2.14.1",
        "data/x removed",
        "a/b added",
        "executor changed",
        "Python 3.12 → 3.13",
    ]
    assert changes(new, new) == []
