"""tools/find-chromium finds a browser that runs, gets one, or says how to."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """A PATH of stubs alone, and a copy of the script beside a stub environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        for name in ("tools", ".venv/bin", "home"):
            (folder / name).mkdir(parents=True)
        shutil.copy2(ROOT / "tools" / "find-chromium", folder / "tools")
        self.program("bin/dirname", f"echo '{folder / 'tools'}'")
        self.program("bin/id", "echo 1000")
        self.program("bin/grep", "exit 1")  # /etc/os-release does not name Debian
        self.program(".venv/bin/python", "exit 1")  # Playwright has no browser

    def program(self, name: str, *lines: str) -> Path:
        """Write a shell script."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o755)
        return path

    def find(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.folder / "tools" / "find-chromium", *arguments],
            env={
                "PATH": str(self.bin),
                "HOME": str(self.folder / "home"),
                "APPLICATIONS": str(self.folder / "Applications"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    "name", ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
)
def test_finds_one_in_path(machine: Machine, name: str) -> None:
    browser = machine.program(f"bin/{name}")

    assert machine.find().stdout == f"{browser}\n"


@pytest.mark.parametrize("folder", ["Applications", "home/Applications"])
@pytest.mark.parametrize("app", ["Chromium", "Google Chrome"])
def test_finds_an_app(machine: Machine, folder: str, app: str) -> None:
    browser = machine.program(f"{folder}/{app}.app/Contents/MacOS/{app}")

    assert machine.find().stdout == f"{browser}\n"


def test_finds_the_one_of_playwright(machine: Machine) -> None:
    browser = machine.program("cache/chrome")
    machine.program(".venv/bin/python", f"echo '{browser}'")

    assert machine.find().stdout == f"{browser}\n"


def test_passes_over_one_that_does_not_run(machine: Machine) -> None:
    machine.program("bin/chromium-browser", "echo 'install the snap'; exit 1")
    browser = machine.program("bin/google-chrome")

    assert machine.find().stdout == f"{browser}\n"


def test_takes_the_named_one(machine: Machine) -> None:
    machine.program("bin/chromium")
    browser = machine.program("elsewhere/my browser")

    assert machine.find(CHROMIUM=str(browser)).stdout == f"{browser}\n"


def test_does_not_replace_a_named_one_that_does_not_run(machine: Machine) -> None:
    machine.program("bin/chromium")

    result = machine.find("--install", CHROMIUM="/nowhere/chromium")

    assert result.returncode == 1
    assert result.stdout == ""
    assert "CHROMIUM=/nowhere/chromium does not run" in result.stderr


def test_says_how_to_install_one(machine: Machine) -> None:
    result = machine.find()

    assert result.returncode == 1
    assert result.stdout == ""
    assert "sudo apt-get install chromium" in result.stderr
    assert "playwright install chromium" in result.stderr


def test_installs_the_package_as_root_on_debian(machine: Machine) -> None:
    machine.program("bin/id", "echo 0")
    machine.program("bin/grep", "exit 0")
    machine.program(
        "bin/apt-get",
        f'echo "$*" >>"{machine.folder}/calls"',
        f'[ "$1" = update ] || printf "#!/bin/sh\\n" >"{machine.bin}/chromium"',
        f'[ "$1" = update ] || /bin/chmod +x "{machine.bin}/chromium"',
    )

    result = machine.find("--install")

    assert result.stdout == f"{machine.bin / 'chromium'}\n", result.stderr
    calls = (machine.folder / "calls").read_text().splitlines()
    assert calls[0] == "update"
    assert calls[1].startswith("install -y")


@pytest.mark.parametrize(("user", "extra"), [("0", " --with-deps"), ("1000", "")])
def test_asks_playwright_elsewhere(machine: Machine, user: str, extra: str) -> None:
    browser = machine.program("cache/chrome")
    machine.program("bin/id", f"echo {user}")
    machine.program("bin/apt-get", "exit 1")
    machine.program(
        ".venv/bin/python",
        f"calls='{machine.folder}/calls'",
        '[ "$1" = -m ] && echo "$*" >>"$calls"',
        f"[ -e \"$calls\" ] && echo '{browser}'",
    )

    result = machine.find("--install")

    assert result.stdout == f"{browser}\n", result.stderr
    calls = (machine.folder / "calls").read_text().splitlines()
    assert calls == [f"-m playwright install{extra} chromium"]


def test_says_how_when_the_install_fails(machine: Machine) -> None:
    result = machine.find("--install")

    assert result.returncode == 1
    assert "sudo apt-get install chromium" in result.stderr
