"""Folds parts of inlined code away, as an editor does, until a reader opens them.

A notebook page carries the source of all that it imports from snippets, so that each of
its blocks runs as copied. What the page is about stays in sight; of a docstring only the
first paragraph does, and of a definition that is at home on another page only the
signature, or nothing if the page does not name it. Everything stays in the HTML: the text
of a block is its code, to the letter.
"""

from __future__ import annotations

import ast
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from executor.assemble import Program, ProgramCell, syntax_of
from executor.modules import PACKAGE, first_line

_BLOCK = re.compile(
    r'(?P<start><div id="block-(?P<number>\d+)" class="language-python [^>]*>'
    r"<pre[^>]*>(?:<span></span>)?<code[^>]*>)"
    r"(?P<code>.*?)(?P<end></code></pre>)",
    re.DOTALL,
)
_TAG = re.compile(r"<[^>]*>")
# What stands above a block, its number, if nothing else comes between.
_LABEL = re.compile(
    r'(<div class="cell-label"[^>]*>(?:(?!<div|</div>).)*)(?=</div>\s*\Z)'
)
_ALL = (
    '<button type="button" class="unfold-all" aria-pressed="false">Show all code</button>'
)
_DOCSTRING = "the docstring of "
_LEAST_DOCSTRING = 3
_LEAST_DEFINITION = 6
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Fold:
    """Lines of a block that are folded away.

    Attributes:
        first: The first line, from 1.
        last: The last line.
        of: What they belong to, such as ``train_steps`` or ``the docstring of train``.
        shown: What the button says of them beside their number, if anything.
    """

    first: int
    last: int
    of: str
    shown: str = ""


def subjects(program: Program, uris: Iterable[str]) -> set[str]:
    """Returns the modules of snippets/ that a page is about, such as ``vision/vit``.

    These are the module that is called like the page, or like the page with an ending.
    For a page without one it is the module that gives it most lines, if that is not
    called like another page.

    Args:
        program: The page.
        uris: The source paths of all pages, below docs/.
    """
    lines = Counter(
        module
        for cell in program.code
        for origin in cell.origins
        if (module := _module(origin.path))
    )
    own = _key(program.page.uri)
    called = {name for name in lines if name == own or name.startswith(f"{own}_")}
    if called:
        return called
    others = {_key(uri) for uri in uris}
    rest = [name for name, _ in lines.most_common() if name not in others]
    return set(rest[:1])


def wanted(program: Program) -> set[str]:
    """Returns the names that a page imports from snippets."""
    return {
        alias.name
        for cell in program.code
        for node in syntax_of(cell.cell.source).body
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] == PACKAGE
        for alias in node.names
    }


def folds_of(cell: ProgramCell, about: set[str], names: set[str]) -> list[Fold]:
    """Returns what is folded in a cell, from the top to the bottom.

    Args:
        cell: A code cell.
        about: The modules that the page is about.
        names: What the page imports. What stands in another module and has none of these
            names is only there because one of them needs it: it is folded altogether.
    """
    lines = cell.source.split("\n")
    if len(cell.origins) < len(lines):
        return []
    body = syntax_of(cell.source).body
    found: list[Fold] = []
    needed: list[tuple[ast.stmt, str]] = []

    def close() -> None:
        if needed:
            first, last = first_line(needed[0][0]), needed[-1][0].end_lineno or 0
            if last - first + 1 >= _LEAST_DEFINITION:
                listed = ", ".join(
                    [name for _, name in needed if not name.isupper()]
                    or [name for _, name in needed]
                )
                found.append(Fold(first, _with_gap(last, lines), listed, listed))
            needed.clear()

    for index, node in enumerate(body):
        first, last = first_line(node), node.end_lineno or node.lineno
        module = _module(cell.origins[first - 1].path)
        shared = (index and (body[index - 1].end_lineno or 0) >= first) or (
            index + 1 < len(body) and first_line(body[index + 1]) <= last
        )
        name = _name(node)
        if module is None or shared or name is None:
            close()
        elif module in about:
            close()
            if isinstance(node, _DEFINITIONS):
                found += _details(node, lines, name)
        elif name not in names:
            needed.append((node, name))
        else:
            close()
            found += _body(node, lines, name)
    close()
    return found


