"""The MkDocs hook that helps to read: terms, links in code, dates, samples."""

from __future__ import annotations

import html
import logging
import re
import sys
from pathlib import Path

# MkDocs loads this file by its path; the package around it is found from the root.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from executor import (
    claims,
    codelinks,
    contents,
    dates,
    folds,
    glossary,
    highlight,
    publish,
    sample,
)
from executor.errors import PageError
from executor.packages import Packages
from executor.site import FRESHNESS, SOURCES, WEIGHTS, Site, View, is_reference

log = logging.getLogger("mkdocs.executor")

_TITLE = re.compile(r"</h1>")
_HEADINGS = {
    ".md": re.compile(r"^# (\S.*?)(?: *\{[^}]*\})? *$", re.MULTILINE),
    ".py": re.compile(r"^# # (\S.*?)(?: *\{[^}]*\})? *$", re.MULTILINE),
}
# Pages that are lists of all of something: no word on them is marked.
_LISTS = frozenset((glossary.PAGE, SOURCES, FRESHNESS, WEIGHTS))

_glossary = glossary.Glossary([])
_table = codelinks.Table([])
_changes: dict[str, dates.Change] = {}
_facts: dict[str, int] = {}


def on_pre_build(config: MkDocsConfig) -> None:
    """Reads the glossary, the table of documentation and the history."""
    global _glossary, _table, _changes
    root = _root(config)
    _facts.clear()
    try:
        _glossary = glossary.load(root / "data" / "glossary.yml")
    except glossary.GlossaryError as error:
        raise PluginError(f"data/{error}") from error
    pins = Packages(root / "constraints.txt").pins
    _table = codelinks.load(root / "data" / "codelinks.yml", pins)
    _changes = dates.changes(root, "docs", "snippets", "data")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lets every page link to where it can be edited, once the repository is known."""
    if config.repo_url:
        config.repo_url = config.repo_url.rstrip("/") + "/"  # others join addresses to it
        if not config.edit_uri:
            prefix = "-/" if config.repo_name == "GitLab" else ""
            config.edit_uri = f"{prefix}edit/main/docs/"
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the glossary."""
    root = _root(config)
    titles = {}
    for uri in sorted({term.used for term in _glossary.terms}):
        if not (root / "docs" / uri).is_file():
            raise PluginError(f"data/glossary.yml: there is no docs/{uri}")
        titles[uri] = _title(root, uri)
    page = File.generated(config, glossary.PAGE, content=_glossary.markdown(titles))
    page.edit_uri = "../data/glossary.yml"
    files.append(page)
    return files


@event_priority(60)  # before values and sources are filled in
def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Puts samples and lists of pages into prose, and counts the facts that it cites."""
    uri = page.file.src_uri
    if not uri.endswith(".md") or is_reference(uri) or uri in _LISTS:
        return markdown
    _facts[uri] = len(set(claims.cited(markdown)))
    site: Site = config.extra["site"]
    root = _root(config)
    try:
        markdown = contents.fill(
            markdown, uri, config.nav, lambda page: _title(root, page)
        )
    except ValueError as error:
        raise PluginError(f"docs/{uri}: {error}") from error
    try:
        return sample.fill(markdown, site.views, site.values, uri, config.site_url or "")
    except PageError as error:
        if site.tolerant:
            log.error("%s", error)
            return publish.failure(error)
        raise PluginError(str(error)) from error


@event_priority(-50)  # after everything else that changes a page
def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Folds and links code, links terms, and says when a page was verified."""
    uri = page.file.src_uri
    site: Site = config.extra["site"]
    view = site.views.get(uri)
    content = highlight.lighten(content)
    if view is not None and view.program is not None:
        content = folds.fold(content, view.program, site.views)
    if not is_reference(uri):
        content = codelinks.link(content, _table)
        if uri not in _LISTS:
            target = files.src_uris[glossary.PAGE].url
            url = get_relative_url(target, page.url)
            content = _glossary.mark(content, url, uri)
    line = "" if page.is_homepage else _verified(uri, page, config, files)
    return _TITLE.sub(lambda match: match[0] + line, content, count=1)


def _verified(uri: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Returns the line below a title: when what the page says was checked."""
    site: Site = config.extra["site"]
    facts = _facts.get(uri, 0)
    view = site.views.get(uri)
    if view is not None:
        if view.entry is None:
            return ""
        known = view.entry.provenance
        facts = _cited(view)
        text = f"Verified {_day(known['date'])}: every cell ran"
        if known["commit"]:
            text += f", at commit {_commit(known['commit'], config)}"
    else:
        path = _source_of(uri)
        change = _changes.get(path)
        if change is None:
            return ""
        text = (
            f"Last changed {_day(change.date)}, commit {_commit(change.commit, config)}"
        )
    if facts:
        url = get_relative_url(files.src_uris[SOURCES].url, page.url)
        noun = "fact" if facts == 1 else "facts"
        text += f' · cites <a href="{url}">{facts} {noun}</a> with source and date'
    return f'\n<p class="verified" data-search-exclude="">{text}</p>'


def _cited(view: View) -> int:
    """Returns how many facts the prose of a page with code cites."""
    if view.program is None:
        return 0
    prose = [cell.source for cell in view.program.cells if cell.cell.kind == "markdown"]
    return len(set(claims.cited("\n\n".join(prose))))


def _source_of(uri: str) -> str:
    """Returns the file that a page of prose is made of, below the root."""
    if uri == glossary.PAGE:
        return "data/glossary.yml"
    if is_reference(uri):
        module = uri.removeprefix("reference/").removesuffix(".md")
        return f"snippets/{module}.py"
    return f"docs/{uri}"


def _day(date: str) -> str:
    return f'<time datetime="{date}">{date}</time>'


def _commit(commit: str, config: MkDocsConfig) -> str:
    sha = commit.removesuffix("+")
    text = f"<code>{sha[:7]}</code>"
    if config.repo_url and config.repo_name in ("GitHub", "GitLab"):
        address = f"{config.repo_url.rstrip('/')}/commit/{sha}"
        text = f'<a href="{html.escape(address)}">{text}</a>'
    return text + (" with local changes" if commit.endswith("+") else "")


def _title(root: Path, uri: str) -> str:
    """Returns the title that a page gives itself."""
    path = root / "docs" / uri
    match = _HEADINGS[path.suffix].search(path.read_text(encoding="utf-8"))
    return match[1] if match else uri


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent
