"""The MkDocs hook: has pages executed, and hands them to mkdocs-jupyter."""

from __future__ import annotations

import datetime
import logging
import sys
from pathlib import Path
from urllib.parse import urljoin

# MkDocs loads this file by its path; the package around it is found from the root.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

import mkdocs_jupyter.config
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

import hub_mirror
from executor import claims, publish, render
from executor.assemble import Program
from executor.cache import Entry
from executor.errors import PageError
from executor.files import write_if_changed
from executor.packages import Packages
from executor.progress import Progress
from executor.project import Project
from executor.reference import reference_pages, title_of
from executor.schedule import Job, Runner
from executor.values import Values

log = logging.getLogger("mkdocs.executor")


SOURCES = "report/sources.md"
FRESHNESS = "report/freshness.md"


class Site:
    """One build of the site, as the hook's events share it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.pages: dict[str, tuple[Program, Entry]] = {}
        self.values = Values({})
        self.ledger = claims.load(project.root / "data" / "claims")

    def execute(self) -> None:
        """Runs what is not cached.

        Raises:
            PluginError: If a page failed; the others have run and are cached.
        """
        states, errors = self.project.states()
        stale = [state for state in states if state.entry is None]
        outcome: dict[str, Entry | PageError] = {}
        if stale:
            hub_mirror.fill(self.project.root / ".cache" / "huggingface")
            runner = Runner(self.project.root, self.project.cache)
            try:
                with Progress(len(stale), runner.jobs) as progress:
                    outcome = runner.run(
                        [Job(state.program, state.key) for state in stale],
                        progress.notify,
                    )
            finally:
                runner.close()
        errors += [result for result in outcome.values() if isinstance(result, PageError)]
        if errors:
            raise PluginError(_report(errors))
        for state in states:
            entry = state.entry or outcome[state.page.id]
            assert isinstance(entry, Entry)
            self.pages[state.page.uri] = (state.program, entry)
        self.values = Values(
            {program.page.id: entry.records for program, entry in self.pages.values()}
        )


_site: Site | None = None


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Points mkdocs-jupyter at our template, with a cache that knows the template."""
    global _site
    _site = Site(Project(Path(config.config_file_path).parent))
    mkdocs_jupyter.config.settings.templates_dir = str(render.TEMPLATES)
    plugin = config.plugins["mkdocs-jupyter"]
    cache = _site.project.root / ".cache" / "render" / render.templates_digest()
    plugin.config["cache_dir"] = str(cache)
    return config


def on_pre_build(config: MkDocsConfig) -> None:
    """Executes pages before MkDocs touches the old site."""
    assert _site is not None
    _site.execute()


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Puts the executed notebook in the place of each page, with what belongs to it."""
    assert _site is not None
    packages = Packages(_site.project.root / "constraints.txt")
    for program, entry in _site.pages.values():
        try:
            _add_page(files, config, program, entry, packages)
        except PageError as error:
            raise PluginError(_report([error])) from error
    reference = reference_pages(
        _site.project.root, [program for program, _ in _site.pages.values()]
    )
    for page in reference:
        files.append(File.generated(config, page.uri, content=page.markdown))
    _fill_navigation(config, [page.uri for page in reference])
    _add_sources(files, config)
    return files


def _add_sources(files: Files, config: MkDocsConfig) -> None:
    """Adds the bibliography and the list of claims that have grown old."""
    assert _site is not None
    ledger = _site.ledger
    cited: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    for file in files:
        if file.src_uri in _site.pages:
            program, _ = _site.pages[file.src_uri]
            texts = [cell.source for cell in program.cells if cell.cell.kind == "markdown"]
            titles[file.src_uri] = title_of(program)
        elif file.is_documentation_page() and not file.src_uri.startswith("reference/"):
            texts = [file.content_string]
        else:
            continue
        ids = claims.cited("\n\n".join(texts))
        if ids:
            cited[file.src_uri] = ids
    pages = {
        SOURCES: "---\ntitle: Sources\ndescription: Every outside fact of this report with its "
        "source and date, and the pages that cite it.\n---\n# Sources\n\n"
        + claims.bibliography(ledger, cited, page=SOURCES, titles=titles),
        FRESHNESS: "---\ntitle: Freshness\ndescription: Facts of this report that may have "
        "changed since they were checked.\n---\n# Freshness\n\n"
        + claims.freshness(ledger, datetime.datetime.now(datetime.UTC).date()),
    }
    for uri, markdown in pages.items():
        files.append(File.generated(config, uri, content=markdown))


def _fill_navigation(config: MkDocsConfig, uris: list[str]) -> None:
    """Puts the pages of the reference where the navigation names its overview."""
    for entry in config.nav or []:
        if isinstance(entry, dict):
            for title, target in entry.items():
                if target == uris[0]:
                    entry[title] = list(uris)


def _add_page(
    files: Files, config: MkDocsConfig, program: Program, entry: Entry, packages: Packages
) -> None:
    assert _site is not None
    page = program.page
    source = files.get_file_from_path(page.uri)
    if source is None or source.inclusion.is_excluded():
        return
    files.remove(source)
    folder = page.uri.removesuffix(".py")
    stem = folder.rpartition("/")[2]
    edit = urljoin(config.repo_url or "", config.edit_uri) if config.edit_uri else None
    about = publish.about_page(
        entry, urljoin(edit, page.uri) if edit else None, f"{stem}.ipynb", f"{stem}.py"
    )
    notebook, figures = render.prepare(
        publish.site_notebook(program, entry, _site.values, about), stem
    )
    path = _site.project.root / ".cache" / "pages" / f"{folder}.ipynb"
    write_if_changed(path, nbformat.writes(notebook).encode())
    rendered = File.generated(config, page.uri, abs_src_path=str(path))
    rendered.edit_uri = page.uri
    files.append(rendered)
    note = publish.note_for_download(
        program,
        entry,
        urljoin(config.site_url or "", f"{folder}/"),
        {name: packages.pins[name] for name in entry.provenance["packages"]},
        config.site_name,
    )
    beside: dict[str, bytes | str] = {
        f"{stem}.ipynb": publish.download_notebook(program, entry, _site.values, note),
        f"{stem}.py": publish.download_script(program, _site.values, note),
        **figures,
    }
    for name, content in beside.items():
        files.append(File.generated(config, f"{folder}/{name}", content=content))


@event_priority(50)  # after mkdocs-jupyter has returned the notebook
def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Unpacks a notebook page's Markdown, and fills recorded values into other pages."""
    assert _site is not None
    uri = page.file.src_uri
    try:
        if uri in _site.pages:
            markdown = render.decode(markdown)
        elif not uri.startswith("reference/"):
            markdown = _site.values.fill(markdown, f"docs/{uri}")
        if uri == SOURCES:
            return markdown
        sources = get_relative_url(files.src_uris[SOURCES].url, page.url)
        return claims.render(markdown, _site.ledger, bibliography_url=sources)[0]
    except PageError as error:
        raise PluginError(_report([error])) from error
    except claims.ClaimError as error:
        raise PluginError(f"docs/{uri}: {error}") from error


def _report(errors: list[PageError]) -> str:
    count = "1 page" if len(errors) == 1 else f"{len(errors)} pages"
    return f"{count} failed:\n\n" + "\n\n".join(str(error) for error in errors)
