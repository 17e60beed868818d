"""Keys of executed pages: a digest of everything that can change what a page shows."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from executor import datafiles
from executor.assemble import Program
from executor.environment import FIXED, STARTUP
from executor.errors import PageError
from executor.packages import Packages

# Raise when the executor runs pages differently, so that their outputs may differ.
_EXECUTION = "2"
# Packages of the kernel that every page runs in, and that shape what it displays.
_KERNEL = ("ipykernel", "ipython", "matplotlib-inline")
_STYLE = Path(__file__).with_name("matplotlibrc")


@dataclass(frozen=True, slots=True)
class Key:
    """What a page's outputs depend on.

    Attributes:
        digest: Names the cache entry.
        parts: The ingredients by kind, kept to say later which of them changed.
    """

    digest: str
    parts: dict[str, dict[str, str]]


def key_of(
    root: Path,
    program: Program,
    packages: Packages,
    checkpoints: Mapping[str, str] | None = None,
) -> Key:
    """Computes the key of a program.

    Prose, alt texts, limits and the position of cells in the file are not in it.

    Args:
        root: The project's root.
        program: The page.
        packages: What is installed.
        checkpoints: For each checkpoint that the page uses, the digest of the key of the
            page that saves it.

    Raises:
        PageError: If declared data or weights are unknown.
    """
    page = program.page
    parts = {
        "environment": {
            "executor": _executor(),
            "kernel": ", ".join(
                f"{name} {packages.pins.get(name, 'not locked')}" for name in _KERNEL
            ),
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        },
        "cells": {
            f"cell {number}": _digest([cell.cell.source, cell.cell.record])
            for number, cell in enumerate(program.code, 1)
        },
        "definitions": _definitions(program),
        "program": {"source": _digest([cell.source for cell in program.code])},
        "packages": packages.of(program),
        "data": {
            path: datafiles.digest_of(root, page.path, path)
            for path in page.settings.data
        },
        "weights": {
            hub_id: _weights(page.path, hub_id) for hub_id in page.settings.weights
        },
        "checkpoints": dict(checkpoints or {}),
        "saves": dict.fromkeys(page.settings.saves, "saved"),
    }
    return Key(_digest(parts), parts)


def changes(old: dict[str, dict[str, str]], new: dict[str, dict[str, str]]) -> list[str]:
    """Says in words what differs between the parts of two keys, most telling first."""
    reasons = []
    definitions = _differing(old, new, "definitions")
    reasons += [f"{name} {verb}" for name, verb, _, _ in definitions]
    # A cell's own text differs only if its author edited it.
    reasons += [f"{name} {verb}" for name, verb, _, _ in _differing(old, new, "cells")]
    for name, verb, before, after in _differing(old, new, "packages"):
        reasons.append(
            f"{name} {before} → {after}" if verb == "changed" else f"{name} {verb}"
        )
    for kind in ("data", "weights"):
        reasons += [f"{name} {verb}" for name, verb, _, _ in _differing(old, new, kind)]
    for kind, what in (("checkpoints", "checkpoint"), ("saves", "saved checkpoint")):
        reasons += [
            f"{what} {name} {verb}" for name, verb, _, _ in _differing(old, new, kind)
        ]
    for name, _, before, after in _differing(old, new, "environment"):
        if name == "python":
            reasons.append(f"Python {before} → {after}")
        else:
            reasons.append(f"{name} changed")
    if not reasons and old.get("program") != new.get("program"):
        reasons.append("an import in a snippets module changed")
    return reasons


def _differing(
    old: dict[str, dict[str, str]], new: dict[str, dict[str, str]], kind: str
) -> list[tuple[str, str, str, str]]:
    before, after = old.get(kind, {}), new.get(kind, {})
    result = []
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            verb = (
                "added"
                if name not in before
                else "removed"
                if name not in after
                else "changed"
            )
            result.append((name, verb, before.get(name, ""), after.get(name, "")))
    return result


def _definitions(program: Program) -> dict[str, str]:
    return {
        name: digest for cell in program.code for name, digest in cell.definitions.items()
    }


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _executor() -> str:
    style = _STYLE.read_text(encoding="utf-8") if _STYLE.exists() else ""
    return _digest([_EXECUTION, STARTUP, FIXED, style])


def _weights(page: str, hub_id: str) -> str:
    import hub_mirror

    try:
        return hub_mirror.digests(hub_id)
    except ValueError as error:
        raise PageError(page, f"executor.weights: {error}") from error
