"""What the site offers beside its pages: data and checkpoints as zips, to be fetched.

What a reader takes from a page, be it a notebook, a script or a block, may read data that
lies in the repository, or a checkpoint that another page made. Each is on the site as a
zip. Whatever mentions one gets a few lines in front that fetch it where it is missing.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import json
import posixpath
import re
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urljoin

from executor import checkpoints, datafiles
from executor.assemble import Program, syntax_of
from executor.cache import Entry
from executor.files import write_if_changed
from executor.project import Project
from executor.reference import title_of

FOLDER = "files"
"""Folder of the site with the zips."""

NAMES = "…names…"
"""Stands in `fetch_code` for the names of what to fetch, for scripts to fill in."""

_FETCH = """\
# What the code below reads: fetched from the site, unless the folder is here already.
import io
import zipfile
from pathlib import Path
from urllib.request import urlopen

for name in [{names}]:
    if not Path(name).exists():
        with urlopen(f"{address}{{name}}.zip") as answer:
            zipfile.ZipFile(io.BytesIO(answer.read())).extractall()  # below this folder
"""
# With the time of the year that zip files start at, equal files give equal zips.
_TIME = (1980, 1, 1, 0, 0, 0)
_COMPRESSED = (".gz", ".jpg", ".npz", ".parquet", ".png", ".safetensors", ".zip")
_ABANDONED_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to fetch.

    Attributes:
        name: Its path where pages run, such as ``data/fashion-mnist``.
        path: The zip.
        size: The bytes of the zip.
    """

    name: str
    path: Path
    size: int

    @property
    def uri(self) -> str:
        """Where the zip is on the site."""
        return f"{FOLDER}/{self.name}.zip"


class Offers:
    """All that the pages of one build declare or save.

    Args:
        project: The project.
        pages: The pages, each with its outputs if it has run.
        site_url: Address of the published site.
    """

    def __init__(
        self,
        project: Project,
        pages: Iterable[tuple[Program, Entry | None]],
        site_url: str,
    ) -> None:
        self._project = project
        self.site_url = site_url
        self._makers: dict[str, Program] = {}
        self.all: dict[str, Offer] = {}
        for program, entry in pages:
            for path in program.page.settings.data:
                if path not in self.all:
                    files = datafiles.files_of(project.root, program.page.path, path)
                    self._add(path, files)
            for name in program.page.settings.saves:
                self._makers[name] = program
                if entry is not None and name in entry.checkpoints:
                    manifest = entry.checkpoints[name]
                    folder = project.cache.checkpoints(program.page.id).path(manifest)
                    where = f"{checkpoints.FOLDER}/{name}"
                    self._add(
                        where, {f"{where}/{file}": folder / file for file in manifest}
                    )
        self._tidy()

    def _add(self, name: str, files: Mapping[str, Path]) -> None:
        known = {inner: datafiles.digest_of_file(file) for inner, file in files.items()}
        digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
        path = self._folder / f"{digest[:32]}.zip"
        if not path.exists():
            write_if_changed(path, pack(files))
        self.all[name] = Offer(name, path, path.stat().st_size)

    @property
    def _folder(self) -> Path:
        return self._project.root / ".cache" / "files"

    def _tidy(self) -> None:
        """Removes zips of another day that nothing needs any more."""
        kept = {offer.path for offer in self.all.values()}
        before = time.time() - _ABANDONED_SECONDS
        for path in self._folder.glob("*.zip"):
            with contextlib.suppress(OSError):
                if path not in kept and path.stat().st_mtime < before:
                    path.unlink()

    def fetch_for(self, program: Program) -> str:
        """Returns the code that fetches what a page reads, if it reads anything."""
        return fetch_code(declared(program), self.site_url)

    def fetch_in(self, source: str) -> str:
        """Returns the code that fetches what some code mentions, if it does."""
        return fetch_code(mentioned(source, self.all), self.site_url)

    def rows(self, program: Program, entry: Entry) -> list[tuple[str, str]]:
        """Returns rows for the table that says how a page was made."""
        page = program.page
        folder = posixpath.dirname(page.uri) or "."
        rows = []
        data = ", ".join(self._link(path, folder) for path in page.settings.data)
        if data:
            rows.append(("Data", data))
        used = []
        for name, known in entry.provenance.get("checkpoints_used", {}).items():
            text = f"`{name}`, {_megabytes(known['bytes'])}"
            if name in self._makers:
                maker = self._makers[name]
                target = posixpath.relpath(maker.page.uri, folder)
                text += f", made by [{title_of(maker)}]({target})"
            used.append(text)
        if used:
            rows.append(("Checkpoints used", "; ".join(used)))
        made = ", ".join(
            self._link(f"{checkpoints.FOLDER}/{name}", folder)
            for name in page.settings.saves
        )
        if made:
            rows.append(("Checkpoints made", made))
        return rows

    def _link(self, name: str, folder: str) -> str:
        offer = self.all[name]
        target = posixpath.relpath(offer.uri, folder)
        return f"[`{name}`]({target}), {_megabytes(offer.size)} as a zip"


