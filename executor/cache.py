"""Keeps executed pages on disk: a file each, written whole and checked when read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from executor.files import write_atomically

log = logging.getLogger("mkdocs.executor")

_FORMAT = 1
_KEEP = 5


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
    """

    page: str
    key: str
    parts: dict[str, dict[str, str]]
    outputs: list[list[dict[str, Any]]]
    records: dict[str, Any]
    provenance: dict[str, Any]


class Cache:
    """A folder of entries: ``<page id>/<key>.json``.

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

    def store(self, entry: Entry) -> None:
        """Writes an entry and drops the page's oldest ones."""
        payload = json.dumps(asdict(entry), ensure_ascii=False)
        digest = hashlib.sha256(payload.encode()).hexdigest()
        text = json.dumps({"format": _FORMAT, "digest": digest, "payload": payload})
        write_atomically(self._path(entry.page, entry.key), text.encode())
        for path in self._entries(entry.page)[_KEEP:]:
            path.unlink(missing_ok=True)

    def touch(self, entry: Entry) -> None:
        """Marks an entry as the page's newest."""
        with contextlib.suppress(OSError):
            self._path(entry.page, entry.key).touch()

    def merge(self, other: Cache) -> int:
        """Copies the sound entries of another cache into this one. Returns how many."""
        count = 0
        if not other.folder.is_dir():
            return count
        for folder in sorted(path for path in other.folder.iterdir() if path.is_dir()):
            for path in reversed(other._entries(folder.name)):
                entry = other._read(path)
                if entry is not None:
                    self.store(entry)
                    count += 1
        return count

    def _path(self, page: str, key: str) -> Path:
        return self.folder / page / f"{key}.json"

    def _entries(self, page: str) -> list[Path]:
        def age(path: Path) -> int:
            try:
                return -path.stat().st_mtime_ns
            except FileNotFoundError:  # another build removed it just now
                return 0

        return sorted((self.folder / page).glob("[!.]*.json"), key=age)

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
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.info(
                "Cache entry %s is damaged and will be made anew: %s", path.name, error
            )
            path.unlink(missing_ok=True)
            return None
        return entry
