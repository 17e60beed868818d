"""Runs one page in a kernel of its own, within its limits, and keeps what it shows."""

from __future__ import annotations

import ast
import asyncio
import atexit
import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import psutil
from jupyter_client.client import KernelClient
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from executor import checkpoints, datafiles
from executor.assemble import Program, ProgramCell
from executor.environment import NETWORK_LOG, STARTUP, page_environment
from executor.errors import PageError
from executor.kernels import Kernels
from executor.preload import preload_statements

_WATCH_SECONDS = 0.1
_SWEEPS = 3  # for what is started while its parent is being ended
_START_SECONDS = 120
_CHILDREN_SECONDS = 1.0
_HAS_PROC = Path("/proc/self").exists()
_OUTPUT_SECONDS = 60  # from the end of a cell until its last output is here
_LAST_LINES = 12
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FRAME = re.compile(r"Cell In\[(\d+)\], line (\d+)")
_CHAINED = re.compile(
    r"^(?:The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred):$",
    re.MULTILINE,
)
_OPTIONS = [
    "--HistoryManager.enabled=False",
    "--InteractiveShell.colors=nocolor",
]


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of running a page.

    Attributes:
        outputs: For each code cell its outputs, in notebook format.
        records: Recorded values by name.
        seconds: Wall time of the cells, without the start of the kernel.
        peak_memory: Largest resident memory in bytes.
        cpu_seconds: Processor time of the kernel and its children.
        checkpoints: The files of each checkpoint that the page saved, by path.
    """

    outputs: list[list[dict[str, Any]]]
    records: dict[str, Any]
    seconds: float
    peak_memory: int
    cpu_seconds: float
    checkpoints: dict[str, dict[str, bytes]] = field(default_factory=dict)


async def execute(
    root: Path,
    program: Program,
    kernels: Kernels,
    environment: dict[str, str],
    used: Mapping[str, Path] | None = None,
    ended: Callable[[], None] | None = None,
) -> Execution:
    """Runs a program from its first cell to its last.

    Args:
        root: The project's root, from which declared data is copied.
        program: What to run.
        kernels: Where to get a kernel.
        environment: The environment shared by all kernels.
        used: The folder of each checkpoint that the page uses; it gets copies.
        ended: Is called as soon as the kernel has ended, before all is tidied up.

    Raises:
        PageError: If a cell raises, a limit is exceeded, the kernel dies, the page uses
            the network, a value cannot be recorded, or a checkpoint that the page saves
            is not as it must be.
    """
    folder = Path(tempfile.mkdtemp(prefix="page-"))
    try:
        return await _execute(
            root, program, kernels, environment, folder, used or {}, ended
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _execute(
    root: Path,
    program: Program,
    kernels: Kernels,
    environment: dict[str, str],
    folder: Path,
    used: Mapping[str, Path],
    ended: Callable[[], None] | None,
) -> Execution:
    page = program.page
    workplace = folder / "page"
    workplace.mkdir()
    (folder / "tmp").mkdir()
    (folder / "begun").touch()
    for path in page.settings.data:
        datafiles.copy(root, page.path, path, workplace)
    for name, kept in used.items():
        shutil.copytree(kept, workplace / checkpoints.FOLDER / name)
    manager = kernels.manager(
        folder / "kernel.json", folder / "kernel.log", preload_statements([program])
    )
    client = _Client(program, manager)
    env = {**environment, **page_environment(folder), "PWD": str(workplace)}
    run = asyncio.create_task(client.async_execute(cwd=str(workplace), env=env))
    watch = asyncio.create_task(_watch(client))
    try:
        await asyncio.wait({run, watch}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            raise watch.result()
        try:
            run.result()
        except CellExecutionError as error:
            raise client.explain(error) from error
        except (DeadKernelError, asyncio.CancelledError) as error:
            raise PageError(
                client.place(),
                f"the kernel died in cell {client.number()}",
                _tail(folder / "kernel.log"),
            ) from error
        except CellTimeoutError as error:
            raise PageError(
                client.place(),
                f"the outputs of cell {client.number()} did not arrive within "
                f"{_OUTPUT_SECONDS} s of its end",
                _tail(folder / "kernel.log"),
            ) from error
        except (RuntimeError, OSError) as error:
            if client.started is not None:
                raise
            raise PageError(
                page.path,
                f"the kernel did not start: {str(error) or type(error).__name__}",
                _tail(folder / "kernel.log"),
            ) from error
        problem = client.exceeded()
        if problem is not None:
            raise problem
    finally:
        await _stop(run, watch, client, folder, ended)
        _refuse_network(folder, client)
    return Execution(
        [[dict(output) for output in cell.outputs] for cell in client.nb.cells],
        client.records,
        round(client.seconds, 3),
        client.peak_memory,
        round(client.cpu_seconds, 3),
        {
            name: checkpoints.collect(page.path, workplace, name)
            for name in page.settings.saves
        },
    )


class _Client(NotebookClient):
    """An nbclient that evaluates recorded expressions and knows where it is."""

    def __init__(self, program: Program, manager: Any) -> None:
        cells = [nbformat.v4.new_code_cell(cell.source) for cell in program.code]
        super().__init__(
            nbformat.v4.new_notebook(cells=cells),
            km=manager,
            timeout=None,
            iopub_timeout=_OUTPUT_SECONDS,
            raise_on_iopub_timeout=True,
            startup_timeout=_START_SECONDS,
            extra_arguments=_OPTIONS,
            ipython_hist_file="",
            store_widget_state=False,
            record_timing=False,
            shutdown_kernel="immediate",
        )
        self.program = program
        self.records: dict[str, Any] = {}
        self.seconds = 0.0
        self.peak_memory = 0
        self.cpu_seconds = 0.0
        self._children: list[psutil.Process] = []
        self._children_from = 0.0
        self.started: float | None = None
        self._index = 0
        self._counts: list[int] = []  # index of the cell behind each execution count

    async def async_start_new_kernel_client(self) -> KernelClient:
        assert self.km is not None
        client = self.kc = self.km.client()
        client.start_channels()
        await self._wait_until_ready(client)
        client.allow_stdin = False
        reply = await self.async_wait_for_reply(client.execute(STARTUP, silent=True))
        if reply is None or reply["content"]["status"] != "ok":
            problem = reply["content"].get("evalue") if reply else "no answer"
            raise RuntimeError(f"the kernel could not be prepared: {problem}")
        return client

    async def _wait_until_ready(self, client: KernelClient) -> None:
        """Waits until the kernel answers on both channels.

        ``KernelClient.wait_for_ready`` pauses for 0.2 s until the second one is silent.
        """
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            message = client.kernel_info()
            if await _answered(client.shell_channel, message, 1.0) and await _answered(
                client.iopub_channel, message, 0.2
            ):
                return
            if self.km is None or not await ensure_async(self.km.is_alive()):
                raise RuntimeError("Kernel died before replying to kernel_info")
        raise RuntimeError(f"Kernel didn't respond in {_START_SECONDS} seconds")

    async def async_execute_cell(
        self, cell: NotebookNode, cell_index: int, *args: Any, **kwargs: Any
    ) -> NotebookNode:
        self._index = cell_index
        if self.started is None:
            self.started = time.monotonic()
        if cell.source.strip():
            self._counts.append(cell_index)
        try:
            executed = await super().async_execute_cell(cell, cell_index, *args, **kwargs)
            await self._record(self.program.code[cell_index])
        finally:
            self.seconds = time.monotonic() - self.started
            self.note_use()
        return executed

    async def _record(self, cell: ProgramCell) -> None:
        if not cell.cell.record or self.kc is None:
            return
        expressions = {
            name: "__import__('json').dumps("
            f"({expression}), default=lambda value: value.tolist(), allow_nan=False)"
            for name, expression in cell.cell.record.items()
        }
        message = self.kc.execute("", silent=True, user_expressions=expressions)
        reply = await self.async_wait_for_reply(message)
        results = reply["content"]["user_expressions"] if reply else {}
        for name, expression in cell.cell.record.items():
            result = results.get(name, {})
            if result.get("status") != "ok":
                problem = (
                    f"{result.get('ename', 'no answer')}: {result.get('evalue', '')}"
                )
                raise PageError(
                    self.place(),
                    f"cannot record {name}, the value of {expression!r}: {problem}; it "
                    "must be a number, a text, or a list or mapping of them",
                )
            self.records[name] = json.loads(
                ast.literal_eval(result["data"]["text/plain"])
            )

    def pid(self) -> int | None:
        """The kernel's process id, once it has one."""
        return getattr(self.km.provisioner, "pid", None) if self.km is not None else None

    def note_use(self) -> None:
        """Keeps the largest memory in use so far, and the processor time."""
        pid = self.pid()
        if pid is None:
            return
        used = 0
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            used = process.memory_info().rss
            self.cpu_seconds = max(self.cpu_seconds, sum(process.cpu_times()[:4]))
            if time.monotonic() > self._children_from:
                # To find them takes long, so that it is not done each time.
                self._children = process.children(recursive=True)
                self._children_from = time.monotonic() + _CHILDREN_SECONDS
            for child in self._children:
                with contextlib.suppress(psutil.Error):
                    used += child.memory_info().rss
        peak = used
        with contextlib.suppress(OSError, IndexError):  # Linux keeps a high-water mark
            status = Path(f"/proc/{pid}/status").read_text()
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) * 1024)
        self.peak_memory = max(self.peak_memory, peak)

    def exceeded(self) -> PageError | None:
        """Returns what to tell the author if the page exceeds a limit."""
        settings = self.program.page.settings
        if self.peak_memory > settings.memory_gb * 1e9:
            return PageError(
                self.place(),
                f"stopped in cell {self.number()}: the page used "
                f"{self.peak_memory / 1e9:.1f} GB, more than its "
                f"{settings.memory_gb:g} GB (executor.memory_gb in its front matter)",
            )
        # The start of the kernel, which may wait for others, is not the page's fault.
        if self.started and time.monotonic() - self.started > settings.timeout:
            return PageError(
                self.place(),
                f"stopped in cell {self.number()}: the page ran longer than its "
                f"{settings.timeout:g} s (executor.timeout in its front matter)",
            )
        return None

    def number(self) -> int:
        """Number of the current code cell, from 1."""
        return self._index + 1

    def place(self, line: int = 1) -> str:
        """The author's file and line behind a line of the current cell."""
        return self._place(self._index, line)

    def _place(self, index: int, line: int) -> str:
        cell = self.program.code[index] if self.program.code else None
        if cell is None:
            return self.program.page.path
        if not 1 <= line <= len(cell.origins):
            return f"{self.program.page.path}:{cell.cell.line}"
        origin = cell.origins[line - 1]
        return f"{origin.path}:{origin.line}"

    def explain(self, error: CellExecutionError) -> PageError:
        """Turns a raised error into one that names the author's lines."""
        text = _ANSI.sub("", error.traceback or "")
        frames = [
            (self._counts[int(count) - 1], int(line))
            for count, line in _FRAME.findall(_CHAINED.split(text)[-1])
            if 0 < int(count) <= len(self._counts)
        ]
        # The outermost frame is the line that the author wrote; the innermost is where
        # the error arose, which may be a line that came from snippets.
        place = self.place()
        via = ""
        if frames:
            place = self._place(*frames[0])
            if self._place(*frames[-1]) != place:
                via = f", raised at {self._place(*frames[-1])}"
        kind = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
        lines = [line for line in text.splitlines() if line.strip()]
        return PageError(
            place,
            f"cell {self.number()} raised {kind}{via}",
            "\n".join(lines[-_LAST_LINES:]),
        )