def pack(files: Mapping[str, Path]) -> bytes:
    """Returns a zip of files by path; equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _TIME)
            member.external_attr = 0o644 << 16
            member.create_system = 3
            small = name.endswith(_COMPRESSED)
            kind = zipfile.ZIP_STORED if small else zipfile.ZIP_DEFLATED
            archive.writestr(member, files[name].read_bytes(), kind)
    return buffer.getvalue()


def declared(program: Program) -> list[str]:
    """Returns what a page finds where it runs: data, and checkpoints of other pages."""
    settings = program.page.settings
    return [
        *settings.data,
        *(f"{checkpoints.FOLDER}/{name}" for name in settings.checkpoints),
    ]


def saved(program: Program) -> list[str]:
    """Returns the checkpoints that a page writes where it runs."""
    return [f"{checkpoints.FOLDER}/{name}" for name in program.page.settings.saves]


def mentioned(source: str, names: Iterable[str]) -> list[str]:
    """Returns those of some paths that code has in its texts, docstrings apart.

    Code that has only the folder around them, as in ``f"checkpoints/{name}"``, may mean
    any of them.
    """
    found = []
    for name in names:
        whole = re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w-])")
        around = posixpath.dirname(name)
        if any(
            whole.search(text) or (around and text.rstrip("/") == around)
            for text in _texts(source)
        ):
            found.append(name)
    return found


@lru_cache(maxsize=8192)
def _texts(source: str) -> tuple[str, ...]:
    tree = syntax_of(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        )
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return tuple(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    )


def fetch_code(names: Sequence[str], site_url: str) -> str:
    """Returns the code that fetches what is missing; nothing if there are no names."""
    if not names:
        return ""
    listed = NAMES if list(names) == [NAMES] else ", ".join(map(json.dumps, names))
    address = urljoin(site_url or "/", f"{FOLDER}/")
    return _FETCH.format(names=listed, address=address)


def fetched_by_blocks(
    program: Program, needs: Sequence[Sequence[int]]
) -> list[list[str]]:
    """Returns for each code cell what has to be fetched before it runs as copied.

    A checkpoint that the page saves is fetched for code that comes without the cells that
    save it.

    Args:
        program: The page.
        needs: For each code cell the positions of those that it is copied with.
    """
    others, own = declared(program), saved(program)
    found = [mentioned(cell.source, [*others, *own]) for cell in program.code]
    first = {
        name: next((n for n, names in enumerate(found) if name in names), -1)
        for name in own
    }
    fetched = []
    for position, needed in enumerate(needs):
        copied = {*needed, position}
        names = {name for earlier in copied for name in found[earlier]}
        fetched.append(
            [name for name in others if name in names]
            + [name for name in own if name in names and first[name] not in copied]
        )
    return fetched


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 50_000 else f"{size / 1e3:.1f} KB"
