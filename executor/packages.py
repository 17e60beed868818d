"""Tells which locked packages a program depends on."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import re
import sys
from functools import cache, lru_cache
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from executor.assemble import Program, syntax_of
from executor.files import write_atomically

_PIN = re.compile(r"^([A-Za-z0-9][\w.\-]*)==([^\s;]+)(?:\s*;\s*(.+))?")
# What a package uses if it is there, without requiring it: these decide what it does.
_OPTIONAL = {"transformers": ["accelerate", "pillow", "torch", "torchvision"]}


class Packages:
    """The packages of the environment as the lock pins them.

    Args:
        lock: constraints.txt.
        store: A file that keeps what was worked out, valid for one lock and one Python.
    """

    def __init__(self, lock: Path, store: Path | None = None) -> None:
        text = lock.read_text(encoding="utf-8")
        self.pins: dict[str, str] = {}
        for line in text.splitlines():
            # A package may be pinned twice, for different systems.
            if (match := _PIN.match(line)) and (
                match[3] is None or Marker(match[3]).evaluate()
            ):
                self.pins[canonicalize_name(match[1])] = match[2]
        # Which package needs which is a matter of what is installed; it can change when
        # the lock does.
        self._state = hashlib.sha256(f"{sys.version}\n{text}".encode()).hexdigest()
        self._store = store
        self._needs: dict[str, list[str]] = {}
        if store is not None and store.is_file():
            try:
                saved = json.loads(store.read_text(encoding="utf-8"))
                if saved["state"] == self._state:
                    self._needs = dict(saved["needs"])
            except (ValueError, KeyError, TypeError):
                pass  # worked out anew below

    def of(self, program: Program) -> dict[str, str]:
        """Returns the locked version of each package that the program's imports load.

        These are the packages imported by name and what they require in turn: a new
        tokenizers can change what a page that imports transformers shows. So can a new
        torch, which transformers uses without requiring it.
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
    """Returns the top-level names of third-party modules that a program imports.

    Imports inside functions and other blocks count as well.
    """
    names = {name for cell in program.code for name in _imported(cell.source)}
    return sorted(names - sys.stdlib_module_names)


@lru_cache(maxsize=8192)
def _imported(source: str) -> frozenset[str]:
    names = set()
    for node in ast.walk(syntax_of(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return frozenset(names)


def installed_versions(program: Program) -> dict[str, str]:
    """Returns the installed version of each package that a program imports by name."""
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
        todo += _OPTIONAL.get(name, [])
        for text in requirements:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(str(canonicalize_name(requirement.name)))
    return seen
