"""The MkDocs hook: has pages executed, and hands them to mkdocs-jupyter."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# MkDocs loads this file by its path; the package around it is found from the root.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

import mkdocs_jupyter.config
from jinja2 import Environment, FileSystemBytecodeCache
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer
from mkdocs.plugins import event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from executor import publish, render
from executor.batch import run_stale
from executor.claims import ClaimError
from executor.errors import NotRunError, PageError, reports
from executor.live import Live
from executor.project import Project, State
from executor.schedule import Runner
from executor.site import SOURCES, Site, View

log = logging.getLogger("mkdocs.executor")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a build will show, and the runner of what is not cached, if there is any."""

    project: Project
    states: list[State]
    problems: dict[str, PageError]
    runner: Runner | None


_live: Live | None = None
_plan: _Plan | None = None
_site: Site | None = None


def on_startup(command: Literal["build", "gh-deploy", "serve"], dirty: bool) -> None:
    """Remembers whether pages are executed before the build, or while it is served."""
    global _live
    _live = Live() if command == "serve" else None


@event_priority(100)  # before plugins that take their time
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Points mkdocs-jupyter at our template, with a cache that knows the template.

    A build also starts here to load what its stale pages import.
    """
    global _plan
    if _live is None:
        _plan = _make_plan(Project(_root(config)))
    mkdocs_jupyter.config.settings.templates_dir = str(render.TEMPLATES)
    cache = _root(config) / ".cache" / "render" / render.templates_digest()
    config.plugins["mkdocs-jupyter"].config["cache_dir"] = str(cache)
    return config


def on_pre_build(config: MkDocsConfig) -> None:
    """Executes pages before MkDocs touches the old site."""
    global _site
    try:
        if _live is not None:
            project = Project(_root(config))
            _site = Site(project, _live.views(project), tolerant=True)
        else:
            assert _plan is not None
            _site = Site(_plan.project, _execute(_plan))
            if problems := _site.problems():
                raise PluginError(_report(problems))
    except ClaimError as error:
        raise PluginError(f"data/claims: {error}") from error
    config.extra["site"] = _site  # for executor/hook_reading.py


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Puts the executed notebook in the place of each page, with what belongs to it."""
    assert _site is not None
    try:
        _site.add_files(files, config)
    except PageError as error:
        raise PluginError(_report([error])) from error
    return files


@event_priority(50)  # after mkdocs-jupyter has returned the notebook
def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Unpacks a notebook page's Markdown, and fills in values and sources."""
    assert _site is not None
    sources = get_relative_url(files.src_uris[SOURCES].url, page.url)
    try:
        return _site.prose(markdown, page.file.src_uri, sources)
    except PageError as error:
        if _live is not None:
            log.error("%s", error)
            return publish.failure(error)
        raise PluginError(_report([error])) from error


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Completes the pages of the reference."""
    assert _site is not None
    return _site.finish(html, page.file.src_uri)


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> None:
    """Keeps the theme's compiled templates, which MkDocs compiles anew at each build."""
    folder = _root(config) / ".cache" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    env.bytecode_cache = FileSystemBytecodeCache(str(folder))


@event_priority(-100)  # after mkdocs-jupyter has wrapped the notebooks
def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> None:
    """Lets a rebuild under ``mkdocs serve`` write only the pages that changed."""
    assert _site is not None
    if _live is not None:
        _live.mark_changed(files, _site)


def on_serve(
    server: LiveReloadServer, config: MkDocsConfig, builder: Any
) -> LiveReloadServer:
    """Connects the server with what runs in the background."""
    if _live is not None:
        _live.attach(server, config)
    return server


def on_shutdown() -> None:
    """Stops what still runs."""
    if _live is not None:
        _live.close()
    if _plan is not None and _plan.runner is not None:
        _plan.runner.close()


def _make_plan(project: Project) -> _Plan:
    states, problems = project.states()
    stale = [state.program for state in states if state.entry is None]
    runner = None
    if stale:
        runner = Runner(project.root, project.cache)
        runner.prepare(stale)
    return _Plan(project, states, problems, runner)


def _execute(plan: _Plan) -> dict[str, View]:
    """Runs what is not cached.

    Raises:
        PluginError: If a page failed; the others have run and are cached.
    """
    try:
        outcome = run_stale(plan.project, plan.states, runner=plan.runner)
    finally:
        if plan.runner is not None:
            plan.runner.close()
    errors = list(plan.problems.values())
    views = {}
    for state in plan.states:
        result = outcome.get(state.page.id, state.entry)
        if isinstance(result, PageError):
            errors.append(result)
        else:
            assert result is not None  # every page that had no entry has run
            views[state.page.uri] = View(state.program, result)
    if errors:
        raise PluginError(_report(errors))
    return views


def _report(errors: list[PageError]) -> str:
    failed = sum(not isinstance(error, NotRunError) for error in errors)
    count = "1 page" if failed == 1 else f"{failed} pages"
    return f"{count} failed:\n\n" + "\n\n".join(reports(errors))


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent
