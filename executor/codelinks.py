"""Links names in code blocks to their documentation, at the version that the site uses.

What a name stands for is read from the imports of a page, without running anything: a
name that the page also binds in another way gets no link. Where the documentation has
its page is written in data/codelinks.yml.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_BLOCK = re.compile(
    r'(<div (?:[^>]*")? ?class="language-python(?: [\w-]+)* highlight"[^>]*>'
    r"<pre[^>]*>(?:<span></span>)?<code[^>]*>)"
    r"(.*?)(</code></pre>)",
    re.DOTALL,
)
_PIECE = re.compile(r"<[^>]*>|&[#\w]+;|[^<&]+")


@dataclass(frozen=True, slots=True)
class Docs:
    """Where the documentation of a package is.

    Attributes:
        base: Address of the pinned version, with a slash at the end.
        search: Page below ``base`` that searches, with ``{name}``, or nothing.
        modules: Page of each module, below ``base``.
        families: Pairs of a pattern of full names and the page, below ``base``.
    """

    base: str
    search: str
    modules: dict[str, str]
    families: tuple[tuple[re.Pattern[str], str], ...]


class Table:
    """What data/codelinks.yml says, at the versions of constraints.txt.

    Args:
        docs: The documentation of each package.
    """

    def __init__(self, docs: list[Docs]) -> None:
        self._docs = docs
        self._modules = {
            module: f"{entry.base}{page}"
            for entry in docs
            for module, page in entry.modules.items()
        }

    def module(self, name: str) -> str | None:
        """Returns the address of the page on a module."""
        return self._modules.get(name)

    def exact(self, name: str) -> str | None:
        """Returns the address at which a full name is explained, if that is certain."""
        address = self._family(name)
        if address is not None or "." not in name:
            return address
        owner, last = name.rsplit(".", 1)
        if not owner.rpartition(".")[2][:1].isupper() or last.startswith("_"):
            return None
        page = self._family(owner)  # an attribute of a class stands on its page
        return f"{page.partition('#')[0]}#{name}" if page else None

    def _family(self, name: str) -> str | None:
        for entry in self._docs:
            for pattern, page in entry.families:
                if pattern.fullmatch(name):
                    module, _, last = name.rpartition(".")
                    page = page.format(
                        name=name,
                        module=module,
                        submodule=module.rpartition(".")[2],
                        last=last,
                    )
                    anchor = "" if "#" in page else f"#{name}"
                    return f"{entry.base}{page}{anchor}"
        return None

    def search(self, name: str) -> str | None:
        """Returns the address that searches the documentation for a full name."""
        root = name.partition(".")[0]
        for entry in self._docs:
            if entry.search and any(
                module.partition(".")[0] == root for module in entry.modules
            ):
                return entry.base + entry.search.format(name=name)
        return None


def load(path: Path, pins: dict[str, str]) -> Table:
    """Reads the table.

    Args:
        path: The file data/codelinks.yml.
        pins: Version of each distribution. A package without one is left out, unless
            its address names no version.
    """
    docs = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        version = pins.get(entry["package"])
        base = str(entry["base"])
        if "{" in base:
            if version is None:
                continue
            minor = ".".join(version.split(".")[:2])
            base = base.format(version=version, minor=minor)
        families: dict[str, Any] = entry.get("families", {})
        docs.append(
            Docs(
                base,
                entry.get("search", ""),
                entry.get("modules", {}),
                tuple((re.compile(name), page) for name, page in families.items()),
            )
        )
    return Table(docs)


def link(content: str, table: Table) -> str:
    """Links the names in the Python blocks of a page.

    The blocks of a page are one program: what one imports, the next ones use. The first
    link to an address takes part in the Tab order; those that repeat it do not. What
    stands in a fold (executor/folds.py) cannot be the first.

    Args:
        content: The page's HTML.
        table: Where documentation is.

    Returns:
        The same HTML with links in the code, which reads and copies as before.
    """
    blocks = [_text(match[2]) for match in _BLOCK.finditer(content)]
    trees = [_parse(block) for block in blocks]
    bindings = imports([tree for tree in trees if tree is not None])
    targets = iter(
        _links(text, tree, bindings, table) if tree is not None else {}
        for text, tree in zip(blocks, trees, strict=True)
    )
    seen: set[str] = set()
    return _BLOCK.sub(
        lambda match: match[1] + _insert(match[2], next(targets), seen) + match[3],
        content,
    )


def imports(trees: list[ast.Module]) -> dict[str, str]:
    """Returns what each imported name stands for, if the program binds it in one way.

    Args:
        trees: The syntax of the program's parts.
    """
    found: dict[str, set[str]] = {}
    other: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    full = alias.name if alias.asname else name
                    found.setdefault(name, set()).add(full)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    full = f"{'.' * node.level}{node.module or ''}.{alias.name}"
                    found.setdefault(alias.asname or alias.name, set()).add(full)
            else:
                other.update(_bound(node))
    return {
        name: next(iter(full))
        for name, full in found.items()
        if len(full) == 1 and name not in other and not next(iter(full)).startswith(".")
    }


_NAMED = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar),
)


def _bound(node: ast.AST) -> Iterator[str]:
    """Yields the names that a node binds, other than by an import."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, _NAMED) and node.name:
        yield node.name


