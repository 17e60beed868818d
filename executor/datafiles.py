"""The files and folders of the project that pages declare as their data."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from functools import lru_cache
from pathlib import Path, PurePosixPath

from executor.errors import PageError

# A file may change again without a change of its time, which is coarse.
_SETTLED_SECONDS = 1.0


def files_of(root: Path, page: str, path: str) -> dict[str, Path]:
    """Returns what is in a declared file or folder, by path below the root.

    Hidden files do not count: systems and editors leave them behind.

    Args:
        root: The project's root.
        page: The page that declares it, for messages.
        path: What it declares, such as ``data/fashion-mnist``.

    Raises:
        PageError: If there is no such thing, or nothing is in it.
    """
    target = (root / path).resolve()
    pure = PurePosixPath(path)
    outside = pure.is_absolute() or ".." in pure.parts or not _is_inside(target, root)
    if not outside and target.is_file():
        return {pure.as_posix(): target}
    if outside or not target.is_dir():
        raise PageError(
            page,
            f"executor.data names {path}, which is not a file or folder of the project",
        )
    files = {}
    for file in sorted(target.rglob("*")):
        inner = file.relative_to(target)
        if file.is_file() and not any(
            part.startswith(".") or part == "__pycache__" for part in inner.parts
        ):
            if not _is_inside(file.resolve(), root):
                raise PageError(
                    page,
                    f"executor.data names {path}, where {inner.as_posix()} is a link "
                    "that leads out of the project",
                )
            files[(pure / inner.as_posix()).as_posix()] = file
    if not files:
        raise PageError(page, f"executor.data names {path}, a folder that holds no file")
    return files


def digest_of(root: Path, page: str, path: str) -> str:
    """Returns a digest of a declared file, or of all files in a declared folder."""
    files = files_of(root, page, path)
    digests = {name: digest_of_file(file) for name, file in files.items()}
    if list(digests) == [path]:
        return digests[path]
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def digest_of_file(file: Path) -> str:
    """Returns the digest of a file, which is read again only if it may have changed."""
    known = file.stat()
    if time.time() - known.st_mtime < _SETTLED_SECONDS:
        return _digest.__wrapped__(str(file), 0, 0, 0)
    return _digest(str(file), known.st_mtime_ns, known.st_size, known.st_ino)


def copy(root: Path, page: str, path: str, workplace: Path) -> None:
    """Copies declared data to the same path below another folder."""
    for name, file in files_of(root, page, path).items():
        target = workplace / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _is_inside(target: Path, root: Path) -> bool:
    return target.is_relative_to(root.resolve()) and target != root.resolve()


@lru_cache(maxsize=4096)
def _digest(file: str, mtime_ns: int, size: int, inode: int) -> str:  # noqa: ARG001
    with Path(file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
