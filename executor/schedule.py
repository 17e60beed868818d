"""Runs pages: several at once, longest first, each result kept as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import hub_mirror
from executor.assemble import Program
from executor.cache import Cache, Entry
from executor.checkpoints import digest_of, manifest_of, size_of
from executor.energy import watts_per_core
from executor.environment import shared_environment
from executor.errors import NotRunError, PageError
from executor.execute import execute
from executor.kernels import ForkedKernels, Kernels, SpawnedKernels, can_fork
from executor.keys import Key
from executor.lineage import Source
from executor.preload import preload_statements
from executor.provenance import provenance_of
from hub_mirror import MirrorError

log = logging.getLogger("mkdocs.executor")

# How long to wait for pages that are stopped at the end to clean up after themselves.
_CLOSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """A page to run.

    Attributes:
        program: The page.
        key: Under which to keep what it shows.
        sources: Where it gets the checkpoints that it uses.
    """

    program: Program
    key: Key
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Tells of a page's progress: ``state`` is started, done, failed or stopped."""

    page: str
    state: str
    seconds: float = 0.0


Notify = Callable[[Event], None]


def _ignore(event: Event) -> None:
    pass


@dataclass(eq=False, slots=True)
class _Turn:
    """When a page runs.

    Attributes:
        rank: When several wait for a place, the smallest goes first.
        after: The turns that have to be over before.
        came: Whether the page has had its place.
        over: Whether it has it no more.
    """

    rank: tuple[float, ...]
    after: tuple[_Turn, ...]
    came: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False


