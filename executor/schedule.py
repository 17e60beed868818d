"""Runs pages: several at once, longest first, each result kept as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from executor.assemble import Program, import_statements
from executor.cache import Cache, Entry
from executor.environment import shared_environment
from executor.errors import PageError
from executor.execute import execute
from executor.kernels import ForkedKernels, Kernels, SpawnedKernels, can_fork
from executor.keys import Key
from executor.provenance import provenance_of

log = logging.getLogger("mkdocs.executor")

# Packages whose import starts no thread and opens nothing that a fork must not share.
FORK_SAFE = frozenset(
    {
        "IPython",
        "PIL",
        "accelerate",
        "datasets",
        "huggingface_hub",
        "ipykernel",
        "matplotlib",
        "numpy",
        "pandas",
        "safetensors",
        "scipy",
        "sklearn",
        "tokenizers",
        "torch",
        "torchvision",
        "transformers",
    }
)
# How long to wait for pages that are stopped at the end to clean up after themselves.
_CLOSE_SECONDS = 10.0
# What every kernel needs anyway.
_KERNEL_IMPORTS = [
    "import ipykernel.debugger",
    "import ipykernel.ipkernel",
    "import ipykernel.kernelapp",
    "import ipykernel.zmqshell",
    "import IPython.core.completer",
]
_FIGURE_IMPORTS = [
    "import matplotlib_inline.config",  # not .backend_inline: it must meet its own shell
    "import matplotlib.backends.backend_svg",
    "import matplotlib.backends.backend_agg",
    "import IPython.core.pylabtools",
]


@dataclass(frozen=True, slots=True)
class Job:
    """A page to run, and the key under which to keep what it shows."""

    program: Program
    key: Key


@dataclass(frozen=True, slots=True)
class Event:
    """Tells of a page's progress: ``state`` is started, done, failed or stopped."""

    page: str
    state: str
    seconds: float = 0.0


Notify = Callable[[Event], None]


def _ignore(event: Event) -> None:
    pass


def preload_statements(programs: Sequence[Program]) -> list[str]:
    """Returns the imports of ``programs`` that a zygote may run once for all of them."""
    statements = dict.fromkeys(_KERNEL_IMPORTS)
    for program in programs:
        for statement in import_statements(program):
            if statement.split()[1].split(".")[0] in FORK_SAFE:
                statements[statement] = None
    if any(" matplotlib" in statement for statement in statements):
        statements.update(dict.fromkeys(_FIGURE_IMPORTS))
    return list(statements)


class Runner:
    """Runs pages in an event loop of its own thread.

    The main thread stays free for MkDocs, and for the interrupt key.

    Args:
        root: The project's root.
        cache: Where results are kept.
        jobs: How many pages run at once; by default as many as there are cores.
        fork: Whether to fork kernels; by default where the system can.
        durations: Whose entries tell how long pages take; by default the cache's own.
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
        self._slots = asyncio.Semaphore(self.jobs)
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
        assert self._kernels is not None
        return self._kernels

    def submit(self, job: Job, notify: Notify = _ignore) -> Future[Entry]:
        """Runs a page once there is a place. To cancel the future stops the page."""
        self.prepare([job.program])
        return asyncio.run_coroutine_threadsafe(
            self._wait_and_run(job, notify), self._loop
        )

    def run(
        self, jobs: Sequence[Job], notify: Notify = _ignore
    ) -> dict[str, Entry | PageError]:
        """Runs every job, also when some fail. Returns by page id what came of it."""
        self.prepare([job.program for job in jobs])
        futures = {
            job.program.page.id: self.submit(job, notify)
            for job in sorted(
                jobs, key=lambda job: -self.expected_seconds(job.program.page.id)
            )
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

    async def _wait_and_run(self, job: Job, notify: Notify) -> Entry:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        async with self._slots:
            return await self._run(job, notify)

    async def _run(self, job: Job, notify: Notify) -> Entry:
        with self._preparing:
            kernels = self._start_kernels()
        page = job.program.page
        notify(Event(page.id, "started"))
        start = time.monotonic()
        try:
            execution = await execute(self.root, job.program, kernels, self._environment)
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
            await asyncio.to_thread(provenance_of, self.root, job.program, execution),
        )
        self.cache.store(entry)
        notify(Event(page.id, "done", time.monotonic() - start))
        return entry

    def expected_seconds(self, page: str) -> float:
        """Returns how long the page took last time; a new one is taken to be long."""
        latest = self._durations.latest(page)
        return float(latest.provenance["seconds"]) if latest else float("inf")


def available_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
