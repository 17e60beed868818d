"""Snippet modules, parsed: statements, what each binds, and what each needs.

The parts are slices of the source, so formatting and comments survive. Scoping is
CPython's own (`symtable`), asked of one top-level statement at a time.
"""

from __future__ import annotations

import ast
import io
import re
import symtable
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

WIDTH = 90
"""Columns an import line may have before it is spread over several lines."""

PACKAGE = "snippets"
"""The package whose modules are placed in pages."""

Kind = Literal["import", "def", "plain"]
"""What a piece of code is, as far as the blank lines around it are concerned."""

What = tuple[str, ...]
"""What a name stands for: ("import", "torch.nn") or ("snippet", text, ...)."""

NEWLINE = re.compile(r"\r\n|\r|\n")
_NOTHING_ELSE = re.compile(r"\s*;?\s*(#.*)?")
_HEADER = re.compile(r"#!|#.*coding[:=]")
_OF_THE_FILE = frozenset(
    ["__file__", "__path__", "__spec__", "__loader__", "__package__", "__cached__"]
)


@dataclass(frozen=True, slots=True)
class ImportedName:
    """One name of an import statement.

    Attributes:
        text: As written, such as `functional as F`.
        bound: The name that is bound, such as `F`.
        target: What the bound name stands for, such as `torch.nn.functional`.
        loads: What is imported; more than `target` for `import torch.nn`.
        line: The line of the file.
        above: Comment lines above the name, inside parentheses, as (line, text).
        behind: The comment behind the name, inside parentheses.
    """

    text: str
    bound: str
    target: str
    loads: str
    line: int
    above: tuple[tuple[int, str], ...] = ()
    behind: str = ""

    @property
    def what(self) -> What:
        """What the bound name stands for."""
        return ("import", self.target)

    @property
    def key(self) -> tuple[str, str]:
        """Two imports with the same key do the same."""
        return (self.loads, self.bound)


@dataclass(frozen=True, slots=True)
class ImportLine:
    """An import statement at the top level of a module.

    Attributes:
        lines: The source.
        first: The line of the file at which it starts.
        start: What stands before the names, such as `from torch import`.
        names: The names.
        head: The comment behind the opening parenthesis.
        tail: The comment behind the statement.
        group: Imports with no blank line between them have the same number.
    """

    lines: tuple[str, ...]
    first: int
    start: str
    names: tuple[ImportedName, ...]
    head: str
    tail: str
    group: int

    def narrowed(self, keep: Iterable[int]) -> list[tuple[str, int]]:
        """Write the import with some of its names.

        Args:
            keep: Positions of the names that are kept.

        Returns:
            The lines, each with its line number in the file.
        """
        kept = [self.names[position] for position in sorted(keep)]
        if len(kept) == len(self.names):
            return [(text, self.first + n) for n, text in enumerate(self.lines)]
        tail = f"  {self.tail}" if self.tail else ""
        short = f"{self.start} {', '.join(name.text for name in kept)}{tail}"
        plain = self.start == "import"
        commented = self.head or any(name.above or name.behind for name in kept)
        if plain or (not commented and len(short) <= WIDTH):
            return [(short, kept[0].line)]
        head = f"  {self.head}" if self.head else ""
        result = [(f"{self.start} ({head}", self.first)]
        for name in kept:
            result += [(f"    {comment}", line) for line, comment in name.above]
            behind = f"  {name.behind}" if name.behind else ""
            result.append((f"    {name.text},{behind}", name.line))
        return [*result, (f"){tail}", self.first + len(self.lines) - 1)]


@dataclass(frozen=True, slots=True)
class Unit:
    """A top-level statement that binds names, with the comments that belong to it.

    Attributes:
        number: Position among the units of the module.
        kind: For the blank lines around it.
        lines: The source.
        first: The line of the file at which `lines` starts.
        line: The line of the file at which the statement starts.
        gap: Blank lines above it in the file.
        binds: All names it binds.
        defines: The names that it binds by something else than an import.
        imports: What names that are only imported in it stand for, one target each.
        uses: Names that it takes from the top level.
        eager: Those of them that are read when the statement runs.
        issues: What cannot be placed, as (line, text).
    """

    number: int
    kind: Kind
    lines: tuple[str, ...]
    first: int
    line: int
    gap: int
    binds: tuple[str, ...]
    defines: tuple[str, ...]
    imports: dict[str, str]
    uses: frozenset[str]
    eager: frozenset[str]
    issues: tuple[tuple[int, str], ...]

    @property
    def label(self) -> str:
        """The name under which messages speak of the unit."""
        return (self.defines or self.binds)[0]


