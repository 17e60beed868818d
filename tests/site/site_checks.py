"""What must hold for a built site: checks of its files, and of its pages in a browser.

Each check returns one line for each fault, so that one run tells all of them.
test_planted.py proves that each check can fail.
"""

import json
import mimetypes
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from xml.etree import ElementTree

import jupytext
import nbformat
from bs4 import BeautifulSoup, Comment, Tag
from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Request,
    Response,
    Route,
    WebError,
    expect,
)
from playwright.sync_api import Page as Tab

ROOT = Path(__file__).resolve().parents[2]

# --- the built files --------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """A page of the built site; ``url`` is relative to the site's root."""

    url: str
    soup: BeautifulSoup = field(repr=False)

    @cached_property
    def ids(self) -> Counter[str]:
        """How often each id occurs."""
        return Counter(str(tag["id"]) for tag in self.soup.find_all(id=True))

    @property
    def content(self) -> Tag:
        """What an author wrote or a cell put out."""
        return self.soup.select_one("article") or self.soup

    @property
    def is_notebook(self) -> bool:
        """Whether the build executed code of this page."""
        return self.soup.select_one("article .cell") is not None

    @property
    def code(self) -> list[str]:
        """The code blocks that can be copied, as they are in the file."""
        return [
            block.get_text().rstrip("\n")
            for block in self.soup.select("article .highlight pre > code")
            if not block.find_parent(class_="no-copy")
        ]

    @property
    def downloads(self) -> list[str]:
        """Names of the files that the page offers to download."""
        return [str(link["href"]) for link in self.soup.select("a[download][href]")]

    @property
    def provenance(self) -> dict[str, str]:
        """The table that says how the page was made."""
        for details in self.soup.select("article details"):
            summary = details.find("summary")
            if summary and summary.get_text(strip=True) == "How this page was made":
                rows = [row.find_all("td") for row in details.find_all("tr")]
                return {row[0].get_text(): row[1].get_text() for row in rows if row}
        return {}


