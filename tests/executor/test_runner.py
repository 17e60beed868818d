"""How the runner ends: pages, zygotes and the runner itself, in any order."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from executor.cache import Cache, Entry
from executor.errors import PageError
from executor.kernels import ForkedKernels, can_fork
from executor.keys import Key
from executor.schedule import Event, Job, Runner

forks = pytest.mark.skipif(not can_fork(), reason="kernels are forked on Linux only")


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def sleeping(file: Path) -> str:
    """Code that writes its process id into a file, and sleeps."""
    write = f"open({str(file)!r}, 'w').write(str(os.getpid()))"
    return f"import os, time\n{write};\ntime.sleep(60)"


def zygote_of(running: Runner) -> int:
    assert isinstance(running._kernels, ForkedKernels)
    return running._kernels.zygote._process.pid


@pytest.fixture
def job(project: Any) -> Callable[..., Job]:
    def make(name: str, code: str) -> Job:
        program = project.program(f"# %%\n{code}", f"{name}.py")
        return Job(program, Key(f"key-of-{name}", {}))

    return make


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pages get their folders. The path is short enough for a socket."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(params=[pytest.param(True, marks=forks, id="forked"), False])
def fork(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def runner(project: Any) -> Iterator[Callable[..., Runner]]:
    runners: list[Runner] = []

    def make(jobs: int = 1, fork: bool | None = None) -> Runner:
        cache = Cache(project.root / ".cache" / "executor")
        runners.append(Runner(project.root, cache, jobs, fork))
        return runners[-1]

    yield make
    for one in runners:
        one.close()


def test_a_page_that_fails_leaves_nothing(
    job: Any, runner: Any, fork: bool, temporary: Path
) -> None:
    events: list[Event] = []
    outcome = runner(2, fork).run(
        [job("bad", "x = 1\n1 / 0"), job("good", "print(1)")], events.append
    )
    assert isinstance(outcome["bad"], PageError)
    assert outcome["bad"].place == "docs/bad.py:3"
    assert outcome["good"].outputs[0][0]["text"] == "1\n"
    ends = {event.page: event.state for event in events if event.state != "started"}
    assert ends == {"bad": "failed", "good": "done"}
    assert not list(temporary.iterdir())


@forks
def test_a_zygote_killed_while_idle_is_replaced(job: Any, runner: Any) -> None:
    running = runner()
    running.run([job("one", "1")])
    first = zygote_of(running)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not is_running(first))
    outcome = running.run([job("two", "print(2)")])
    assert outcome["two"].outputs[0][0]["text"] == "2\n"
    assert zygote_of(running) != first


@forks
def test_a_zygote_killed_while_a_page_runs_fails_that_page_only(
    job: Any, runner: Any, tmp_path: Path, temporary: Path
) -> None:
    running = runner()
    file = tmp_path / "pid"
    # The longest goes first.
    for page, seconds in (("slow", 60.0), ("next", 2.0), ("last", 1.0)):
        running.cache.store(Entry(page, "older", {}, [], {}, {"seconds": seconds}))

    def kill() -> None:
        wait_for(lambda: file.exists() and file.read_text())
        os.kill(zygote_of(running), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = running.run(
        [job("slow", sleeping(file)), job("next", "print(1)"), job("last", "print(2)")]
    )
    killer.join()
    assert isinstance(outcome["slow"], PageError)
    assert outcome["slow"].place == "docs/slow.py:2"
    assert outcome["slow"].message == "the kernel died in cell 1"
    assert outcome["next"].outputs[0][0]["text"] == "1\n"
    assert outcome["last"].outputs[0][0]["text"] == "2\n"
    assert not is_running(int(file.read_text()))
    assert not list(temporary.iterdir())


@forks
def test_a_new_zygote_loads_what_all_pages_need(job: Any, runner: Any) -> None:
    running = runner(fork=True)
    running.prepare(
        [job("one", "import numpy").program, job("two", "import PIL").program]
    )
    running._kernels.zygote.close()
    running.prepare([job("three", "1").program])
    outcome = running._kernels.zygote.ready.result(60)
    assert {"import numpy", "import PIL"} <= outcome.keys()


def test_to_close_stops_what_runs_and_leaves_nothing(
    job: Any, runner: Any, fork: bool, tmp_path: Path, temporary: Path
) -> None:
    running = runner(fork=fork)
    file = tmp_path / "pid"
    events: list[Event] = []
    running.submit(job("slow", sleeping(file)), events.append)
    queued = running.submit(job("queued", "1"), events.append)
    wait_for(lambda: file.exists() and file.read_text())
    assert list(temporary.iterdir())
    running.close()
    assert not is_running(int(file.read_text()))
    assert not list(temporary.iterdir())
    assert [event.state for event in events] == ["started", "stopped"]
    assert queued.cancelled()
    assert not running._thread.is_alive()
    assert running.cache.latest("slow") is None


def test_a_runner_that_ran_nothing_is_closed_twice(runner: Any) -> None:
    running = runner()
    running.close()
    running.close()


def test_a_page_whose_weights_are_missing_says_how_to_get_them(
    project: Any, runner: Any
) -> None:
    program = project.program(
        "# %% [markdown]\n# ---\n# executor: {weights: [openai/whisper-tiny.en]}\n# ---\n"
        "# %%\nopen('ran', 'w')\n",
        "speech.py",
    )
    outcome = runner(fork=False).run([Job(program, Key("key", {}))])
    error = outcome["speech"]
    assert isinstance(error, PageError)
    assert error.place == "docs/speech.py"
    assert "the weights of openai/whisper-tiny.en are not in" in error.message
    assert "python -m hub_mirror fill openai/whisper-tiny.en" in error.message
