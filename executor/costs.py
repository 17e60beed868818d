"""Tells what the pages cost to run: a table, a chart, and sums for prose."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from executor.assemble import Program, syntax_of
from executor.cache import Entry
from executor.energy import watt_hours
from executor.reference import title_of

MARKER = "<!-- costs -->"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one page cost: seconds, bytes and watt-hours."""

    uri: str
    title: str
    seconds: float
    cpu_seconds: float
    peak_memory: int
    weight_bytes: int
    output_bytes: int
    energy: float


def costs_of(pages: Iterable[tuple[Program, Entry]]) -> list[Cost]:
    """Returns the costs of executed pages, the longest first."""
    rows = []
    for program, entry in pages:
        known = entry.provenance
        rows.append(
            Cost(
                program.page.uri,
                title_of(program),
                known["seconds"],
                known["cpu_seconds"],
                known["peak_memory"],
                known["weight_bytes"],
                sum(len(str(output)) for cell in entry.outputs for output in cell),
                watt_hours(known["cpu_seconds"], known["watts"]),
            )
        )
    return sorted(rows, key=lambda row: -row.seconds)


def facts_of(program: Program, entry: Entry) -> dict[str, Any]:
    """Returns what prose may say of a page: ``{{ vision.vit.page.seconds }}``.

    Keys: ``seconds``, ``cpu_seconds``, ``peak_memory`` and ``weight_bytes`` in bytes,
    ``watt_hours``, and ``lines``, those of code that the page shows.
    """
    known = entry.provenance
    return {
        "seconds": known["seconds"],
        "cpu_seconds": known["cpu_seconds"],
        "peak_memory": known["peak_memory"],
        "weight_bytes": known["weight_bytes"],
        "watt_hours": watt_hours(known["cpu_seconds"], known["watts"]),
        "lines": sum(lines_of(cell.source) for cell in program.code),
    }


@lru_cache(maxsize=8192)
def lines_of(source: str) -> int:
    """Counts lines of code: neither blank lines, nor comments, nor docstrings."""
    tree = syntax_of(source)
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node):
            text = node.body[0]
            docstrings |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in enumerate(source.splitlines(), 1)
        if number not in docstrings
    )


def sums(rows: list[Cost]) -> dict[str, Any]:
    """Returns totals for prose: pages, seconds, watt-hours and the largest."""
    if not rows:
        # Under ``mkdocs serve``, before any page has run.
        none = dict.fromkeys(("seconds", "watt_hours", "longest_seconds"), 0.0)
        return {**none, "pages": 0, "largest_mb": 0, "longest_title": "…"}
    return {
        "pages": len(rows),
        "seconds": sum(row.seconds for row in rows),
        "watt_hours": sum(row.energy for row in rows),
        "largest_mb": round(max(row.peak_memory for row in rows) / 1e6),
        "longest_seconds": rows[0].seconds,
        "longest_title": rows[0].title,
    }


def table(rows: list[Cost], page: str) -> str:
    """Returns a Markdown table, which a script lets readers sort, with bars for seconds.

    Args:
        rows: The costs.
        page: The page that shows the table, below docs/; links are relative to it.
    """
    most = max((row.seconds for row in rows), default=1.0) or 1.0
    lines = [
        "| Page | Seconds | Compared | Processor seconds | Peak memory, MB "
        "| Weights read, MB | Outputs, KB | Energy, mWh |",
        "|:--|--:|:--|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        target = posixpath.relpath(row.uri, posixpath.dirname(page))
        share = row.seconds / most * 100
        bar = f'<span class="bar" style="--share: {share:.1f}%"></span>'
        cells = (
            f"[{row.title}]({target})",
            f"{row.seconds:.1f}",
            bar,
            f"{row.cpu_seconds:.1f}",
            f"{row.peak_memory / 1e6:,.0f}",
            f"{row.weight_bytes / 1e6:,.0f}",
            f"{row.output_bytes / 1e3:,.0f}",
            f"{row.energy * 1000:,.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    rows_text = "\n".join(lines)
    return f'<div class="costs" markdown="1">\n\n{rows_text}\n\n</div>\n'
