"""Replaces what a page imports from snippets by its source.

The notebook that results needs nothing but packages: third-party imports, private
helpers, and constants come along, each once on a page, in the order of the module.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.modules import (
    NEWLINE,
    PACKAGE,
    ImportLine,
    Kind,
    Module,
    Needed,
    Unit,
    What,
    cut,
    first_line,
    imported_names,
    is_ours,
    kind_of,
    load,
    scope_of,
)

_MENTION = re.compile(rf"\b{PACKAGE}\b")
_MAGIC = re.compile(r"^([ \t]*)(?:[%!].*|\?.*|[^#'\"\n]*\?)$", re.MULTILINE)
_MAGIC_VALUE = re.compile(r"(=[ \t]*)[%!].*$", re.MULTILINE)
_CONTINUES = re.compile(r"(?:^|;)\s*\\$")
_AFTER = re.compile(r"\s*;?\s*\\?\s*(?:#.*)?")
_SHOWN = 10


class InlineError(Exception):
    """A page cannot be made self-contained.

    The message starts with path and line of the page and says what to do.
    """


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a line comes from.

    Attributes:
        path: POSIX path, relative to the root.
        line: 1-based line number.
    """

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Inlined:
    """A cell without imports from snippets.

    Attributes:
        source: The code.
        origins: Where each line of `source` comes from.
        definitions: What was placed in the cell, such as `snippets.vision.vit:patchify`.
        digests: For each of `definitions`, a hash of its source.
    """

    source: str
    origins: tuple[Origin, ...]
    definitions: tuple[str, ...]
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Bound:
    """What a name of the page stands for, and where it got it."""

    what: What
    where: str