@dataclass(frozen=True, slots=True)
class Needed:
    """All that some names of a module need: units, and positions in imports."""

    units: tuple[Unit, ...]
    imports: tuple[tuple[ImportLine, frozenset[int]], ...]


@dataclass(frozen=True, slots=True)
class Module:
    """A parsed snippet module.

    Attributes:
        name: Dotted name.
        units: Statements that bind names, in source order.
        imports: Import statements, in source order.
        units_of: For each name, the units that bind it.
        imports_of: For each name, the imports that bind it, as (import, position).
        problem: Why nothing of the module can be placed, as (line, text).
    """

    name: str
    units: tuple[Unit, ...]
    imports: tuple[ImportLine, ...]
    units_of: dict[str, tuple[int, ...]]
    imports_of: dict[str, tuple[tuple[int, int], ...]]
    problem: tuple[int, str] | None

    def __contains__(self, name: str) -> bool:
        """Whether the module binds the name."""
        return name in self.units_of or name in self.imports_of

    @property
    def public(self) -> list[str]:
        """Names that the module defines for others, sorted."""
        names = {name for unit in self.units for name in unit.defines}
        return sorted(name for name in names if not name.startswith("_"))

    def what(self, name: str) -> What:
        """What a name of the module stands for."""
        numbers = self.units_of.get(name)
        if numbers is None:
            number, position = self.imports_of[name][0]
            return self.imports[number].names[position].what
        if len(numbers) == 1 and name in self.units[numbers[0]].imports:
            return ("import", self.units[numbers[0]].imports[name])
        return ("snippet", *("\n".join(self.units[n].lines) for n in numbers))

    def line(self, name: str) -> int:
        """The line of the file at which a name is first bound."""
        if name in self.units_of:
            return self.units[self.units_of[name][0]].line
        number, position = self.imports_of[name][0]
        return self.imports[number].names[position].line

    def needed(self, names: Iterable[str]) -> Needed:
        """Find everything that some names need, in source order.

        Args:
            names: Names that the module binds.

        Returns:
            The statements that bind the names, and what these need, and so on.
        """
        seen: set[str] = set()
        units: set[int] = set()
        imports: dict[int, set[int]] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            for number, position in self.imports_of.get(name, ()):
                imports.setdefault(number, set()).add(position)
            binders = self.units_of.get(name, ())
            chosen = set(binders)
            if len(binders) > 1:
                # What reads a name between two statements that bind it stays there.
                between = self.units[binders[0] + 1 : binders[-1]]
                chosen.update(unit.number for unit in between if name in unit.eager)
            for number in chosen - units:
                units.add(number)
                unit = self.units[number]
                todo += unit.binds
                todo += [use for use in unit.uses if use in self]
        return Needed(
            units=tuple(self.units[number] for number in sorted(units)),
            imports=tuple(
                (self.imports[number], frozenset(imports[number]))
                for number in sorted(imports)
            ),
        )


def load(file: Path, name: str) -> Module:
    """Parse a snippet module, or take it from the cache while the file is the same.

    Args:
        file: The file.
        name: The dotted name of the module.

    Returns:
        The module. If it does not parse, `problem` says why.
    """
    state = file.stat()
    return _load(str(file), state.st_mtime_ns, state.st_size, name)


@lru_cache(maxsize=1024)
def _load(file: str, _mtime_ns: int, _size: int, name: str) -> Module:
    try:
        raw = Path(file).read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        text = NEWLINE.sub("\n", raw.decode(encoding))
        tree = ast.parse(text)
        problem = _find_problem(tree)
        if problem is None:
            return _index(name, tree, text.split("\n"))
    except SyntaxError as error:
        problem = (error.lineno or 1, f"syntax error: {error.msg}")
    except ValueError as error:
        problem = (1, f"not Python source: {error}")
    return Module(name, (), (), {}, {}, problem)


