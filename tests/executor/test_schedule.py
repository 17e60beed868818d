"""The runner: all pages run, the longest first, and what succeeds is kept."""

import asyncio
import datetime
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor import schedule
from executor.cache import Cache, Entry
from executor.errors import NotRunError, PageError, reports
from executor.keys import Key
from executor.lineage import Source
from executor.preload import preload_statements
from executor.schedule import Event, Job, Runner


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


def test_of_new_pages_the_one_that_may_take_longest_goes_first(bench: Any) -> None:
    here = bench(1)
    here.cache.store(Entry("known", "old", {}, [[]], {}, {"seconds": 1.0}))
    front = "# %% [markdown]\n# ---\n# executor:\n#   timeout: 300\n# ---\n"
    program = here.project.program(f"{front}\n# %%\n1\n", "long.py")
    long = Job(program, Key("key-long", {"cells": {"cell 1": "long"}}))
    here.run(here.job("known", "1"), here.job("new", "1"), long)
    started = [event.page for event in here.events if event.state == "started"]
    assert started == ["long", "new", "known"]


def test_as_many_pages_run_at_once_as_there_are_places(
    bench: Any, tmp_path: Path
) -> None:
    here = bench(2)
    folder = tmp_path / "running"
    folder.mkdir()
    cell = f"""\
import os, time
folder = {str(folder)!r}
name = str(os.getpid())
open(os.path.join(folder, name), "w").close()
time.sleep(0.3)
print(len(os.listdir(folder)))
os.remove(os.path.join(folder, name))"""
    outcome = here.run(*(here.job(name, cell) for name in "abcd"))

    assert max(int(entry.outputs[0][0]["text"]) for entry in outcome.values()) == 2


