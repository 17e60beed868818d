"""Makes a page's program: its cells, with everything from snippets inlined."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

from executor.errors import PageError
from executor.inline import InlineError, Inliner, Origin
from executor.pages import Cell, Page


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


def assemble(root: Path, page: Page) -> Program:
    """Inlines what ``page`` imports from snippets.

    Raises:
        PageError: If an import cannot be inlined.
    """
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
    statements: dict[str, None] = {}
    for cell in program.code:
        for node in syntax_of(cell.source).body:
            if isinstance(node, ast.Import):
                statements.update({f"import {alias.name}": None for alias in node.names})
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                statements.update(
                    {
                        f"from {node.module} import {alias.name}": None
                        for alias in node.names
                    }
                )
    return list(statements)


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