async def _watch(client: _Client) -> PageError:
    """Returns as soon as the page exceeds a limit."""
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        client.note_use()
        problem = client.exceeded()
        if problem is not None:
            return problem


async def _stop(
    run: asyncio.Task[Any],
    watch: asyncio.Task[PageError],
    client: _Client,
    folder: Path,
    ended: Callable[[], None] | None,
) -> None:
    watch.cancel()
    # At once: nothing in the kernel is worth an orderly end, and a kernel that is busy
    # allocating would not answer.
    _kill(client.pid(), folder)
    if ended is not None:
        ended()
    run.cancel()
    await asyncio.gather(run, watch, return_exceptions=True)
    # nbclient leaves it behind when a start fails.
    atexit.unregister(client._cleanup_kernel)
    if client.kc is not None:
        client.kc.stop_channels()
    if client.km is None:
        return
    if client.km.has_kernel:
        await ensure_async(client.km.shutdown_kernel(now=True))
    else:  # it never started, or has died: what the manager holds stays open otherwise
        await ensure_async(client.km.cleanup_resources())


def _kill(pid: int | None, folder: Path) -> None:
    """Ends a kernel and every process that it started, also those that outlived it."""
    if pid is None:
        return
    since = (folder / "begun").stat().st_mtime - 1
    for _ in range(_SWEEPS):
        victims = [
            process
            for process in psutil.process_iter()
            if _is_new(process.pid, since) and _is_of(process, pid, folder)
        ]
        if not victims:
            return
        for victim in victims:
            with contextlib.suppress(psutil.Error):
                victim.kill()