class Site:
    """A built site in a folder.

    Args:
        root: The folder that ``mkdocs build`` wrote.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        sitemap = ElementTree.parse(root / "sitemap.xml")
        locations = [element.text or "" for element in sitemap.iterfind("{*}url/{*}loc")]
        self.base = min(locations, key=len)
        urls = [location.removeprefix(self.base) for location in locations]
        self.pages = {url: self._read(url) for url in [*sorted(urls), "404.html"]}

    def file(self, url: str) -> Path:
        """Returns the file that a server sends for an address below the root."""
        path = self.root / unquote(urlsplit(url).path)
        return path / "index.html" if url.endswith("/") or not url else path

    def _read(self, url: str) -> Page:
        text = self.file(url).read_text(encoding="utf-8")
        return Page(url, BeautifulSoup(text, "html.parser"))

    @property
    def notebooks(self) -> list[Page]:
        """The pages with code that the build executed."""
        return [page for page in self.pages.values() if page.is_notebook]

    def with_element(self, selector: str) -> list[Page]:
        """Returns the pages that have an element in their content."""
        return [page for page in self.pages.values() if page.content.select(selector)]


# Deeper than any "../" reaches, so that a link which leaves the site is seen.
_DEEP = "http://site.invalid/1/2/3/4/5/6/7/8/9/"
_ATTRIBUTES = ("href", "src", "poster", "data", "action", "xlink:href")


def links(site: Site) -> list[str]:
    """Finds links and resources that lead nowhere or are not relative."""
    faults = []
    for page in site.pages.values():
        for tag in page.soup.find_all(True):
            for name in _ATTRIBUTES:
                if tag.has_attr(name):
                    fault = _link(site, page, tag, str(tag[name]))
                    if fault:
                        faults.append(
                            f"{page.url}: {fault}: <{tag.name} {name}={tag[name]}>"
                        )
    return faults


def _link(site: Site, page: Page, tag: Tag, target: str) -> str | None:
    scheme = urlsplit(target).scheme
    if scheme in ("data", "mailto") or (tag.name == "form" and not target):
        return None
    if scheme or target.startswith("//"):
        if tag.name == "a":
            return None if scheme in ("http", "https") else "unknown kind of link"
        if tag.name == "link" and tag.get_attribute_list("rel") == ["canonical"]:
            return None if target == site.base + page.url else "wrong canonical address"
        return "resource of another site"
    if page.url == "404.html" and not target.startswith("#"):
        folder = urlsplit(site.base).path  # this page is shown at addresses of any depth
        if not target.startswith(folder):
            return "link that holds at some addresses only"
        return _dead(site, urljoin(_DEEP, target.removeprefix(folder)))
    if target.startswith("/"):
        return "absolute link"
    return _dead(site, urljoin(_DEEP + page.url, target))


def _dead(site: Site, address: str) -> str | None:
    address, anchor = urldefrag(address)
    if not address.startswith(_DEEP):
        return "link out of the site"
    url = urlsplit(address.removeprefix(_DEEP)).path
    if not site.file(url).is_file():
        return "dead link"
    if anchor and url in site.pages and unquote(anchor) not in site.pages[url].ids:
        return "dead anchor"
    return None


def style_sheets(site: Site) -> list[str]:
    """Finds fonts and images of style sheets that are missing or lie elsewhere."""
    faults = []
    for path in site.root.rglob("*.css"):
        folder = path.relative_to(site.root).as_posix()
        # Of the formats of a font, a browser takes the first one that it knows.
        style = re.sub(r"(src:[^;},]*),[^;}]*", r"\1", path.read_text(encoding="utf-8"))
        for match in re.finditer(
            r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", style
        ):
            target = match[1] or match[2]
            if not target.startswith(("data:", "#")):
                fault = _dead(site, urljoin(_DEEP + folder, target))
                if fault:
                    faults.append(f"{folder}: {fault}: {target}")
    return faults


def search_index(site: Site) -> list[str]:
    """Finds search results that lead nowhere."""
    index = json.loads((site.root / "search/search_index.json").read_text("utf-8"))
    return [
        f"search index: {fault}: {document['location']}"
        for document in index["docs"]
        if (fault := _dead(site, _DEEP + document["location"]))
    ]


def structure(site: Site) -> list[str]:
    """Finds pages without one h1, a title or a language, and ids that are not unique."""
    faults = []
    for page in site.pages.values():
        headings = len(page.soup.find_all("h1"))
        if headings != 1:
            faults.append(f"{page.url}: {headings} h1")
        if not page.soup.title or not page.soup.title.get_text(strip=True):
            faults.append(f"{page.url}: no title")
        if not page.soup.select("html[lang]"):
            faults.append(f"{page.url}: no language")
        if not page.soup.select('meta[name="description"][content]:not([content=""])'):
            faults.append(f"{page.url}: no description")
        faults += [
            f"{page.url}: id {name} occurs {count} times"
            for name, count in page.ids.items()
            if count > 1
        ]
    return faults


def alternative_texts(site: Site) -> list[str]:
    """Finds images that say nothing to those who do not see them."""
    faults = []
    for page in site.pages.values():
        faults += [
            f"{page.url}: image without alt: {image.get('src')}"
            for image in page.content.find_all("img")
            if not str(image.get("alt", "")).strip()
        ]
        faults += [
            f"{page.url}: drawing without a name"
            for drawing in page.content.select('svg[role="img"]')
            if not drawing.get("aria-label") and not drawing.find("title")
        ]
    return faults


_PROSE_LEFTOVERS = {
    "template": r"\{\{|\}\}|\{%|%\}",
    "citation": r"\[@\w",
    "block": r"^\s*(?:!!!|\?\?\?\+?|===|:::|---)(?:\s|$)",
    "fence": r"```",
    "link": r"\]\(\S|\]\[",
    "bold": r"\*\*\w|\w\*\*",
    "attributes": r"\{:? ?[.#]\w",
    "front matter": r"^(?:title|description|executor):",
    "escape": r"&(?:#\d+|[a-z]+);",
}
_LEFTOVERS = {
    "traceback": r"Traceback \(most recent",
    "alt text of nbconvert": r"No description has been provided",
    "warning": r"\.py:\d+: \w*Warning:",
    "memory address": r"\bat 0x[0-9a-f]{6,}",
    "machine path": rf"{re.escape(str(ROOT))}\b|site-packages/"
    r"|(?<![\w.-])/(?:tmp|root|private|var/folders|home/\w+|Users/\w+)/",
}
_SNIPPET = r"^\s*(?:from|import) snippets\b"


def leftovers(site: Site) -> list[str]:
    """Finds raw markup, paths of the machine and imports that a reader cannot follow."""
    faults = []
    for page in site.pages.values():
        whole = page.content.get_text()
        for block in page.content.select("pre, .highlight"):
            faults += _find({"import": _SNIPPET}, block.get_text(), page.url)
        faults += _find(_LEFTOVERS, whole, page.url)
        prose = BeautifulSoup(str(page.content), "html.parser")
        for tag in prose.select("pre, code, script, style, svg, .output, .arithmatex"):
            tag.decompose()
        faults += _find(_PROSE_LEFTOVERS, prose.get_text(), page.url)
        faults += [
            f"{page.url}: comment left: {comment.strip()[:60]}"
            for comment in prose.find_all(string=lambda text: isinstance(text, Comment))
            if re.match(r"\s*[\w-]+:", comment)
        ]
    return faults


def _find(patterns: dict[str, str], text: str, place: str) -> list[str]:
    return [
        f"{place}: {kind} left: {_excerpt(text, match)}"
        for kind, pattern in patterns.items()
        if (match := re.search(pattern, text, flags=re.MULTILINE))
    ]


def _excerpt(text: str, match: re.Match[str]) -> str:
    return " ".join(text[max(0, match.start() - 30) : match.end() + 50].split())


_ROWS = {
    "Executed": r"\d{4}-\d\d-\d\d\b",
    "Commit": r"[0-9a-f]{12}\b|not under version control$",
    "Packages": r"Python 3\.\d+\.\d+",
    "Seed": r"\S",
    "Weights": r"\S",
    "Processor": r"\S.*\d+ cores",
    "Time": r"\d+\.\d s",
    "Peak memory": r"[1-9][\d,]* MB",
}


def provenance(site: Site) -> list[str]:
    """Finds executed pages that do not say how they were made."""
    return [
        f"{page.url}: {row}: {page.provenance.get(row, 'missing')}"
        for page in site.notebooks
        for row, pattern in _ROWS.items()
        if not re.match(pattern, page.provenance.get(row, ""))
    ]


def downloads(site: Site) -> list[str]:
    """Finds executed pages whose notebook or script cannot be used elsewhere."""
    faults = []
    for page in site.notebooks:
        stem = page.url.rstrip("/").rpartition("/")[2]
        if sorted(page.downloads) != [f"{stem}.ipynb", f"{stem}.py"]:
            faults.append(f"{page.url}: offers {page.downloads}")
            continue
        folder = site.file(page.url).parent
        faults += _notebook(page, (folder / f"{stem}.ipynb").read_text("utf-8"))
        script = (folder / f"{stem}.py").read_text("utf-8")
        place = f"{page.url}{stem}.py"
        try:
            compile(script, place, "exec")
        except SyntaxError as error:
            faults.append(f"{place}: {error}")
        faults += _find(_LEFTOVERS | {"import": _SNIPPET}, script, place)
        cells = jupytext.reads(script, fmt="py:percent").cells
        prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        faults += _find(_DOWNLOAD_PROSE, prose, place)
    return faults


_DOWNLOAD_PROSE = {
    "citation": _PROSE_LEFTOVERS["citation"],
    "template": r"\{\{ ?[a-z_.]+",
    "relative link": r"\]\((?!https?://|#|mailto:)[^)\s]*\)",
}


def _notebook(page: Page, text: str) -> list[str]:
    place = f"{page.url}*.ipynb"
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except (ValueError, nbformat.ValidationError) as error:
        return [f"{place}: {str(error).splitlines()[0]}"]
    cells = [cell for cell in notebook.cells if is_of_page(cell)]
    faults = [
        f"{place}: cell not executed: {cell.source[:40]}"
        for cell in cells
        if cell.source.strip() and not cell.execution_count
    ]
    outputs = [output for cell in cells for output in cell.outputs]
    if not outputs:
        faults.append(f"{place}: no output")
    if any(output.output_type == "error" for output in outputs):
        faults.append(f"{place}: an error among the outputs")
    shown = [block.get_text() for block in page.soup.select("article .cell code")]
    if [code.rstrip() for code in shown] != [
        cell.source.rstrip() for cell in cells if cell.source.strip()
    ]:
        faults.append(f"{place}: not the code that the page shows")
    faults += _find(_LEFTOVERS | {"import": _SNIPPET}, _texts(cells), place)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type != "code")
    return faults + _find(_DOWNLOAD_PROSE, prose, place)


def is_of_page(cell: nbformat.NotebookNode) -> bool:
    """Tells whether a cell of a download is code of the page, not what fetches files."""
    return cell.cell_type == "code" and "fetch" not in cell.metadata.get("tags", [])


def _texts(cells: list[nbformat.NotebookNode]) -> str:
    parts = []
    for cell in cells:
        parts.append(cell.source)
        parts += [
            output.get("text") or output.get("data", {}).get("text/plain", "")
            for output in cell.outputs
        ]
    return "\n".join(parts)


FILE_CHECKS = (
    links,
    style_sheets,
    search_index,
    structure,
    alternative_texts,
    leftovers,
    provenance,
    downloads,
)

# --- a server as GitHub Pages has it ----------------------------------------------------

_TYPES = {".mjs": "text/javascript", ".woff2": "font/woff2", ".ipynb": "application/json"}


@contextmanager
def serve(site: Site, folder: str = "/") -> Iterator[str]:
    """Serves a site below a folder of a loopback address; yields the site's address.

    The sitemap names this address, as if the site had been built for it: Material loads
    only pages of the sitemap without leaving the document.
    """
    root = site.root

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            target = root / path.removeprefix(folder)
            if not path.startswith(folder):
                self._send(404, b"not this site", "text/plain")
            elif target.is_dir() and not path.endswith("/"):
                self._send(301, b"", "text/plain", location=f"{path}/")
            else:
                target = target / "index.html" if path.endswith("/") else target
                if target.name == "sitemap.xml":
                    sitemap = target.read_text(encoding="utf-8")
                    sitemap = sitemap.replace(f"<loc>{site.base}", f"<loc>{address}")
                    self._send(200, sitemap.encode(), "application/xml")
                elif target.is_file():
                    kind = mimetypes.guess_type(target.name)[0] or "text/plain"
                    self._send(200, target.read_bytes(), _TYPES.get(target.suffix, kind))
                else:
                    self._send(404, (root / "404.html").read_bytes(), "text/html")

        do_HEAD = do_GET

        def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the browser left before everything was sent

    with Server(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}{folder}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


# --- pages in a browser -----------------------------------------------------------------


@dataclass
class Watch:
    """Notes what goes wrong in a browser context, and lets no request leave the site.

    Args:
        context: A context without pages.
        address: Where the site is; a request beyond this server is refused and noted.
    """

    context: BrowserContext
    address: str
    _faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        inside = re.compile(rf"^(?!{re.escape(self.origin)}/|data:|blob:)")
        self.context.route(inside, self._refuse)
        self.context.on("console", self._console)
        self.context.on("weberror", self._error)
        self.context.on("response", self._response)
        self.context.on("requestfailed", self._failed)

    def _note(self, fault: str) -> None:
        self._faults.append(fault)

    def _refuse(self, route: Route) -> None:
        self._note(f"external request: {route.request.url}")
        route.abort()

    def _error(self, error: WebError) -> None:
        self._note(f"page error: {error.error}")

    def _failed(self, request: Request) -> None:
        # Refused ones are noted already, and a page that is left gives up its requests.
        inside = request.url.startswith(self.origin)
        if inside and request.failure != "net::ERR_ABORTED":
            self._note(f"request failed: {request.url}: {request.failure}")

    def _console(self, message: ConsoleMessage) -> None:
        failed = message.text.startswith("Failed to load resource")  # noted as response
        if message.type == "error" and not failed:
            self._note(f"console error: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"status {response.status}: {response.url}")

    def take(self) -> list[str]:
        """Returns what was noted since the last call."""
        faults, self._faults = self._faults, []
        return faults


Open = Callable[..., tuple[Tab, Watch]]
"""Opens a tab for an address, with options of a browser context."""


# Material draws diagrams into closed shadow trees; a test has to look into them.
OPEN_SHADOWS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) {
  return attach.call(this, { ...options, mode: "open" });
};
"""

