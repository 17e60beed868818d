"""What programs read: descriptions, cards, plain Markdown, the feed; and the PDF."""

import gzip
import io
import re
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from pypdf import PdfReader
from site_checks import Page, Site

from executor.extras import markdown, styles

pytestmark = pytest.mark.site

ATOM = "{http://www.w3.org/2005/Atom}"


def written(site: Site) -> list[Page]:
    """Return the pages with an address of their own."""
    return [page for page in site.pages.values() if page.url != "404.html"]


def meta(page: Page, name: str) -> str:
    """Return what a <meta> of a page says."""
    tag = page.soup.select_one(f'meta[name="{name}"], meta[property="{name}"]')
    return str(tag["content"]) if tag else ""


def test_every_page_has_its_own_title_and_description(site: Site) -> None:
    faults = []
    titles: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    for page in written(site):
        title = page.soup.title.get_text(strip=True) if page.soup.title else ""
        description = meta(page, "description")
        if not title or titles.setdefault(title, page.url) != page.url:
            faults.append(f"{page.url}: title {title!r}")
        if not 40 <= len(description) <= 320:
            faults.append(f"{page.url}: description of {len(description)} characters")
        if descriptions.setdefault(description, page.url) != page.url:
            faults.append(f"{page.url}: description of {descriptions[description]}")
        if len(page.soup.find_all("h1")) != 1:
            faults.append(f"{page.url}: not one h1")
        canonical = page.soup.select_one('link[rel="canonical"]')
        if not canonical or canonical["href"] != site.base + page.url:
            faults.append(f"{page.url}: canonical {canonical}")

    assert not faults, "\n".join(faults)


def test_every_page_has_a_card(site: Site) -> None:
    for page in written(site):
        address = meta(page, "og:image")
        with Image.open(site.root / address.removeprefix(site.base)) as image:
            size = image.size

        assert size == (1200, 630), page.url
        assert meta(page, "og:url") == site.base + page.url
        assert meta(page, "og:title")
        assert meta(page, "og:description") == meta(page, "description")
        assert meta(page, "og:image:alt")
        assert meta(page, "twitter:card") == "summary_large_image"


def test_every_page_exists_as_plain_markdown(site: Site) -> None:
    index = (site.root / "llms.txt").read_text(encoding="utf-8")
    for page in written(site):
        text = (site.root / page.url / "index.md").read_text(encoding="utf-8")
        heading = page.soup.find("h1")

        assert heading is not None
        assert text.count("\n# ") + text.startswith("# ") >= 1, page.url
        assert not re.search(
            r"</?(?:div|span|p|table|pre)\b", re.sub(r"`[^`]*`", "", text)
        )
        assert f"({site.base}{page.url}index.md)" in index
        for code in page.code[:3]:
            assert code.strip().splitlines()[0] in text, page.url


def test_plain_markdown_keeps_what_matters() -> None:
    html = (
        '<article><h1>Title<a class="headerlink">¶</a></h1><p>See <a href="../x/">x</a>,'
        " <code>y</code> and <em>z</em>.</p><div class='language-python highlight'><pre>"
        "<code>a = 1\n\nb = 2\n</code></pre></div><table><tr><th>A</th><th>B</th></tr>"
        "<tr><td>1</td><td>2 | 3</td></tr></table>"
        "<ul><li>one</li><li><p>two</p></li></ul>"
        "<figure><img class='figure-light' src='f.svg' alt='A curve.'></figure></article>"
    )
    article = BeautifulSoup(html, "html.parser").article
    assert article is not None

    assert markdown.to_markdown(article, "http://site/a/b/") == (
        "# Title\n\nSee [x](http://site/a/x/), `y` and *z*.\n\n"
        "```python\na = 1\n\nb = 2\n```\n\n"
        "| A | B |\n| --- | --- |\n| 1 | 2 \\| 3 |\n\n"
        "- one\n- two\n\n![A curve.](http://site/a/b/f.svg)\n"
    )


def test_the_feed_names_pages_that_exist(site: Site) -> None:
    root = ElementTree.parse(site.root / "feed.xml").getroot()
    entries = root.findall(f"{ATOM}entry")
    addresses = {site.base + page.url for page in written(site)}

    assert root.findtext(f"{ATOM}id") == f"{site.base}feed.xml"
    assert root.findtext(f"{ATOM}updated")
    for entry in entries:
        assert entry.findtext(f"{ATOM}title")
        link = entry.find(f"{ATOM}link")
        assert link is not None
        assert link.get("href") in addresses


def test_pages_are_light(site: Site) -> None:
    """The budgets of docs/about/how-loads.md."""
    heavy = {
        page.url: size
        for page in site.notebooks
        if (size := len(gzip.compress(site.file(page.url).read_bytes()))) > 30_000
    }
    shared = [
        *site.root.glob("assets/stylesheets/*.css"),
        *site.root.glob("assets/javascripts/*.js"),
        *site.root.glob("assets/javascripts/workers/*.js"),
        *site.root.glob("assets/javascripts/katex/katex.min.*"),
    ]

    assert not heavy
    assert sum(len(gzip.compress(path.read_bytes())) for path in shared) <= 250_000
    assert len(list(site.root.glob("assets/stylesheets/*.css"))) == 1


def test_joined_style_sheets_keep_their_addresses(tmp_path) -> None:
    for name, style in {
        "assets/a.css": "a { background: url(images/a.svg) }",
        "assets/stylesheets/b.css": 'b { src: url("../fonts/b.woff2") }',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(style)
    links = "".join(
        f'<link rel="stylesheet" href="{{0}}{name}.css">\n'
        for name in ("a", "stylesheets/b")
    )
    (tmp_path / "index.html").write_text(links.format("assets/"))
    (tmp_path / "404.html").write_text(links.format("/folder/assets/"))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "index.html").write_text(links.format("../assets/"))

    name = styles.join(tmp_path)

    assert 'url("../images/a.svg")' in (tmp_path / name).read_text()
    assert 'url("../fonts/b.woff2")' in (tmp_path / name).read_text()
    assert f'href="../{name}"' in (tmp_path / "x" / "index.html").read_text()
    assert f'href="/folder/{name}"' in (tmp_path / "404.html").read_text()
    assert (tmp_path / "index.html").read_text().count("<link") == 1


def test_the_pdf_holds_the_report(site: Site) -> None:
    link = site.pages[""].soup.select_one('a[href="downloads/report.pdf"]')
    if link is None:
        pytest.skip("the site was built where no Chromium is")
    reader = PdfReader(io.BytesIO((site.root / "downloads/report.pdf").read_bytes()))
    contents = reader.pages[1].extract_text()

    assert len(reader.pages) > 10
    assert "Contents" in contents
    numbers = [int(number) for number in re.findall(r"(\d+)\s*$", contents, re.MULTILINE)]
    assert len(numbers) > 5
    assert max(numbers) <= len(reader.pages)
