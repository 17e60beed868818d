"""One build of the site: what each page shows, and the files that MkDocs gets for it."""

from __future__ import annotations

import ast
import datetime
import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbformat import NotebookNode

from executor import claims, costs, publish, render
from executor.assemble import Program
from executor.cache import Entry
from executor.errors import PageError
from executor.executed import ExecutedPage, rendered
from executor.files import write_if_changed
from executor.offers import Offers
from executor.packages import Packages
from executor.pages import page_id
from executor.portable import PortableValues
from executor.project import Project
from executor.reference import (
    ReferencePage,
    finish_reference,
    functions_of,
    reference_pages,
    title_of,
    users_of,
)
from executor.values import Values

log = logging.getLogger("mkdocs.executor")

# What benchmarks/ writes into a page stands between these.
_BENCHMARK = re.compile(r"<!-- /?benchmark[^>]*-->")
SOURCES = "report/sources.md"
FRESHNESS = "report/freshness.md"
WEIGHTS = "reference/weights.md"


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
        tolerant: Whether a page that cannot be rendered shows why, as under ``mkdocs
            serve``, or fails the build.

    Attributes:
        pins: The locked version of each package.
        shown: For each page that is not plain prose, and for each zip, a digest of what
            it is made of.
    """

    def __init__(
        self, project: Project, views: dict[str, View], tolerant: bool = False
    ) -> None:
        self.project = project
        self.views = views
        self.tolerant = tolerant
        self.pins = Packages(project.root / "constraints.txt").pins
        self.ledger = claims.load(project.root / "data" / "claims")
        self.shown: dict[str, str] = {}
        records: dict[str, dict[str, Any]] = {}
        pending = set()
        failed = set()
        for uri, view in views.items():
            page = page_id(uri)
            if view.error is not None:
                failed.add(page)
            elif view.entry is not None:
                records[page] = view.entry.records
                if view.program is not None:
                    records[f"{page}.page"] = costs.facts_of(view.program, view.entry)
            else:
                pending.add(page)
        self.costs = costs.costs_of(
            (view.program, view.entry)
            for view in views.values()
            if view.program is not None and view.entry is not None
        )
        records["site"] = costs.sums(self.costs) | {"claims": len(self.ledger)}
        self.values = Values(records, frozenset(failed), frozenset(pending))

    def add_files(self, files: Files, config: MkDocsConfig) -> None:
        """Puts notebooks in the place of the pages, and adds what is generated.

        Raises:
            PageError: If a page cannot be rendered, or its prose names an unknown value.
        """
        self.offers = Offers(
            self.project,
            [
                (view.program, view.entry)
                for view in self.views.values()
                if view.program is not None
            ],
            config.site_url or "",
        )
        for offer in self.offers.all.values():
            path = str(offer.path)
            self.shown[offer.uri] = offer.path.stem
            files.append(File.generated(config, offer.uri, abs_src_path=path))
        for uri, view in self.views.items():
            source = files.get_file_from_path(uri)
            if source is None or source.inclusion.is_excluded():
                continue
            files.remove(source)
            try:
                self._add_page(files, config, uri, view)
            except PageError as error:
                if not self.tolerant:
                    raise
                log.error("%s", error)
                self._add_failed(files, config, uri, view.program, error)
        self._add_reference(files, config)
        self._add_sources(files, config)

    def _add_page(self, files: Files, config: MkDocsConfig, uri: str, view: View) -> None:
        if view.error is not None:
            self._add_failed(files, config, uri, view.program, view.error)
        elif view.program is None:
            raise ValueError(f"{uri} has neither a program nor an error")
        elif view.entry is None:
            notebook = publish.site_notebook(
                view.program,
                None,
                self.values,
                publish.RUNNING,
                site_url=config.site_url or "",
            )
            self._add_unexecuted(files, config, uri, notebook)
        else:
            self._add_executed(files, config, view.program, view.entry)

    def _add_executed(
        self, files: Files, config: MkDocsConfig, program: Program, entry: Entry
    ) -> None:
        uri = program.page.uri
        folder = uri.removesuffix(".py")
        stem = folder.rpartition("/")[2]
        source = None
        if config.repo_url and config.edit_uri:
            edit = urljoin(urljoin(config.repo_url, config.edit_uri), f"{folder}.py")
            source = edit.replace("/edit/", "/blob/", 1)
        branch = str(config.extra.get("notebooks_branch") or "")
        colab = publish.colab_url(config.repo_url, branch, folder)
        tools = publish.tools(
            f"{stem}.ipynb", f"{stem}.py", colab_url=colab, source_url=source
        )
        about = publish.about_page(entry, self.offers.rows(program, entry))
        pins = {
            name: self.pins[name]
            for name in entry.provenance["packages"]
            if name in self.pins
        }
        page = ExecutedPage(
            program=program,
            entry=entry,
            values=self.values,
            portable=PortableValues(self.values, self.ledger, uri, config.site_url or ""),
            tools=tools,
            end=functions_of(self.project.root, program) + about,
            note=publish.note_for_download(
                program,
                entry,
                urljoin(config.site_url or "", f"{folder}/"),
                pins,
                config.site_name,
            ),
            fetch=self.offers.fetch_for(program),
            pins=pins,
            colab=bool(colab),
            site_url=self.offers.site_url,
        )
        made = rendered(self.project.root, page)
        self._add_notebook(files, config, uri, made.notebook)
        for path, content in made.beside.items():
            files.append(File.generated(config, path, content=content))

    def _add_failed(
        self,
        files: Files,
        config: MkDocsConfig,
        uri: str,
        program: Program | None,
        error: PageError,
    ) -> None:
        """Shows an error on its page, above prose and code as far as they can be read."""
        block = publish.failure(error)
        if program is not None:
            values = _Lenient(self.values)
            try:
                notebook = publish.site_notebook(program, None, values, block)
                self._add_unexecuted(files, config, uri, notebook)
            except PageError:
                pass  # what follows shows the error alone
            else:
                return
        cell = nbformat.v4.new_markdown_cell(f"# {uri}\n\n{block}", id="cell-1")
        notebook = nbformat.v4.new_notebook(cells=[cell])
        self._add_unexecuted(files, config, uri, notebook)

    def _add_notebook(
        self, files: Files, config: MkDocsConfig, uri: str, text: str
    ) -> None:
        path = self.project.root / ".cache" / "pages" / Path(uri).with_suffix(".ipynb")
        write_if_changed(path, text.encode())
        self.shown[uri] = _digest(text)
        file = File.generated(config, uri, abs_src_path=str(path))
        file.edit_uri = uri
        files.append(file)

    def _add_unexecuted(
        self, files: Files, config: MkDocsConfig, uri: str, notebook: NotebookNode
    ) -> None:
        stem = uri.removesuffix(".py").rpartition("/")[2]
        self._add_notebook(
            files, config, uri, nbformat.writes(render.prepare(notebook, stem)[0])
        )

    def _add_reference(self, files: Files, config: MkDocsConfig) -> None:
        pages = self._reference_pages()
        users = users_of(view.program for view in self.views.values() if view.program)
        for page in pages:
            self._add_generated(files, config, page.uri, page.markdown)
            # mkdocstrings reads the module itself.
            module = self._module_of(page.uri)
            if module.is_file():
                source = module.read_text(encoding="utf-8", errors="replace")
                name = f"snippets.{'.'.join(Path(page.uri).with_suffix('').parts[1:])}:"
                shown = {key: found for key, found in users.items() if name in key}
                self.shown[page.uri] = _digest(f"{page.markdown}{source}{shown}")
        for entry in config.nav or []:
            if isinstance(entry, dict):
                for title, target in entry.items():
                    if target == pages[0].uri:
                        more = [WEIGHTS] if WEIGHTS in files.src_uris else []
                        entry[title] = [*(page.uri for page in pages), *more]

    def _module_of(self, uri: str) -> Path:
        return (
            self.project.root
            / "snippets"
            / Path(uri).with_suffix(".py").relative_to("reference")
        )

    def _reference_pages(self) -> list[ReferencePage]:
        programs = [view.program for view in self.views.values() if view.program]
        error = _syntax_error(self.project.root)
        if error is None:
            return reference_pages(self.project.root, programs)
        if not self.tolerant:
            raise error
        log.error("%s", error)
        text = f"# Reference\n\n{publish.failure(error)}"
        return [ReferencePage("reference/index.md", "Reference", text)]

    def _add_generated(
        self, files: Files, config: MkDocsConfig, uri: str, markdown: str
    ) -> None:
        self.shown[uri] = _digest(markdown)
        files.append(File.generated(config, uri, content=markdown))

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
            self._add_generated(files, config, uri, markdown)

    def finish(self, html: str, uri: str) -> str:
        """Completes the HTML of a page of the reference; returns any other as it is."""
        if not is_reference(uri):
            return html
        programs = [view.program for view in self.views.values() if view.program]
        return finish_reference(
            self.project.root, html, uri, users_of(programs), self.offers.fetch_in
        )

    def problems(self) -> list[PageError]:
        """Returns what is wrong with prose: values and claims that there are not."""
        texts: list[tuple[str, str, int, str | None]] = []
        for path in sorted(self.project.docs.rglob("*.md")):
            place = path.relative_to(self.project.root).as_posix()
            texts.append((path.read_text(encoding="utf-8"), place, 1, None))
        for view in self.views.values():
            for cell in view.program.cells if view.program else ():
                if cell.cell.kind == "markdown" and view.program:
                    page = view.program.page
                    texts.append((cell.source, page.path, cell.cell.line, page.id))
        errors = []
        for text, place, line, owner in texts:
            try:
                self.values.fill(text, place, line, page=owner)
            except PageError as error:
                errors.append(error)
            errors += [
                PageError(f"{place}:{line}", f"cites {name}, which data/claims has not")
                for name in claims.cited(text)
                if name not in self.ledger
            ]
        return errors

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
        if notebook:
            markdown = render.decode(markdown)
        elif not is_reference(uri):
            markdown = self.values.fill(markdown, f"docs/{uri}")
            if costs.MARKER in markdown:
                markdown = markdown.replace(costs.MARKER, costs.table(self.costs, uri))
        markdown = _BENCHMARK.sub("", markdown)
        if uri == SOURCES:
            return markdown
        try:
            return claims.render(markdown, self.ledger, bibliography_url=sources_url)[0]
        except claims.ClaimError as error:
            raise PageError(f"docs/{uri}", str(error)) from error


class _Lenient(Values):
    """Leaves a cell as it is written if one of its values cannot be filled in."""

    def __init__(self, values: Values) -> None:
        super().__init__({})
        self._values = values

    def fill(
        self, markdown: str, place: str, line: int = 1, page: str | None = None
    ) -> str:
        try:
            return self._values.fill(markdown, place, line, page)
        except PageError:
            return markdown


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _syntax_error(root: Path) -> PageError | None:
    """Returns the error of the first snippets module that is not valid Python."""
    for path in sorted((root / "snippets").rglob("*.py")):
        place = path.relative_to(root).as_posix()
        try:
            ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            line = f":{error.lineno}" if error.lineno else ""
            return PageError(f"{place}{line}", f"not valid Python: {error.msg}")
        except ValueError as error:  # not UTF-8
            return PageError(place, f"not valid Python: {error}")
    return None


def is_reference(uri: str) -> bool:
    """Tells whether a page belongs to the generated reference."""
    return Path(uri).parts[0] == "reference" and uri != WEIGHTS