_SETTLE = """
async (patience) => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const end = performance.now() + patience;
  const until = async (ready) => {
    while (!ready() && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return ready();
  };
  // The scripts come late, and name the search last.
  const unnamed = () => document.querySelector(
    ".md-search[role=dialog]:not([aria-label])");
  if (!await until(() => !unnamed())) faults.push("the scripts did not run");
  for (const image of document.images) image.loading = "eager";
  await until(() => all("img").every((image) => image.complete));
  for (const image of document.images) {
    if (!image.complete || !image.naturalWidth) faults.push(`broken image: ${image.src}`);
  }
  await until(() => all("pre.mermaid").length === 0);
  for (const left of all("pre.mermaid")) {
    faults.push(`diagram not drawn: ${left.textContent.slice(0, 40)}`);
  }
  for (const host of all("div.mermaid")) {
    const drawing = host.shadowRoot?.querySelector("svg");
    const size = drawing?.getBoundingClientRect();
    if (!drawing || (host.checkVisibility() && !(size.width > 20 && size.height > 20))) {
      faults.push("empty diagram");
    } else if (/Syntax error/.test(drawing.textContent)) {
      faults.push("diagram with a syntax error");
    }
  }
  // Formulas and buttons of code come when they are in sight.
  const place = window.scrollY;
  const closed = all("article details:not([open])");
  for (const box of closed) box.open = true;
  const seen = (left) => {
    left[0]?.scrollIntoView({ block: "start", behavior: "instant" });
    return left.length === 0;
  };
  const unset = () => all(".arithmatex").filter((math) => !math.querySelector(".katex"));
  await until(() => seen(unset()));
  for (const math of all(".arithmatex")) {
    if (!math.querySelector(".katex")) faults.push(`math not set: ${math.textContent}`);
  }
  for (const error of all(".katex-error")) faults.push(`math error: ${error.title}`);
  const uncopied = () => all("article .highlight pre > code").filter(
    (code) => !code.closest(".no-copy")
      && !code.closest(".highlight").querySelector("button[data-md-type=copy]"));
  await until(() => seen(uncopied()));
  for (const box of closed) box.open = false;
  window.scrollTo({ top: place, behavior: "instant" });
  for (const code of uncopied()) {
    faults.push(`code without copy button: ${code.textContent.slice(0, 40)}`);
  }
  await document.fonts.ready;
  for (const font of document.fonts) {
    if (font.status === "error") faults.push(`font not loaded: ${font.family}`);
  }
  return faults;
}
"""

