"""The executor's own commands: see and run pages without building the site."""

from __future__ import annotations

import argparse
import difflib
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from executor.batch import run, run_stale, with_makers
from executor.cache import Cache, Entry
from executor.errors import PageError, reports
from executor.pages import page_id
from executor.project import Project, State
from executor.shards import Shard, shard_of

log = logging.getLogger("mkdocs.executor")

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_SHOWN_LINES = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: The command line without the program's name; by default sys.argv's.

    Returns:
        0 when all is well, 1 when a page failed, is stale (``status``) or differs
        (``verify``), 2 when the command line is wrong, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    root = Path(options.root).resolve()
    if not (root / "docs").is_dir():
        print(f"{root} has no docs folder; give --root", file=sys.stderr)
        return USAGE
    project = Project(root, Path(options.cache) if options.cache else None)
    log.setLevel(logging.WARNING if options.quiet else logging.INFO)
    handler = logging.StreamHandler()
    log.addHandler(handler)
    try:
        return int(options.command(project, options))
    except KeyboardInterrupt:
        print("interrupted; finished pages are cached", file=sys.stderr)
        return INTERRUPTED
    finally:
        log.removeHandler(handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m executor",
        description="Run the notebook pages of the site and look after their cache.",
    )
    parser.set_defaults(root=".", cache=None, quiet=False)
    _add_common(parser)
    # These may stand before or after the command.
    common = argparse.ArgumentParser(add_help=False)
    _add_common(common)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add_command(name: str, about: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=about, description=about, parents=[common])

    status = add_command("status", "list pages: cached, or stale and why")
    _add_pages(status)
    status.set_defaults(command=_status)

    run = add_command("run", "run pages that are stale")
    _add_pages(run)
    run.add_argument("-f", "--force", action="store_true", help="run cached pages too")
    run.add_argument(
        "-j", "--jobs", type=_positive, help="pages at once (default: cores)"
    )
    run.add_argument(
        "--shard", type=Shard.parse, metavar="I/N", help="only the I-th of N equal parts"
    )
    run.set_defaults(command=_run)

    verify = add_command("verify", "run every page again and compare with the cache")
    _add_pages(verify)
    verify.add_argument("-j", "--jobs", type=_positive, help="pages at once")
    verify.set_defaults(command=_verify)

    merge = add_command("merge", "take over the pages of other caches")
    merge.add_argument("folders", nargs="+", metavar="FOLDER", help="a cache folder")
    merge.set_defaults(command=_merge)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help="the project (default: this folder)",
    )
    parser.add_argument(
        "--cache",
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help="executed pages (default: .cache/executor)",
    )
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        default=argparse.SUPPRESS,
        help="only say what is wrong",
    )