def _is_new(pid: int, since: float) -> bool:
    """Tells, cheaply if there is /proc, whether a process may have begun since then."""
    try:
        return Path(f"/proc/{pid}").stat().st_ctime >= since
    except OSError:
        return not _HAS_PROC


def _is_of(process: psutil.Process, pid: int, folder: Path) -> bool:
    """Tells whether a process is the kernel or comes from it.

    A kernel leads a session. Who leaves it still has the environment of the page, which
    names its folder.
    """
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return os.getsid(process.pid) == pid or (
            process.environ().get(NETWORK_LOG) == str(folder / "network.log")
        )
    except (psutil.Error, OSError):
        return False


async def _answered(channel: Any, message: str, seconds: float) -> bool:
    """Waits for the last answer to a message on a channel."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            answer = await ensure_async(channel.get_msg(timeout=left))
        except Empty:
            return False
        if answer["parent_header"].get("msg_id") == message and (
            answer["content"].get("execution_state", "idle") == "idle"
        ):
            return True
    return False


def _refuse_network(folder: Path, client: _Client) -> None:
    log = folder / "network.log"
    if log.exists():
        targets = sorted(set(log.read_text(encoding="utf-8").splitlines()))
        raise PageError(
            client.place(),
            f"the page tried to reach the network ({', '.join(targets)}), by cell "
            f"{client.number()}; pages run offline: declare weights and data instead "
            "(executor.weights, executor.data)",
        )


def _tail(log: Path) -> str:
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    # What ipykernel always says comes before.
    lines = text.rpartition("--existing kernel.json")[2].splitlines()
    return "\n".join(lines[-_LAST_LINES:])
