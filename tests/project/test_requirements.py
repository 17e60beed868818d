"""requirements.txt, constraints.txt, pyproject.toml and this environment agree."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def lines(name: str) -> list[str]:
    """Return the lines of a requirements file that name something."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pin(requirement: Requirement) -> str:
    """Return the version of `name==version`, or fail."""
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is not pinned exactly"
    assert "*" not in specifier.version, f"{requirement} is not pinned exactly"
    return specifier.version


def direct() -> list[Requirement]:
    """Return what requirements.txt names."""
    return [
        Requirement(line.split(" #")[0])
        for line in lines("requirements.txt")
        if not line.startswith("-")
    ]


def lock() -> dict[str, list[Requirement]]:
    """Return what constraints.txt says of each package."""
    found: dict[str, list[Requirement]] = {}
    for line in lines("constraints.txt"):
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def locked_version(name: str) -> str | None:
    """Return the version that the lock has for a package on this machine."""
    for requirement in lock().get(canonicalize_name(name), []):
        if requirement.marker is None or requirement.marker.evaluate():
            return pin(requirement)
    return None


def test_every_direct_dependency_is_pinned_and_says_what_it_is_for() -> None:
    for line in lines("requirements.txt"):
        assert re.fullmatch(r"(-e \.|[\w.-]+==[\w.]+) +# \S.*", line), line


def test_every_dependency_is_listed_once_and_by_name() -> None:
    names = [canonicalize_name(requirement.name) for requirement in direct()]

    assert len(names) == len(set(names))
    assert not [requirement for requirement in direct() if requirement.url]


def test_the_lock_pins_exactly_and_names_no_host() -> None:
    for line in lines("constraints.txt"):
        requirement = Requirement(line)
        assert pin(requirement)
        assert requirement.url is None
        assert "//" not in line


def test_the_lock_holds_every_direct_dependency_at_its_version() -> None:
    for requirement in direct():
        assert locked_version(requirement.name) == pin(requirement), requirement.name


def test_the_lock_holds_all_that_is_installed_for_them() -> None:
    """Walk from the direct dependencies through what each distribution requires."""
    waiting = [(requirement.name, frozenset[str]()) for requirement in direct()]
    seen = set()
    wrong = []
    while waiting:
        name, extras = waiting.pop()
        name = canonicalize_name(name)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        if installed.version != locked_version(name):
            wrong.append(f"{name} {installed.version}, lock: {locked_version(name)}")
        for text in installed.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra})
                for extra in (extras or {""})
            ):
                waiting.append((requirement.name, frozenset(requirement.extras)))

    assert not wrong, "run make install; where that does not help, make lock"
    assert len(seen) > len(direct())


def test_the_build_of_this_repository_uses_the_locked_setuptools() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (build,) = project["build-system"]["requires"]

    assert pin(Requirement(build)) == locked_version("setuptools")


def test_the_python_bounds_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    bounds = SpecifierSet(project["project"]["requires-python"])
    script = (ROOT / "tools" / "find-python").read_text(encoding="utf-8")
    oldest = int(re.search(r"^oldest=(\d+)", script, re.MULTILINE)[1])
    newest = int(re.search(r"^newest=(\d+)", script, re.MULTILINE)[1])

    assert [minor for minor in range(40) if f"3.{minor}" in bounds] == list(
        range(oldest, newest + 1)
    )
    assert project["tool"]["ruff"]["target-version"] == f"py3{oldest}"
    assert project["tool"]["mypy"]["python_version"] == f"3.{oldest}"
