"""tools/find-python picks the newest Python that fits, or says why none does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "find-python"


def stub_python(path: Path, version: tuple[int, int, int], tweak: str = "") -> Path:
    """Write a program that runs Python code as an interpreter of `version` would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "#!/bin/sh\n"
        f"exec '{sys.executable}' -c 'import sys\n"
        f'sys.version_info = (*{version}, "final", 0)\n'
        f"{tweak}\n"
        'exec(sys.argv[1])\' "$2"\n'
    )
    path.chmod(0o755)
    return path


def find(home: Path, *folders: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run the script with a PATH of `folders` and an empty home."""
    return subprocess.run(
        [SCRIPT],
        env={
            "PATH": os.pathsep.join(map(str, folders)),
            "HOME": str(home),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_picks_the_newest_that_fits(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    stub_python(one / "python3", (3, 9, 18))
    stub_python(one / "python3.12", (3, 12, 4))
    stub_python(two / "python3", (3, 11, 7))
    newest = stub_python(two / "python3.13", (3, 13, 2))
    stub_python(two / "python", (2, 7, 18))

    result = find(tmp_path, one, two)

    assert result.stdout == f"{newest}\n"
    assert result.returncode == 0


def test_counts_patch_releases_as_numbers(tmp_path: Path) -> None:
    stub_python(tmp_path / "one" / "python3.13", (3, 13, 9))
    newest = stub_python(tmp_path / "two" / "python3.13", (3, 13, 10))

    result = find(tmp_path, tmp_path / "one", tmp_path / "two")

    assert result.stdout == f"{newest}\n"


def test_prefers_the_first_in_path_of_equals(tmp_path: Path) -> None:
    first = stub_python(tmp_path / "one" / "python3", (3, 13, 1))
    stub_python(tmp_path / "two" / "python3.13", (3, 13, 1))

    result = find(tmp_path, tmp_path / "one", tmp_path / "two")

    assert result.stdout == f"{first}\n"


@pytest.mark.parametrize("root", ["default", "PYENV_ROOT"])
def test_looks_into_pyenv(tmp_path: Path, root: str) -> None:
    pyenv = tmp_path / (".pyenv" if root == "default" else "elsewhere")
    stub_python(tmp_path / "bin" / "python3", (3, 11, 2))
    stub_python(pyenv / "versions" / "3.12.1" / "bin" / "python", (3, 12, 1))
    newest = stub_python(pyenv / "versions" / "3.13.0" / "bin" / "python", (3, 13, 0))
    environment = {} if root == "default" else {"PYENV_ROOT": str(pyenv)}

    result = find(tmp_path, tmp_path / "bin", **environment)

    assert result.stdout == f"{newest}\n"


@pytest.mark.parametrize(
    ("version", "tweak", "reason"),
    [
        ((3, 11, 7), "", "too old"),
        ((3, 15, 0), "", "too new"),
        ((4, 0, 0), "", "too new"),
        ((3, 13, 0), 'sys.modules["ensurepip"] = None', "has no venv module"),
        (
            (3, 14, 0),
            'sys.version_info = (3, 14, 0, "alpha", 1)',
            "not a final release",
        ),
        (
            (3, 13, 0),
            'import sysconfig; sysconfig.get_config_vars()["Py_GIL_DISABLED"] = 1',
            "free-threaded build",
        ),
    ],
)
def test_says_why_the_ones_it_found_do_not_fit(
    tmp_path: Path, version: tuple[int, int, int], tweak: str, reason: str
) -> None:
    python = stub_python(tmp_path / "bin" / "python3", version, tweak)

    result = find(tmp_path, tmp_path / "bin")

    assert result.returncode == 1
    assert result.stdout == ""
    assert "needs CPython 3.12 to 3.14" in result.stderr
    shown = ".".join(map(str, version))
    assert f"{python}  {shown}  {reason}" in result.stderr
    assert "make PYTHON=/path/to/python" in result.stderr


def test_says_that_there_is_none(tmp_path: Path) -> None:
    result = find(tmp_path, tmp_path)

    assert result.returncode == 1
    assert "Found: no Python at all" in result.stderr


def test_passes_over_a_program_that_does_not_run(tmp_path: Path) -> None:
    shim = tmp_path / "bin" / "python3.13"
    shim.parent.mkdir()
    shim.write_text(
        "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
    )
    shim.chmod(0o755)
    python = stub_python(tmp_path / "bin" / "python3.12", (3, 12, 1))

    result = find(tmp_path, tmp_path / "bin")

    assert result.stdout == f"{python}\n"
    assert result.stderr == ""


def test_takes_the_named_one_though_a_newer_is_there(tmp_path: Path) -> None:
    stub_python(tmp_path / "bin" / "python3.13", (3, 13, 0))
    named = stub_python(tmp_path / "my python" / "python", (3, 12, 0))

    result = find(tmp_path, tmp_path / "bin", PYTHON=str(named))

    assert result.stdout == f"{named}\n"


@pytest.mark.parametrize("exists", [True, False])
def test_does_not_replace_a_named_one_that_does_not_fit(
    tmp_path: Path, exists: bool
) -> None:
    stub_python(tmp_path / "bin" / "python3.13", (3, 13, 0))
    named = tmp_path / "old" / "python"
    if exists:
        stub_python(named, (3, 9, 18))

    result = find(tmp_path, tmp_path / "bin", PYTHON=str(named))

    assert result.returncode == 1
    assert result.stdout == ""
    assert f"PYTHON={named} cannot be used" in result.stderr
    assert ("3.9.18  too old" if exists else "nothing there") in result.stderr
