"""Writes the reference: a page for each snippets module, for mkdocstrings to fill."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from executor.assemble import Program


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
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split()).replace("|", "\\|")
