"""Splitting the pages over machines: every page once, parts of equal length, one site."""

import argparse
import re
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from executor.cache import Entry
from executor.project import Project, State
from executor.shards import Shard, shard_of, split
from tests.executor.small_site import SmallSite


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


def states_of(project: Project) -> list[State]:
    states, errors = project.states()
    assert not errors
    return states


def remember(project: Project, state: State, seconds: float, key: str = "older") -> None:
    known = {"seconds": seconds}
    outputs: list[list[dict[str, Any]]] = [[] for _ in state.program.code]
    project.cache.store(Entry(state.page.id, key, state.key.parts, outputs, {}, known))


@pytest.mark.parametrize("text", ["1/1", "1/3", "3/3", "12/40"])
def test_a_shard_is_read(text: str) -> None:
    shard = Shard.parse(text)
    assert f"{shard.index}/{shard.count}" == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "/",
        "1/",
        "/3",
        "0/3",
        "4/3",
        "-1/3",
        "1/0",
        "1/3/3",
        "a/b",
        "1.0/3",
        "1 of 3",
    ],
)
def test_a_bad_shard_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="want I/N with 1 ≤ I ≤ N"):
        Shard.parse(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_every_page_is_in_one_part(site: SmallSite, count: int) -> None:
    for number in range(7):
        site.page(f"p{number}.py", f"print({number})")
    project = Project(site.root)
    states = states_of(project)
    parts = [shard_of(project, states, Shard(n, count)) for n in range(1, count + 1)]
    uris = [state.page.uri for part in parts for state in part]
    assert sorted(uris) == [f"p{number}.py" for number in range(7)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_parts_take_about_as_long(site: SmallSite) -> None:
    seconds = {"a": 60.0, "b": 30.0, "c": 20.0, "d": 10.0, "e": 5.0, "f": 5.0}
    for page in [*seconds, "cached", "new"]:
        site.page(f"{page}.py", "1")
    project = Project(site.root)
    for state in states_of(project):
        if state.page.id in seconds:
            remember(project, state, seconds[state.page.id])
        if state.page.id == "cached":
            remember(project, state, 500.0, state.key.digest)
    states = states_of(project)
    parts = split(project, states, 2)
    # The new page counts for the average of the others, 21.7 s; the cached for nothing.
    costs = {**{f"{page}.py": s for page, s in seconds.items()}, "cached.py": 0.0}
    loads = [sum(costs.get(uri, 21.7) for uri in part) for part in parts]
    assert sum(loads) == pytest.approx(151.7)
    assert abs(loads[0] - loads[1]) < 10
    assert split(project, states, 2) == parts


def test_what_a_part_records_does_not_move_pages_between_parts(site: SmallSite) -> None:
    for number in range(6):
        site.page(f"p{number}.py", f"print({number})")
    project = Project(site.root)
    first = shard_of(project, states_of(project), Shard(1, 2))
    for state in first:
        remember(project, state, 90.0, state.key.digest)
    states = states_of(project)
    second = shard_of(project, states, Shard(2, 2))
    assert {state.page.uri for state in first + second} == {s.page.uri for s in states}
    site.edit("docs/p0.py", "print(0)", "print(10)")
    states = states_of(project)
    parts = [shard_of(project, states, Shard(n, 2)) for n in (1, 2)]
    assert sorted(s.page.uri for part in parts for s in part) == [
        s.page.uri for s in states
    ]


def test_damaged_parts_are_made_anew(site: SmallSite) -> None:
    site.page("a.py", "1")
    project = Project(site.root)
    shard_of(project, states_of(project), Shard(1, 1))
    (file,) = project.cache.folder.glob("shards-*.json")
    for text in ("[[", "[]", '{"a": 1}', "[3]", '[["b.py"]]'):
        file.write_text(text)
        assert len(shard_of(project, states_of(project), Shard(1, 1))) == 1


def executed(text: str) -> list[str]:
    return re.findall(r"Executed (\S+) in", text)


def test_parts_run_apart_make_one_site(site: SmallSite) -> None:
    pages = [f"p{number}" for number in range(5)]
    for page in pages:
        site.page(f"{page}.py", f"print({page!r} * 2)")
    site.configure("".join(f"  - {page}.py\n" for page in pages))
    ran = []
    for number in (1, 2, 3):
        folder = f".cache/part-{number}"
        result = site.executor("run", "--shard", f"{number}/3", "--cache", folder)
        ran.append(executed(result.stderr))
    assert sorted(chain.from_iterable(ran)) == pages
    assert [len(part) for part in ran] == [2, 2, 1]
    site.executor("status", code=1)
    site.executor("merge", *(f".cache/part-{number}" for number in (1, 2, 3)))
    site.executor("status")
    build = site.mkdocs("build", "--strict")
    assert "Execut" not in build.stderr
    assert "p4p4" in site.html("p4/index.html")


def test_parts_run_in_turn_on_one_cache(site: SmallSite) -> None:
    pages = [f"p{number}" for number in range(4)]
    for page in pages:
        site.page(f"{page}.py", f"print({page!r})")
    ran = [executed(site.executor("run", "--shard", f"{n}/2").stderr) for n in (1, 2)]
    assert sorted(chain.from_iterable(ran)) == pages
    site.executor("status")
    shutil.rmtree(site.root / ".cache" / "executor")
    again = site.executor("run", "--shard", "2/2")
    assert executed(again.stderr)
