"""Writes the reference: a page for each snippets module, for mkdocstrings to fill."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from executor.assemble import Program
from executor.inline import InlineError, Inliner

# What mkdocstrings writes: the heading of an object, its signature, its source.
_PART = re.compile(
    r'<h\d id="(?P<name>snippets\.[\w.]+)" class="doc doc-heading"'
    r'|<div class="language-python doc-signature highlight(?P<signature>)"'
    r'|(?P<source><details class="mkdocstrings-source">.*?<div class="language-python )'
    r'highlight"',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """A page of the reference: ``uri`` below docs/, title and Markdown."""

    uri: str
    title: str
    markdown: str


def reference_pages(root: Path, programs: Iterable[Program]) -> list[ReferencePage]:
    """Returns the overview and one page for each module below snippets/.

    Args:
        root: The project's root.
        programs: The notebook pages, to list those that use a module.
    """
    users: dict[str, list[Program]] = {}
    for program in programs:
        modules = {
            definition.partition(":")[0]
            for cell in program.code
            for definition in cell.definitions
        }
        for module in modules:
            users.setdefault(module, []).append(program)
    pages = []
    rows = []
    for path in sorted((root / "snippets").rglob("*.py")):
        if path.name == "__init__.py":
            continue
        relative = path.relative_to(root)
        module = ".".join(relative.with_suffix("").parts)
        uri = "/".join(["reference", *relative.with_suffix(".md").parts[1:]])
        title = module.removeprefix("snippets.")
        used = "".join(
            f"- [{title_of(program)}]({'../' * uri.count('/')}{program.page.uri})\n"
            for program in users.get(module, [])
        )
        pages.append(
            ReferencePage(
                uri,
                title,
                f"---\ntitle: {title}\ndescription: >-\n"
                f"  Reference of {module}: every function that the pages show, with its\n"
                f"  arguments and errors.\n---\n# `{module}`\n\n"
                + (f"Used on:\n\n{used}\n" if used else "")
                + f"::: {module}\n    options:\n      show_root_heading: false\n"
                "      show_root_toc_entry: false\n",
            )
        )
        rows.append(
            f"| [`{module}`]({uri.removeprefix('reference/')}) | {_summary(path)} |"
        )
    overview = (
        "---\ntitle: Reference\ndescription: >-\n"
        "  The functions that the pages of this site show, with arguments, results,\n"
        "  errors and sources.\n---\n# Reference\n\n"
        "Every page with code takes its functions from a tested module. Here they are, "
        "with what they take, what they return and which errors they raise.\n\n"
        "| Module | What lives there |\n|---|---|\n" + "\n".join(rows) + "\n"
    )
    return [ReferencePage("reference/index.md", "Reference", overview), *pages]


def users_of(programs: Iterable[Program]) -> dict[str, list[tuple[str, str]]]:
    """Returns for each definition, such as ``snippets.vision.vit:train``, its pages.

    Args:
        programs: The notebook pages.

    Returns:
        Source path and title of each page that shows it.
    """
    users: dict[str, list[tuple[str, str]]] = {}
    for program in programs:
        page = (program.page.uri, title_of(program))
        for cell in program.code:
            for definition in cell.definitions:
                if page not in users.setdefault(definition, []):
                    users[definition].append(page)
    return users


def functions_of(root: Path, program: Program) -> str:
    """Returns Markdown that links the functions of a page with their reference entries.

    Args:
        root: The project's root.
        program: The page.
    """
    definitions = dict.fromkeys(
        definition for cell in program.code for definition in cell.definitions
    )
    documented: dict[str, set[str]] = {}
    up = "../" * program.page.uri.count("/")
    links = []
    for definition in definitions:
        module, _, name = definition.partition(":")
        if module not in documented:
            documented[module] = _documented(root / f"{module.replace('.', '/')}.py")
        if name in documented[module]:
            uri = "/".join(["reference", *module.split(".")[1:]])
            links.append(f"[`{name}`]({up}{uri}.md#{module}.{name})")
    if not links:
        return ""
    return (
        "Functions of this page in the reference:\n"
        + ",\n".join(links)
        + "\n{ .page-functions }\n\n"
    )


def finish_reference(
    root: Path,
    page: str,
    uri: str,
    users: dict[str, list[tuple[str, str]]],
    fetch: Callable[[str], str] = lambda _: "",
) -> str:
    """Makes code of a reference page copyable, and says which pages show a function.

    The source of a function is a fragment of a module. Its copy button gives what a page
    that imports the function would show: the function with the imports, helpers and
    constants it needs. A signature is no program and gets no copy button.

    Args:
        root: The project's root.
        page: The HTML that mkdocstrings wrote.
        uri: Source path of the page.
        users: The pages that show a definition.
        fetch: Returns the code that fetches what some code mentions.
    """
    module = ".".join(["snippets", *Path(uri).with_suffix("").parts[1:]])
    up = "../" * (uri.count("/") + 1)
    name = ""

    def replace(match: re.Match[str]) -> str:
        nonlocal name
        if match["name"]:
            name = match["name"].removeprefix(f"{module}.")
            return match[0]
        if match["signature"] is not None:
            return '<div class="language-python doc-signature highlight no-copy"'
        top = name.partition(".")[0]  # of a class, for a method
        shown = ", ".join(
            f'<a href="{up}{user.removesuffix(".py")}/">{html.escape(title)}</a>'
            for user, title in users.get(f"{module}:{top}", [])
        )
        used = (
            f'<p class="doc-users">Shown on {shown}</p>' if shown and top == name else ""
        )
        return f"{used}{match['source']}{_copyable(root, module, top, fetch)}"

    return _PART.sub(replace, page)


def _copyable(root: Path, module: str, name: str, fetch: Callable[[str], str]) -> str:
    """Returns the rest of the tag of a block that shows source: what it is copied as."""
    try:
        inlined = Inliner(root, "reference").cell(f"from {module} import {name}\n", 1)
    except InlineError:
        return 'highlight no-copy"'
    first = fetch(inlined.source)
    code = f"{first.rstrip()}\n\n" * bool(first) + inlined.source.rstrip()
    along = "its imports and helpers" + ", and lines that fetch its files" * bool(first)
    escaped = html.escape(code).replace("\n", "&#10;")
    return f'highlight" data-copy="{escaped}" data-copied="{along}"'


def _documented(path: Path) -> set[str]:
    """Returns the functions and classes of a module that its reference page lists."""
    return {
        node.name
        for node in _parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node)
    }


@lru_cache(maxsize=1024)
def _parse(source: str) -> ast.Module:
    return ast.parse(source)


def title_of(program: Program) -> str:
    """Returns the page's title: that of its front matter, else its first heading."""
    if "title" in program.page.meta:
        return str(program.page.meta["title"])
    for cell in program.page.cells:
        for line in cell.source.splitlines() if cell.kind == "markdown" else []:
            if line.startswith("# "):
                return line[2:].strip()
    return program.page.id


def _summary(path: Path) -> str:
    docstring = ast.get_docstring(_parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split()).replace("|", "\\|")
