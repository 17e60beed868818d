"""Terms, links in code, dates and the sample, on the built site."""

import importlib.metadata
import re
from collections import Counter
from urllib.parse import urljoin

import pytest
from bs4 import Tag
from playwright.sync_api import expect
from site_checks import Open, Site, visit, wait_for_scripts

pytestmark = pytest.mark.site

LISTS = ("glossary/", "report/sources/", "report/freshness/")


def test_terms_are_marked_once_a_page_and_in_prose_alone(site: Site) -> None:
    faults = []
    marked = 0
    for page in site.pages.values():
        terms = page.soup.select("a.term")
        marked += len(terms)
        if terms and page.url.startswith((*LISTS, "reference/")):
            faults.append(f"{page.url}: a list with marks")
        counts = Counter(str(term["href"]) for term in terms)
        faults += [f"{page.url}: {href}" for href, count in counts.items() if count > 1]
        inside = "h1 a.term, h2 a.term, h3 a.term, h4 a.term, pre a.term, code a.term, "
        inside += "a a, .output a.term, nav a.term, header a.term, footer a.term"
        faults += [f"{page.url}: {tag}" for tag in page.soup.select(inside)]
        faults += [f"{page.url}: {term}" for term in terms if not term.get("title")]
    assert not faults
    assert marked > 5 * len(site.notebooks)


# Where the address of a package's documentation names the release.
PINNED = {
    "docs.pytorch.org/docs/": "torch",
    "huggingface.co/docs/transformers/v": "transformers",
    "huggingface.co/docs/datasets/v": "datasets",
    "numpy.org/doc/": "numpy",
    "matplotlib.org/": "matplotlib",
    "scikit-learn.org/": "scikit-learn",
}


def test_links_in_code_are_names_and_lead_to_the_installed_release(site: Site) -> None:
    seen = set()
    for page in site.notebooks:
        links = page.soup.select(".cell a.api")
        assert links, page.url
        for link in links:
            address = str(link["href"])
            assert re.fullmatch(r"[\w.]+", link.get_text()), page.url
            assert address.startswith("https://"), page.url
            for start, package in PINNED.items():
                if address.startswith(f"https://{start}"):
                    named = address.removeprefix(f"https://{start}").partition("/")[0]
                    installed = importlib.metadata.version(package)
                    assert f"{installed}.".startswith(f"{named}."), address
                    seen.add(package)
    assert {"torch", "transformers", "matplotlib"} <= seen


def test_every_page_with_code_says_when_it_was_verified(site: Site) -> None:
    for page in site.notebooks:
        line = page.content.select_one("h1 + p.verified")
        assert line, page.url
        executed = page.provenance["Executed"][:10]
        assert line.get_text().startswith(f"Verified {executed}: every cell ran")
        assert page.provenance["Commit"].split()[0][:7] in line.get_text(), page.url


def test_the_sample_is_what_the_page_shows(site: Site) -> None:
    home = site.pages[""].content
    page = site.pages["use/semantic-search/"].content.select(".cell")[1]
    code = home.select_one(".sample-code code")
    output = home.select_one(".sample-output pre")
    expected = page.find_next_sibling("div", class_="output")
    assert code
    assert output
    assert isinstance(expected, Tag)
    assert code.get_text() == page.get_text()
    assert output.get_text().strip() == expected.get_text().strip()


def test_the_first_screen_says_what_for_whom_and_where_to_start(
    address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(address, viewport={"width": 1440, "height": 900})
    assert not visit(tab, watch, "")
    box = tab.locator(".home-paths").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 900
    assert tab.locator(".home-paths strong").count() == 3


def test_a_term_explains_itself_to_mouse_and_keyboard(
    address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(address)
    assert not visit(tab, watch, "use/semantic-search/")
    tip = tab.locator(".md-tooltip2--active[role=tooltip]")
    for reach in ("hover", "focus"):
        term = tab.locator("a.term").nth(1 if reach == "hover" else 2)
        text = term.get_attribute("title") or ""
        assert text
        getattr(term, reach)()
        expect(tip).to_have_text(text)
        expect(term).to_have_attribute("aria-describedby", re.compile("."))
        tab.mouse.move(1, 1)
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile(r"/glossary/#"))
    assert not watch.take()


def test_a_term_explains_itself_to_a_finger_before_it_leads_away(
    address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(
        address, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    assert not visit(tab, watch, "use/semantic-search/")
    term = tab.locator("a.term").nth(1)
    text = term.get_attribute("title") or ""
    here = tab.url
    term.tap()
    expect(tab.locator(".md-tooltip2--active[role=tooltip]")).to_have_text(text)
    assert tab.url == here
    term.tap()
    tab.wait_for_url(re.compile(r"/glossary/#"))
    assert not watch.take()


def test_a_term_leads_to_its_meaning_without_scripts(
    address: str, open_tab: Open
) -> None:
    tab, _ = open_tab(address, java_script_enabled=False)
    tab.goto(f"{address}vision/vit/")
    term = tab.locator("a.term").first
    text = term.get_attribute("title") or ""
    term.click()
    tab.wait_for_url(re.compile(r"/glossary/#"))
    entry = tab.locator(f"{tab.url[tab.url.index('#') :]} + p")
    expect(entry).to_have_text(text)


def test_what_is_searched_in_loads_when_it_is_wanted(
    address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(address)
    loaded = []
    tab.on("request", lambda request: loaded.append(request.url))
    assert not visit(tab, watch, "vision/vit/")
    index = f"{address}search/search_index.json"
    assert index not in loaded
    with tab.expect_request(index):
        tab.keyboard.press("/")
    tab.keyboard.type("attention")
    expect(tab.locator(".md-search-result__link").first).to_be_visible()
    assert not watch.take()


def test_the_style_sheet_is_read_once(address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address)
    tab.add_init_script("""
        window.read = 0;
        document.addEventListener("load", ({ target }) => {
          if (target.matches?.("link[href*='assets/stylesheets/']")) window.read++;
        }, true);
    """)
    assert not visit(tab, watch, "vision/vit/")
    wait_for_scripts(tab)
    following = tab.locator("a.md-footer__link--next")
    target = urljoin(tab.url, following.get_attribute("href") or "")
    following.evaluate("link => link.click()")
    tab.wait_for_url(target)
    expect(tab.locator("head > link[rel=canonical]")).to_have_attribute(
        "href", re.compile(re.escape(target.removeprefix(address)))
    )
    assert tab.evaluate("read") == 1
    sheets = tab.locator("head > link[href*='assets/stylesheets/']")
    expect(sheets).to_have_count(1)
    assert not watch.take()
