"""Checkpoints that one page saves and others use: what is taken, and where it is kept.

A page that saves the checkpoint ``vit`` writes the folder ``checkpoints/vit`` where it
runs. What is in the folder when the page is done is kept beside the page's cache entry,
in a folder named after a digest of it all. The entry lists the files with their digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from executor.datafiles import digest_of_file
from executor.errors import PageError
from executor.files import TEMPORARY

FOLDER = "checkpoints"
"""Where pages write and find checkpoints, below the folder they run in."""
LIMIT = 20_000_000
"""Most bytes of one checkpoint: a page that needs more is too slow for this site."""
WEIGHTS = ".safetensors"
CARD = "README.md"

_PICKLES = (".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth")
_ABANDONED_SECONDS = 3600

Manifest = dict[str, str]
"""The files of a checkpoint with their digests."""


def collect(page: str, workplace: Path, name: str) -> dict[str, bytes]:
    """Returns the files of a checkpoint that a page has written, by path.

    Args:
        page: The page, for messages.
        workplace: The folder in which it ran.
        name: The checkpoint.

    Raises:
        PageError: If it is missing, incomplete, too large or not to be trusted.
    """
    where = f"{FOLDER}/{name}"
    folder = workplace / FOLDER / name
    promise = f"executor.saves names {name}"
    if not folder.is_dir():
        raise PageError(
            page,
            f"{promise}, but the run wrote no folder {where}; save the model there: "
            f'model.save_pretrained("{where}")',
        )
    paths = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise PageError(page, f"{where}/{inner} is a link; save files only")
        if path.suffix.lower() in _PICKLES:
            raise PageError(
                page,
                f"{where}/{inner} may be a pickle, which runs code when it is loaded; "
                "save weights as safetensors, as save_pretrained does",
            )
        if path.is_file():
            paths.append((inner, path))
    names = [inner for inner, _ in paths]
    if not any(inner.endswith(WEIGHTS) for inner in names):
        raise PageError(
            page, f"{promise}, but there is no {WEIGHTS} file in {where}: {names}"
        )
    if CARD not in names:
        raise PageError(
            page,
            f"{promise}, but {where} has no {CARD}; write a model card that says what "
            "the model is, what it learned from and how well it does",
        )
    size = sum(path.stat().st_size for _, path in paths)
    if size > LIMIT:
        raise PageError(
            page,
            f"{where} holds {size / 1e6:.1f} MB, more than the {LIMIT / 1e6:.0f} MB that "
            "a checkpoint of this site may have; make the model smaller",
        )
    files = {inner: path.read_bytes() for inner, path in paths}
    return {
        inner: in_order(data) if inner.endswith(WEIGHTS) else data
        for inner, data in files.items()
    }


def in_order(weights: bytes) -> bytes:
    """Puts the metadata of a safetensors file in order; that of the library is random.

    It is more than one entry where tensors are shared. Else equal weights would be
    different files, and every page that uses them would have to run again.

    Args:
        weights: The file: eight bytes with the length of its header, the header as JSON,
            then the tensors.
    """
    end = 8 + int.from_bytes(weights[:8], "little")
    try:
        header = json.loads(weights[8:end])
        metadata = header.get("__metadata__", {})
    except (ValueError, AttributeError):
        return weights  # whoever loads it will say what is wrong
    if len(metadata) < 2:
        return weights
    header = {**header, "__metadata__": dict(sorted(metadata.items()))}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of eight
    return len(text).to_bytes(8, "little") + text + weights[end:]


def manifest_of(files: Mapping[str, bytes]) -> Manifest:
    """Returns the digest of each file."""
    return {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}


def digest_of(manifest: Manifest) -> str:
    """Returns one digest for a whole checkpoint."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:32]


class Store:
    """The kept checkpoints of one page: ``<digest>/<files>``.

    Args:
        folder: Where they are; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, manifest: Manifest) -> Path:
        """Returns the folder of a checkpoint."""
        return self.folder / digest_of(manifest)

    def damage(self, manifest: Manifest) -> str:
        """Says what is wrong with a kept checkpoint; nothing if it is whole."""
        folder = self.path(manifest)
        if not folder.is_dir():
            return "missing"
        present = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if not path.is_dir()
        }
        if present != manifest.keys():
            return "damaged"
        try:
            whole = all(
                digest_of_file(folder / name) == digest
                for name, digest in manifest.items()
            )
        except OSError:
            whole = False
        return "" if whole else "damaged"

    def put(self, files: Mapping[str, bytes]) -> None:
        """Keeps a checkpoint, whole or not at all."""
        manifest = manifest_of(files)
        target = self.path(manifest)
        if not self.damage(manifest):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        unique = f"{os.getpid()}-{secrets.token_hex(4)}"
        temporary = self.folder / f".{target.name}.{unique}{TEMPORARY}"
        try:
            for name, data in files.items():
                path = temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            if target.exists():  # but damaged
                target.rename(
                    temporary.with_name(f".{target.name}.old{unique}{TEMPORARY}")
                )
            with contextlib.suppress(OSError):  # another build was quicker
                temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._tidy()
        if problem := self.damage(manifest):
            raise OSError(f"the checkpoint {target} is {problem} although just written")

    def copy(self, manifest: Manifest, target: Path) -> None:
        """Copies a kept checkpoint, which thereby cannot be changed."""
        shutil.copytree(self.path(manifest), target, dirs_exist_ok=True)

    def read(self, manifest: Manifest) -> dict[str, bytes]:
        """Returns the files of a kept checkpoint."""
        return {name: (self.path(manifest) / name).read_bytes() for name in manifest}

    def drop(self, digests: Collection[str]) -> None:
        """Removes checkpoints that no entry lists any more."""
        for digest in digests:
            shutil.rmtree(self.folder / digest, ignore_errors=True)

    def _tidy(self) -> None:
        """Removes what was replaced, and what writers that were killed left behind."""
        for path in self.folder.glob(f".*{TEMPORARY}"):
            with contextlib.suppress(OSError):
                old = path.stat().st_mtime < time.time() - _ABANDONED_SECONDS
                if old or ".old" in path.name:
                    shutil.rmtree(path)


def size_of(folder: Path, manifest: Manifest) -> int:
    """Returns the bytes of a checkpoint in a folder."""
    return sum((folder / name).stat().st_size for name in manifest)
