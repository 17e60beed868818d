"""Tells which earlier code cells a cell needs, so that a copied cell runs alone.

A cell needs, always as a whole:

1. For each name it reads, the cell that last bound the name. A binding inside ``if``,
   ``while``, ``try`` or ``match`` may not happen, so the one before counts too; a ``for``
   loop is taken to run at least once. What a function reads from outside is read whenever
   the function may be called.
2. Every earlier cell that may have changed such an object. Assigning to an attribute or
   an item, ``del`` and ``+=`` change one. So do passing it to a function and calling a
   method of it, unless the function or method is known to only look
   (`_LOOKING_FUNCTIONS`, `_LOOKING_METHODS`), is a class, or is a function of the page
   whose code leaves the argument alone. Calling an object (``model(x)``) is looking.
   Objects that were made from one another (``optimizer = AdamW(model.parameters())``)
   are changed together. Reading an iterator changes it.
3. Settings of a package that the cell uses. A setting is a call on its own line that
   takes nothing from the page, such as ``torch.set_num_threads(1)``, or an assignment to
   a part of a module. Settings of the standard library (``os.environ``, ``warnings``)
   are for all.
4. If it may draw random numbers: the last cell that set a seed, and each after it that
   may have drawn. Names such as ``randn``, ``shuffle`` or ``Linear`` tell (`_DRAWS`).

And what those cells need. The rules err on the side of one cell too many. They do not see
what libraries do behind a name, so tests/site/test_paste.py runs what readers copy.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from executor.assemble import Program, syntax_of
from executor.modules import imported_names, scope_of

_Kind = Literal["import", "def", "class", "plain", "iterator", "object"]
_Function = ast.FunctionDef | ast.AsyncFunctionDef

_RANDOM = "<random>"
_EVERYWHERE = "<all>"

# fmt: off
_LOOKING_FUNCTIONS = frozenset({
    "IPython", "base64", "collections", "copy", "dataclasses", "functools", "hashlib",
    "html", "inspect", "itertools", "json", "math", "matplotlib", "numpy", "operator",
    "pandas", "pprint", "re", "scipy", "sklearn", "statistics", "string", "struct", "sys",
    "textwrap", "time", "torch", "types", "typing",
})
"""Packages whose functions return something new and leave their arguments alone…"""
_NOT_LOOKING = re.compile(
    r"_$|(^|\.)(copyto|dump|fill_diagonal|place|put|putmask|save|shuffle)$"
    r"|\.(init|optim|random|utils|hub)\."
)
"""… other than these."""
_LOOKING_METHODS = frozenset({
    "abs", "agg", "all", "any", "apply", "apply_chat_template", "argmax", "argmin",
    "argsort", "assign", "astype", "batch", "batch_decode", "bool", "chunk", "clamp",
    "clip", "clone", "contiguous", "copy", "cos", "count", "cpu", "cuda", "cumsum",
    "decode", "describe", "detach", "diagonal", "diff", "difference", "dim", "double",
    "drop", "dropna", "embeddings", "encode", "encoder", "endswith", "eq", "exists",
    "exp", "expand", "fillna", "filter", "find", "flatten", "flip", "float", "format",
    "gather", "ge", "glob", "groupby", "gt", "half", "head", "index", "int",
    "intersection", "isin", "isnan", "item", "items", "iterdir", "join", "keys", "le",
    "ljust", "log", "log_softmax", "long", "lower", "lt", "map", "masked_fill", "matmul",
    "max", "mean", "median", "melt", "merge", "min", "mul", "named_modules",
    "named_parameters", "ne", "nelement", "nlargest", "nonzero", "norm", "nsmallest",
    "numel", "numpy", "pad", "parameters", "permute", "pivot", "pivot_table", "pow",
    "predict", "predict_proba", "prod", "quantile", "query", "ravel", "read_bytes",
    "read_text", "remove_columns", "rename", "rename_axis", "rename_column", "repeat",
    "replace", "reset_index", "reshape", "resolve", "rglob", "rjust", "round", "score",
    "select", "set_index", "sigmoid", "similarity", "sin", "size", "skip", "softmax",
    "sort_index", "sort_values", "split", "splitlines", "sqrt", "squeeze", "startswith",
    "stat", "state_dict", "std", "strip", "sub", "sum", "swapaxes", "t", "tail", "take",
    "tanh", "title", "to", "toarray", "tokenize", "tolist", "topk", "transform",
    "transpose", "tril", "triu", "type", "unbind", "union", "unique", "unsqueeze",
    "upper", "value_counts", "values", "var", "view", "zip",
})
_LOOKING_PREFIX = re.compile(r"(as|convert|get|has|is|num|post_process|to|with)_[a-z]")
"""Methods that change neither their object nor an argument."""
_SAVING_METHODS = frozenset({
    "save", "save_pretrained", "save_to_disk", "save_vocabulary", "savefig", "to_csv",
    "to_json", "to_parquet",
})
"""Methods that change no object but a file, whose path is an argument."""
_OWN_METHODS = frozenset({
    "annotate", "axhline", "axvline", "bar", "barh", "clear", "close", "colorbar",
    "discard", "errorbar", "eval", "fill_between", "fit", "fit_transform", "grid", "hist",
    "imshow", "legend", "pcolormesh", "pie", "plot", "pop", "popitem", "remove",
    "requires_grad_", "reverse", "scatter", "set", "sort", "step", "text", "train",
    "write", "zero_grad",
})
"""Methods that change their object, and neither change nor keep an argument."""
_KEEPING_METHODS = frozenset({
    "add", "append", "extend", "insert", "setdefault", "update",
})
"""Methods that change their object, which holds the arguments from then on."""
_COPYING = frozenset({
    "base64", "hashlib", "html", "json", "math", "matplotlib", "pandas", "re", "scipy",
    "sklearn", "statistics", "string", "struct", "textwrap", "time",
})
"""Packages that hold on to nothing of what their functions and classes are given."""
_FRESH = frozenset({
    "abs", "all", "any", "as_posix", "bool", "count", "find", "float", "format",
    "from_pretrained", "hash", "id", "index", "int", "isinstance", "item", "join",
    "len", "ljust", "load_dataset", "load_from_disk", "lower", "max", "min",
    "num_parameters", "numel", "ord", "pow", "print", "range", "read_text", "replace",
    "repr", "rjust", "round", "score", "size", "split", "str", "strip", "sum", "title",
    "tolist", "type", "upper",
})
"""What returns something that shares nothing with what went in."""
_FRESH_ATTRIBUTES = frozenset({"device", "dtype", "ndim", "shape"})
_ITERATORS = frozenset({"enumerate", "filter", "iter", "map", "open", "reversed", "zip"})
_CHANGING_BUILTINS = frozenset({"delattr", "exec", "eval", "next", "setattr"})
_NOT_SETTING = frozenset({"close", "collect", "display", "show", "sleep"})
# fmt: on
_SEEDS = re.compile(r"^(manual_)?seed(_all|_everything)?$|^set_seed$")
_DRAWS = re.compile(
    r"[Rr]and|[Ss]huffle|[Ss]ampl[ei]|multinomial|normal(?!i)|uniform|bernoulli"
    r"|[Dd]ropout|choice|^train_test_split$|^from_config$"
    r"|(Model|Linear|Conv[123]d|Embedding|Parameter|Layer|Encoder|Decoder|Attention"
    r"|Transformer|LSTM|GRU|RNN|Trainer|KMeans)$|For[A-Z]\w+$"
)
_QUIET = re.compile(r"progress_bar|verbosity|warnings?$")
_CLASS = re.compile(r"_?[A-Z]\w*[a-z]|[A-Z]$")


def needs(program: Program) -> list[tuple[int, ...]]:
    """Returns for each code cell of a page the earlier code cells it needs, from 0 on."""
    return needs_of([cell.source for cell in program.code])


def needs_of(sources: Sequence[str]) -> list[tuple[int, ...]]:
    """Returns for each cell the positions of the earlier cells that it needs.

    Args:
        sources: The code cells of a page, in order.
    """
    return list(_needs_of(tuple(sources)))


@lru_cache(maxsize=1024)
def _needs_of(sources: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    page = _Page()
    return tuple(page.add(syntax_of(source).body) for source in sources)


@dataclass(frozen=True, slots=True)
class _Version:
    """A name as one cell binds it.

    Attributes:
        name: The name; in angle brackets for what is not an object of the page.
        cell: The cell.
        kind: What it is bound to.
        target: For an import, what is imported.
        node: For a function, its definition.
    """

    name: str
    cell: int
    kind: _Kind
    target: str = ""
    node: _Function | None = None


@dataclass(slots=True)
class _Cell:
    """What running a cell does, as far as other cells are concerned."""

    reads: set[str] = field(default_factory=set)
    lazy: set[str] = field(default_factory=set)  # read by its functions when called
    calls_own: bool = False  # whether it uses a function or class of its own
    sure: set[str] = field(default_factory=set)  # bound by it in any case
    bound: dict[str, _Version] = field(default_factory=dict)
    changed: set[_Version] = field(default_factory=set)


@dataclass(slots=True)
class _Summary:
    """What calling a function of the page does."""

    changed: set[str] = field(default_factory=set)  # parameters
    # Names that are not its own, each with whether it changes for sure.
    outside: set[tuple[str, bool]] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)  # parameters that the result holds
    draws: bool = False
    seeds: bool = False


class _Groups[T]:
    """Sets of things that grow together."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}

    def find(self, item: T) -> T:
        while (parent := self._parent.get(item, item)) != item:
            item = parent
        return item

    def join(self, one: T, other: T) -> None:
        self._parent[self.find(one)] = self.find(other)


