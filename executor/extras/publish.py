"""Adds to a built site all that is made from its pages."""

from __future__ import annotations

import contextlib
import hashlib
import html
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

from executor.extras import feed, offline, pdf, styles
from executor.extras.built import BuiltPage, article
from executor.extras.cards import Cards
from executor.extras.markdown import to_markdown

log = logging.getLogger("mkdocs.executor")

ZIP = "downloads/report-offline.zip"
PDF = "downloads/report.pdf"

_MARK = "<!-- downloads -->"
_FOLDER = "hugging-face-from-scratch"
_KEEP = 3


@dataclass
class Extras:
    """What one build adds.

    Args:
        root: The project's root.
        config: The configuration of MkDocs.
    """

    root: Path
    config: MkDocsConfig

    def __post_init__(self) -> None:
        self.pages: list[BuiltPage] = []
        wanted = os.environ.get("REPORT_PDF", "auto")
        self.chromium = None if wanted == "no" else pdf.find_chromium(self.root)
        if self.chromium is None and wanted == "required":
            raise pdf.PdfError("the PDF needs Chromium; tools/find-chromium finds none")
        if self.chromium is None:
            log.info(
                "No PDF of the report: %s",
                "not wanted" if wanted == "no" else "no Chromium",
            )

    @property
    def address(self) -> str:
        """Where the site is on the web, ending in a slash."""
        return f"{(self.config.site_url or '').rstrip('/')}/"

    @property
    def site(self) -> Path:
        """Where the site is built."""
        return Path(self.config.site_dir)

    def downloads(self, markdown: str) -> str:
        """Puts links to what this build will make in the place of the mark."""
        links = [(ZIP, "The whole site as a zip", "works offline, with its search")]
        if self.chromium is not None:
            links.append((PDF, "The whole report as a PDF", "to print or to read away"))
        items = "".join(
            f'<li><a href="{path}" download>{title}</a> '
            f'<small>{text}<span data-size="{path}"></span></small></li>'
            for path, title, text in links
        )
        return markdown.replace(_MARK, f'<ul class="home-downloads">{items}</ul>')

    def note(self, nav: Navigation, files: Files) -> None:
        """Remembers the pages in the order of the navigation."""
        ordered = list(nav.pages)
        ordered += [
            file.page
            for file in files.documentation_pages()
            if file.page is not None and file.page not in ordered
        ]
        self._ordered = ordered

    def finish(self) -> None:
        """Adds everything to the site that was just built.

        It takes longer than the build, so it is kept for builds that give the same site.
        """
        self.pages = [self._built(page) for page in self._ordered]
        style = styles.join(self.site)
        history = feed.changes(self.root)
        store = self.root / ".cache" / "report"
        kept = store / self._digest(history)
        if not kept.is_dir():
            store.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=store, prefix="new-") as folder:
                for name, data in self._make(style, history):
                    path = Path(folder, "made", name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                with contextlib.suppress(OSError):  # another build was quicker
                    Path(folder, "made").rename(kept)
            folders = [path for path in store.iterdir() if path.is_dir()]
            folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
            for path in folders[_KEEP:]:
                shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(kept, self.site, dirs_exist_ok=True)
        self._write_sizes()

    def _digest(self, history: Sequence[feed.Change]) -> str:
        """Returns a hash of all that the additions are made from."""
        digest = hashlib.sha256(repr((self.address, self.chromium, history)).encode())
        for path in sorted(Path(__file__).parent.iterdir()):
            digest.update(path.read_bytes() if path.is_file() else b"")
        for path in sorted(self.site.rglob("*")):
            # The sitemap holds the time of the build.
            if path.is_file() and not path.name.startswith("sitemap.xml"):
                digest.update(path.relative_to(self.site).as_posix().encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:32]

    def _make(
        self, style: str, history: Sequence[feed.Change]
    ) -> Iterator[tuple[str, bytes]]:
        """Yields name and content of each file to add."""
        cards = Cards(self.root, self.config.site_name)
        for page in self.pages:
            yield f"assets/cards/{page.name}.png", cards.card(page)
            body = article(page.read(self.site))
            text = to_markdown(body, self.address + page.url)
            yield f"{page.url}index.md", text.encode()
        yield "llms.txt", self._llms().encode()
        yield "robots.txt", self._robots().encode()
        yield (
            "feed.xml",
            feed.atom(self.config.site_name, self.address, self.pages, history),
        )
        if self.chromium is not None:
            yield (
                PDF,
                pdf.report(
                    self.site,
                    self.pages,
                    chromium=self.chromium,
                    name=self.config.site_name,
                    about=self.config.site_description or "",
                    address=self.address,
                    style=style,
                ),
            )
        yield ZIP, offline.pack(self.site, _FOLDER)

    def _built(self, page: Page) -> BuiltPage:
        ancestors = list(page.ancestors)
        chapter = str(ancestors[-1].title or "") if ancestors else ""
        title = str(page.meta.get("title") or page.title)
        if page.is_homepage:
            title = self.config.site_name
        about = str(page.meta.get("description") or self.config.site_description or "")
        plain = html.unescape(re.sub(r"<[^>]+>", "", title))
        source = page.file.edit_uri if hasattr(page.file, "edit_uri") else None
        return BuiltPage(
            url=page.url.lstrip("./") if page.url in (".", "./") else page.url,
            title=plain,
            chapter=chapter,
            description=" ".join(about.split()),
            source=source or page.file.src_uri,
        )

    def _llms(self) -> str:
        """Returns the overview for language models: each page with its plain Markdown."""
        lines = [
            f"# {self.config.site_name}",
            "",
            f"> {self.config.site_description}",
            "",
        ]
        lines += ["Each page exists as plain Markdown: its address and `index.md`.", ""]
        chapter: str | None = None
        for page in self.pages:
            if page.chapter != chapter:
                chapter = page.chapter
                if chapter:
                    lines += ["", f"## {chapter}", ""]
            link = f"{self.address}{page.url}index.md"
            lines.append(f"- [{page.title}]({link}): {page.description}")
        return "\n".join(lines) + "\n"

    def _robots(self) -> str:
        return f"User-agent: *\nAllow: /\n\nSitemap: {self.address}sitemap.xml\n"

    def _write_sizes(self) -> None:
        """Says on the home page how large the downloads are."""
        path = self.site / "index.html"

        def size(match: re.Match[str]) -> str:
            count = (self.site / match[1]).stat().st_size / 1e6
            return f"{match[0]}, {count:.1f} MB"

        text = re.sub(
            r'<span data-size="([^"]+)">', size, path.read_text(encoding="utf-8")
        )
        path.write_text(text, encoding="utf-8")
