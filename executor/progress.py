"""Shows which pages are running: a bar in a terminal, a line a page elsewhere."""

from __future__ import annotations

import logging
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from executor.schedule import Event

log = logging.getLogger("mkdocs.executor")


class Progress:
    """A progress display, to be used in a ``with`` statement.

    Args:
        total: How many pages run.
        jobs: How many at once.
    """

    def __init__(self, total: int, jobs: int) -> None:
        self._console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("Executing"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
            disable=not (self._console.is_terminal and log.isEnabledFor(logging.INFO)),
        )
        self._task = self._bar.add_task("", total=total)
        self._running: list[str] = []
        log.info(
            "Executing %d page%s, %d at once", total, "" if total == 1 else "s", jobs
        )

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def notify(self, event: Event) -> None:
        """Takes note of a page's progress."""
        if event.state == "started":
            self._running.append(event.page)
        else:
            self._running.remove(event.page)
            verb = {"done": "Executed", "failed": "Failed:", "stopped": "Stopped"}
            text = f"{verb[event.state]} {event.page} in {event.seconds:.1f} s"
            if self._bar.disable:
                log.info("%s", text)
            else:  # a log line would run into the bar
                self._bar.console.print(text, highlight=False)
        advance = 0 if event.state == "started" else 1
        self._bar.update(
            self._task, advance=advance, description=", ".join(self._running)
        )
