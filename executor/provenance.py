"""Records where a page's outputs come from: commit, versions, seed, processor, costs."""

from __future__ import annotations

import ast
import datetime
import os
import platform
import subprocess
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hub_mirror
from executor.assemble import Program, syntax_of
from executor.checkpoints import digest_of, manifest_of
from executor.energy import watts_per_core
from executor.execute import Execution
from executor.packages import installed_versions

_SEEDERS = {"set_seed", "manual_seed", "default_rng", "seed"}


def provenance_of(
    root: Path,
    program: Program,
    execution: Execution,
    used: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Returns what is to be known about an execution, as JSON values.

    Keys: ``commit`` (with ``+`` when the work tree differs from it, None outside git),
    ``date`` (UTC), ``python``, ``packages``, ``seeds``, ``weights``, ``data``,
    ``checkpoints_used`` (by name ``page``, ``digest`` and ``bytes``),
    ``checkpoints_made`` (by name ``digest`` and ``bytes``), ``processor``, ``cores``,
    ``seconds``, ``cpu_seconds``, ``watts`` (of a busy core, as estimated),
    ``peak_memory`` and ``weight_bytes`` (what the weights and checkpoints that the page
    reads hold).

    Args:
        root: The project's root.
        program: The page.
        execution: What came of running it.
        used: What is known of the checkpoints that it uses.
    """
    found = {name: dict(known) for name, known in (used or {}).items()}
    page = program.page
    return {
        "commit": commit(root),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "packages": installed_versions(program),
        "seeds": seeds(program),
        "weights": list(page.settings.weights),
        "data": list(page.settings.data),
        "checkpoints_used": found,
        "checkpoints_made": {
            name: {
                "digest": digest_of(manifest_of(files)),
                "bytes": sum(map(len, files.values())),
            }
            for name, files in execution.checkpoints.items()
        },
        "processor": processor(),
        "cores": os.cpu_count(),
        "seconds": execution.seconds,
        "cpu_seconds": execution.cpu_seconds,
        "watts": watts_per_core(),
        "peak_memory": execution.peak_memory,
        "weight_bytes": weight_bytes(page.settings.weights)
        + sum(known["bytes"] for known in found.values()),
    }


def seeds(program: Program) -> list[str]:
    """Returns the calls that seed random numbers, e.g. ``set_seed(0)``, in order."""
    found: dict[str, None] = {}
    for cell in program.code:
        calls = [
            node
            for node in ast.walk(syntax_of(cell.source))
            if isinstance(node, ast.Call)
        ]
        for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            if name in _SEEDERS and values and isinstance(values[0], ast.Constant):
                found[ast.unparse(node)] = None
    return list(found)


def commit(root: Path) -> str | None:
    """Returns the commit at ``root``, with ``+`` when what pages show differs from it."""
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "docs", "snippets", "data")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.strip()


def weight_bytes(hub_ids: Collection[str]) -> int:
    """Returns the size of the weight files of some Hub ids, in bytes."""
    return sum(
        file.size
        for model in hub_mirror.models()
        for file in model.files
        if model.id in hub_ids and file.path.endswith(".safetensors")
    )


@cache
def processor() -> str:
    """Returns the processor's name, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
