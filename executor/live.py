"""Under ``mkdocs serve``: runs pages in the background, and shows how far they are."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.commands import serve
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.livereload import LiveReloadServer
from mkdocs.structure.files import File, Files, get_files
from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from executor import sample
from executor.cache import Entry
from executor.errors import NotRunError, PageError
from executor.pages import page_id
from executor.project import Project, State
from executor.schedule import Event, Job, Runner, ranks_of
from executor.site import Site, View

log = logging.getLogger("mkdocs.executor")

# How long a rebuild waits for pages that may be done at once, in seconds.
_GRACE = 0.7
# Stands in the place of each page until the site is built for the first time.
_PROMISE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>The site is being built</title>
</head>
<body style="font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto;
             padding: 0 1rem">
<h1>The site is being built</h1>
<p role="status">This page comes by itself as soon as it is there. The first build after a
start takes the longest; after an edit, only what has changed is built.</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class _Run:
    key: str
    future: Future[Entry]


class Live:
    """The state of pages while the site is served; it outlives single builds."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._runs: dict[str, _Run] = {}
        self._failures: dict[str, tuple[str, PageError]] = {}
        self._states: list[State] = []
        self._server: LiveReloadServer | None = None
        self._observer: Any = None
        self._lock = threading.RLock()
        self._files: dict[Path, int] = {}
        self._shown: dict[str, str] = {}  # what the last good build showed
        self._building: dict[str, str] = {}
        self._quick = False
        self._first = True
        _Patched(self).install()

    def views(self, project: Project) -> dict[str, View]:
        """Starts what is stale, stops what is outdated, and tells what to show."""
        states, problems = project.states()
        if self._runner is None:
            self._runner = Runner(project.root, project.cache)
        self._states = states
        if self._server is not None:
            self._update()
        if self._wait_for_quick_ones():
            states = [
                replace(state, entry=state.entry or self._result(state))
                for state in states
            ]
        views = {uri: View(None, error=error) for uri, error in problems.items()}
        for state in states:
            failure = self._failures.get(state.page.id)
            error = failure[1] if failure and failure[0] == state.key.digest else None
            views[state.page.uri] = View(state.program, state.entry, error)
        return views

    def _update(self) -> None:
        assert self._runner is not None
        self._runner.prepare([state.program for state in self._states])
        wanted = {
            state.page.id: state
            for state in self._states
            if state.entry is None
            and self._failures.get(state.page.id, ("", None))[0] != state.key.digest
        }
        with self._lock:
            for page, run in list(self._runs.items()):
                if page not in wanted or wanted[page].key.digest != run.key:
                    del self._runs[page]
                    run.future.cancel()
            # Those whose checkpoints others wait for first.
            jobs = [
                Job(state.program, state.key, state.sources) for state in wanted.values()
            ]
            ranks = ranks_of(jobs, self._runner.expected_seconds)
            for page in sorted(wanted, key=lambda page: ranks[page]):
                state = wanted[page]
                if page not in self._runs:
                    job = Job(state.program, state.key, state.sources)
                    future = self._runner.submit(job, _say, ranks[page])
                    self._runs[page] = _Run(state.key.digest, future)
                    future.add_done_callback(self._done(page, state.key.digest))

    def _done(self, page: str, key: str) -> Callable[[Future[Entry]], None]:
        def callback(future: Future[Entry]) -> None:
            with self._lock:
                run = self._runs.get(page)
                if run is None or run.future is not future:
                    return  # a newer edit has taken its place
                del self._runs[page]
                try:
                    future.result()
                except CancelledError:
                    return
                except PageError as error:
                    self._failures[page] = (key, error)
                    # Of pages that only wait for one that failed, nobody needs an error.
                    quiet = isinstance(error, NotRunError)
                    log.log(logging.INFO if quiet else logging.ERROR, "%s", error)
                except Exception as error:
                    log.exception("Running %s broke down", page)
                    self._failures[page] = (
                        key,
                        PageError(page, f"the run broke down: {error!r}"),
                    )
            self.rebuild()

        return callback

    def _result(self, state: State) -> Entry | None:
        assert self._runner is not None
        return self._runner.cache.load(state.page.id, state.key.digest)

    def _wait_for_quick_ones(self) -> bool:
        """Waits a moment for pages that take one. Tells whether any page finished."""
        with self._lock:
            futures = [
                run.future
                for page, run in self._runs.items()
                if self._runner and self._runner.expected_seconds(page) < _GRACE
            ]
        end = time.monotonic() + _GRACE
        while futures and time.monotonic() < end and not all(f.done() for f in futures):
            time.sleep(0.01)
        return any(future.done() for future in futures)

    def attach(self, server: LiveReloadServer, config: MkDocsConfig) -> None:
        """Takes over watching the content, since MkDocs looks only every half second."""
        self._server = server
        server.set_app(_Watched(self, server))
        server.unwatch(config.docs_dir)
        folders = [config.docs_dir, *filter(os.path.isdir, config.watch)]
        config.watch[:] = [path for path in config.watch if path not in folders]
        self._observer = Observer()
        for folder in {os.path.realpath(folder) for folder in folders}:
            self._observer.schedule(_Handler(self.rebuild), folder, recursive=True)
        self._observer.start()
        self.rebuild()

    def look(self, path: str) -> None:
        """Has the page at a path of the site go next, since somebody looks at it."""
        if self._runner is not None:
            self._runner.hasten(page_id(path.strip("/")))

    def rebuild(self) -> None:
        """Asks the server to build again, and to reload the browsers."""
        server = self._server
        if server is not None:
            # What LiveReloadServer.watch does for a change; it has no public name.
            with server._rebuild_cond:
                server._want_rebuild = True
                server._rebuild_cond.notify_all()

    def close(self) -> None:
        """Stops watching and running."""
        self._server = None
        if self._observer is not None:
            self._observer.stop()
        if self._runner is not None:
            self._runner.close()
        _Patched.remove()

    def build(
        self, original: Callable[..., None], config: MkDocsConfig, **kwargs: Any
    ) -> None:
        """Builds the whole site, or only what changed where that is enough."""
        server = self._server
        if server is None:  # it starts when this returns; the site is built beside it
            _promise(config)
            return
        root = Path(config.config_file_path).parent
        before, files = self._files, _snapshot(root)
        self._quick = _only_content(root, before, files)
        # A warning must not keep an author from seeing the page, and a part of the site
        # cannot know all links.
        config.strict = False
        if not self._quick:
            self._files = {}  # if this fails, the next build is not quick either
            if self._first:
                # Who asks meanwhile gets what `_promise` wrote; the server would wait.
                with server._epoch_cond:
                    server._wanted_epoch = server._visible_epoch
                    server._epoch_cond.notify_all()
                self._build_dirty(original, config, kwargs)
                server._wanted_epoch = server._visible_epoch + 1
                self._first = False
            else:
                original(config, **kwargs)
            self._files, self._shown = files, self._building
            return
        self._files = files
        # Nor which renderings the other pages use: mkdocs-jupyter would drop them.
        config.plugins["mkdocs-jupyter"].config["cache"] = False
        index = Path(config.site_dir, "search", "search_index.json")
        text = index.read_bytes() if index.exists() else None
        self._build_dirty(original, config, kwargs)
        if text is not None:
            index.write_bytes(text)
        self._shown = self._building

    def _build_dirty(
        self, original: Callable[..., None], config: MkDocsConfig, options: dict[str, Any]
    ) -> None:
        """Has MkDocs keep what is there and write what `mark_changed` tells it to."""
        quiet = logging.getLogger("mkdocs.commands.build")
        quiet.addFilter(_no_dirty_warning)
        try:
            original(config, **{**options, "dirty": True})
        finally:
            quiet.removeFilter(_no_dirty_warning)

    def mark_changed(self, files: Files, site: Site) -> None:
        """Tells MkDocs which pages to write in a build that keeps what is there."""
        self._building = {**site.shown}
        for file in files:
            uri = file.src_uri
            if uri not in site.shown:
                if not file.is_documentation_page():
                    continue
                self._building[uri] = _prose(file, site)
            changed = not self._quick or self._building[uri] != self._shown.get(uri)
            setattr(file, "is_modified", partial(bool, changed))  # noqa: B010


