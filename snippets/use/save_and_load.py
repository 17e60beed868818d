"""The safetensors format read by hand, and checks on files with weights.

Source: the README of safetensors, https://github.com/huggingface/safetensors: eight bytes
give the length of the header, then come the header as JSON and the numbers. Sizes are in
bytes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """Read what a safetensors file holds, without its numbers.

    Args:
        path: The file.

    Returns:
        For each tensor its `dtype`, `shape` and `data_offsets` behind the header.

    Raises:
        ValueError: If the file is shorter than its header says.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        seen = path.stat().st_size
        if length + 8 > seen:
            raise ValueError(f"the file has {seen} bytes, wanted at least {length + 8}")
        header: dict[str, dict[str, Any]] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def file_sizes(folder: Path) -> dict[str, int]:
    """List the files of a folder with their sizes in bytes, by name.

    Args:
        folder: The folder, without those below it.

    Returns:
        Bytes of each file.
    """
    return {
        path.name: path.stat().st_size
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def sha256(path: Path) -> str:
    """Compute the digest of a file, 64 hexadecimal digits.

    Args:
        path: The file.

    Returns:
        The digest.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    """Tell whether two models have the same names and, bit for bit, the same numbers.

    Args:
        first: A model.
        second: Another one.

    Returns:
        True if nothing differs.
    """
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) for name in one
    )
