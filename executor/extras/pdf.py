"""Prints the whole site as one PDF with Chromium: a title page, contents, every page.

The articles of all pages become one document, whose links between pages lead to its own
sections. It is printed twice: the second time, the contents know the page numbers.
"""

from __future__ import annotations

import html
import io
import mimetypes
import posixpath
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Error, Page, Route, sync_playwright
from pypdf import PdfReader

from executor.extras.built import BuiltPage, article

_ORIGIN = "http://report.invalid/"
_DOCUMENT = "report.html"
_DROPPED = (
    ".headerlink, .md-content__button, .figure-dark, .timeline-pick, .timeline-chip,"
    " .footnote-backref, .claims__back, details.mkdocstrings-source, details.info,"
    " script, style, button:not(.unfold), a[download]"
)
# The long lists: what each fact rests on is on the site, a link away.
_LEFT_OUT = ("report/sources/", "report/freshness/")
_DATES = re.compile(rb"/(CreationDate|ModDate) \(D:\d{14}[^)]*\)")

_DRAW = """
async () => {
  for (const math of document.querySelectorAll(".arithmatex")) {
    const text = math.textContent.trim();
    const source = text.replace(/^\\\\[[(]/, "").replace(/\\\\[\\])]$/, "");
    const displayMode = !text.startsWith("\\\\(");
    katex.render(source, math, { displayMode, throwOnError: false });
  }
  const style = getComputedStyle(document.body);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const diagrams = [...document.querySelectorAll("pre.mermaid")];
  if (diagrams.length) {
    const module = await import("/assets/javascripts/mermaid/mermaid.esm.min.mjs");
    module.default.initialize({
      startOnLoad: false,
      theme: "base",
      themeVariables: {
        fontFamily: style.getPropertyValue("--font-interface"),
        primaryColor: color("paper-sunk"),
        primaryBorderColor: color("amber"),
        primaryTextColor: color("ink"),
        lineColor: color("ink-soft"),
        edgeLabelBackground: "#ffffff",
      },
    });
    for (const [number, diagram] of diagrams.entries()) {
      const source = diagram.textContent;
      const { svg } = await module.default.render(`diagram-${number}`, source);
      const figure = document.createElement("div");
      figure.className = "report-diagram";
      figure.innerHTML = svg;
      diagram.replaceWith(figure);
    }
  }
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
}
"""


class PdfError(RuntimeError):
    """The PDF could not be made."""