def test_others_do_not_wait_until_a_page_is_tidied_up(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = bench(1)
    second = threading.Event()
    in_time = []
    real = schedule.provenance_of

    def slow(*arguments: Any) -> dict[str, Any]:
        in_time.append(second.wait(20))
        return real(*arguments)

    def notify(event: Event) -> None:
        if (event.page, event.state) == ("b", "started"):
            second.set()

    monkeypatch.setattr(schedule, "provenance_of", slow)
    outcome = here.runner.run([here.job("a", "1"), here.job("b", "2")], notify)

    assert in_time == [True, True]
    assert all(isinstance(entry, Entry) for entry in outcome.values())


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


WRITE = """\
from pathlib import Path
for name in {saves}:
    Path("checkpoints", name).mkdir(parents=True)
    Path("checkpoints", name, "README.md").write_text("# Card")
    Path("checkpoints", name, "model.safetensors").write_text("weights")
"""


def linked(
    here: Bench, name: str, uses: str = "", saves: str = "", cell: str = ""
) -> Job:
    """A page that uses checkpoints of others, each named after its page."""
    front = f"# ---\n# executor: {{saves: [{saves}], checkpoints: [{uses}]}}\n# ---\n"
    code = cell or WRITE.format(saves=[saves] if saves else [])
    text = f"# %% [markdown]\n{front}\n# %%\n{code}"
    program = here.project.program(text, f"{name}.py")
    makers = {
        use: here.project.read("# %%\n1\n", f"made/{use}.py")
        for use in program.page.settings.checkpoints
    }
    sources = tuple(
        Source(use, replace(maker, id=use), Key(f"key-{use}", {}))
        for use, maker in makers.items()
    )
    return Job(program, Key(f"key-{name}", {}), sources)


def test_makers_run_before_users_and_the_longest_way_first(bench: Any) -> None:
    here = bench(1)
    times = {"a": 5.0, "b": 5.0, "c": 5.0, "quick": 1.0, "middle": 12.0, "long": 14.0}
    for name, seconds in times.items():
        here.cache.store(Entry(name, "old", {}, [[]], {}, {"seconds": seconds}))
    here.run(
        linked(here, "c", uses="b"),
        linked(here, "middle"),
        linked(here, "long"),
        linked(here, "quick"),
        linked(here, "b", uses="a", saves="b"),
        linked(here, "a", saves="a"),
    )
    started = [event.page for event in here.events if event.state == "started"]
    # a, b and c take 15 s, one after the other.
    assert started == ["a", "long", "middle", "b", "c", "quick"]


def test_who_waits_for_a_page_goes_next_also_when_the_loop_is_slow(bench: Any) -> None:
    here = bench(1)
    for name, seconds in {"maker": 9.0, "user": 5.0, "quick": 1.0}.items():
        here.cache.store(Entry(name, "old", {}, [[]], {}, {"seconds": seconds}))
    started = []

    def tell(event: Event) -> None:
        if event.state == "started":
            started.append(event.page)
        delay(10)

    def delay(turns: int) -> None:
        time.sleep(0.01)
        if turns:
            asyncio.get_running_loop().call_soon(delay, turns - 1)

    jobs = (
        linked(here, "quick"),
        linked(here, "user", uses="maker"),
        linked(here, "maker", saves="maker"),
    )
    here.runner.run(jobs, tell)
    assert started == ["maker", "user", "quick"]


def test_a_page_that_is_hastened_goes_next_after_what_it_waits_for(bench: Any) -> None:
    here = bench(1)
    started: list[str] = []
    gate = here.project.root / "gate"
    cell = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    jobs = (
        here.job("first", cell),
        here.job("second", "2"),
        linked(here, "maker", saves="maker"),
        linked(here, "user", uses="maker"),
        here.job("third", "3"),
    )

    def tell(event: Event) -> None:
        if event.state == "started":
            started.append(event.page)

    futures = [
        here.runner.submit(job, tell, (float(number), 0.0))
        for number, job in enumerate(jobs)
    ]
    for page in ("third", "user", "no such page"):
        here.runner.hasten(page)
    gate.touch()
    for future in futures:
        future.result(60)
    here.runner.hasten("third")  # it has run
    assert started == ["first", "maker", "user", "third", "second"]


def test_users_wait_while_others_run(bench: Any) -> None:
    here = bench(2)
    outcome = here.run(
        linked(here, "user", uses="maker"),
        linked(here, "maker", saves="maker"),
        linked(here, "other"),
    )
    assert all(isinstance(each, Entry) for each in outcome.values()), outcome
    told = [(event.page, event.state) for event in here.events]
    assert told.index(("maker", "done")) < told.index(("user", "started"))
    assert told.index(("other", "started")) < told.index(("user", "started"))


def test_a_failure_has_one_error_and_its_users_say_whose_it_is(bench: Any) -> None:
    here = bench(2)
    outcome = here.run(
        linked(here, "a", saves="a", cell="1 / 0"),
        linked(here, "b", uses="a", saves="b"),
        linked(here, "c", uses="b"),
        linked(here, "alone", uses="nobody"),
        linked(here, "other"),
    )
    assert "ZeroDivisionError" in str(outcome["a"])
    for name, cause in (("b", "made/a"), ("c", "made/a"), ("alone", "made/nobody")):
        error = outcome[name]
        assert isinstance(error, NotRunError)
        assert error.cause == f"docs/{cause}.py"
        assert error.place == f"docs/{name}.py"
    assert isinstance(outcome["other"], Entry)
    started = {event.page for event in here.events}
    assert started == {"a", "other"}
    texts = reports(each for each in outcome.values() if isinstance(each, PageError))
    assert len(texts) == 3


def test_a_user_that_is_stopped_does_not_stop_its_maker(bench: Any) -> None:
    here = bench(1)
    slow = "import time; time.sleep(1)\n" + WRITE.format(saves=["a"])
    made = here.runner.submit(linked(here, "a", saves="a", cell=slow))
    user = here.runner.submit(linked(here, "b", uses="a"))
    user.cancel()
    assert made.result(60).checkpoints.keys() == {"a"}
    again = here.runner.submit(linked(here, "b", uses="a"))
    assert again.result(60).provenance["checkpoints_used"]["a"]["bytes"] == 13


def test_who_waits_for_a_page_that_is_stopped_stops(bench: Any) -> None:
    here = bench(1)
    made = here.runner.submit(linked(here, "a", saves="a", cell="while True: pass"))
    user = here.runner.submit(linked(here, "b", uses="a"))
    time.sleep(0.3)
    made.cancel()
    with pytest.raises(CancelledError):
        user.result(30)


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