# What a module may hold.


def is_ours(module: str | None) -> bool:
    """Whether a dotted name is the snippets package or lies in it."""
    return module is not None and module.split(".")[0] == PACKAGE


def _is_main_guard(node: ast.stmt) -> bool:
    if not isinstance(node, ast.If) or node.orelse:
        return False
    return ast.unparse(node.test) in (
        "__name__ == '__main__'",
        "'__main__' == __name__",
    )


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _find_problem(tree: ast.Module) -> tuple[int, str] | None:
    body = [node for node in tree.body if not _is_main_guard(node)]
    found = [*_forbidden_imports(body), *_side_effects(body, nested=False)]
    return min(found, default=None)


def _forbidden_imports(body: Iterable[ast.stmt]) -> Iterator[tuple[int, str]]:
    alone = "modules of snippets do not import one another: write it here, or take it as"
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.ImportFrom):
            if node.level or is_ours(node.module):
                yield node.lineno, f"`{ast.unparse(node)}`: {alone} an argument"
            elif node.module == "__future__":
                text = "a notebook cell cannot place `from __future__`; remove it"
                yield node.lineno, text
            elif node.names[0].name == "*":
                text = f"`{ast.unparse(node)}`: import the names that are used instead"
                yield node.lineno, text
        elif isinstance(node, ast.Import) and any(is_ours(n.name) for n in node.names):
            yield node.lineno, f"`{ast.unparse(node)}`: {alone} an argument"


def _side_effects(body: Iterable[ast.stmt], *, nested: bool) -> Iterator[tuple[int, str]]:
    advice = "would be lost on the page: move it into a function"
    for node in body:
        match node:
            case (
                ast.FunctionDef()
                | ast.AsyncFunctionDef()
                | ast.ClassDef()
                | ast.Import()
                | ast.ImportFrom()
                | ast.TypeAlias()
                | ast.Pass()
                | ast.Expr(value=ast.Constant())
            ):
                pass
            case ast.Raise() if nested:
                pass
            case ast.Assign(targets=targets) if all(map(_is_name, targets)):
                pass
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target) if _is_name(
                target
            ):
                pass
            case ast.If():
                yield from _side_effects([*node.body, *node.orelse], nested=True)
            case ast.Try() | ast.TryStar():
                handlers = [inner for handler in node.handlers for inner in handler.body]
                parts = [*node.body, *handlers, *node.orelse, *node.finalbody]
                yield from _side_effects(parts, nested=True)
            case ast.Match():
                parts = [inner for case in node.cases for inner in case.body]
                yield from _side_effects(parts, nested=True)
            case _:
                shown = ast.unparse(node).split("\n")[0]
                yield node.lineno, f"`{shown}` at the top level {advice}"


def _is_name(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_name, target.elts))
    if isinstance(target, ast.Starred):
        return _is_name(target.value)
    return isinstance(target, ast.Name)


# From a syntax tree to units and imports.


def cut(line: str, start: int = 0, end: int | None = None) -> str:
    """Cut a line at column offsets of `ast`, which count bytes of UTF-8."""
    if line.isascii():
        return line[start:end]
    return line.encode()[start:end].decode()


