"""The runner: all pages run, the longest first, and what succeeds is kept."""

import datetime
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from executor.cache import Cache, Entry
from executor.errors import PageError
from executor.keys import Key
from executor.schedule import Event, Job, Runner, preload_statements


class Bench:
    """A runner that uses kernels of the tests' own zygote."""

    def __init__(self, project: Any, zygote: Any, jobs: int) -> None:
        self.project = project
        self.cache = Cache(project.root / "cache")
        self.runner = Runner(project.root, self.cache, jobs=jobs)
        self.runner._kernels = zygote
        self.events: list[Event] = []

    def job(self, name: str, cell: str) -> Job:
        program = self.project.program(f"# %%\n{cell}\n", f"{name}.py")
        return Job(program, Key(f"key-{name}", {"cells": {"cell 1": name}}))

    def run(self, *jobs: Job) -> dict[str, Any]:
        return self.runner.run(jobs, self.events.append)

    def close(self) -> None:
        self.runner._kernels = None
        self.runner.close()


@pytest.fixture
def bench(project: Any, zygote: Any) -> Iterator[Callable[[int], Bench]]:
    benches = []

    def make(jobs: int) -> Bench:
        benches.append(Bench(project, zygote, jobs))
        return benches[-1]

    yield make
    for one in benches:
        one.close()


def test_a_page_that_fails_keeps_no_other_from_finishing(bench: Any) -> None:
    here = bench(2)
    outcome = here.run(
        here.job("bad", "1 / 0"), here.job("good", "print(1)"), here.job("fine", "2")
    )
    assert list(outcome) == ["bad", "good", "fine"]
    assert isinstance(outcome["bad"], PageError)
    for name in ("good", "fine"):
        entry = outcome[name]
        assert isinstance(entry, Entry)
        assert here.cache.load(name, f"key-{name}") == entry
        assert entry.parts == {"cells": {"cell 1": name}}
        assert entry.provenance["seconds"] > 0
        assert datetime.date.fromisoformat(entry.provenance["date"])
    assert here.cache.latest("bad") is None
    told = {(event.page, event.state) for event in here.events}
    assert told == {
        *((name, "started") for name in ("bad", "good", "fine")),
        *((name, "done") for name in ("good", "fine")),
        ("bad", "failed"),
    }


def test_the_longest_page_goes_first_and_a_new_one_before(bench: Any) -> None:
    here = bench(1)
    for name, seconds in {"a": 1.0, "b": 30.0, "c": 5.0}.items():
        here.cache.store(Entry(name, "old", {}, [[]], {}, {"seconds": seconds}))
    here.run(*(here.job(name, "1") for name in ("a", "b", "new", "c")))
    started = [event.page for event in here.events if event.state == "started"]
    assert started == ["new", "b", "c", "a"]


def test_as_many_pages_run_at_once_as_there_are_places(bench: Any) -> None:
    here = bench(2)
    running: set[str] = set()
    most = 0
    lock = threading.Lock()

    def notify(event: Event) -> None:
        nonlocal most
        with lock:
            (running.add if event.state == "started" else running.discard)(event.page)
            most = max(most, len(running))

    wait = "import time; time.sleep(0.3)"
    jobs = [here.job(name, wait) for name in "abcd"]
    here.runner.run(jobs, notify)
    assert (most, running) == (2, set())


def test_a_submitted_page_can_be_cancelled(bench: Any) -> None:
    here = bench(1)
    started = threading.Event()
    slow = here.runner.submit(
        here.job("slow", "import time; time.sleep(60)"), lambda _: started.set()
    )
    assert started.wait(30)
    slow.cancel()
    with pytest.raises(CancelledError):
        slow.result(30)
    begin = time.monotonic()
    assert here.runner.submit(here.job("next", "1")).result(60).page == "next"
    assert time.monotonic() - begin < 30


def test_what_the_zygote_loads_is_safe_to_fork(project: Any) -> None:
    program = project.program(
        "# %%\nimport torch, threading, sentence_transformers\n"
        "from matplotlib import pyplot as plt\n"
    )
    statements = preload_statements([program])
    assert "import torch" in statements
    assert "from matplotlib import pyplot" in statements
    assert "import matplotlib.backends.backend_svg" in statements
    assert not any("sentence_transformers" in each for each in statements)
    assert not any("threading" in each for each in statements)
    assert not any("matplotlib" in each for each in preload_statements([]))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="traitlets")
