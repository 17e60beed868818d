"""Splits the pages into parts of equal duration, for several machines to run."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from executor.files import write_atomically
from executor.project import Project, State


@dataclass(frozen=True, slots=True)
class Shard:
    """The ``index``-th of ``count`` parts, from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Reads ``2/5``.

        Raises:
            argparse.ArgumentTypeError: If it is not of that form.
        """
        index, slash, count = text.partition("/")
        if (
            slash
            and index.isdigit()
            and count.isdigit()
            and 1 <= int(index) <= int(count)
        ):
            return cls(int(index), int(count))
        raise argparse.ArgumentTypeError(
            f"want I/N with 1 ≤ I ≤ N, such as 2/5; saw {text}"
        )


def shard_of(project: Project, states: Sequence[State], shard: Shard) -> list[State]:
    """Returns the states that belong to a shard.

    The parts are made once and kept in the cache's folder, since what one shard records
    would otherwise change the parts of the next. Machines that start from the same cache
    make the same parts.

    Args:
        project: The project.
        states: All pages to split, the same for each shard.
        shard: Which part.
    """
    known = sorted(f"{state.page.uri} {state.key.digest}" for state in states)
    name = hashlib.sha256(json.dumps([shard.count, known]).encode()).hexdigest()[:16]
    path = project.cache.folder / f"shards-{name}.json"
    parts = _read(path)
    uris = sorted(state.page.uri for state in states)
    if len(parts) != shard.count or sorted(chain.from_iterable(parts)) != uris:
        parts = split(project, states, shard.count)
        write_atomically(path, json.dumps(parts).encode())
    mine = set(parts[shard.index - 1])
    return [state for state in states if state.page.uri in mine]


def _read(path: Path) -> list[list[str]]:
    """Returns the parts in a file, or none if it is missing or damaged."""
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
        return [[str(uri) for uri in part] for part in parts]
    except (OSError, ValueError, TypeError):
        return []


def split(project: Project, states: Sequence[State], count: int) -> list[list[str]]:
    """Splits pages so that the parts take about as long: longest first, to the emptiest.

    Cached pages cost nothing. A page that never ran is taken to last as long as the
    average of those that did. Pages that wait for each other's checkpoints stay together.
    """
    seconds: dict[str, float] = {}
    unknown = []
    for state in states:
        latest = project.cache.latest(state.page.id)
        if state.entry is not None:
            seconds[state.page.uri] = 0.0
        elif latest is not None:
            seconds[state.page.uri] = float(latest.provenance["seconds"])
        else:
            unknown.append(state.page.uri)
    measured = [value for value in seconds.values() if value]
    average = sum(measured) / len(measured) if measured else 1.0
    seconds |= dict.fromkeys(unknown, average)
    groups = _together(states)
    totals = {group[0]: sum(seconds[uri] for uri in group) for group in groups}
    parts: list[list[str]] = [[] for _ in range(count)]
    loads = [0.0] * count
    for group in sorted(groups, key=lambda group: (-totals[group[0]], group[0])):
        smallest = min(range(count), key=lambda index: (loads[index], len(parts[index])))
        parts[smallest] += group
        loads[smallest] += totals[group[0]]
    return parts


def _together(states: Sequence[State]) -> list[list[str]]:
    """Groups the pages that must run, and the stale ones that make what they use."""
    groups = {state.page.uri: [state.page.uri] for state in states}
    stale = {state.page.uri for state in states if state.entry is None}
    for state in states:
        for source in state.sources:
            ours, theirs = groups[state.page.uri], groups.get(source.maker.uri)
            both = {state.page.uri, source.maker.uri} <= stale
            if both and theirs is not None and theirs is not ours:
                ours += theirs
                groups |= dict.fromkeys(theirs, ours)
    unique = {id(group): sorted(group) for group in groups.values()}
    return list(unique.values())
