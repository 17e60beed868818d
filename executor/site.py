"""One build of the site: what each page shows, and the files that MkDocs gets for it."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from executor import claims, publish, render
from executor.assemble import Program
from executor.cache import Entry
from executor.errors import PageError
from executor.files import write_if_changed
from executor.packages import Packages
from executor.project import Project
from executor.reference import reference_pages, title_of
from executor.values import Values

log = logging.getLogger("mkdocs.executor")

SOURCES = "report/sources.md"
FRESHNESS = "report/freshness.md"


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a page when the site is built.

    A build shows only pages with an entry. Under ``mkdocs serve`` a page may also be
    running (neither entry nor error) or have failed.
    """

    program: Program | None
    entry: Entry | None = None
    error: PageError | None = None


class Site:
    """The pages of one build, by source path below docs/.

    Args:
        project: The project.
        views: Its notebook pages.
    """

    def __init__(self, project: Project, views: dict[str, View]) -> None:
        self.project = project
        self.views = views
        self.ledger = claims.load(project.root / "data" / "claims")
        self.changed: set[str] = set()
        records = {}
        pending = set()
        failed = set()
        for view in views.values():
            if view.program is None:
                continue
            page = view.program.page.id
            if view.entry is not None:
                records[page] = view.entry.records
            elif view.error is not None:
                failed.add(page)
            else:
                pending.add(page)
        self.values = Values(records, frozenset(failed), frozenset(pending))

    def add_files(self, files: Files, config: MkDocsConfig) -> None:
        """Puts notebooks in the place of the pages, and adds what is generated.

        Raises:
            PageError: If a page cannot be rendered, or its prose names an unknown value.
        """
        for uri, view in self.views.items():
            source = files.get_file_from_path(uri)
            if source is None or source.inclusion.is_excluded():
                continue
            files.remove(source)
            if view.program is None or view.error is not None:
                self._add_failed(files, config, uri, view)
            elif view.entry is None:
                banner = publish.RUNNING
                self._add_notebook(files, config, view.program, None, banner)
            else:
                self._add_executed(files, config, view.program, view.entry)
        self._add_reference(files, config)
        self._add_sources(files, config)

    def _add_executed(
        self, files: Files, config: MkDocsConfig, program: Program, entry: Entry
    ) -> None:
        folder = program.page.uri.removesuffix(".py")
        stem = folder.rpartition("/")[2]
        source = None
        if config.edit_uri:
            source = urljoin(
                urljoin(config.repo_url or "", config.edit_uri), f"{folder}.py"
            )
        about = publish.about_page(entry, source, f"{stem}.ipynb", f"{stem}.py")
        figures = self._add_notebook(files, config, program, entry, about)
        pins = Packages(self.project.root / "constraints.txt").pins
        note = publish.note_for_download(
            program,
            entry,
            urljoin(config.site_url or "", f"{folder}/"),
            {name: pins[name] for name in entry.provenance["packages"] if name in pins},
            config.site_name,
        )
        beside: dict[str, bytes | str] = {
            f"{stem}.ipynb": publish.download_notebook(program, entry, self.values, note),
            f"{stem}.py": publish.download_script(program, self.values, note),
            **figures,
        }
        for name, content in beside.items():
            files.append(File.generated(config, f"{folder}/{name}", content=content))

    def _add_failed(
        self, files: Files, config: MkDocsConfig, uri: str, view: View
    ) -> None:
        assert view.error is not None
        if view.program is not None:
            self._add_notebook(
                files, config, view.program, None, publish.failure(view.error)
            )
            return
        markdown = f"# {uri}\n\n{publish.failure(view.error)}"
        page = File.generated(config, f"{uri.removesuffix('.py')}.md", content=markdown)
        page.src_uri = uri
        files.append(page)
        self.changed.add(uri)

    def _add_notebook(
        self,
        files: Files,
        config: MkDocsConfig,
        program: Program,
        entry: Entry | None,
        block: str,
    ) -> dict[str, bytes]:
        uri = program.page.uri
        folder = uri.removesuffix(".py")
        notebook, figures = render.prepare(
            publish.site_notebook(program, entry, self.values, block),
            folder.rpartition("/")[2],
        )
        path = self.project.root / ".cache" / "pages" / f"{folder}.ipynb"
        if write_if_changed(path, nbformat.writes(notebook).encode()):
            self.changed.add(uri)
        rendered = File.generated(config, uri, abs_src_path=str(path))
        rendered.edit_uri = uri
        files.append(rendered)
        return figures

    def _add_reference(self, files: Files, config: MkDocsConfig) -> None:
        programs = [view.program for view in self.views.values() if view.program]
        pages = reference_pages(self.project.root, programs)
        for page in pages:
            files.append(File.generated(config, page.uri, content=page.markdown))
        for entry in config.nav or []:
            if isinstance(entry, dict):
                for title, target in entry.items():
                    if target == pages[0].uri:
                        entry[title] = [page.uri for page in pages]

    def _add_sources(self, files: Files, config: MkDocsConfig) -> None:
        """Adds the bibliography, and the list of claims that have grown old."""
        cited: dict[str, list[str]] = {}
        titles: dict[str, str] = {}
        for file in files:
            program = None
            if file.src_uri in self.views:
                program = self.views[file.src_uri].program
                if program is None:
                    continue
                prose = [cell.source for cell in program.cells if not cell.origins]
                titles[file.src_uri] = title_of(program)
            elif not file.src_uri.endswith(".md") or is_reference(file.src_uri):
                continue
            else:
                prose = [file.content_string]
            ids = claims.cited("\n\n".join(prose))
            if ids:
                cited[file.src_uri] = ids
        today = datetime.datetime.now(datetime.UTC).date()
        pages = {
            SOURCES: "---\ntitle: Sources\ndescription: Each outside fact of this site, "
            "its source and date, and the pages that cite it.\n---\n# Sources\n\n"
            + claims.bibliography(self.ledger, cited, page=SOURCES, titles=titles),
            FRESHNESS: "---\ntitle: Freshness\ndescription: Facts of this report that "
            "may have changed since they were checked.\n---\n# Freshness\n\n"
            + claims.freshness(self.ledger, today),
        }
        for uri, markdown in pages.items():
            files.append(File.generated(config, uri, content=markdown))

    def prose(self, markdown: str, uri: str, sources_url: str) -> str:
        """Fills values and sources into the Markdown of a page.

        Args:
            markdown: What the page is made of, after mkdocs-jupyter.
            uri: The page's source path below docs/.
            sources_url: Address of the bibliography, relative to the page.

        Raises:
            PageError: If the prose names an unknown value or claim.
        """
        notebook = uri in self.views
        if notebook and self.views[uri].program is not None:
            markdown = render.decode(markdown)
        elif not notebook and not is_reference(uri):
            markdown = self.values.fill(markdown, f"docs/{uri}")
        if uri == SOURCES:
            return markdown
        try:
            return claims.render(markdown, self.ledger, bibliography_url=sources_url)[0]
        except claims.ClaimError as error:
            raise PageError(f"docs/{uri}", str(error)) from error


def is_reference(uri: str) -> bool:
    """Tells whether a page belongs to the generated reference."""
    return Path(uri).parts[0] == "reference"
