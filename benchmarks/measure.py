"""Runs a command and measures its wall time and the memory of all its processes."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAMPLE_SECONDS = 0.25
_LAST_LINES = 25


class CommandError(RuntimeError):
    """A command that failed; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: Wall time, from its start to its end.
        peak_memory: Largest memory in bytes of the process and all below it.
    """

    seconds: float
    peak_memory: int


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
) -> Cost:
    """Runs a command to its end.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        environment: All its environment variables.
        log: Takes what it says.

    Raises:
        CommandError: If it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        with MemoryWatch(process.pid) as watch:
            try:
                status = process.wait()
            except BaseException:
                end(process)
                raise
            seconds = time.monotonic() - start
    if status:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise CommandError(
            f"{' '.join(command)} ended with {status}:\n"
            + "\n".join(lines[-_LAST_LINES:])
        )
    return Cost(seconds, watch.peak)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that we started, and all that it started."""
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
    process.kill()
    process.wait()


class MemoryWatch:
    """Samples the memory of a process and of all below it, in a ``with`` statement."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, memory(self._pid))


def memory(pid: int) -> int:
    """Returns the bytes that a process and all below it hold.

    Where the system tells it (Linux), memory that processes share counts once.
    """
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                used = process.memory_full_info()
                total += getattr(used, "pss", used.rss)
    return total