class _Places:
    """As many places as pages may run at once; of those who wait, the first goes first.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[_Turn] = []
        self._hastened = 0

    def join(self, turn: _Turn) -> None:
        """Waits for a place, which ``turn.came`` tells of."""
        self._waiting.append(turn)
        self._hand_out()

    def leave(self, turn: _Turn) -> None:
        """Gives the place back, or stops waiting; a second time does nothing."""
        if turn.over:
            return
        turn.over = True
        if turn in self._waiting:
            self._waiting.remove(turn)
        else:
            self._free += 1
        self._hand_out()

    def hasten(self, turn: _Turn) -> None:
        """Puts a turn, and those that it comes after, before all others."""
        self._hastened += 1
        turn.rank = (-math.inf, -self._hastened)
        for other in turn.after:
            self.hasten(other)

    def _hand_out(self) -> None:
        while self._free:
            ready = [t for t in self._waiting if all(other.over for other in t.after)]
            if not ready:
                return
            turn = min(ready, key=lambda turn: turn.rank)  # of equals, who came first
            self._waiting.remove(turn)
            self._free -= 1
            turn.came.set()


class _Submitted(NamedTuple):
    """A page that was submitted, under which key, and when it runs."""

    key: str
    turn: _Turn
    future: Future[Entry]


class Runner:
    """Runs pages in an event loop of its own thread.

    The main thread stays free for MkDocs, and for the interrupt key.

    Args:
        root: The project's root.
        cache: Where results are kept.
        jobs: How many pages run at once; by default as many as there are cores.
        fork: Whether to fork kernels; by default where the system can.
        durations: Whose entries tell how long pages take, and hold checkpoints of pages
            that do not run; by default the cache's own.
    """

    def __init__(
        self,
        root: Path,
        cache: Cache,
        jobs: int | None = None,
        fork: bool | None = None,
        durations: Cache | None = None,
    ) -> None:
        self.root = root
        self.cache = cache
        self._durations = durations or cache
        self.jobs = jobs or available_cores()
        self._fork = can_fork() if fork is None else fork
        self._environment = shared_environment(root / ".cache")
        self._kernels: Kernels | None = None
        self._preload: dict[str, None] = {}  # in order
        self._preparing = threading.Lock()
        self._places = _Places(self.jobs)
        self._submitted: dict[str, _Submitted] = {}
        self._tasks: set[asyncio.Task[Entry]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="executor", daemon=True
        )
        self._thread.start()

    def prepare(self, programs: Sequence[Program]) -> None:
        """Starts loading what ``programs`` import, without waiting for it."""
        with self._preparing:
            self._preload |= dict.fromkeys(preload_statements(programs))
            self._start_kernels()

    def _start_kernels(self) -> Kernels:
        """Returns where to get kernels, with a new zygote if the last one has ended."""
        if not self._fork:
            self._kernels = self._kernels or SpawnedKernels()
        elif (
            not isinstance(self._kernels, ForkedKernels) or not self._kernels.zygote.alive
        ):
            if self._kernels is not None:
                self._kernels.close()
            self._kernels = ForkedKernels(self._environment, list(self._preload))
            # One core loads what pages import; meanwhile another loads what comes after.
            threading.Thread(target=watts_per_core, name="watts", daemon=True).start()
        assert self._kernels is not None
        return self._kernels

    def submit(
        self, job: Job, notify: Notify = _ignore, rank: tuple[float, ...] = ()
    ) -> Future[Entry]:
        """Runs a page once there is a place. To cancel the future stops the page.

        Pages whose checkpoints it uses go first if they were submitted before.

        Args:
            job: The page.
            notify: Is told of its progress.
            rank: When several wait for a place, the smallest goes first, as long as
                none is hastened.
        """
        self.prepare([job.program])
        makers = [
            (source, maker)
            for source in job.sources
            if (maker := self._submitted.get(source.maker.id)) is not None
            and maker.key == source.key.digest
        ]
        turn = _Turn(rank, tuple(maker.turn for _, maker in makers))
        future = asyncio.run_coroutine_threadsafe(
            self._wait_and_run(job, notify, turn, makers), self._loop
        )
        self._submitted[job.program.page.id] = _Submitted(job.key.digest, turn, future)
        return future

    def hasten(self, page: str) -> None:
        """Has a page go next, after the pages that it waits for, if it waits at all."""
        submitted = self._submitted.get(page)
        if submitted is not None and not submitted.future.done():
            self._loop.call_soon_threadsafe(self._places.hasten, submitted.turn)

    def run(
        self, jobs: Sequence[Job], notify: Notify = _ignore
    ) -> dict[str, Entry | PageError]:
        """Runs every job, also when some fail. Returns by page id what came of it.

        A page for which others wait counts as long as all that follows from it.
        """
        self.prepare([job.program for job in jobs])
        ranks = ranks_of(jobs, self.expected_seconds)
        futures = {
            job.program.page.id: self.submit(job, notify, ranks[job.program.page.id])
            for job in sorted(jobs, key=lambda job: ranks[job.program.page.id])
        }
        outcome: dict[str, Entry | PageError] = {}
        try:
            for page, future in futures.items():
                try:
                    outcome[page] = future.result()
                except PageError as error:
                    outcome[page] = error
                except OSError as error:
                    outcome[page] = PageError(page, f"the run broke down: {error}")
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise
        return outcome

    def close(self) -> None:
        """Stops what runs, waits until it has tidied up, and ends the zygote."""
        if self._loop.is_closed():
            return
        stopped = asyncio.run_coroutine_threadsafe(self._stop_all(), self._loop)
        with contextlib.suppress(TimeoutError):
            stopped.result(_CLOSE_SECONDS)
        if self._kernels is not None:
            self._kernels.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()

    async def _stop_all(self) -> None:
        tasks = set(self._tasks)
        for task in tasks:
            if not task.cancelling():  # a second time would cut its tidying short
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        # nbclient leaves a task behind when it is cancelled.
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)

    async def _wait_and_run(
        self,
        job: Job,
        notify: Notify,
        turn: _Turn,
        makers: list[tuple[Source, _Submitted]],
    ) -> Entry:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._places.join(turn)
        try:
            for source, maker in makers:
                made = asyncio.wrap_future(maker.future)
                made.add_done_callback(_look_at)
                # Not by itself: to stop this page would then stop the other one.
                await asyncio.wait({made})
                if made.cancelled():
                    raise asyncio.CancelledError
                error = made.exception()
                if error is not None:
                    raise _not_run(job, source, error) from error
            await turn.came.wait()
            return await self._run(job, notify, lambda: self._places.leave(turn))
        finally:
            self._places.leave(turn)

    def _require(self, job: Job) -> None:
        """Makes sure that the weights that a page names are there."""
        page = job.program.page
        try:
            hub_mirror.require(
                self.root / ".cache" / "huggingface", page.settings.weights
            )
        except MirrorError as error:
            raise PageError(page.path, f"executor.weights: {error}") from error

    async def _run(
        self, job: Job, notify: Notify, give_back: Callable[[], None]
    ) -> Entry:
        with self._preparing:
            kernels = self._start_kernels()
        page = job.program.page
        folders, used = self._checkpoints(job)
        await asyncio.to_thread(self._require, job)
        notify(Event(page.id, "started"))
        start = time.monotonic()
        try:
            execution = await execute(
                self.root,
                job.program,
                kernels,
                self._environment,
                folders,
                # Others need not wait for the tidying, but for what a page saves: those
                # who use that may go first.
                ended=None if page.settings.saves else give_back,
            )
        except asyncio.CancelledError:
            notify(Event(page.id, "stopped", time.monotonic() - start))
            raise
        except BaseException:
            notify(Event(page.id, "failed", time.monotonic() - start))
            raise
        entry = Entry(
            page.id,
            job.key.digest,
            job.key.parts,
            execution.outputs,
            execution.records,
            # Not in the loop: it asks git, and looks the processor up.
            await asyncio.to_thread(
                provenance_of, self.root, job.program, execution, used
            ),
            {name: manifest_of(files) for name, files in execution.checkpoints.items()},
        )
        self.cache.store(entry, execution.checkpoints)
        notify(Event(page.id, "done", time.monotonic() - start))
        return entry

    def _checkpoints(self, job: Job) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
        """Returns where the checkpoints are that a page uses, and what to know of them.

        Raises:
            NotRunError: If one is not there.
        """
        folders: dict[str, Path] = {}
        known: dict[str, dict[str, Any]] = {}
        for source in job.sources:
            for cache in (self.cache, self._durations):
                entry = cache.load(source.maker.id, source.key.digest)
                manifest = entry.checkpoints.get(source.name) if entry else None
                store = cache.checkpoints(source.maker.id)
                if manifest is not None and not store.damage(manifest):
                    folders[source.name] = store.path(manifest)
                    known[source.name] = {
                        "page": source.maker.uri,
                        "digest": digest_of(manifest),
                        "bytes": size_of(store.path(manifest), manifest),
                    }
                    break
            else:
                raise _not_run(job, source)
        return folders, known

    def expected_seconds(self, page: str) -> float:
        """Returns how long the page took last time; a new one is taken to be long."""
        latest = self._durations.latest(page)
        return float(latest.provenance["seconds"]) if latest else float("inf")


def ranks_of(
    jobs: Sequence[Job], expected_seconds: Callable[[str], float]
) -> dict[str, tuple[float, float]]:
    """Returns for each page when it shall run: the smallest first.

    What counts is how long it takes until the page and all that wait for it are done;
    among equals, how many wait for one another. A new page counts as long as it may take.
    """
    lengths = {
        job.program.page.id: min(
            expected_seconds(job.program.page.id), job.program.page.settings.timeout
        )
        for job in jobs
    }
    users: dict[str, list[str]] = {job.program.page.id: [] for job in jobs}
    for job in jobs:
        for source in job.sources:
            if source.maker.id in users:
                users[source.maker.id].append(job.program.page.id)
    ranks: dict[str, tuple[float, float]] = {}

    def rank(page: str) -> tuple[float, float]:
        if page not in ranks:
            after = [rank(user) for user in users[page]]
            seconds = min((first for first, _ in after), default=0.0)
            links = min((second for _, second in after), default=1.0)
            ranks[page] = (seconds - lengths[page], links - 1)
        return ranks[page]

    for page in users:
        rank(page)
    return ranks


def _look_at(future: asyncio.Future[Entry]) -> None:
    """Keeps asyncio from complaining about an error that nobody waited for."""
    if not future.cancelled():
        future.exception()


def _not_run(job: Job, source: Source, error: BaseException | None = None) -> NotRunError:
    page = job.program.page
    cause = error.cause if isinstance(error, NotRunError) else source.maker.path
    uses = f"it uses the checkpoint {source.name} of {source.maker.path}"
    return NotRunError(page.path, cause, f"{uses}, which failed")


def available_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
