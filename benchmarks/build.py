"""Measures how fast this site builds, beside other tools, on the same pages.

Usage: ``python -m benchmarks.build [--growth] [--serve] [--write]``. Without an option it
compares tools; ``--growth`` builds ever more pages, ``--serve`` times an edit under
``mkdocs serve``. ``--write`` puts the figures into docs/about/how-built.md. Needs a quiet
machine and about half an hour.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import report, serving, tools
from benchmarks.measure import CommandError
from benchmarks.report import CODE, COLD, NOTHING, PROSE, SHARED, Results, Sample
from benchmarks.tools import FLOOR, JUPYTER, MYST, OURS, POOL, Tool
from executor.provenance import processor
from executor.schedule import available_cores

PAGE = tools.CHECKOUT / "docs" / "about" / "how-built.md"

_GROWTH = (10, 50, 200)
_EDITS = 7
_PACKAGES = ("mkdocs", "mkdocs-material", "mkdocs-jupyter", "nbclient", "ipykernel")
_SHOWN = ("torch", "transformers", "matplotlib")

log = Console(stderr=True, highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Returns 0, or 1 if a tool failed.

    Args:
        arguments: The command line without the program's name; by default sys.argv's.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    command = " ".join(["python -m benchmarks.build", *given])
    work = Path(tempfile.mkdtemp(prefix="benchmark-"))
    said: dict[str, str] = {}
    broken: list[str] = []
    try:
        _start(work)
        if options.serve:
            said |= serve(work / "serve", options.pages)
        if options.growth:
            said |= grow(work / "growth", options.jobs)
        if not options.serve and not options.growth:
            compared, broken = compare(work / "table", options)
            said |= compared
        context = environment(work, command)
        parts = [part for part in ("serve", "growth") if getattr(options, part)]
        said |= {f"{part}-context": context for part in parts or ["table"]}
        log.print(f"\n{context}")
        if options.write and not broken:
            PAGE.write_text(
                report.fill(PAGE.read_text(encoding="utf-8"), said), encoding="utf-8"
            )
            log.print(f"Written into {PAGE.relative_to(tools.CHECKOUT)}")
    finally:
        if options.keep:
            log.print(f"Kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.build",
        description="Measure how fast this site builds, beside other tools.",
    )
    parser.add_argument("--pages", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--repeat", type=int, default=3, help="of all (default: 3)")
    parser.add_argument(
        "--jobs", type=int, default=available_cores(), help="workers (default: cores)"
    )
    parser.add_argument(
        "--tools",
        nargs="+",
        choices=(OURS, JUPYTER, MYST, POOL, FLOOR),
        default=[OURS, JUPYTER, MYST, POOL, FLOOR],
        help="compare only these",
    )
    parser.add_argument(
        "--no-torch", action="store_true", help="pages without a model (ours only)"
    )
    parser.add_argument("--growth", action="store_true", help="10, 50 and 200 pages")
    parser.add_argument("--serve", action="store_true", help="time edits while serving")
    parser.add_argument(
        "--write", action="store_true", help="put the figures into the page about it"
    )
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    return parser


def compare(work: Path, options: argparse.Namespace) -> tuple[dict[str, str], list[str]]:
    """Builds the same pages with every tool.

    Returns:
        What the page says by name, and the tools that failed.
    """
    compared = _set_up(work, options)
    results = Results()
    broken: list[str] = []
    for number in range(options.repeat):
        # Each tool has its turn early and late, so that noise hits all alike.
        turn = number % len(compared)
        for tool in compared[turn:] + compared[:turn]:
            if tool.key in broken:
                continue
            # jupyter-cache may fail when several processes make its database at once.
            for patience in (tool.key == MYST, False):
                try:
                    _measure(tool, results)
                except CommandError as error:
                    log.print(f"{tool.key} failed: {error}", style="red", markup=False)
                    if patience:
                        continue
                    broken.append(tool.key)
                break
    _print(f"{options.pages} pages", report.rows(results))
    said = report.values(results, options.pages)
    for name, text in said.items():
        if "\n" not in text:
            log.print(f"{name}: {text}", markup=False)
    raw = {
        f"{case} {tool}": [asdict(sample) for sample in samples]
        for (case, tool), samples in results.samples.items()
    }
    (work / "results.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")
    return said, broken


def _set_up(work: Path, options: argparse.Namespace) -> list[Tool]:
    log.print("Setting up")
    count, jobs = options.pages, options.jobs
    torch = not options.no_torch
    compared = []
    own = tools.ours(work, count, torch=torch)
    if OURS in options.tools:
        compared.append(own)
    if FLOOR in options.tools:
        # Builds once, which also loads what all tools read into the system's memory.
        compared.append(tools.markdown_only(work, own))
    if JUPYTER in options.tools and torch:
        compared.append(tools.mkdocs_jupyter(work, count))
    if MYST in options.tools and torch:
        compared.append(tools.myst(work, count, jobs))
    if POOL in options.tools and torch:
        compared.append(tools.pool(work, count, jobs))
    return compared


def _measure(tool: Tool, results: Results) -> None:
    """Takes one tool through all cases."""
    pages = tool.pages
    if tool.key == FLOOR:
        _take(tool, NOTHING, {}, results)
        return
    tool.clean()
    _take(tool, COLD, pages.expected(), results)
    if not tool.caching:
        return
    _take(tool, NOTHING, pages.expected(), results)
    _take(tool, CODE, pages.edit_code(), results)
    _take(tool, PROSE, pages.edit_prose(), results)
    _take(tool, SHARED, pages.edit_shared(), results)


def _take(tool: Tool, case: str, expected: dict[str, str], results: Results) -> Sample:
    cost = tool.build()
    sample = Sample(cost.seconds, cost.peak_memory, tool.is_right(expected))
    results.add(case, tool.key, sample)
    right = "" if sample.right else ", shows the old output"
    log.print(f"{tool.key}, {case}: {cost.seconds:.1f} s{right}")
    return sample


def grow(work: Path, jobs: int) -> dict[str, str]:
    """Builds ever more pages with this site's executor, and the fewest with a pool."""
    measured = {}
    results = Results()
    for count in _GROWTH:
        own = tools.ours(work / str(count), count)
        if count == _GROWTH[0]:
            own.build()  # loads what the others then find in the system's memory
        own.clean()
        cold = _take(own, COLD, own.pages.expected(), results)
        measured[count] = (cold, _take(own, NOTHING, own.pages.expected(), results))
        if count == _GROWTH[0]:
            pool = tools.pool(work / str(count), count, jobs)
            ratio = _take(pool, COLD, pool.pages.expected(), results).seconds
            ratio /= cold.seconds
    table = report.growth(measured)
    _print("Growth", table)
    first, last = _GROWTH[-2:]
    added = measured[last][0].seconds - measured[first][0].seconds
    said = {
        "growth": report.markdown(table),
        "growth-page": report.time(added / (last - first)),
        "growth-pool": f"{ratio:.1f}",
        "growth-pool-count": str(_GROWTH[0]),
    }
    log.print(f"one more page: {said['growth-page']}; the pool: {ratio:.1f}×")
    return said


