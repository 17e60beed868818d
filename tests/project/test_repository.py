"""What holds for the repository as a whole: README, scripts, licenses, no stray hosts."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SCRIPTS = [
    "tools/check-address",
    "tools/find-chromium",
    "tools/find-python",
    "tools/install",
    ".ci/run",
]


def run(*command: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def files() -> list[Path]:
    """Return the files that are, or would be, in the repository."""
    listing = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    assert listing.returncode == 0, listing.stderr
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def section(title: str) -> str:
    """Return one section of the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.split(r"^## ", readme.split(f"## {title}\n")[1], flags=re.MULTILINE)[0]


def test_the_readme_sets_up_with_two_commands() -> None:
    blocks = re.findall(
        r"^```sh\n(.*?)^```", section("Set up"), flags=re.MULTILINE | re.DOTALL
    )
    commands = [line.split("#")[0].strip() for line in "".join(blocks).splitlines()]

    assert commands == ["make serve", "make test"]


def test_the_readme_names_every_folder() -> None:
    named = set(re.findall(r"^\| `([\w.]+)/` \|", section("Layout"), flags=re.MULTILINE))
    there = {path.relative_to(ROOT).parts[0] for path in files() if path.parent != ROOT}

    assert there - {".ci", ".github"} <= named


@pytest.mark.parametrize("target", ["serve", "test", "site", "lint", "lock", "clean"])
def test_make_knows_the_target(target: str) -> None:
    result = run("make", "--dry-run", target)

    assert result.returncode == 0, result.stderr
    assert f"make {target} " in run("make", "help").stdout


def test_serving_says_that_its_address_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = run("tools/check-address", sys.executable, f"127.0.0.1:{port}")
    free = run("tools/check-address", sys.executable, f"127.0.0.1:{port}")

    assert taken.returncode == 1
    assert f"make serve ADDRESS=127.0.0.1:{port + 1}" in taken.stderr
    assert free.returncode == 0


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_executable_and_pass_shellcheck(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    shell = (ROOT / script).read_text(encoding="utf-8").splitlines()[0]
    assert shell == ("#!/usr/bin/env bash" if script == ".ci/run" else "#!/bin/sh")
    assert run("bash" if script == ".ci/run" else "sh", "-n", script).returncode == 0
    result = run(BIN / "shellcheck", script)
    assert result.returncode == 0, result.stdout


def test_no_script_is_left_out() -> None:
    there = {
        str(path.relative_to(ROOT))
        for path in files()
        if path.parent.name in ("tools", ".ci")
    }

    assert there == set(SCRIPTS)


@pytest.mark.parametrize(
    ("name", "words"), [("LICENSE", "MIT License"), ("LICENSE-docs", "CC BY 4.0")]
)
def test_licenses_are_there_and_the_readme_names_them(name: str, words: str) -> None:
    assert words in (ROOT / name).read_text(encoding="utf-8")
    assert f"({name})" in section("License")


def test_no_file_names_a_package_registry() -> None:
    """Installs must work with whatever index or mirror a machine is set up for."""
    # In parts, so that this file does not name them either.
    hosts = [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb.debian", "org"),
        ("archive.ubuntu", "com"),
        ("download.pytorch", "org"),
        ("conda.anaconda", "org"),
    ]
    pattern = re.compile("|".join(re.escape(".".join(host)) for host in hosts))
    found = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]

    assert not found
