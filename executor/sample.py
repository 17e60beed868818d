"""A cell of an executed page, shown on another page with its output and its origin.

A marker in Markdown names the page and the cell, counted from 1 among the code cells that
readers see: `<!-- sample: use/semantic-search.py 2 -->`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

import nbformat

from executor import publish, render
from executor.errors import PageError
from executor.offers import fetch_code
from executor.site import View
from executor.values import Values

_MARKER = re.compile(r"<!--\s*sample:\s*(?P<uri>\S+)\s+(?P<number>\d+)\s*-->")


def fill(
    markdown: str,
    views: Mapping[str, View],
    values: Values,
    place: str,
    site_url: str = "",
) -> str:
    """Puts cells in the places of the markers.

    Args:
        markdown: The Markdown of a page.
        views: The notebook pages.
        values: What ``{{ … }}`` in their prose stands for.
        place: The page with the markers, for error messages.
        site_url: Address of the published site, from which a copied cell fetches files.

    Raises:
        PageError: If there is no such page or cell, or its output is not text.
    """
    return _MARKER.sub(
        lambda match: _sample(
            views, values, match["uri"], int(match["number"]), f"docs/{place}", site_url
        ),
        markdown,
    )


def _sample(
    views: Mapping[str, View],
    values: Values,
    uri: str,
    number: int,
    place: str,
    site_url: str,
) -> str:
    view = views.get(uri)
    if view is None:
        raise PageError(place, f"the sample names {uri}, which is no page with code")
    if view.program is None or view.entry is None:
        return ""  # under `mkdocs serve`, until it has run
    notebook = publish.site_notebook(view.program, view.entry, values, "")
    cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip()
    ]
    if not 1 <= number <= len(cells):
        raise PageError(place, f"{uri} has {len(cells)} cells; saw {number}")
    needed = [cells[block - 1] for block in cells[number - 1].metadata["needs"]]
    fetch = fetch_code(cells[number - 1].metadata["fetch"], site_url)
    alone = nbformat.v4.new_notebook(cells=[cells[number - 1]])
    (cell,) = render.prepare(alone, "sample")[0].cells
    texts = [output.get("text", "") for output in cell.outputs]
    if not texts or not all(texts):
        raise PageError(place, f"cell {number} of {uri} does not print text alone")
    fence = cell.metadata["fence"]
    known = view.entry.provenance
    packages = [
        f"{name} {known['packages'][name]}"
        for name in ("torch", "transformers")
        if name in known["packages"]
    ]
    made = [f"Ran on {known['date']}"]
    if known["commit"]:
        changed = " with local changes" if known["commit"].endswith("+") else ""
        made.append(f"commit {known['commit'][:7]}{changed}")
    made += packages
    output = html.escape("".join(texts).rstrip("\n"), quote=False).replace("\n", "&#10;")
    return (
        f"{_copied_with(cell.source, [earlier.source for earlier in needed], fetch)}"
        f"{fence} {{ .python .sample-code }}\n{cell.source}\n{fence}\n\n"
        '<div class="output output--last sample-output"><pre role="group" tabindex="0" '
        f'aria-label="Output">{output}</pre></div>\n\n'
        f'<p class="sample-made">{html.escape(" · ".join(made))}</p>\n'
    )


def _copied_with(source: str, needed: list[str], fetch: str) -> str:
    """Returns a hidden element with what the copy button of the next block gives."""
    if not needed and not fetch:
        return ""
    parts = [fetch] * bool(fetch) + [*needed, source]
    escaped = html.escape("\n\n".join(map(str.rstrip, parts))).replace("\n", "&#10;")
    noun = "block" if len(needed) == 1 else "blocks"
    along = [f"{len(needed)} earlier {noun}"] * bool(needed)
    along += ["lines that fetch its files"] * bool(fetch)
    return (
        f'<div class="copy-source" hidden data-copied="{" and ".join(along)}" '
        f'data-text="{escaped}"></div>\n\n'
    )