class _Page:
    """The cells of a page so far."""

    def __init__(self) -> None:
        self.cells: list[_Cell] = []
        self.groups: _Groups[_Version] = _Groups()
        self.summaries: dict[_Function, _Summary] = {}

    def add(self, body: list[ast.stmt]) -> tuple[int, ...]:
        """Takes the next cell. Returns the earlier cells that it needs."""
        number = len(self.cells)
        cell = _Cell()
        flow = _Flow()
        cell.sure = flow.block(body, set())
        cell.reads, cell.lazy = flow.reads, flow.lazy
        self.cells.append(cell)
        cell.bound = _bindings(body, number, self)
        own = {v.name for v in cell.bound.values() if v.kind in ("def", "class")}
        cell.calls_own = not own.isdisjoint(flow.used)
        effects = _Effects(self, set())
        for node in body:
            effects.visit(node)
        self._settings(cell, number, effects)
        needed = self._needed(number)
        self._remember(cell, number, effects)
        return needed

    def versions(self, name: str, before: int) -> Iterator[_Version]:
        """Yields what a name may stand for when a cell starts, newest first."""
        package = False
        for number in range(before - 1, -1, -1):
            cell = self.cells[number]
            version = cell.bound.get(name)
            if version is None or (package and version.kind != "import"):
                continue
            # `import a.b` adds to the package that an earlier `import a.c` has loaded.
            if package and "." not in version.target:
                continue
            yield version
            if name in cell.sure:
                if version.kind != "import" or not version.target.startswith(name):
                    return
                package = True

    def version(self, name: str) -> _Version | None:
        """Returns what a name stands for in the cell at hand."""
        number = len(self.cells) - 1
        own = self.cells[number].bound.get(name)
        return own or next(self.versions(name, number), None)

    def _seen(self, name: str, number: int) -> list[_Version]:
        """What a name may stand for while a cell runs."""
        cell = self.cells[number]
        own = [cell.bound[name]] if name in cell.bound else []
        early = not own or name in cell.reads or name not in cell.sure
        return own + (list(self.versions(name, number)) if early else [])

    def _settings(self, cell: _Cell, number: int, effects: _Effects) -> None:
        """Adds names for what is no object of the page: packages and randomness."""

        def package(name: str) -> str | None:
            version = self.version(name)
            if version is None or version.kind != "import":
                return None
            return f"<{version.target.partition('.')[0]}>"

        used = {name: package(name) for name in {*cell.reads, *cell.bound}}
        cell.reads |= {name for name in used.values() if name} | {_EVERYWHERE}
        cell.lazy |= {name for use in cell.lazy if (name := package(use))}
        for name in effects.settings:
            version = self.version(name)
            assert version is not None
            top = version.target.partition(".")[0]
            setting = _EVERYWHERE if top in sys.stdlib_module_names else f"<{top}>"
            cell.bound[setting] = _Version(setting, number, "object")
        if effects.seeds:
            cell.bound[_RANDOM] = _Version(_RANDOM, number, "object")
            cell.sure.add(_RANDOM)
        elif effects.draws:
            cell.reads.add(_RANDOM)

    def _remember(self, cell: _Cell, number: int, effects: _Effects) -> None:
        """Takes in what the cell at hand changes, and what it makes from what."""
        for name, strong in effects.changed:
            cell.changed |= {
                version
                for version in self._seen(name, number)
                if strong or version.kind in ("object", "iterator")
            }
        for name in cell.reads:
            for version in self.versions(name, number):
                if version.kind == "iterator" or name == _RANDOM:
                    cell.changed.add(version)
        for one, other in effects.shared:
            for left in self._seen(one, number):
                for right in self._seen(other, number):
                    if {left.kind, right.kind} <= {"object", "iterator"}:
                        self.groups.join(left, right)

    def _needed(self, number: int) -> tuple[int, ...]:
        needed: set[int] = set()
        read: set[tuple[str, int]] = set()
        grown = True
        while grown:
            cells = [*needed, number]
            wanted = {(name, at) for at in cells for name in self.cells[at].reads}
            for source in cells:
                own = self.cells[source]
                for at in cells:
                    if at > source or (at == source and own.calls_own):
                        skipped = own.sure if at == source else set()
                        wanted |= {(name, at) for name in own.lazy - skipped}
            grown = not wanted <= read
            for name, at in wanted - read:
                for version in self.versions(name, at):
                    needed.add(version.cell)
                    if version.kind != "plain":
                        needed |= self._changers(version, at)
            read |= wanted
        return tuple(sorted(needed))

    def _changers(self, version: _Version, before: int) -> set[int]:
        group = self.groups.find(version)
        return {
            number
            for number, cell in enumerate(self.cells[:before])
            if any(self.groups.find(changed) == group for changed in cell.changed)
        }

    def summary(self, node: _Function) -> _Summary:
        """Returns what a function does to what it is given."""
        if node in self.summaries:
            return self.summaries[node]
        result = self.summaries[node] = _Summary()  # for a function that calls itself
        arguments = node.args
        parameters = {
            argument.arg
            for argument in (
                *arguments.posonlyargs,
                *arguments.args,
                *arguments.kwonlyargs,
                *(extra for extra in (arguments.vararg, arguments.kwarg) if extra),
            )
        }
        inner = list(ast.walk(node))
        stored = {
            name.id
            for name in inner
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        outer = {
            name for part in inner if isinstance(part, ast.Global) for name in part.names
        }
        effects = _Effects(self, (parameters | stored) - outer)
        groups: _Groups[str] = _Groups()
        for statement in node.body:
            effects.visit(statement)
        for one, other in effects.shared:
            groups.join(one, other)
        changed = {groups.find(name) for name, _ in effects.changed}
        held = {
            groups.find(name)
            for part in inner
            if isinstance(part, ast.Return | ast.Yield | ast.YieldFrom) and part.value
            for name in effects.roots(part.value)
        }
        result.changed = {name for name in parameters if groups.find(name) in changed}
        result.returned = {name for name in parameters if groups.find(name) in held}
        own = parameters | stored - outer
        result.outside = {
            (name, sure) for name, sure in effects.changed if name not in own
        }
        result.outside |= {(name, True) for name in outer & stored}
        result.draws, result.seeds = effects.draws, effects.seeds
        return result


class _Flow:
    """Finds what code reads before it has surely bound it, in the order of execution."""

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.lazy: set[str] = set()
        self.used: set[str] = set()  # at once, whoever bound it

    def block(self, body: Iterable[ast.stmt], bound: set[str]) -> set[str]:
        """Reads statements. Returns what is surely bound behind them."""
        for node in body:
            bound = self._statement(node, bound)
        return bound

    def _statement(self, node: ast.stmt, bound: set[str]) -> set[str]:
        match node:
            case ast.If(test=test):
                bound = self._read(test, bound)
                return self.block(node.body, bound) & self.block(node.orelse, bound)
            case ast.For() | ast.AsyncFor():
                bound = self._read(node.iter, bound)
                bound = self.block(node.body, self._store([node.target], bound))
                return self.block(node.orelse, bound)
            case ast.While(test=test):
                bound = self._read(test, bound)
                self.block(node.body, bound)
                self.block(node.orelse, bound)
                return bound
            case ast.Try() | ast.TryStar():
                after = self.block(node.orelse, self.block(node.body, bound))
                for handler in node.handlers:
                    if handler.type is not None:
                        self._read(handler.type, bound)
                    named = {handler.name} if handler.name else set()
                    end = self.block(handler.body, bound | named) - named
                    if not isinstance(handler.body[-1], ast.Raise):
                        after &= end
                return after | self.block(node.finalbody, bound)
            case ast.With() | ast.AsyncWith():
                inside = bound
                for item in node.items:
                    inside = self._read(item.context_expr, inside)
                    if item.optional_vars is not None:
                        inside = self._store([item.optional_vars], inside)
                suppressed = any(
                    "suppress" in ast.unparse(item.context_expr) for item in node.items
                )
                end = self.block(node.body, inside)
                return inside if suppressed else end
            case ast.Match(subject=subject):
                bound = self._read(subject, bound)
                for case in node.cases:
                    taken = bound | _captured(case.pattern)
                    if case.guard is not None:
                        taken = self._read(case.guard, taken)
                    self.block(case.body, taken)
                return bound
            case ast.Assign(targets=targets, value=value):
                return self._store(targets, self._read(value, bound))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                return self._store([target], self._read(value, bound))
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                self.reads |= {name} - bound
                return self._read(value, bound) | {name}
            case ast.Delete(targets=targets):
                for gone in targets:
                    if isinstance(gone, ast.Name):
                        self.reads |= {gone.id} - bound
                    else:
                        self._store([gone], bound)
                return bound
            case _:
                return self._whole(node, bound)

    def _store(self, targets: Iterable[ast.expr], bound: set[str]) -> set[str]:
        for target in targets:
            match target:
                case ast.Name(id=name):
                    bound = bound | {name}
                case ast.Tuple(elts=parts) | ast.List(elts=parts):
                    bound = self._store(parts, bound)
                case ast.Starred(value=value):
                    bound = self._store([value], bound)
                case ast.Attribute(value=value):
                    bound = self._read(value, bound)
                case ast.Subscript(value=value, slice=index):
                    bound = self._read(index, self._read(value, bound))
        return bound

    def _read(self, node: ast.expr, bound: set[str]) -> set[str]:
        return self._whole(ast.Expr(node), bound)

    def _whole(self, node: ast.stmt, bound: set[str]) -> set[str]:
        try:
            scope = scope_of(ast.unparse(node), [node], of_page=True)
        except SyntaxError:  # e.g. a `return` at the top level: running the cell tells
            return bound
        self.reads |= scope.eager - bound
        self.used |= scope.eager
        self.lazy |= scope.uses - scope.eager
        return bound | set(scope.binds)


def _captured(pattern: ast.pattern) -> set[str]:
    names = set()
    for node in ast.walk(pattern):
        if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.add(node.rest)
    return names


def _bindings(body: list[ast.stmt], number: int, page: _Page) -> dict[str, _Version]:
    """Finds what each name is that a cell binds."""
    found: dict[str, _Version] = {}

    def bind(
        name: str, kind: _Kind, target: str = "", node: ast.AST | None = None
    ) -> None:
        if name in found and found[name].kind != kind:
            kind, target, node = "object", "", None
        function = node if isinstance(node, _Function) else None
        if kind == "import" and name in found:
            target = max(target, found[name].target, key=lambda text: text.count("."))
        found[name] = _Version(name, number, kind, target, function)

    def store(target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            bind(target.id, "object" if value is None else _kind_of(value, page))
        elif isinstance(target, ast.Tuple | ast.List):
            pairs: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                pairs = list(value.elts)
            for part, its_value in zip(target.elts, pairs, strict=True):
                store(part, its_value)
        elif isinstance(target, ast.Starred):
            store(target.value, None)

    def walk(node: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                bind(node.name, "def", node=node)
                return
            case ast.ClassDef(name=name):
                bind(name, "class")
                return
            case ast.Lambda() | ast.TypeAlias():
                return
            case ast.Import() | ast.ImportFrom():
                for imported in imported_names(node):
                    # What is loaded, for `import a.b`, which binds only `a`.
                    loads = imported.loads if "." in imported.text else imported.target
                    bind(imported.bound, "import", loads)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    store(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                store(target, value)
            case ast.AugAssign(target=target):
                store(target, None)
            case ast.NamedExpr(target=target, value=value):
                store(target, value)
            case ast.For(target=target) | ast.AsyncFor(target=target):
                store(target, None)
            case ast.withitem(optional_vars=ast.expr() as target):
                store(target, None)
            case ast.Match():
                for case in node.cases:
                    for name in _captured(case.pattern):
                        bind(name, "object")
        for child in ast.iter_child_nodes(node):
            walk(child)

    for statement in body:
        walk(statement)
    return found


def _kind_of(value: ast.expr, page: _Page) -> _Kind:
    match value:
        case ast.Constant() | ast.JoinedStr():
            return "plain"
        case ast.Compare() | ast.BinOp() | ast.UnaryOp() | ast.BoolOp() | ast.Tuple():
            parts = [
                part for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr)
            ]
            plain = all(_kind_of(part, page) == "plain" for part in parts)
            return "plain" if plain else "object"
        case ast.GeneratorExp():
            return "iterator"
        case ast.Lambda():
            return "def"
        case ast.Call(func=ast.Name(id=name)):
            version = page.version(name) if page.cells else None
            if version is None:
                if name in _ITERATORS:
                    return "iterator"
                return "plain" if name in _FRESH and hasattr(builtins, name) else "object"
            if version.node is not None and any(
                isinstance(part, ast.Yield | ast.YieldFrom)
                for part in ast.walk(version.node)
            ):
                return "iterator"
    return "object"


class _Effects(ast.NodeVisitor):
    """Finds what code may change, and which names may come to share an object.

    Args:
        page: The page, to look up what a name stands for.
        local: Names that are not those of the page.
    """

    def __init__(self, page: _Page, local: set[str]) -> None:
        self.changed: set[tuple[str, bool]] = set()  # whether for sure
        self.shared: list[tuple[str, str]] = []
        self.settings: set[str] = set()  # names of imports
        self.draws = False
        self.seeds = False
        self._page = page
        self._local = local
        self._in_function = bool(local)
        self._stands_for: dict[str, set[str]] = {}  # variables of comprehensions

    # What an expression may hold.

    def roots(self, node: ast.expr | None) -> set[str]:
        """Returns names whose objects the value of an expression may hold."""
        match node:
            case ast.Name(id=name):
                if name in self._stands_for:
                    return self._stands_for[name]
                version = self._version(name)
                fixed = version is not None and version.kind in ("import", "def")
                return set() if fixed else {name}
            case ast.Attribute(value=value, attr=attr):
                return set() if attr in _FRESH_ATTRIBUTES else self.roots(value)
            case ast.Subscript(value=value) | ast.Starred(value=value):
                return self.roots(value)
            case ast.Await(value=value) | ast.NamedExpr(value=value):
                return self.roots(value)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return self._all(parts)
            case ast.BoolOp(values=parts) | ast.Dict(values=parts):
                return self._all(parts)
            case ast.IfExp(body=one, orelse=other):
                return self._all([one, other])
            case ast.BinOp(left=one, op=ast.Add(), right=other):
                return self._all([one, other])
            case (
                ast.ListComp(elt=part)
                | ast.SetComp(elt=part)
                | ast.GeneratorExp(elt=part)
            ):
                with self._comprehension(node.generators):
                    return self.roots(part)
            case ast.DictComp(key=key, value=value):
                with self._comprehension(node.generators):
                    return self._all([key, value])
            case ast.Call():
                return self._result(node)
        return set()

    def _all(self, nodes: Iterable[ast.expr | None]) -> set[str]:
        return {name for node in nodes for name in self.roots(node)}

    def _given(self, call: ast.Call) -> set[str]:
        return self._all([*call.args, *(keyword.value for keyword in call.keywords)])

    def _result(self, call: ast.Call) -> set[str]:
        match call.func:
            case ast.Name(id=name):
                version = self._version(name)
                if version is None and name not in self._local and name in _FRESH:
                    return set()
                if version is not None and version.node is not None:
                    summary = self._page.summary(version.node)
                    return self._passed(call, version.node, summary.returned)
                if (
                    version is None
                    and hasattr(builtins, name)
                    and name not in self._local
                ):
                    return self._given(call)
                target = self._target(call.func)
                # What calling an object gives is new.
                kept = target and _top(target) not in _COPYING
                return self._given(call) if kept else set()
            case ast.Attribute(value=value, attr=attr):
                if attr in _FRESH:
                    return set()
                if target := self._target(call.func):
                    return set() if _top(target) in _COPYING else self._given(call)
                if _looks(attr) or _own(attr):
                    return self.roots(value)
                return self._given(call) | self.roots(value)
        return set()

    def _passed(self, call: ast.Call, node: _Function, wanted: set[str]) -> set[str]:
        """Names that a call passes to some parameters of a function."""
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        rest = node.args.vararg.arg if node.args.vararg else None
        found: set[str] = set()
        for position, argument in enumerate(call.args):
            starred = any(isinstance(a, ast.Starred) for a in call.args[: position + 1])
            name = names[position] if position < len(names) else rest
            if starred or name in wanted:
                found |= self.roots(argument)
        for keyword in call.keywords:
            known = keyword.arg in {*names, *(a.arg for a in node.args.kwonlyargs)}
            if keyword.arg in wanted or (
                not known and (keyword.arg is None or node.args.kwarg)
            ):
                found |= self.roots(keyword.value)
        return found

    @contextmanager
    def _comprehension(self, generators: list[ast.comprehension]) -> Iterator[None]:
        before = self._stands_for
        for generator in generators:
            held = self.roots(generator.iter)
            names = {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}
            self._stands_for = self._stands_for | dict.fromkeys(names, held)
        yield
        self._stands_for = before

    def _version(self, name: str) -> _Version | None:
        if name in self._local or name in self._stands_for:
            return None
        return self._page.version(name)

    def _target(self, node: ast.expr) -> str:
        """Returns what a dotted name that starts at an import stands for, or nothing."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        version = self._version(node.id)
        if version is None or version.kind not in ("import", "class"):
            return ""
        top = version.target or node.id
        if top.startswith(f"{node.id}."):  # `import a.b` binds `a`
            top = node.id
        return ".".join([top, *reversed(parts)])

    # Calls.

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        last = ""
        target = self._target(node.func)
        match node.func:
            case ast.Name(id=name):
                last = name
                version = self._version(name)
                if version is not None and version.node is not None:
                    self._call_function(node, version.node)
                elif target:
                    self._call_import(node, target)
                elif version is None and name in _CHANGING_BUILTINS - self._local:
                    self._change(self._all(node.args[:1]), strong=True)
            case ast.Attribute(value=value, attr=attr):
                last = attr
                if target:
                    self._call_import(node, target)
                else:
                    self._call_method(node, value, attr)
        if _SEEDS.search(last):
            self.seeds = True
        seeded = any(k.arg in ("random_state", "generator") for k in node.keywords)
        trains = last == "train" and "trainer" in ast.unparse(node.func).lower()
        if trains or (_DRAWS.search(last) and not seeded):
            self.draws = True
        for keyword in node.keywords:
            if keyword.arg == "out":
                self._change(self.roots(keyword.value), strong=True)

    def _call_function(self, call: ast.Call, node: _Function) -> None:
        summary = self._page.summary(node)
        self._change(self._passed(call, node, summary.changed))
        self.changed |= summary.outside
        self.draws |= summary.draws
        self.seeds |= summary.seeds

    def _call_import(self, call: ast.Call, target: str) -> None:
        *above, last = target.split(".")
        if _CLASS.match(last) or (above and _CLASS.match(above[-1])):
            return  # makes something; what it is made of stays as it is
        if (
            above[:1]
            and above[0] in _LOOKING_FUNCTIONS
            and not _NOT_LOOKING.search(target)
        ):
            return
        self._change(self._given(call))

    def _call_method(self, call: ast.Call, value: ast.expr, attr: str) -> None:
        in_place = any(keyword.arg == "inplace" for keyword in call.keywords)
        receiver, given = self.roots(value), self._given(call)
        if attr in _SAVING_METHODS:
            self._change(given)
            return
        if _looks(attr) and not in_place:
            return
        if attr in ("eval", "train") and self._in_function and not given:
            return  # for its own use, as those that come after do
        self._change(receiver)
        if _own(attr) or in_place:
            return
        self.shared += [(one, other) for one in receiver for other in given]
        if attr not in _KEEPING_METHODS:
            self._change(given)

    def _change(self, names: Iterable[str], *, strong: bool = False) -> None:
        self.changed |= {(name, strong) for name in names}

    # Statements.

    def visit_Expr(self, node: ast.Expr) -> None:
        self.generic_visit(node)
        call = node.value
        if self._in_function or not isinstance(call, ast.Call):
            return
        target = self._target(call.func)
        names = {
            name.id
            for argument in (*call.args, *call.keywords)
            for name in ast.walk(argument)
            if isinstance(name, ast.Name)
        }
        from_page = any(
            (version := self._version(name)) is not None and version.kind != "import"
            for name in names
        )
        last = target.rpartition(".")[2]
        drawing = target.startswith("matplotlib.pyplot.") and not re.match(
            r"rc|style|set_cmap|switch_backend", target.removeprefix("matplotlib.pyplot.")
        )
        if (
            target
            and not from_page
            and not drawing
            and last not in _NOT_SETTING
            and not _SEEDS.search(last)
            and not (_QUIET.search(last) and not target.startswith("warnings"))
        ):
            self.settings |= self._imports(call.func)

    def _imports(self, node: ast.expr) -> set[str]:
        return {
            name.id
            for name in ast.walk(node)
            if isinstance(name, ast.Name)
            and (version := self._version(name.id)) is not None
            and version.kind == "import"
        }

    def _assign(self, target: ast.expr, value: ast.expr | None, held: set[str]) -> None:
        match target:
            case ast.Name(id=name):
                self.shared += [(name, other) for other in held if other != name]
            case ast.Starred(value=inner):
                self._assign(inner, None, held)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                if isinstance(value, ast.Tuple) and len(value.elts) == len(parts):
                    for part, its_value in zip(parts, value.elts, strict=True):
                        self._assign(part, its_value, self.roots(its_value))
                else:
                    for part in parts:
                        self._assign(part, None, held)
            case ast.Attribute(value=inner) | ast.Subscript(value=inner):
                roots = self.roots(inner)
                self._change(roots, strong=True)
                self.shared += [(one, other) for one in roots for other in held]
                if not self._in_function and self._target(_stem(inner)):
                    self.settings |= self._imports(_stem(inner))

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._assign(target, node.value, self.roots(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        self._assign(node.target, node.value, self.roots(node.value))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)
        self._assign(node.target, node.value, self.roots(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)
        self._change(self.roots(node.target), strong=True)
        self._assign(node.target, None, self.roots(node.value))

    def visit_Delete(self, node: ast.Delete) -> None:
        self.generic_visit(node)
        self._change(self._all(node.targets), strong=True)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._assign(node.target, None, self.roots(node.iter))
        self.generic_visit(node)

    visit_AsyncFor = visit_For

    def visit_withitem(self, node: ast.withitem) -> None:
        self.generic_visit(node)
        if node.optional_vars is not None:
            self._assign(node.optional_vars, None, self.roots(node.context_expr))

    def _visit_comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        with self._comprehension(node.generators):
            self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_DictComp = _visit_comprehension
    visit_GeneratorExp = _visit_comprehension

    def visit_Lambda(self, node: ast.Lambda) -> None:
        before = self._stands_for
        names = [
            argument.arg
            for argument in ast.walk(node.args)
            if isinstance(argument, ast.arg)
        ]
        self._stands_for = before | {name: set() for name in names}
        self.generic_visit(node)
        self._stands_for = before

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        if self._in_function:
            for statement in node.body:
                self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Does not look inside: methods run when they are called, under rule 2."""


def _looks(method: str) -> bool:
    return method in _LOOKING_METHODS or _LOOKING_PREFIX.match(method) is not None


def _own(method: str) -> bool:
    return method in _OWN_METHODS or method.startswith("set_")


def _top(target: str) -> str:
    return target.partition(".")[0]


def _stem(node: ast.expr) -> ast.expr:
    """Returns the dotted name that an expression starts with."""
    while isinstance(node, ast.Subscript | ast.Call):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    return node
