"""Measures how soon an edited page is served by ``mkdocs serve``."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.notebooks import shows_text
from benchmarks.tools import Tool
from executor.cache import Cache

_POLL_SECONDS = 0.01
_SETTLE_SECONDS = 1.5  # between edits, as an author pauses; longer than a rebuild
_PATIENCE = 1200.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Median seconds from saving a page until it is served anew.

    Attributes:
        code: After an edit of code, less the time that the page's cells took.
        code_slowest: The slowest of these.
        compute: How long the page's cells took.
        prose: After an edit of prose.
        edits: How many edits of each kind were made.
    """

    code: float
    code_slowest: float
    compute: float
    prose: float
    edits: int


def latency(tool: Tool, edits: int) -> Latency:
    """Serves a project, edits a page several times and waits for each edit to show.

    Args:
        tool: The project, made by `benchmarks.tools.ours`.
        edits: How many edits of each kind.

    Raises:
        CommandError: If the server ends, or an edit does not show.
    """
    pages = tool.pages
    page = f"pages.{pages.edited.replace('-', '_')}"
    cache = Cache(pages.root / ".cache" / "executor")
    code: list[float] = []
    compute: list[float] = []
    prose: list[float] = []
    with _Server(tool) as server:
        for name, text in pages.expected().items():
            server.wait_for(name, text)
        # The first of each kind loads what later ones find loaded.
        for number in range(edits + 1):
            seconds = server.time_edit(pages.edit_code)
            entry = cache.latest(page)
            own = float(entry.provenance["seconds"]) if entry else 0.0
            unchanged = server.time_edit(pages.edit_prose)
            if number:
                code.append(seconds - own)
                compute.append(own)
                prose.append(unchanged)
    return Latency(
        statistics.median(code),
        max(code),
        statistics.median(compute),
        statistics.median(prose),
        edits,
    )


class _Server:
    """``mkdocs serve`` on a free port of this machine, in a ``with`` statement."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self._log = tool.pages.root.parent / "serve.log"
        # Past any proxy that the environment names.
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._address = f"127.0.0.1:{free.getsockname()[1]}"

    def __enter__(self) -> _Server:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mkdocs", "serve", "--dev-addr", self._address],
                cwd=self._tool.pages.root,
                env=self._tool.environment | {"SITE_URL": f"http://{self._address}/"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        measure.end(self._process)

    def time_edit(self, edit: Callable[[], dict[str, str]]) -> float:
        """Makes an edit and returns the seconds until it is served."""
        time.sleep(_SETTLE_SECONDS)
        start = time.monotonic()
        for name, text in edit().items():
            self.wait_for(name, text)
        return time.monotonic() - start

    def wait_for(self, name: str, text: str) -> None:
        """Waits until a page shows a text."""
        end = time.monotonic() + _PATIENCE
        while not shows_text(self._get(f"pages/{name}/"), text):
            if time.monotonic() > end or self._process.poll() is not None:
                said = Path(self._log).read_text(encoding="utf-8", errors="replace")
                raise measure.CommandError(
                    f"{name} does not show {text!r}:\n{said[-2000:]}"
                )
            time.sleep(_POLL_SECONDS)

    def _get(self, path: str) -> str:
        try:
            with self._direct.open(f"http://{self._address}/{path}") as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):  # not there yet
            return ""