def serve(work: Path, count: int) -> dict[str, str]:
    """Times edits of a small page under ``mkdocs serve``, other pages beside it."""
    found = serving.latency(tools.ours(work, count, small=True), _EDITS)
    log.print(
        f"code: {found.code:.2f} s (slowest {found.code_slowest:.2f} s), of the page "
        f"itself {found.compute:.3f} s more; prose: {found.prose:.2f} s"
    )
    return {
        "serve-code": report.time(found.code),
        "serve-slowest": report.time(found.code_slowest),
        "serve-compute": report.time(found.compute),
        "serve-prose": report.time(found.prose),
        "serve-edits": str(found.edits),
        "serve-count": str(count),
    }


def environment(work: Path, command: str) -> str:
    """Says when, where and with what was measured, as Markdown."""
    memory = psutil.virtual_memory().total / 2**30
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    python = work / "table" / "environment" / "bin" / "python"
    if python.exists():
        code = (
            "from importlib.metadata import version as v; "
            "print(*(f'{n} {v(n)}' for n in ('myst-nb', 'sphinx', 'jupyter-cache')), "
            "sep=', ')"
        )
        asked = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, check=True
        )
        versions.append(asked.stdout.strip())
    versions += [f"{name} {importlib.metadata.version(name)}" for name in _SHOWN]
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"Measured on {today:%B} {today.day}, {today.year}, by `{command}`:\n\n"
        f"- Machine: {processor()}, {available_cores()} cores, "
        f"{memory:.0f} GB of memory\n"
        f"- Versions: {', '.join(versions)}"
    )


def _start(work: Path) -> None:
    for name in ("table", "growth", "serve"):
        (work / name).mkdir()
    if os.getloadavg()[0] > 1:
        log.print(
            f"The machine is busy (load {os.getloadavg()[0]:.1f}): expect noise",
            style="yellow",
        )


def _print(title: str, rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title)
    for index, name in enumerate(rows[0]):
        table.add_column(name, justify="right" if index else "left")
    for row in rows[1:]:
        table.add_row(*(cell.replace("**", "") for cell in row))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