_FIGURES = """
(dark) => [...document.querySelectorAll("figure.output-figure")]
  .filter((figure) => figure.checkVisibility())
  .filter((figure) => {
    const shown = [...figure.querySelectorAll("img")].filter((i) => i.checkVisibility());
    return shown.length !== 1
      || shown[0].classList.contains(dark ? "figure-light" : "figure-dark");
  })
  .map((figure) => `${dark ? "dark" : "light"} figure not shown: `
    + figure.querySelector("img").src)
"""

_OVERFLOW = """
() => {
  const width = document.documentElement.clientWidth;
  const page = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
  const cut = (element) => {
    for (let e = element.parentElement; e && e !== document.body; e = e.parentElement) {
      if (/auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX)) return false;
    }
    return true;
  };
  const wide = [...document.querySelectorAll("article *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.right > width + 1 && element.checkVisibility()
      && cut(element);
  });
  if (page <= width && window.innerWidth <= screen.width && !wide.length) return [];
  const names = wide.slice(0, 3).map((element) =>
    `<${element.localName} class="${element.getAttribute("class") ?? ""}"> `
    + element.textContent.trim().slice(0, 40));
  return [`scrolls sideways: ${page} px on ${width} px: ${names.join("; ")}`];
}
"""


def settle(tab: Tab, patience: float = 15) -> list[str]:
    """Waits until a page shows everything, for some seconds; finds what it does not."""
    faults: list[str] = tab.evaluate(_SETTLE, patience * 1000)
    return faults


