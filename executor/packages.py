"""Tells which locked packages a program depends on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import sys
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from executor.assemble import Program, import_statements
from executor.files import write_atomically

_PIN = re.compile(r"^([A-Za-z0-9][\w.\-]*)==([^\s;]+)")


class Packages:
    """The packages of the environment as the lock pins them.

    Args:
        lock: constraints.txt.
        store: A file that keeps what was worked out, valid for one lock and one Python.
    """

    def __init__(self, lock: Path, store: Path | None = None) -> None:
        text = lock.read_text(encoding="utf-8")
        self.pins = {
            str(canonicalize_name(match[1])): match[2]
            for line in text.splitlines()
            if (match := _PIN.match(line))
        }
        # Which package needs which is a matter of what is installed; it can change when
        # the lock does.
        self._state = hashlib.sha256(f"{sys.version}\n{text}".encode()).hexdigest()
        self._store = store
        self._needs: dict[str, list[str]] = {}
        if store is not None and store.is_file():
            try:
                saved = json.loads(store.read_text(encoding="utf-8"))
                if saved["state"] == self._state:
                    self._needs = saved["needs"]
            except (ValueError, KeyError, TypeError):
                pass  # worked out anew below

    def of(self, program: Program) -> dict[str, str]:
        """Returns name and locked version of each package that the program's imports load.

        These are the packages imported by name and what they require in turn: a new
        tokenizers can change what a page that imports transformers shows.
        """
        names: set[str] = set()
        for module in imported_modules(program):
            if module not in self._needs:
                self._needs[module] = sorted(_closure(module))
                self._save()
            names.update(self._needs[module])
        return {name: self.pins.get(name, "not locked") for name in sorted(names)}

    def _save(self) -> None:
        if self._store is not None:
            text = json.dumps({"state": self._state, "needs": self._needs}, indent=1)
            write_atomically(self._store, text.encode())


def imported_modules(program: Program) -> list[str]:
    """Returns the top-level names of third-party modules that a program imports."""
    names = {
        statement.split()[1].split(".")[0] for statement in import_statements(program)
    }
    return sorted(names - sys.stdlib_module_names)


def installed_versions(program: Program) -> dict[str, str]:
    """Returns name and installed version of each package that a program imports by name."""
    versions = {}
    for module in imported_modules(program):
        for name in _distributions(module):
            versions[name] = importlib.metadata.version(name)
    return dict(sorted(versions.items()))


def _distributions(module: str) -> list[str]:
    try:
        return [str(canonicalize_name(importlib.metadata.distribution(module).name))]
    except importlib.metadata.PackageNotFoundError:
        return [str(canonicalize_name(name)) for name in _by_module().get(module, [])]


@cache
def _by_module() -> dict[str, list[str]]:
    found = importlib.metadata.packages_distributions()
    return {module: sorted(set(names)) for module, names in found.items()}


def _closure(module: str) -> set[str]:
    todo = _distributions(module)
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # an optional requirement that is not installed
        seen.add(name)
        for text in requirements:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(str(canonicalize_name(requirement.name)))
    return seen
