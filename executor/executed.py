"""What an executed page becomes: a notebook for the site, and the files beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import nbformat

from executor import publish, render
from executor.assemble import Program
from executor.cache import Entry
from executor.values import Values


@dataclass(frozen=True, slots=True)
class Rendered:
    """The notebook of a page as JSON, and by uri the files beside it."""

    notebook: str
    beside: dict[str, bytes | str]


@dataclass(frozen=True, slots=True)
class ExecutedPage:
    """All that the files of a page are made of.

    Attributes:
        program: The page.
        entry: Its outputs.
        values: What marks in its prose stand for on the site.
        portable: The same for downloads, whose links have to work anywhere.
        tools: What stands at its top: links to its downloads.
        end: What stands at its end: its functions, and how it was made.
        note: What a download says of itself.
        fetch: Code with which a download gets the files that it reads.
        pins: The locked version of each package that it imports.
        colab: Whether a notebook for Google Colab is wanted.
        site_url: Where the site is.
    """

    program: Program
    entry: Entry
    values: Values
    portable: Values
    tools: str
    end: str
    note: str
    fetch: str
    pins: dict[str, str]
    colab: bool
    site_url: str

    def digest(self) -> str:
        """Returns a hash that changes whenever a file of the page would."""
        page = self.program.page
        prose = [
            values.fill(cell.source, page.path, cell.cell.line, page.id)
            for values in (self.values, self.portable)
            for cell in self.program.cells
            if cell.cell.kind == "markdown"
        ]
        code = [
            (cell.source, cell.cell.line, cell.cell.alt) for cell in self.program.code
        ]
        around = (self.tools, self.end, self.note, self.fetch, self.pins, self.colab)
        made_of = (prose, code, page.meta, self.entry.key, around, self.site_url)
        return hashlib.sha256(repr(made_of).encode()).hexdigest()

    def render(self) -> Rendered:
        """Makes the files anew."""
        program, entry = self.program, self.entry
        folder = program.page.uri.removesuffix(".py")
        stem = folder.rpartition("/")[2]
        notebook, figures = render.prepare(
            publish.site_notebook(
                program, entry, self.values, self.end, self.tools, self.site_url
            ),
            stem,
        )
        beside: dict[str, bytes | str] = {
            f"{folder}/{stem}.ipynb": publish.download_notebook(
                program, entry, self.portable, self.note, self.fetch
            ),
            f"{folder}/{stem}.py": publish.download_script(
                program, self.portable, self.note, self.fetch
            ),
            **{f"{folder}/{name}": content for name, content in figures.items()},
        }
        if self.colab:
            beside[f"{publish.COLAB}/{folder}.ipynb"] = publish.colab_notebook(
                program, entry, self.portable, self.note, self.pins, self.fetch
            )
        return Rendered(nbformat.writes(notebook), beside)


# By root and page: a digest of what it was made of, and what came of that.
_rendered: dict[tuple[Path, str], tuple[str, Rendered]] = {}


def rendered(root: Path, page: ExecutedPage) -> Rendered:
    """Returns the files of a page of the project, made anew only when they change."""
    digest = page.digest()
    place = root, page.program.page.uri
    known = _rendered.get(place)
    if known is None or known[0] != digest:
        known = _rendered[place] = digest, page.render()
    return known[1]