class _Watched:
    """Answers requests as the server does, and tells which pages are looked at."""

    def __init__(self, live: Live, server: LiveReloadServer) -> None:
        self._live = live
        self._mount = server.mount_path
        self._answer = server.serve_request

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self._live.look(environ["PATH_INFO"].removeprefix(self._mount))
        return self._answer(environ, start_response)


class _Patched:
    """Has MkDocs' serve command build through `Live.build`; there is no other way in."""

    original: Callable[..., None] | None = None

    def __init__(self, live: Live) -> None:
        self._live = live

    def install(self) -> None:
        original = _Patched.original or getattr(serve, "build")  # noqa: B009
        _Patched.original = original

        def build(config: MkDocsConfig, **kwargs: Any) -> None:
            self._live.build(original, config, **kwargs)

        setattr(serve, "build", build)  # noqa: B010

    @staticmethod
    def remove() -> None:
        if _Patched.original is not None:
            setattr(serve, "build", _Patched.original)  # noqa: B010


class _Handler(FileSystemEventHandler):
    """Calls back when a file was written, moved, made or deleted, not when read."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def on_any_event(self, event: FileSystemEvent) -> None:
        kinds = (FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent)
        if isinstance(event, kinds) and "__pycache__" not in str(event.src_path):
            self._callback()


def _say(event: Event) -> None:
    verbs = {
        "started": "Running",
        "done": "Ran",
        "failed": "Failed:",
        "stopped": "Stopped",
    }
    seconds = f" in {event.seconds:.1f} s" if event.seconds else ""
    log.info("%s %s%s", verbs[event.state], event.page, seconds)


def _snapshot(root: Path) -> dict[Path, int]:
    paths: Iterable[Path] = (
        path
        for name in ("docs", "snippets", "data", "executor", "overrides")
        for path in (root / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    times = {}
    for path in [*paths, root / "mkdocs.yml", root / "constraints.txt"]:
        with contextlib.suppress(OSError):  # it may go away at this moment
            times[path] = path.stat().st_mtime_ns
    return times


def _only_content(root: Path, before: dict[Path, int], after: dict[Path, int]) -> bool:
    """Tells whether nothing but the text of pages and snippets differs."""
    if before.keys() != after.keys():
        return False
    return all(
        path.suffix in (".md", ".py") and path.relative_to(root).parts[0] != "executor"
        for path, time in after.items()
        if before[path] != time
    )


def _promise(config: MkDocsConfig) -> None:
    """Writes a page that says to wait, and reloads, in the place of each one."""
    for file in get_files(config):
        if file.is_documentation_page():
            path = Path(file.abs_dest_path)
        elif file.src_uri.endswith(".py"):
            path = Path(config.site_dir, file.src_uri.removesuffix(".py"), "index.html")
        else:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_PROMISE, encoding="utf-8")


def _prose(file: File, site: Site) -> str:
    """Returns what a page of prose is made of, with the values and cells it shows."""
    text = file.content_string
    with contextlib.suppress(PageError):  # shown on the page itself
        text = sample.fill(text, site.views, site.values, file.src_uri)
        text = site.prose(text, file.src_uri, "")
    return text


def _no_dirty_warning(record: logging.LogRecord) -> bool:
    return "'dirty' build" not in record.getMessage()
