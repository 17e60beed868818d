"""Keeps executed pages on disk: a file each, written whole and checked when read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from executor.checkpoints import Manifest, Store, digest_of, manifest_of
from executor.files import TEMPORARY, write_atomically

log = logging.getLogger("mkdocs.executor")

_FORMAT = 2
_KEEP = 5
_ABANDONED_SECONDS = 3600
# What reading a file with any content may raise.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Entry:
    """An executed page.

    Attributes:
        page: The page's id, e.g. ``vision.vit``.
        key: Digest of what the outputs depend on.
        parts: The key's ingredients.
        outputs: For each code cell its outputs, in notebook format.
        records: Recorded values by name.
        provenance: How it ran: commit, versions, seconds and so on.
        checkpoints: The files of each checkpoint that the page saved, with digests.
    """

    page: str
    key: str
    parts: dict[str, dict[str, str]]
    outputs: list[list[dict[str, Any]]]
    records: dict[str, Any]
    provenance: dict[str, Any]
    checkpoints: dict[str, Manifest] = field(default_factory=dict)


class Cache:
    """A folder of entries, ``<page id>/<key>.json``, and of the checkpoints they list.

    Args:
        folder: Where entries are kept; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, page: str, key: str) -> Entry | None:
        """Returns the entry with this key, or None. A damaged entry is removed."""
        return self._read(self._path(page, key))

    def latest(self, page: str) -> Entry | None:
        """Returns the newest entry of a page whatever its key, or None."""
        for path in self._entries(page):
            entry = self._read(path)
            if entry is not None:
                return entry
        return None

    def checkpoints(self, page: str) -> Store:
        """Returns where the checkpoints of a page are kept."""
        return Store(self.folder / page / "checkpoints")

    def damage(self, entry: Entry) -> dict[str, str]:
        """Returns the checkpoints of an entry that are missing or damaged."""
        store = self.checkpoints(entry.page)
        found = {name: store.damage(files) for name, files in entry.checkpoints.items()}
        return {name: problem for name, problem in found.items() if problem}

    def store(
        self, entry: Entry, checkpoints: Mapping[str, Mapping[str, bytes]] | None = None
    ) -> None:
        """Writes an entry and drops the page's oldest ones.

        Args:
            entry: The entry.
            checkpoints: The files of the checkpoints that it lists. They are written
                first, so that an entry which can be read is complete.
        """
        files = checkpoints or {}
        if {name: manifest_of(each) for name, each in files.items()} != entry.checkpoints:
            raise ValueError(f"{entry.page} lists other checkpoints than it comes with")
        store = self.checkpoints(entry.page)
        for each in files.values():
            store.put(each)
        payload = json.dumps(asdict(entry))
        digest = hashlib.sha256(payload.encode()).hexdigest()
        text = json.dumps({"format": _FORMAT, "digest": digest, "payload": payload})
        path = self._path(entry.page, entry.key)
        write_atomically(path, text.encode())
        _date(path)
        entries = self._entries(entry.page)
        dropped: set[str] = set()
        for old in entries[_KEEP:]:
            dropped |= self._checkpoints_of(old)
            old.unlink(missing_ok=True)
        if dropped:
            store.drop(dropped - set().union(*map(self._checkpoints_of, entries[:_KEEP])))
        self._tidy(path.parent)

    def touch(self, entry: Entry) -> None:
        """Marks an entry as the page's newest."""
        _date(self._path(entry.page, entry.key))

    def merge(self, other: Cache) -> int:
        """Copies the sound entries of another cache into this one. Returns how many."""
        count = 0
        if not other.folder.is_dir():
            return count
        for folder in sorted(path for path in other.folder.iterdir() if path.is_dir()):
            for path in reversed(other._entries(folder.name)):
                entry = other._read(path)
                if entry is not None and not other.damage(entry):
                    self.take(other, entry)
                    count += 1
        return count

    def take(self, other: Cache, entry: Entry) -> None:
        """Stores an entry of another cache, with the checkpoints that it lists."""
        store = other.checkpoints(entry.page)
        self.store(
            entry, {name: store.read(files) for name, files in entry.checkpoints.items()}
        )

    def _checkpoints_of(self, path: Path) -> set[str]:
        entry = self._read(path)
        return (
            {digest_of(files) for files in entry.checkpoints.values()} if entry else set()
        )

    def _path(self, page: str, key: str) -> Path:
        return self.folder / page / f"{key}.json"

    def _entries(self, page: str) -> list[Path]:
        def age(path: Path) -> int:
            try:
                return -path.stat().st_mtime_ns
            except OSError:  # another build removed it just now
                return 0

        return sorted((self.folder / page).glob("[!.]*.json"), key=age)

    def _tidy(self, folder: Path) -> None:
        """Removes what writers that were killed left behind."""
        for path in folder.glob(f".*{TEMPORARY}"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    path.unlink()

    def _read(self, path: Path) -> Entry | None:
        try:
            data = json.loads(path.read_bytes())
            payload = data["payload"]
            if data["format"] != _FORMAT:
                return None
            if hashlib.sha256(payload.encode()).hexdigest() != data["digest"]:
                raise ValueError("the digest does not match")
            entry = Entry(**json.loads(payload))
            if (entry.page, entry.key) != (path.parent.name, path.stem):
                raise ValueError("the entry belongs to another page")
        except FileNotFoundError:
            return None
        except _DAMAGE as error:
            log.info(
                "Cache entry %s is damaged and will be made anew: %s", path.name, error
            )
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return entry


def _date(path: Path) -> None:
    """Dates a file to the nanosecond; the system's own stamps are coarser."""
    now = time.time_ns()
    with contextlib.suppress(OSError):  # another build may have removed it just now
        os.utime(path, ns=(now, now))
