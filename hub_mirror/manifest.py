"""The table of models in `models.toml`, read and typed."""

import functools
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

MANIFEST = Path(__file__).with_name("models.toml")


@dataclass(frozen=True)
class File:
    """A file with the content that is expected of it.

    Attributes:
        path: POSIX path relative to the folder that holds the model.
        size: Size in bytes.
        sha256: Digest of the content, 64 hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Model:
    """A row of the manifest.

    Attributes:
        id: Hub id, `organization/name`.
        registry: Registry that serves the package, for messages.
        package: Name of the package that carries the weights.
        version: The only version of the package that is accepted.
        licence: Licence of the model.
        package_licence: Licence of the package.
        source: Folder of the package's files, relative to site-packages.
        converter: Name of a function in `hub_mirror.converters`.
        sources: Files that the converter reads, relative to `source`.
        files: Files that the cache holds, relative to the snapshot.
    """

    id: str
    registry: str
    package: str
    version: str
    licence: str
    package_licence: str
    source: str
    converter: str
    sources: tuple[File, ...]
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """A sha256 over the paths and digests of all files."""
        lines = [
            f"{file.sha256}  {file.path}\n"
            for file in sorted(self.files, key=lambda file: file.path)
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def revision(self) -> str:
        """The 40-character revision under which the cache holds the files.

        It has the form of a commit and is derived from the digests, so that the same
        files always get the same revision. It is NOT a commit of the upstream repository.
        """
        return self.digest[:40]

    @property
    def folder(self) -> str:
        """Name of the model's folder in the cache."""
        return f"models--{self.id.replace('/', '--')}"


def _files(table: Mapping[str, Mapping[str, Any]], hub_id: str) -> tuple[File, ...]:
    """Read a `files` or `sources` table.

    Args:
        table: `{path: {"size": ..., "sha256": ...}}`.
        hub_id: The model the table belongs to, for messages.

    Returns:
        The files in the order of the table.

    Raises:
        ValueError: If a path leaves its folder or an entry is malformed.
    """
    files = []
    for path, entry in table.items():
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            raise ValueError(f"{hub_id}: {path!r} must be a relative path without '..'")
        size, sha256 = entry.get("size"), entry.get("sha256")
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"{hub_id}: size of {path} is {size!r}, wanted bytes")
        if not isinstance(sha256, str) or len(sha256) != 64:
            raise ValueError(
                f"{hub_id}: sha256 of {path} is {sha256!r}, wanted 64 digits"
            )
        files.append(File(path, size, sha256))
    if not files:
        raise ValueError(f"{hub_id}: lists no files")
    return tuple(files)


def read_manifest(path: Path) -> tuple[Model, ...]:
    """Read a manifest.

    Args:
        path: A TOML file with `[[models]]` tables; see `models.toml`.

    Returns:
        Its models in the order of the file.

    Raises:
        ValueError: If an entry is malformed.
    """
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["models"]
    result = []
    for row in rows:
        tables = {key: row.pop(key) for key in ("sources", "files") if key in row}
        hub_id = str(row.get("id"))
        if hub_id.count("/") != 1:
            raise ValueError(f"model id is {hub_id!r}, wanted 'organization/name'")
        files = _files(tables.get("files", {}), hub_id)
        sources = _files(tables["sources"], hub_id) if "sources" in tables else files
        try:
            result.append(Model(**row, sources=sources, files=files))
        except TypeError as error:
            raise ValueError(f"{hub_id}: {error}") from None
    return tuple(result)


@functools.cache
def models() -> tuple[Model, ...]:
    """Return every model that `models.toml` lists."""
    return read_manifest(MANIFEST)


def find(hub_id: str) -> Model:
    """Look up a model.

    Args:
        hub_id: For example `sentence-transformers/all-MiniLM-L6-v2`.

    Returns:
        Its row of the manifest.

    Raises:
        ValueError: If the manifest does not list it.
    """
    known = {model.id: model for model in models()}
    if hub_id not in known:
        raise ValueError(
            f"unknown Hub id {hub_id!r}; hub_mirror knows: {', '.join(sorted(known))}"
        )
    return known[hub_id]


def digests(hub_id: str) -> str:
    """Return one digest for everything that a Hub id resolves to.

    It covers weights, configuration and tokenizer, because each of them changes outputs.
    It comes from the manifest alone: nothing is read from a cache or a package.

    Args:
        hub_id: For example `sentence-transformers/all-MiniLM-L6-v2`.

    Returns:
        A sha256 as 64 hexadecimal digits.

    Raises:
        ValueError: If the manifest does not list the id.
    """
    return find(hub_id).digest