def first_line(node: ast.stmt) -> int:
    """The line at which a statement starts, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def kind_of(node: ast.stmt) -> Kind:
    """What a statement is for the blank lines around it."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "import"
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if isinstance(node, definitions):
        return "def"
    block = hasattr(node, "body") or isinstance(node, ast.Match)
    if block and any(isinstance(inner, definitions) for inner in ast.walk(node)):
        return "def"
    return "plain"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A top-level statement and the lines that belong to it."""

    node: ast.stmt
    lines: tuple[str, ...]
    first: int
    skip: int  # comment lines at the start of `lines`
    gap: int
    group: int


def _pieces(body: Sequence[ast.stmt], lines: Sequence[str]) -> Iterator[_Piece]:
    done = 0  # the last line of what came before
    group = 0
    position = 0
    while position < len(body):
        node = last = body[position]
        position += 1
        assigns = isinstance(node, ast.Assign | ast.AnnAssign | ast.TypeAlias)
        if assigns and position < len(body) and _is_text(body[position]):
            last = body[position]
            position += 1
        first = start = first_line(node)
        stop = last.end_lineno or first
        if first > done:
            while start - 1 > done and lines[start - 2].startswith("#"):
                if start <= 3 and _HEADER.match(lines[start - 2]):
                    break
                start -= 1
        gap = 0
        while start - gap - 1 > done and not lines[start - gap - 2].strip():
            gap += 1
        if gap or not isinstance(node, ast.Import | ast.ImportFrom) or start < first:
            group += 1
        text = list(lines[start - 1 : stop])
        behind = cut(text[-1], last.end_col_offset or 0)
        if not _NOTHING_ELSE.fullmatch(behind):
            text[-1] = cut(text[-1], 0, last.end_col_offset)
        elif hasattr(node, "body"):
            limit = first_line(body[position]) if position < len(body) else len(lines) + 1
            extra = _comments_inside(lines[stop : limit - 1])
            text += lines[stop : stop + extra]
            stop += extra
        if node.col_offset and first == node.lineno:
            text[0] = cut(text[0], node.col_offset)
        done = stop
        yield _Piece(node, tuple(text), start, first - start, gap, group)


def _comments_inside(lines: Sequence[str]) -> int:
    """Count the lines after a block that are still its own: indented comments."""
    count = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            if line[0] not in " \t" or not line.lstrip().startswith("#"):
                break
            count = number
    return count


def _index(name: str, tree: ast.Module, lines: Sequence[str]) -> Module:
    pieces = [
        piece
        for piece in _pieces(tree.body, lines)
        if not isinstance(piece.node, ast.Expr | ast.Pass)
        and not _is_main_guard(piece.node)
    ]
    scopes = [
        scope_of("\n".join(piece.lines[piece.skip :]), [piece.node]) for piece in pieces
    ]
    # An import that shares a name with something else stays where it stands.
    hoisted = [kind_of(piece.node) == "import" for piece in pieces]
    changed = True
    while changed:
        taken = {
            bound
            for scope, free in zip(scopes, hoisted, strict=True)
            if not free
            for bound in scope.binds
        }
        now = [
            free and taken.isdisjoint(scope.binds)
            for scope, free in zip(scopes, hoisted, strict=True)
        ]
        changed, hoisted = now != hoisted, now
    units: list[Unit] = []
    imports: list[ImportLine] = []
    units_of: dict[str, list[int]] = {}
    imports_of: dict[str, list[tuple[int, int]]] = {}
    for piece, scope, free in zip(pieces, scopes, hoisted, strict=True):
        if free:
            found = _import_line(piece)
            for position, imported in enumerate(found.names):
                imports_of.setdefault(imported.bound, []).append((len(imports), position))
            imports.append(found)
        elif scope.binds:
            for bound in scope.binds:
                units_of.setdefault(bound, []).append(len(units))
            units.append(_unit(piece, scope, len(units)))
    bound_here = units_of.keys() | imports_of.keys()
    if not bound_here.isdisjoint(_OF_THE_FILE):
        line = next(u.line for u in units if not _OF_THE_FILE.isdisjoint(u.binds))
        text = "names such as `__file__` belong to the file: choose another name"
        return Module(name, (), (), {}, {}, (line, text))
    return Module(
        name,
        tuple(units),
        tuple(imports),
        {bound: tuple(numbers) for bound, numbers in units_of.items()},
        {bound: tuple(places) for bound, places in imports_of.items()},
        None,
    )


def _unit(piece: _Piece, scope: Scope, number: int) -> Unit:
    issues = []
    targets: dict[str, set[str]] = {}
    for node in ast.walk(piece.node):
        if isinstance(node, ast.Global):
            text = f"`{ast.unparse(node)}`: take a value and return a value instead"
            issues.append((node.lineno, text))
        elif isinstance(node, ast.Name) and node.id in _OF_THE_FILE & scope.uses:
            text = f"`{node.id}` does not exist in a notebook: take a path as an argument"
            issues.append((node.lineno, text))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for imported in imported_names(node):
                targets.setdefault(imported.bound, set()).add(imported.target)
    kind = kind_of(piece.node)
    return Unit(
        number=number,
        kind="plain" if kind == "import" else kind,
        lines=piece.lines,
        first=piece.first,
        line=piece.first + piece.skip,
        gap=piece.gap,
        binds=scope.binds,
        defines=tuple(name for name in scope.binds if name in scope.assigned),
        imports={
            name: min(targets[name])
            for name in scope.binds
            if name not in scope.assigned and len(targets.get(name, ())) == 1
        },
        uses=scope.uses,
        eager=scope.eager,
        issues=tuple(issues),
    )


def imported_names(node: ast.Import | ast.ImportFrom) -> list[ImportedName]:
    """List what an absolute import binds, star imports left out."""
    result = []
    for alias in node.names:
        text = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
        if isinstance(node, ast.ImportFrom):
            bound = alias.asname or alias.name
            target = loads = f"{node.module}.{alias.name}"
        else:
            bound = alias.asname or alias.name.split(".")[0]
            target = alias.name if alias.asname else bound
            loads = alias.name
        if alias.name != "*":
            result.append(ImportedName(text, bound, target, loads, alias.lineno))
    return result


def _import_line(piece: _Piece) -> ImportLine:
    node = piece.node
    assert isinstance(node, ast.Import | ast.ImportFrom)
    lines = piece.lines[piece.skip :]
    names = imported_names(node)
    last = node.end_lineno or node.lineno
    head = tail = ""
    above: dict[int, list[tuple[int, str]]] = {}
    behind: dict[int, str] = {}
    for line, comment in _comments(lines, node.lineno):
        ends = [n for n, alias in enumerate(node.names) if alias.end_lineno == line]
        after = [n for n, alias in enumerate(node.names) if alias.lineno > line]
        if line == last:
            tail = comment
        elif ends:
            behind[ends[-1]] = comment
        elif line == node.lineno:
            head = comment
        elif after:
            above.setdefault(after[0], []).append((line, comment))
    start = f"from {node.module} import" if isinstance(node, ast.ImportFrom) else "import"
    return ImportLine(
        lines=lines,
        first=node.lineno,
        start=start,
        names=tuple(
            ImportedName(
                name.text,
                name.bound,
                name.target,
                name.loads,
                name.line,
                tuple(above.get(n, ())),
                behind.get(n, ""),
            )
            for n, name in enumerate(names)
        ),
        head=head,
        tail=tail,
        group=piece.group,
    )


def _comments(lines: Sequence[str], first: int) -> Iterator[tuple[int, str]]:
    if any("#" in line for line in lines):
        source = "\n".join(lines) + "\n"
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0] + first - 1, token.string


# Scopes.


@dataclass(frozen=True, slots=True)
class Scope:
    """What a piece of top-level code does to the top level.

    Attributes:
        binds: Names it binds, in order of appearance.
        assigned: Those of them that are bound by something else than an import.
        uses: Names it takes from the top level or from the builtins, now or later.
        eager: Those of them that are read while it runs.
    """

    binds: tuple[str, ...]
    assigned: frozenset[str]
    uses: frozenset[str]
    eager: frozenset[str]


def scope_of(source: str, nodes: Sequence[ast.stmt], *, of_page: bool = False) -> Scope:
    """Ask CPython's symbol tables what code binds and needs at the top level.

    Args:
        source: The code.
        nodes: Its syntax trees.
        of_page: Whether a `global` statement counts as binding its names.

    Returns:
        The names.

    Raises:
        SyntaxError: If the code does not pass the symbol table.
    """
    declared: set[str] = set()
    early: set[str] = set()
    rewrite = False
    for node in (inner for statement in nodes for inner in ast.walk(statement)):
        match node:
            case ast.ListComp() | ast.SetComp() | ast.DictComp():
                rewrite = True
            case ast.Global(names=names):
                declared.update(names)
            case ast.ClassDef(body=body):
                early |= _read_early(body)
            case ast.arg(annotation=ast.expr() as note):
                rewrite = rewrite or _has_text(note)
            case ast.AnnAssign(annotation=note):
                rewrite = rewrite or _has_text(note)
            case ast.FunctionDef(returns=ast.expr() as note):
                rewrite = rewrite or _has_text(note)
            case ast.AsyncFunctionDef(returns=ast.expr() as note):
                rewrite = rewrite or _has_text(note)
    if rewrite:
        source = ast.unparse(_Rewrite().visit(ast.parse(source)))
    top = symtable.symtable(source, "<code>", "exec")
    uses: set[str] = set()
    eager: set[str] = set()
    in_class: set[str] = set()

    def visit(table: symtable.SymbolTable, lazy: bool) -> None:
        kind = table.get_type()
        for symbol in table.get_symbols():
            read = symbol.is_referenced() if table is top else symbol.is_global()
            if kind == "class" and symbol.is_local() and symbol.is_referenced():
                in_class.add(symbol.get_name())
            if read:
                uses.add(symbol.get_name())
                if not lazy:
                    eager.add(symbol.get_name())
        for child in table.get_children():
            at_once = child.get_name().strip("<>") in ("genexpr", "lambda")
            visit(child, lazy or (child.get_type() == "function" and not at_once))

    visit(top, False)
    uses |= early & in_class
    eager |= early & in_class
    symbols = top.get_symbols()
    assigned = {
        symbol.get_name()
        for symbol in symbols
        if symbol.is_assigned()
        or (
            symbol.is_declared_global() and (of_page or symbol.get_name() not in declared)
        )
    }
    binds = tuple(
        symbol.get_name()
        for symbol in symbols
        if symbol.is_imported() or symbol.get_name() in assigned
    )
    return Scope(binds, frozenset(assigned), frozenset(uses), frozenset(eager))


def _read_early(body: Iterable[ast.stmt]) -> set[str]:
    """Names that a class body reads before it has surely bound them itself.

    `class A: size = size` reads the `size` of the module, which a symbol table does
    not tell from an attribute that is read after it was bound.
    """
    bound: set[str] = set()
    early: set[str] = set()
    for node in body:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
                early |= {inner.id} - bound
            elif isinstance(inner, ast.AugAssign) and isinstance(inner.target, ast.Name):
                early |= {inner.target.id} - bound
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                bound.add(node.name)
            case ast.Assign():
                bound |= {t.id for t in node.targets if isinstance(t, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                bound.add(name)
            case ast.Import() | ast.ImportFrom():
                bound |= {imported.bound for imported in imported_names(node)}
    return early


def _has_text(note: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Constant) and isinstance(node.value, str)
        for node in ast.walk(note)
    )


class _Rewrite(ast.NodeTransformer):
    """Give each comprehension its own symbol table, and read string annotations.

    Since Python 3.12 the tables of list, set, and dict comprehensions are merged into
    the one around them, where a loop variable hides a name of the module that another
    comprehension uses. Generator expressions scope alike and keep their own table.
    """

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        self.generic_visit(node)
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return ast.GeneratorExp(pair, node.generators)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        if node.annotation is not None:
            node.annotation = _annotation(node.annotation)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = _annotation(node.annotation)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.returns is not None:
            node.returns = _annotation(node.returns)
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        if node.returns is not None:
            node.returns = _annotation(node.returns)
        return self.generic_visit(node)


def _annotation(node: ast.expr) -> ast.expr:
    result = _Unquote().visit(node)
    assert isinstance(result, ast.expr)
    return result


class _Unquote(ast.NodeTransformer):
    """Replace the strings of an annotation by the expressions that they hold."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, str):
            return node
        try:
            return ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        base = ast.unparse(node.value).split(".")[-1]
        if base == "Literal":
            return node
        if base == "Annotated" and isinstance(node.slice, ast.Tuple) and node.slice.elts:
            node.slice.elts[0] = _annotation(node.slice.elts[0])
            return node
        return self.generic_visit(node)