def find_chromium(root: Path) -> str | None:
    """Returns the path of a Chromium, if this machine has one."""
    try:
        result = subprocess.run(
            [root / "tools" / "find-chromium"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def report(
    site: Path,
    pages: Sequence[BuiltPage],
    *,
    chromium: str,
    name: str,
    about: str,
    address: str,
    style: str,
) -> bytes:
    """Returns the PDF.

    Args:
        site: The built site.
        pages: Its pages in their order; the first is the home page.
        chromium: Path of the browser.
        name: The site's name.
        about: One sentence of what it is.
        address: Where the site is on the web, ending in a slash.
        style: Path of the style sheet below the site.

    Raises:
        PdfError: If the browser fails.
    """
    shown = [page for page in pages if page.url and page.url not in _LEFT_OUT]
    bodies = [_section(site, page, pages, address) for page in shown]
    cover = _cover(site, pages[0], name, about, address)
    try:
        first = _print(site, chromium, _document(name, style, cover, bodies, shown, {}))
        numbers = _numbers(first, bodies, shown)
        second = _print(
            site, chromium, _document(name, style, cover, bodies, shown, numbers)
        )
    except Error as error:
        raise PdfError(f"Chromium could not print the report: {error}") from error
    return _DATES.sub(_same_date, second)


def _same_date(match: re.Match[bytes]) -> bytes:
    """Returns a date that does not change from build to build, in as many bytes."""
    fixed = b"/" + match[1] + b" (D:20000101000000+00'00')"
    return fixed if len(fixed) == len(match[0]) else match[0]


def _id(page: BuiltPage, anchor: str = "") -> str:
    return f"{page.name}--{anchor}" if anchor else page.name


def _section(
    site: Path, page: BuiltPage, pages: Sequence[BuiltPage], address: str
) -> str:
    """Returns a page's article as a section of the report."""
    body = article(page.read(site))
    for element in body.select(_DROPPED):
        element.decompose()
    _refer(body, page, {other.url: other for other in pages}, address)
    for element in body.find_all(id=True):
        element["id"] = _id(page, str(element["id"]))
    for label in body.select("[for]"):
        del label["for"]
    for details in body.find_all("details"):
        details["open"] = ""
    for image in body.find_all("img"):
        image["loading"] = "eager"
        target = urlsplit(str(image.get("src", "")))
        if not target.scheme:
            image["src"] = f"/{posixpath.normpath(posixpath.join(page.url, target.path))}"
    inner = body.decode_contents()
    kicker = f'<p class="report-kicker">{html.escape(page.chapter)}</p>'
    return f'<section class="md-typeset" id="{_id(page)}">{kicker}{inner}</section>'


def _refer(body: Tag, page: BuiltPage, pages: dict[str, BuiltPage], address: str) -> None:
    """Turns links to other pages into links to their sections."""
    for link in body.find_all("a", href=True):
        parts = urlsplit(str(link["href"]))
        if parts.scheme or parts.netloc:
            continue
        path = parts.path
        url = posixpath.normpath(posixpath.join(page.url, path)) if path else page.url
        url = "" if url == "." else url
        if path.endswith(("/", "..")) or path in ("", "."):
            url = f"{url.rstrip('/')}/" if url else ""
        other = pages.get(url)
        if other is not None and other.url and other.url not in _LEFT_OUT:
            link["href"] = f"#{_id(other, parts.fragment)}"
        else:
            mark = f"#{parts.fragment}" if parts.fragment else ""
            link["href"] = f"{address}{url}{mark}"


def _cover(site: Path, home: BuiltPage, name: str, about: str, address: str) -> str:
    """Returns the title page, with what the home page says that was measured."""
    body = article(home.read(site))
    log = body.select_one(".home-log")
    text = ""
    if log is not None:
        for link in log.find_all("a"):
            link.unwrap()
        text = str(log)
    return (
        '<section class="report-cover md-typeset"><p class="report-kicker">'
        f"An executable field report</p><h1>{html.escape(name)}</h1>"
        f'<p class="report-about">{html.escape(about)}</p>{text}'
        f'<p class="report-address"><a href="{address}">{address}</a></p></section>'
    )


def _headings(body: str) -> Iterator[tuple[int, str]]:
    """Yields level and text of the headings of a section."""
    for heading in BeautifulSoup(body, "html.parser").find_all(re.compile(r"^h[1-6]$")):
        yield int(heading.name[1]), " ".join(heading.get_text().split())


def _document(
    name: str,
    style: str,
    cover: str,
    bodies: Sequence[str],
    pages: Sequence[BuiltPage],
    numbers: dict[str, int],
) -> str:
    """Returns the document that is printed."""
    lines = []
    chapter = None
    for page, body in zip(pages, bodies, strict=True):
        if page.chapter != chapter:
            chapter = page.chapter
            lines.append(f'<li class="report-chapter">{html.escape(chapter)}</li>')
        title = next((text for level, text in _headings(body) if level == 1), page.title)
        number = numbers.get(page.url, "")
        lines.append(
            f'<li><a href="#{_id(page)}"><span>{html.escape(title)}</span>'
            f"<i></i><b>{number}</b></a></li>"
        )
    contents = (
        '<nav class="report-contents md-typeset"><h1>Contents</h1>'
        f"<ol>{''.join(lines)}</ol></nav>"
    )
    return (
        '<!doctype html><html lang="en" dir="ltr" class="report"><head>'
        f'<meta charset="utf-8"><title>{html.escape(name)}</title>'
        f'<link rel="stylesheet" href="/{style}">'
        '<link rel="stylesheet" href="/assets/javascripts/katex/katex.min.css">'
        '<script src="/assets/javascripts/katex/katex.min.js"></script></head>'
        '<body class="report" dir="ltr" data-md-color-scheme="default"'
        ' data-md-color-primary="custom" data-md-color-accent="custom">'
        f"{cover}{contents}{''.join(bodies)}</body></html>"
    )


def _print(site: Path, chromium: str, document: str) -> bytes:
    """Returns a document as PDF; it asks for files of the site only."""

    def answer(route: Route) -> None:
        path = unquote(urlsplit(route.request.url).path).lstrip("/")
        if path == _DOCUMENT:
            route.fulfill(body=document, content_type="text/html; charset=utf-8")
            return
        file = site / path
        if not route.request.url.startswith(_ORIGIN) or not file.is_file():
            route.abort()
            return
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        kind = "text/javascript" if file.suffix == ".mjs" else kind
        route.fulfill(body=file.read_bytes(), content_type=kind)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            tab: Page = browser.new_page(viewport={"width": 720, "height": 1000})
            tab.set_default_timeout(120_000)
            tab.emulate_media(media="print", color_scheme="light")
            tab.route("**/*", answer)
            tab.goto(f"{_ORIGIN}{_DOCUMENT}", wait_until="load")
            tab.evaluate(_DRAW)
            return tab.pdf(
                prefer_css_page_size=True,
                print_background=True,
                outline=True,
                tagged=True,
            )
        finally:
            browser.close()


def _numbers(
    data: bytes, bodies: Sequence[str], pages: Sequence[BuiltPage]
) -> dict[str, int]:
    """Returns the number of the PDF page on which each page of the site begins."""
    reader = PdfReader(io.BytesIO(data))
    found = list(_outline(reader, reader.outline))
    numbers: dict[str, int] = {}
    position = 0
    for page, body in zip(pages, bodies, strict=True):
        title = next((text for level, text in _headings(body) if level == 1), "")
        for index in range(position, len(found)):
            if found[index][0] == title:
                numbers[page.url] = found[index][1]
                position = index + 1
                break
    return numbers


def _outline(reader: PdfReader, entries: Any) -> Iterator[tuple[str, int]]:
    for entry in entries:
        if isinstance(entry, list):
            yield from _outline(reader, entry)
        else:
            number = reader.get_destination_page_number(entry)
            if number is not None:
                yield " ".join(str(entry.title).split()), number + 1
