"""tools/install installs once, repeats what did not finish, and checks the disk first."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Stands in for the Python that is found. `-m venv FOLDER` gives FOLDER a copy of it;
# `-m pip` and `-m uv` note their arguments in calls.log. uv ends as STUB_UV says.
PYTHON = f"""#!/bin/sh
case "$1 $2" in
"-m venv")
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo venv >>calls.log ;;
"-m pip")
    echo "pip $*" >>calls.log ;;
"-m uv")
    echo "uv $*" >>calls.log
    case ${{STUB_UV:-}} in
    killed) kill -9 $PPID ;;
    fails) exit 1 ;;
    esac ;;
*)
    exec '{sys.executable}' "$@" ;;
esac
"""

DF = """#!/bin/sh
echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'
echo "/dev/a disk 264212084 1 ${STUB_FREE_KB:-99999999} 29% /a mount"
"""


class Project:
    """A folder with the script, stubs around it, and what they noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stubs = folder.parent / "stubs"

    @property
    def stamp(self) -> Path:
        return self.folder / ".venv" / ".installed"

    def install(self, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["tools/install"],
            cwd=self.folder,
            env={
                "PATH": f"{self.stubs}{os.pathsep}/usr/bin{os.pathsep}/bin",
                "PYTHON": str(self.stubs / "python"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> list[str]:
        """Return what was called since the last time: venv, pip, uv."""
        log = self.folder / "calls.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.split()[0] for line in lines]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "a project"
    (folder / "tools").mkdir(parents=True)
    for name in ("install", "find-python"):
        shutil.copy2(ROOT / "tools" / name, folder / "tools" / name)
    (folder / "requirements.txt").write_text("a==1\n")
    (folder / "constraints.txt").write_text("a==1\nb==2\n")
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name, text in (("python", PYTHON), ("df", DF)):
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)
    return Project(folder)


def test_installs_the_lock(project: Project) -> None:
    result = project.install()

    assert result.returncode == 0, result.stderr
    log = (project.folder / "calls.log").read_text()
    assert "uv -c constraints.txt" in log
    assert "-r requirements.txt -c constraints.txt" in log
    assert project.calls() == ["venv", "pip", "uv"]
    assert project.stamp.exists()


def test_does_nothing_the_second_time(project: Project) -> None:
    project.install()
    project.calls()

    assert project.install().returncode == 0

    assert project.calls() == []


def test_does_nothing_when_only_times_changed(project: Project) -> None:
    project.install()
    project.calls()
    os.utime(project.folder / "requirements.txt", (2_000_000_000, 2_000_000_000))

    project.install()

    assert project.calls() == []


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_updates_in_place_when_a_list_changed(project: Project, name: str) -> None:
    project.install()
    project.calls()
    with (project.folder / name).open("a") as file:
        file.write("c==3\n")

    project.install()

    assert project.calls() == ["pip", "uv"]
    assert project.install().returncode == 0
    assert project.calls() == []


@pytest.mark.parametrize("end", ["fails", "killed"])
def test_starts_anew_when_packages_may_be_half_written(
    project: Project, end: str
) -> None:
    result = project.install(STUB_UV=end)

    assert result.returncode != 0
    assert ("The install failed; see above" in result.stderr) == (end == "fails")
    assert not project.stamp.exists()
    project.calls()

    project.install()

    assert project.calls() == ["venv", "pip", "uv"]
    assert project.stamp.exists()


def test_an_update_that_was_killed_leaves_no_stamp(project: Project) -> None:
    project.install()
    (project.folder / "constraints.txt").write_text("a==1\nb==3\n")

    project.install(STUB_UV="killed")

    assert not project.stamp.exists()
    project.calls()
    # Also when the lists go back to what was once installed.
    (project.folder / "constraints.txt").write_text("a==1\nb==2\n")
    project.install()
    assert project.calls() == ["venv", "pip", "uv"]


def test_starts_anew_when_the_folder_was_moved(project: Project) -> None:
    project.install()
    project.calls()
    moved = Project(project.folder.rename(project.folder.parent / "moved"))

    moved.install()

    assert moved.calls() == ["venv", "pip", "uv"]


def test_starts_anew_when_its_python_is_gone(project: Project) -> None:
    project.install()
    project.calls()
    (project.folder / ".venv" / "bin" / "python").unlink()

    project.install()

    assert project.calls() == ["venv", "pip", "uv"]


def test_says_how_much_disk_is_free_and_needed(project: Project) -> None:
    result = project.install(STUB_FREE_KB=str(2 * 1024 * 1024 + 512 * 1024))

    assert result.returncode == 1
    needed = "10 GB" if sys.platform == "linux" else "4 GB"
    assert f"the install needs {needed} in {project.folder}" in result.stderr
    assert "2.5 GB are free" in result.stderr
    assert project.calls() == []
    assert not (project.folder / ".venv").exists()


def test_a_full_disk_does_not_matter_when_all_is_installed(project: Project) -> None:
    project.install()

    assert project.install(STUB_FREE_KB="0").returncode == 0


def test_goes_on_when_df_says_nothing_of_use(project: Project) -> None:
    (project.stubs / "df").write_text("#!/bin/sh\nexit 1\n")

    assert project.install().returncode == 0


def test_says_that_no_python_fits(project: Project) -> None:
    result = project.install(PYTHON="/nowhere/python")

    assert result.returncode == 1
    assert "PYTHON=/nowhere/python cannot be used" in result.stderr
    assert not (project.folder / ".venv").exists()