@dataclass(frozen=True, slots=True)
class _Need:
    """What placed code expects a name to stand for; None: what Python itself gives."""

    what: What | None
    where: str
    user: str


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that are placed together."""

    kind: Kind
    lines: tuple[tuple[str, Origin], ...]
    gap: int = 0  # blank lines wanted above
    tight: bool = False  # whether `gap` is all that is wanted


@dataclass(frozen=True, slots=True)
class _Edit:
    """Blocks that replace an import."""

    node: ast.ImportFrom
    blocks: tuple[_Block, ...]


class Inliner:
    """Inlines the code cells of one page, in page order.

    Args:
        root: The folder that holds snippets/.
        page: Path of the page for messages, such as `docs/vision/vit.py`.
    """

    def __init__(self, root: Path, page: str) -> None:
        self._root = root
        self._page = page
        self._names: dict[str, _Bound] = {}
        self._imported: set[tuple[str, str]] = set()
        self._needs: dict[str, _Need] = {}
        self._placed: dict[str, str] = {}  # of the cell at hand

    def cell(self, source: str, line: int) -> Inlined:
        """Inline the imports from snippets of one code cell.

        Args:
            source: The cell.
            line: The line of the page at which the cell starts.

        Returns:
            The cell without imports from snippets. Everything else is untouched.

        Raises:
            InlineError: If an import cannot be inlined, or if a name would not stand
                for the same in the notebook as in the script.
        """
        self._placed = {}
        code = source
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError) as error:
            if _MENTION.search(source):
                raise self._not_python(source, line, error) from None
            code, tree = _without_magics(source)
        lines = NEWLINE.split(code)
        edits = []
        for node in tree.body:
            at = line + node.lineno - 1
            self._check_imports(node, line)
            if isinstance(node, ast.ImportFrom) and is_ours(node.module):
                above = lines[node.lineno - 2] if node.lineno > 1 else ""
                if _CONTINUES.search(above) and "#" not in above:
                    text = "the line above ends in a backslash: remove the backslash"
                    raise self._error(at, text)
                edits.append(_Edit(node, tuple(self._place(node, at))))
            else:
                self._note(node, lines, at)
        if edits:
            source, origins = _Assembly(self._page, line, source, tree.body).run(edits)
        else:
            count = len(NEWLINE.split(source)) - (not source or source[-1] in "\r\n")
            origins = tuple(Origin(self._page, line + n) for n in range(count))
        placed = self._placed
        return Inlined(source, origins, tuple(placed), tuple(placed.values()))

    # What the page itself does.

    def _check_imports(self, node: ast.stmt, line: int) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                ours = next((n.name for n in inner.names if is_ours(n.name)), None)
                if ours is None:
                    continue
                text = "imports a module, which a notebook does not have"
                advice = f"name what you need: `from {ours} import name`"
            elif not isinstance(inner, ast.ImportFrom):
                continue
            elif inner.level:
                text = "is a relative import, and a page is in no package"
                advice = f"write `from {PACKAGE}.chapter.module import name`"
            elif is_ours(inner.module) and inner is not node:
                text = "stands inside a block"
                advice = "move it to the top level of a cell, without indentation"
            else:
                continue
            at = line + inner.lineno - 1
            raise self._error(at, f"`{ast.unparse(inner)}` {text}: {advice}")

    def _note(self, node: ast.stmt, lines: Sequence[str], at: int) -> None:
        """Keep in mind what a statement of the page binds."""
        where = f"{self._page}:{at}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            for imported in imported_names(node):
                self._bind(imported.bound, _Bound(imported.what, where), at)
                self._imported.add(imported.key)
            return
        first, last = first_line(node), node.end_lineno or node.lineno
        text = list(lines[first - 1 : last])
        text[-1] = cut(text[-1], 0, node.end_col_offset)
        if first == node.lineno:
            text[0] = cut(text[0], node.col_offset)
        try:
            scope = scope_of("\n".join(text), [node], of_page=True)
        except SyntaxError:  # running the page will tell
            return
        targets = {
            imported.bound: imported.what
            for inner in ast.walk(node)
            if isinstance(inner, ast.Import | ast.ImportFrom)
            for imported in imported_names(inner)
        }
        for name in scope.binds:
            what: What = ("page", where)
            if name not in scope.assigned:
                what = targets.get(name, what)
            self._bind(name, _Bound(what, where), at)

    def _bind(self, name: str, bound: _Bound, at: int) -> None:
        """Let a name stand for something from here on.

        Raises:
            InlineError: If code that was placed needs it to stand for something else.
        """
        need = self._needs.get(name)
        if need is not None and need.what != bound.what:
            text = f"`{name}` is bound here ({bound.where})"
            if bound.where == f"{self._page}:{at}":
                text = f"`{name}` is bound here"
            raise self._error(
                at,
                f"{text}, but {need.user}, which is placed on this page, needs"
                f" {need.where}: choose another name",
            )
        self._names[name] = bound

    # What a page imports from snippets.

    def _place(self, node: ast.ImportFrom, at: int) -> Iterator[_Block]:
        module, path = self._module(node, at)
        for alias in node.names:
            if alias.name == "*":
                advice = f"name what you need of: {_listing(module.public)}"
                raise self._error(at, f"`{ast.unparse(node)}` is a star import; {advice}")
            if alias.name not in module:
                raise self._no_name(module, path, alias.name, at)
        needed = module.needed([alias.name for alias in node.names])
        for unit in needed.units:
            for line, text in unit.issues:
                raise self._error(at, f"{path}:{line}: {text}")
        last_group = None
        for found, positions in needed.imports:
            block = self._place_import(found, positions, path, at)
            if block is not None:
                gap = int(last_group not in (None, found.group))
                yield _Block("import", block, gap)
                last_group = found.group
        missing = [unit for unit in needed.units if self._lacks(unit, module, path, at)]
        previous: Unit | None = None
        for unit in missing:
            self._place_unit(unit, module, path, at)
            yield _block_of(unit, previous, path)
            previous = unit
        self._expect(needed, module, path, at)
        for alias in node.names:
            name = alias.asname or alias.name
            what = module.what(alias.name)
            present = self._names.get(name)
            if present is not None and present.what == what:
                continue
            where = f"{self._page}:{at}"
            if present is not None:
                raise self._taken(name, f"{path}:{module.line(alias.name)}", present, at)
            self._bind(name, _Bound(what, where), at)
            origin = Origin(self._page, at + alias.lineno - node.lineno)
            yield _Block("plain", ((f"{name} = {alias.name}", origin),))

    def _place_import(
        self, found: ImportLine, positions: Iterable[int], path: str, at: int
    ) -> tuple[tuple[str, Origin], ...] | None:
        missing = set()
        for position in positions:
            imported = found.names[position]
            where = f"{path}:{imported.line}"
            present = self._names.get(imported.bound)
            if present is not None and present.what != imported.what:
                raise self._taken(imported.bound, where, present, at)
            if imported.key not in self._imported:
                self._imported.add(imported.key)
                missing.add(position)
            self._bind(imported.bound, _Bound(imported.what, where), at)
        if not missing:
            return None
        return tuple((text, Origin(path, line)) for text, line in found.narrowed(missing))

    def _lacks(self, unit: Unit, module: Module, path: str, at: int) -> bool:
        """Whether the page has not got a unit yet; the same from elsewhere counts."""
        for name in unit.binds:
            present = self._names.get(name)
            if present is not None and present.what != module.what(name):
                raise self._taken(name, f"{path}:{unit.line}", present, at)
        return any(name not in self._names for name in unit.binds)

    def _place_unit(self, unit: Unit, module: Module, path: str, at: int) -> None:
        for name in unit.binds:
            what = module.what(name)
            self._bind(name, _Bound(what, f"{path}:{unit.line}"), at)
            if name in unit.defines:
                digest = hashlib.sha256("\n".join(what).encode()).hexdigest()
                self._placed[f"{module.name}:{name}"] = digest[:16]

    def _expect(self, needed: Needed, module: Module, path: str, at: int) -> None:
        """Check that placed code finds the same as in its module, and see to it."""
        for unit in needed.units:
            user = f"`{unit.label}` ({path}:{unit.line})"
            for name in sorted(unit.uses):
                if name in module:
                    where = f"the `{name}` of {path}:{module.line(name)}"
                    need = _Need(module.what(name), where, user)
                else:
                    need = _Need(None, f"Python's own `{name}`", user)
                    present = self._names.get(name)
                    if present is not None:
                        text = f"{user} needs Python's own `{name}`, but {present.where}"
                        raise self._error(
                            at, f"{text} binds `{name}`: choose another name"
                        )
                self._needs.setdefault(name, need)

    # Modules and messages.

    def _module(self, node: ast.ImportFrom, at: int) -> tuple[Module, str]:
        name = node.module or PACKAGE
        base = self._root.joinpath(*name.split("."))
        for file in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if file.is_file():
                module = load(file, name)
                path = file.relative_to(self._root).as_posix()
                if module.problem is not None:
                    line, text = module.problem
                    raise self._error(at, f"{path}:{line}: {text}")
                self._check_submodules(node, base, module, at)
                return module, path
        if base.is_dir():
            self._check_submodules(node, base, None, at)
        names = sorted(_modules(self._root), key=lambda other: _distance(other, name))
        if base.is_dir():
            text = f"`{name}` is a folder of modules, not a module"
        else:
            text = f"there is no module `{name}`"
        raise self._error(at, f"{text}; there are: {_listing(names)}")

    def _check_submodules(
        self, node: ast.ImportFrom, base: Path, module: Module | None, at: int
    ) -> None:
        if not base.is_dir():
            return
        for alias in node.names:
            if module is not None and alias.name in module:
                continue
            path = base / alias.name
            if path.is_dir() or path.with_name(f"{alias.name}.py").is_file():
                text = (
                    f"`{node.module}.{alias.name}` is a module, and a notebook has none"
                )
                advice = f"`from {node.module}.{alias.name} import name`"
                raise self._error(at, f"{text}; name what you need: {advice}")

    def _no_name(self, module: Module, path: str, name: str, at: int) -> InlineError:
        text = f"`{module.name}` ({path}) has no name `{name}`"
        nearest = difflib.get_close_matches(
            name, [*module.units_of, *module.imports_of], n=1
        )
        if nearest:
            text += f"; did you mean `{nearest[0]}`?"
            return self._error(at, f"{text} It has: {_listing(module.public, 50)}")
        return self._error(at, f"{text}; it has: {_listing(module.public, 50)}")

    def _taken(self, name: str, where: str, present: _Bound, at: int) -> InlineError:
        return self._error(
            at,
            f"the import places `{name}` ({where}), but {present.where} already binds"
            f" `{name}` to something else: rename one of the two",
        )

    def _not_python(self, source: str, line: int, error: Exception) -> InlineError:
        for number, text in enumerate(NEWLINE.split(source)):
            if text.lstrip()[:1] in ("%", "!"):
                reason = "is not Python, so an import in this cell cannot be replaced"
                advice = f"keep it apart from what mentions {PACKAGE}, in another cell"
                return self._error(line + number, f"`{text.strip()}` {reason}: {advice}")
        at = (error.lineno or 1) if isinstance(error, SyntaxError) else 1
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        return self._error(line + at - 1, f"the cell is not valid Python: {reason}")

    def _error(self, line: int, text: str) -> InlineError:
        return InlineError(f"{self._page}:{line}: {text}")


def _without_magics(source: str) -> tuple[str, ast.Module]:
    """Parse a cell with IPython magics as far as that is possible."""
    if not source.lstrip().startswith("%%"):
        code = _MAGIC_VALUE.sub(r"\1None", _MAGIC.sub(r"\1pass", source))
        try:
            return code, ast.parse(code)
        except (SyntaxError, ValueError):
            pass
    return "", ast.Module([], [])


def _modules(root: Path) -> Iterator[str]:
    for file in root.joinpath(PACKAGE).rglob("*.py"):
        if file.name != "__init__.py":
            yield ".".join(file.relative_to(root).with_suffix("").parts)


def _distance(other: str, name: str) -> tuple[float, str]:
    return -difflib.SequenceMatcher(None, other, name).ratio(), other


def _listing(names: Sequence[str], limit: int = _SHOWN) -> str:
    shown = ", ".join(names[:limit])
    more = len(names) - limit
    return f"{shown}, and {more} more" if more > 0 else shown or "nothing"


# Blank lines and assembly.


def _block_of(unit: Unit, previous: Unit | None, path: str) -> _Block:
    lines = tuple(
        (text, Origin(path, unit.first + n)) for n, text in enumerate(unit.lines)
    )
    adjacent = previous is not None and previous.number == unit.number - 1
    overload = adjacent and previous is not None and previous.binds == unit.binds
    return _Block(unit.kind, lines, min(unit.gap, 2 if overload else 1), overload)


def _wanted(above: Kind | None, below: Kind) -> int:
    """How many blank lines a formatter wants between two pieces of code."""
    if above is None:
        return 0
    if "def" in (above, below):
        return 2
    return int(above == "import" and below != "import")


class _Assembly:
    """Builds the text of a cell from the author's lines and the placed blocks."""

    def __init__(
        self, page: str, line: int, source: str, body: Iterable[ast.stmt]
    ) -> None:
        self._page = page
        self._line = line
        self._lines = NEWLINE.split(source)
        self._ends = [*NEWLINE.findall(source), ""]
        if len(self._lines) > 1 and not self._lines[-1]:
            self._lines.pop()
            self._ends.pop()
        self._nodes: list[ast.stmt] = list(body)
        self._newline = self._ends[0] or "\n"
        self._out: list[tuple[str, str, Origin]] = []
        self._kind: Kind | None = None  # of the last code in `_out`
        self._fresh = False  # whether the last code in `_out` was placed
        self._swallow = False  # whether blank lines are left out

    def run(self, edits: Sequence[_Edit]) -> tuple[str, tuple[Origin, ...]]:
        """Replace the imports."""
        position = (1, 0)
        replaced = [edit.node for edit in edits]
        self._nodes = [node for node in self._nodes if node not in replaced]
        for edit in edits:
            node = edit.node
            self._copy(position, (node.lineno, node.col_offset))
            self._put(edit)
            position = (node.end_lineno or 1, node.end_col_offset or 0)
        self._copy(position, (len(self._lines) + 1, 0))
        if self._swallow:
            while self._out and not self._out[-1][0].strip():
                self._out.pop()
        if self._out:
            text, _, origin = self._out[-1]
            self._out[-1] = (text, self._ends[-1], origin)
        source = "".join(text + end for text, end, _ in self._out)
        return source, tuple(origin for _, _, origin in self._out)

    def _copy(self, start: tuple[int, int], stop: tuple[int, int]) -> None:
        """Copy the author's text between two places, which count lines from 1."""
        (first, from_column), (last, to_column) = start, stop
        for number in range(first, min(last, len(self._lines)) + 1):
            text = self._lines[number - 1]
            if number == last:
                text = cut(text, 0, to_column).rstrip().removesuffix(";").rstrip()
            if number == first and from_column:
                rest = cut(text, from_column)
                if _AFTER.fullmatch(rest):
                    continue
                text = rest.lstrip().removeprefix(";").lstrip()
            if number == last and not text:
                continue
            self._author(text, number)

    def _author(self, text: str, number: int) -> None:
        origin = Origin(self._page, self._line + number - 1)
        end = self._ends[number - 1] or self._newline
        if not text.strip():
            if not self._swallow:
                self._out.append((text, end, origin))
            return
        below, above = self._kinds(number)
        if self._fresh and below is not None:
            self._pad(_wanted(self._kind, below), origin)
        self._out.append((text, end, origin))
        self._kind = above
        self._fresh = self._swallow = False

    def _kinds(self, number: int) -> tuple[Kind | None, Kind | None]:
        """Kinds of the next statement, from a line on, and of the last until it."""
        below: Kind | None = None
        above: Kind | None = None
        for node in self._nodes:
            if first_line(node) <= number:
                above = kind_of(node)
            if (node.end_lineno or 0) >= number:
                below = kind_of(node)
                break
        return below or "plain", above

    def _put(self, edit: _Edit) -> None:
        if not edit.blocks:
            self._swallow = not self._out or not self._out[-1][0].strip()
            return
        self._swallow = False
        for index, block in enumerate(edit.blocks):
            if index == 0 and not self._fresh:
                wanted = self._below_author(block.kind)
            elif block.tight:
                wanted = block.gap
            else:
                wanted = max(_wanted(self._kind, block.kind), index and block.gap)
            self._pad(wanted, block.lines[0][1])
            self._out += [(text, self._newline, origin) for text, origin in block.lines]
            self._kind = block.kind
            self._fresh = True

    def _below_author(self, kind: Kind) -> int:
        """How many blank lines to put between the author's text and a placed block."""
        comments = 0
        texts = [text for text, _, _ in self._out]
        while comments < len(texts) and texts[-1 - comments].startswith("#"):
            comments += 1
        above = texts[: len(texts) - comments]
        if not comments or not any(text.strip() for text in above):
            return 0 if comments else _wanted(self._kind, kind)
        # A comment stays with what it is about, if a formatter leaves it there.
        return 0 if kind != "def" or not any(t.strip() for t in above[-2:]) else 2

    def _pad(self, wanted: int, origin: Origin) -> None:
        blank = 0
        while blank < len(self._out) and not self._out[-1 - blank][0].strip():
            blank += 1
        if blank < len(self._out):
            self._out += [("", self._newline, origin)] * (wanted - blank)
