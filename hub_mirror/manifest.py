"""What hub_mirror knows of each model: where it comes from, and the files it becomes.

Each module of `hub_mirror.sources` describes one model in a constant `MODEL`. The files
that the cache holds afterwards, with their digests, stand in `files.toml`, which
`python -m hub_mirror pin` writes. So a digest can be named without reading any weights.
"""

import functools
import hashlib
import importlib
import pkgutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

PINS = Path(__file__).with_name("files.toml")

Convert = Callable[[Path, Path], None]
Check = Callable[[Path], str]


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
class Package:
    """A release of a package that carries weights.

    Attributes:
        name: Name of the package.
        version: The only version that is accepted.
        archive: Name of the file that the registry serves.
        size: Size of that file in bytes.
        sha256: Digest of that file.
        licence: Licence of the package.
        registry: Registry that serves it, for messages.
    """

    name: str
    version: str
    archive: str
    size: int
    sha256: str
    licence: str
    registry: str = "PyPI"

    def __str__(self) -> str:
        """Return how messages name the package."""
        return f"{self.registry}: {self.name} {self.version}"


@dataclass(frozen=True)
class Model:
    """A Hub id that can be put into a local cache.

    Attributes:
        id: Hub id, `organization/name`.
        package: The package that carries the weights.
        licence: Licence of the model.
        attribution: Who made the model, as its licence wants them named.
        conversion: What was done to the package's files, for readers.
        proof: What `check` looks at, for readers.
        convert: Writes the model's files; gets the package's root and an empty folder.
        check: Uses the model in a folder and says what it saw; raises AssertionError if
            that is wrong.
        files: Files that the cache holds, relative to the snapshot.
    """

    id: str
    package: Package
    licence: str
    attribution: str
    conversion: str
    proof: str
    convert: Convert
    check: Check
    files: tuple[File, ...] = ()

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


def read_pins(path: Path) -> dict[str, tuple[File, ...]]:
    """Read the files that each model becomes.

    Args:
        path: A TOML file with a table for each Hub id: `"path" = { size, sha256 }`.

    Returns:
        The files of each Hub id, in the order of the table.

    Raises:
        ValueError: If a path leaves its folder or an entry is malformed.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {hub_id: _files(table, hub_id) for hub_id, table in tables.items()}


def _files(table: Mapping[str, Mapping[str, Any]], hub_id: str) -> tuple[File, ...]:
    """Read one table of files; see `read_pins`."""
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


def write_pins(path: Path, pins: Mapping[str, tuple[File, ...]]) -> None:
    """Write what `read_pins` reads, sorted."""
    lines = [
        "# The files that each model becomes. `python -m hub_mirror pin` writes this.",
        "# A changed digest changes the model's revision, and reruns its pages.",
    ]
    for hub_id, files in sorted(pins.items()):
        lines += ["", f'["{hub_id}"]']
        lines += [
            f'"{file.path}" = {{ size = {file.size}, sha256 = "{file.sha256}" }}'
            for file in sorted(files, key=lambda file: file.path)
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@functools.cache
def sources() -> tuple[Model, ...]:
    """Return every model of `hub_mirror.sources`, without files."""
    package = importlib.import_module("hub_mirror.sources")
    modules = [
        importlib.import_module(f"hub_mirror.sources.{module.name}")
        for module in sorted(
            pkgutil.iter_modules(package.__path__), key=lambda module: module.name
        )
    ]
    return tuple(module.MODEL for module in modules)


@functools.cache
def models() -> tuple[Model, ...]:
    """Return every model with its files, in the order of the sources' names."""
    pins = read_pins(PINS)
    return tuple(
        Model(**(vars(model) | {"files": pins[model.id]}))
        for model in sources()
        if model.id in pins
    )


def find(hub_id: str) -> Model:
    """Look up a model.

    Args:
        hub_id: For example `sentence-transformers/all-MiniLM-L6-v2`.

    Returns:
        The model, with its files.

    Raises:
        ValueError: If hub_mirror does not know it.
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
    It comes from `files.toml` alone: nothing is read from a cache or a package.

    Args:
        hub_id: For example `sentence-transformers/all-MiniLM-L6-v2`.

    Returns:
        A sha256 as 64 hexadecimal digits.

    Raises:
        ValueError: If hub_mirror does not know the id.
    """
    return find(hub_id).digest
