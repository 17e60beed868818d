"""Makes a page's program: its cells, with everything from snippets inlined."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from executor.errors import PageError
from executor.inline import InlineError, Inliner, Origin
from executor.pages import Cell, Page

_Modules = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class ProgramCell:
    """A cell as it runs and as readers see it.

    Attributes:
        cell: What the author wrote.
        source: The text after inlining.
        origins: For each line of ``source``, the file and line that it came from.
        definitions: What was placed here from snippets, each with a digest of its source,
            e.g. ``snippets.vision.vit:patchify``.
    """

    cell: Cell
    source: str
    origins: tuple[Origin, ...] = ()
    definitions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """A page that needs nothing but packages."""

    page: Page
    cells: tuple[ProgramCell, ...]

    @property
    def code(self) -> tuple[ProgramCell, ...]:
        """The code cells in order."""
        return tuple(cell for cell in self.cells if cell.cell.kind == "code")


_MODULE = re.compile(r"\bsnippets(?:\.\w+)+")
# By root and path: the page as it was, the modules that it names, and what came of them.
_assembled: dict[tuple[Path, str], tuple[Page, _Modules, Program]] = {}


def assemble(root: Path, page: Page) -> Program:
    """Inlines what ``page`` imports from snippets, unless nothing of it has changed.

    Raises:
        PageError: If an import cannot be inlined.
    """
    modules = _modules(root, page)
    known = _assembled.get((root, page.path))
    if known is not None and known[0] is page and known[1] == modules:
        return known[2]
    program = _assemble(root, page)
    _assembled[root, page.path] = page, modules, program
    return program


def _modules(root: Path, page: Page) -> _Modules:
    """Returns for each module that a page names when it was written, and its size."""
    names = {
        name
        for cell in page.cells
        if cell.kind == "code"
        for name in _MODULE.findall(cell.source)
    }
    found = []
    for name in sorted(names):
        path = root / f"{name.replace('.', '/')}.py"
        if path.is_file():
            state = path.stat()
            found.append((name, state.st_mtime_ns, state.st_size))
    return tuple(found)


def _assemble(root: Path, page: Page) -> Program:
    inliner = Inliner(root, page.path)
    cells = []
    for cell in page.cells:
        if cell.kind == "markdown":
            cells.append(ProgramCell(cell, cell.source))
            continue
        try:
            inlined = inliner.cell(cell.source, cell.line)
        except InlineError as error:
            place, _, message = str(error).partition(": ")
            raise PageError(place, message) from error
        cells.append(
            ProgramCell(
                cell,
                inlined.source,
                tuple(inlined.origins),
                dict(zip(inlined.definitions, inlined.digests, strict=True)),
            )
        )
    return Program(page, tuple(cells))


def import_statements(program: Program) -> list[str]:
    """Returns the top-level imports of a program, one statement a name, without repeats.

    ``from torch import nn, Tensor`` yields two statements, so that one which fails does
    not keep the other from being loaded ahead of time.
    """
    found = (name for cell in program.code for name in _statements(cell.source))
    return list(dict.fromkeys(found))


@lru_cache(maxsize=8192)
def _statements(source: str) -> tuple[str, ...]:
    statements = []
    for node in syntax_of(source).body:
        if isinstance(node, ast.Import):
            statements += [f"import {alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            statements += [
                f"from {node.module} import {alias.name}" for alias in node.names
            ]
    return tuple(statements)


def syntax_of(source: str) -> ast.Module:
    """Parses a cell, whose IPython magics count for nothing.

    Returns:
        The syntax tree; an empty one for an error, which running the cell will report.
    """
    try:
        return ast.parse(source)
    except SyntaxError:
        # Here, because it takes a while and few pages need it.
        from IPython.core.inputtransformer2 import TransformerManager

        try:
            manager = TransformerManager()  # type: ignore[no-untyped-call]
            return ast.parse(manager.transform_cell(source))
        except SyntaxError:
            return ast.Module([], [])