def _add_pages(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pages", nargs="*", metavar="PAGE", help="e.g. docs/vision/vit.py (default: all)"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"want a number from 1 on; saw {text}")
    return int(text)


def _status(project: Project, options: argparse.Namespace) -> int:
    states, errors, everything = _select(project, options.pages)
    if everything is None:
        return USAGE
    for state in states:
        if state.entry is None:
            reasons = "; ".join(project.why_stale(state)) or "its cache entry is gone"
            print(f"stale   {state.page.uri}: {reasons}")
        elif not options.quiet:
            print(f"cached  {state.page.uri} ({state.entry.provenance['seconds']:.1f} s)")
    _say_errors(errors)
    return FAILED if errors or any(state.entry is None for state in states) else OK


def _run(project: Project, options: argparse.Namespace) -> int:
    states, errors, everything = _select(project, options.pages)
    if everything is None:
        return USAGE
    if options.shard:
        states = shard_of(project, states, options.shard)
    uris = {state.page.uri for state in states}
    outcome = run_stale(project, everything, options.jobs, uris, options.force)
    errors += [result for result in outcome.values() if isinstance(result, PageError)]
    _say_errors(errors)
    return FAILED if errors else OK


def _verify(project: Project, options: argparse.Namespace) -> int:
    states, errors, everything = _select(project, options.pages)
    if everything is None:
        return USAGE
    states = with_makers(states, everything)
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        outcome = run(project, cache, states, options.jobs)
        for state in states:
            result = outcome[state.page.id]
            if isinstance(result, PageError):
                errors.append(result)
            elif state.entry is None:
                project.cache.take(cache, result)
                print(f"new     {state.page.uri}: nothing to compare with; cached now")
            elif difference := compare(state, state.entry, result):
                differing += 1
                print(f"differs {state.page.uri}\n{difference}")
            elif not options.quiet:
                print(f"equal   {state.page.uri}")
    _say_errors(errors)
    return FAILED if errors or differing else OK


def _merge(project: Project, options: argparse.Namespace) -> int:
    for folder in options.folders:
        if not Path(folder).is_dir():
            print(f"{folder} is not a folder", file=sys.stderr)
            return USAGE
        count = project.cache.merge(Cache(Path(folder)))
        if not options.quiet:
            print(f"{folder}: {count} executed pages")
    return OK


def compare(state: State, old: Entry, new: Entry) -> str:
    """Says what differs between two runs of a page, apart from cells marked volatile.

    Returns:
        A readable difference, empty when the runs are equal.
    """
    lines: list[str] = []
    volatile: set[str] = set()
    for number, (cell, before, after) in enumerate(
        zip(state.program.code, old.outputs, new.outputs, strict=True), 1
    ):
        if cell.cell.volatile:
            volatile |= cell.cell.record.keys()
        elif _joined(before) != _joined(after):
            lines += _difference(f"cell {number}", _joined(before), _joined(after))
    for name in sorted(old.records.keys() | new.records.keys()):
        if name not in volatile and old.records.get(name) != new.records.get(name):
            lines += _difference(
                f"value {name}", old.records.get(name), new.records.get(name)
            )
    if old.checkpoints != new.checkpoints:
        lines += _difference("checkpoints", old.checkpoints, new.checkpoints)
    return "\n".join(lines[:_SHOWN_LINES])


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Joins neighboring outputs of one stream: where a kernel splits it is chance."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" == last.get("output_type") and (
            output["name"] == last["name"]
        ):
            joined[-1] = last | {"text": last["text"] + output["text"]}
        else:
            joined.append(output)
    return joined


def _difference(what: str, before: object, after: object) -> list[str]:
    texts = [
        json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).replace(
            "\\n", "\n"
        )
        for value in (before, after)
    ]
    old, new = (text.splitlines() for text in texts)
    return list(
        difflib.unified_diff(
            old, new, f"{what}, cached", f"{what}, now", n=1, lineterm=""
        )
    )


def _select(
    project: Project, names: Sequence[str]
) -> tuple[list[State], list[PageError], list[State] | None]:
    """Returns the pages of these names, what is wrong with others, and all pages.

    The last is None if a name is unknown.
    """
    states, problems = project.states()
    if not names:
        return states, list(problems.values()), states
    by_name = {name: state for state in states for name in _names(state.page.uri)}
    broken = {name: error for uri, error in problems.items() for name in _names(uri)}
    chosen: dict[str, State] = {}
    errors: list[PageError] = []
    unknown = False
    for name in names:
        name = name.removeprefix("./")
        if name in by_name:
            chosen[by_name[name].page.uri] = by_name[name]
        elif name in broken:
            errors.append(broken[name])
        else:
            near = difflib.get_close_matches(name, [*by_name, *broken], n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            print(f"no page is called {name}{hint}", file=sys.stderr)
            unknown = True
    return list(chosen.values()), errors, None if unknown else states


def _names(uri: str) -> tuple[str, str, str]:
    return uri, f"docs/{uri}", page_id(uri)


def _say_errors(errors: Sequence[PageError]) -> None:
    for text in reports(errors):
        print(text, file=sys.stderr)
