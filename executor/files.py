"""Writes files whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

# Ends the name of a file that is still being written.
TEMPORARY = ".tmp"


def write_atomically(path: Path, data: bytes) -> None:
    """Writes ``data`` so that neither a reader nor a killed writer meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unique = f"{os.getpid()}-{secrets.token_hex(4)}"
    temporary = path.with_name(f".{path.name}.{unique}{TEMPORARY}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_if_changed(path: Path, data: bytes) -> bool:
    """Writes ``data`` unless ``path`` holds it already. Tells whether it was written."""
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    write_atomically(path, data)
    return True