def fold(content: str, program: Program, uris: Iterable[str]) -> str:
    """Folds the code of a page.

    A block whose text is not the code of its cell stays as it is.

    Args:
        content: The page's HTML.
        program: The page.
        uris: The source paths of all pages, below docs/.

    Returns:
        The HTML in which folded lines stand in an element that is ``hidden``, with an
        empty button before each. The text is the same.
    """
    about, names = subjects(program, uris), wanted(program)
    cells = [cell for cell in program.code if cell.source.strip()]
    parts: list[str] = []
    position = 0
    for match in _BLOCK.finditer(content):
        number = int(match["number"])
        if not 1 <= number <= len(cells):
            continue
        cell = cells[number - 1]
        text = html.unescape(_TAG.sub("", match["code"]))
        if text.rstrip("\n") != cell.source.rstrip():
            continue
        code = _folded(match["code"], folds_of(cell, about, names))
        if code == match["code"]:
            continue
        before = content[position : match.start()]
        if not parts:
            before = _LABEL.sub(rf"\1{_ALL}", before)
        parts += [before, match["start"], code, match["end"]]
        position = match.end()
    return "".join([*parts, content[position:]])


def _folded(code: str, folds: Sequence[Fold]) -> str:
    """Puts the lines of folds into elements; the highlighter ends each at its line."""
    lines = re.split(r"(?<=\n)", code)
    parts = []
    done = 0
    for each in folds:
        hidden = lines[each.first - 1 : each.last]
        inside = "".join(hidden)
        if inside.count("<span") != inside.count("</span>"):
            continue
        kind = "unfold"
        if each.of.startswith(_DOCSTRING):
            kind += " unfold--docstring"
        count = f"{len(hidden)} lines"
        shown = f"{count}: {each.shown}" if each.shown else count
        label = shown if each.shown else f"{count} of {each.of}"
        parts += lines[done : each.first - 1]
        parts.append(
            f'<button type="button" class="{kind}" aria-expanded="false" '
            f'aria-label="{label}" data-lines="{shown}" '
            f'style="--indent: {_indent(hidden)}"></button>'
            # Without an id: the theme takes elements with one for numbered lines.
            f'<span class="fold" hidden="until-found">{inside}</span>'
        )
        done = each.last
    return "".join([*parts, *lines[done:]])


def _indent(lines: Iterable[str]) -> int:
    """Returns the spaces before the first line that is not blank."""
    texts = (html.unescape(_TAG.sub("", line)) for line in lines)
    first = next((text for text in texts if text.strip()), "")
    return len(first) - len(first.lstrip())


def _name(node: ast.stmt) -> str | None:
    """Returns what a definition or a value is called."""
    if isinstance(node, _DEFINITIONS):
        return node.name
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return ast.unparse(
            node.targets[0] if isinstance(node, ast.Assign) else node.target
        )
    return None


def _body(node: ast.stmt, lines: Sequence[str], name: str) -> Iterator[Fold]:
    """Yields the fold of all but the head of a definition or a value, if that pays."""
    last = node.end_lineno or node.lineno
    first = node.lineno + 1
    if isinstance(node, _DEFINITIONS):
        first = _end_of_summary(node, lines) + 1
    if first > node.lineno and last - first + 1 >= _LEAST_DEFINITION:
        yield Fold(first, _with_gap(last, lines), name)
    elif isinstance(node, _DEFINITIONS):
        yield from _details(node, lines, name)


def _with_gap(last: int, lines: Sequence[str]) -> int:
    """Returns the line to which a fold goes, so that one blank line is left below it."""
    while last + 1 < len(lines) and not "".join(lines[last : last + 2]).strip():
        last += 1
    return last


def _details(node: _Definition, lines: Sequence[str], name: str) -> Iterator[Fold]:
    """Yields the folds of a definition that shows: docstrings and private methods."""
    text = _docstring(node)
    if text is not None:
        first = _end_of_summary(node, lines) + 1
        last = text.end_lineno or text.lineno
        ends = lines[last - 1].encode()[text.end_col_offset or 0 :].strip()
        if not ends and last - first + 1 >= _LEAST_DOCSTRING:
            yield Fold(first, last, f"{_DOCSTRING}{name}")
    for inner in node.body:
        if isinstance(inner, _DEFINITIONS):
            private = inner.name.startswith("_") and not inner.name.endswith("__")
            inside = _body if private else _details
            yield from inside(inner, lines, f"{name}.{inner.name}")


def _end_of_summary(node: _Definition, lines: Sequence[str]) -> int:
    """Returns the last line of a definition's head: signature and first paragraph."""
    text = _docstring(node)
    if text is None:
        return first_line(node.body[0]) - 1
    last = text.end_lineno or text.lineno
    for number in range(text.lineno, last):
        if not lines[number].strip():  # the line below `number`
            return number
    return last


def _docstring(node: _Definition) -> ast.expr | None:
    first = node.body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return first.value
    return None


def _module(path: str) -> str | None:
    """Returns the module of a file of snippets/, such as ``vision/vit``."""
    folder, _, rest = path.partition("/")
    return rest.removesuffix(".py") if folder == PACKAGE else None


def _key(uri: str) -> str:
    """Returns what a module is called that belongs to a page."""
    return uri.rpartition(".")[0].replace("-", "_")