def wait_for_scripts(tab: Tab) -> None:
    """Waits until the page's scripts have run, and know the pages of the site."""
    expect(tab.get_by_role("dialog", name="Search")).to_be_attached()
    entries = "performance.getEntriesByType('resource')"
    tab.wait_for_function(f"{entries}.some(({{name}}) => name.endsWith('/sitemap.xml'))")


def wait_for_scheme(tab: Tab, name: str) -> None:
    """Waits until the page has the color scheme: "default" is light, "slate" dark."""
    expect(tab.locator("body")).to_have_attribute("data-md-color-scheme", name)


def colors(tab: Tab) -> list[str]:
    """Finds figures that are made for the other color scheme."""
    dark = tab.locator("body").get_attribute("data-md-color-scheme") == "slate"
    faults: list[str] = tab.evaluate(_FIGURES, dark)
    return faults


def visit(tab: Tab, watch: Watch, url: str, patience: float = 15) -> list[str]:
    """Opens a page of the site and returns all that is wrong with it.

    Args:
        tab: Where to open it.
        watch: The watch over the tab's context.
        url: The page, relative to the site's root; ``404.html`` opens a missing address.
        patience: Seconds until what has not appeared is a fault.
    """
    missing = url == "404.html"
    address = watch.address + ("no/such/page/" if missing else url)
    response = tab.goto(address, wait_until="load")
    faults = settle(tab, patience) + colors(tab) + tab.evaluate(_OVERFLOW)
    if response is None or response.status != (404 if missing else 200):
        faults.append(f"status {response.status if response else None}")
    expected = f"status 404: {address}" if missing else None
    faults += [fault for fault in watch.take() if fault != expected]
    return [f"{url}: {fault}" for fault in faults]
