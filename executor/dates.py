"""When each file of the project was last changed, and in which commit, says git."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_MARK = "\x1e"


@dataclass(frozen=True, slots=True)
class Change:
    """The last change of a file.

    Attributes:
        date: The day, such as ``2026-11-21``.
        commit: The full hash; with ``+`` when the file has changes of its own.
    """

    date: str
    commit: str


def changes(root: Path, *folders: str) -> dict[str, Change]:
    """Returns the last change of each committed file, by its path below ``root``.

    Args:
        root: The project's root.
        folders: Where to look, relative to ``root``.

    Returns:
        Nothing outside git, and in a clone without history, which cannot tell.
    """
    try:
        if _git(root, "rev-parse", "--is-shallow-repository").strip() != "false":
            return {}
        form = f"--format={_MARK}%H %cs"
        log = _git(root, "log", form, "--name-only", "--no-renames", "--", *folders)
        status = _git(root, "status", "--porcelain", "-z", "--no-renames", "--", *folders)
    except (OSError, subprocess.CalledProcessError):
        return {}
    changed = {line[3:] for line in status.split("\0") if line}
    found: dict[str, Change] = {}
    for entry in log.split(_MARK)[1:]:
        head, *paths = entry.split("\n")
        commit, date = head.split()
        for path in filter(None, paths):
            mark = "+" if path in changed else ""
            found.setdefault(path, Change(date, commit + mark))
    return found


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