def _parse(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError):
        return None


def _links(
    text: str, tree: ast.Module, bindings: dict[str, str], table: Table
) -> dict[tuple[int, int], str]:
    """Returns the addresses for names of a block, by their first and last character."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = text.splitlines()
    found: dict[tuple[int, int], str] = {}

    def add(name: str, line: int, end_byte: int, address: str | None) -> None:
        if address:
            before = lines[line - 1].encode()[:end_byte].decode()
            end = starts[line - 1] + len(before)
            if text[end - len(name) : end] == name:
                found[end - len(name), end] = address

    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                end = alias.col_offset + len(alias.name.encode())
                if isinstance(node, ast.Import):
                    address = table.module(alias.name)
                else:
                    full = f"{node.module}.{alias.name}"
                    address = None if node.level else table.exact(full)
                    address = address or (None if node.level else table.module(full))
                add(alias.name, alias.lineno, end, address)
        elif isinstance(node, ast.Attribute | ast.Name) and node not in inner:
            chain = _chain(node)
            inner.update(chain)
            if isinstance(chain[0], ast.Name) and chain[0].id in bindings:
                for part, address in _addresses(chain, bindings[chain[0].id], table):
                    name = part.id if isinstance(part, ast.Name) else part.attr
                    assert part.end_lineno is not None
                    assert part.end_col_offset is not None
                    add(name, part.end_lineno, part.end_col_offset, address)
    return found


_Part = ast.Name | ast.Attribute


def _chain(node: _Part) -> list[_Part]:
    """Returns the parts of ``a.b.c``: the nodes of a, a.b and a.b.c."""
    parts: list[_Part] = [node]
    while isinstance(parts[0], ast.Attribute):
        value = parts[0].value
        if not isinstance(value, ast.Name | ast.Attribute):
            break
        parts.insert(0, value)
    return parts


def _addresses(
    chain: list[_Part], root: str, table: Table
) -> Iterator[tuple[_Part, str | None]]:
    """Yields the parts of a chain that get a link: the longest known, and its class."""
    names = [root]
    for part in chain[1:]:
        assert isinstance(part, ast.Attribute)
        names.append(f"{names[-1]}.{part.attr}")
    for index in reversed(range(len(chain))):
        address = table.exact(names[index])
        if address:
            yield chain[index], address
            owner = names[index - 1].rpartition(".")[2] if index else ""
            if owner[:1].isupper():
                yield chain[index - 1], table.exact(names[index - 1])
            return
    for index in range(1, len(chain)):
        if table.module(names[index]) is None and table.module(names[index - 1]):
            if not names[index].rpartition(".")[2].startswith("_"):
                yield chain[index], table.search(names[index])
            return


def _text(code: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", code))


def _insert(code: str, links: dict[tuple[int, int], str], seen: set[str]) -> str:
    """Puts links into highlighted code, around whole words of one color."""
    parts = []
    position = 0
    depth = 0  # of elements, from that of a fold on
    for match in _PIECE.finditer(code):
        piece = match[0]
        if piece.startswith("<"):
            parts.append(piece)
            if depth or piece.startswith('<span class="fold"'):
                depth += -1 if piece.startswith("</") else 1
            continue
        if piece.startswith("&"):
            position += len(html.unescape(piece))
            parts.append(piece)
            continue
        end = position + len(piece)
        cursor = position
        for (first, last), address in sorted(links.items()):
            if cursor <= first and last <= end:
                order = ' tabindex="-1"' if address in seen else ""
                if not depth:
                    seen.add(address)
                parts.append(piece[cursor - position : first - position])
                parts.append(
                    f'<a class="api" href="{html.escape(address)}"{order}>'
                    f"{piece[first - position : last - position]}</a>"
                )
                cursor = last
        parts.append(piece[cursor - position :])
        position = end
    return "".join(parts)
