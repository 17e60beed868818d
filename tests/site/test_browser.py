"""The built site as a reader meets it: every page in a real browser."""

import json
import re
from collections import Counter
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect
from site_checks import (
    Open,
    Page,
    Site,
    colors,
    settle,
    visit,
    wait_for_scheme,
    wait_for_scripts,
)

pytestmark = pytest.mark.site

CLIPBOARD = ["clipboard-read", "clipboard-write"]


def test_clicking_from_page_to_page_keeps_everything_working(
    site: Site, deep_address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(deep_address, permissions=CLIPBOARD)
    visit(tab, watch, "")
    wait_for_scripts(tab)
    tab.evaluate("window.sameDocument = true")
    seen, faults = {""}, []
    following = tab.locator("a.md-footer__link--next")
    while following.count():
        target = urljoin(tab.url, following.get_attribute("href") or "")
        # What holds the text and the footer is replaced last.
        tab.locator(".md-container").evaluate("box => { box.dataset.old = '' }")
        # From the top: a click right after scrolling takes the place's anchor along.
        following.evaluate("link => link.click()")
        tab.wait_for_url(target)
        expect(tab.locator(".md-container[data-old]")).to_have_count(0)
        url = target.removeprefix(deep_address)
        found = settle(tab) + colors(tab) + watch.take()
        if not tab.evaluate("window.sameDocument"):
            found.append("loaded anew")
            tab.evaluate("window.sameDocument = true")
        if tab.locator("article .highlight").count():
            found += copied_wrongly(tab, site.pages[url], limit=1)
        faults += [f"{url}: {fault}" for fault in found]
        seen.add(url)

    assert not faults, "\n".join(faults)
    assert set(site.pages) - seen == {"404.html"}
    tab.go_back()
    tab.wait_for_url(lambda address: address != target)
    assert not settle(tab) + watch.take()


def copied_wrongly(tab: Tab, page: Page, limit: int) -> list[str]:
    """Use the copy buttons of a page, and find those that copy something else."""
    faults = []
    buttons = tab.locator("article .highlight:has(pre > code) button[data-md-type=copy]")
    visible = [index for index, code in enumerate(page.code) if code.strip()]
    if buttons.count() != len(page.code):
        return [f"{buttons.count()} copy buttons for {len(page.code)} blocks"]
    for index in visible[:limit]:
        button = buttons.nth(index)
        if not button.evaluate("button => button.checkVisibility()"):
            continue  # in a closed box
        tab.evaluate("navigator.clipboard.writeText('nothing')")
        button.click()
        copied = tab.evaluate("navigator.clipboard.readText()")
        if page.code[index] not in copied:  # with what it needs: test_paste.py
            faults.append(f"block {index} copied as {copied[:60]!r}")
    return faults


def test_search_finds_every_notebook_page(
    site: Site, address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(address)
    visit(tab, watch, "")
    box = tab.locator("input.md-search__input")
    index = json.loads((site.root / "search/search_index.json").read_text("utf-8"))
    texts: dict[str, str] = {}
    for document in index["docs"]:
        url = document["location"].partition("#")[0]
        texts[url] = f"{texts.get(url, '')} {document['text']}"
    words = {url: set(re.findall(r"\b[a-z]{6,}\b", text)) for url, text in texts.items()}
    # A search finds what begins like its word.
    spread = Counter(
        start
        for found in words.values()
        for start in {word[:end] for word in found for end in range(6, len(word) + 1)}
    )
    for page in site.notebooks:
        prose = {
            word
            for paragraph in page.content.find_all("p", recursive=False)
            for word in re.findall(r"\b[a-z]{6,}\b", paragraph.get_text())
        }
        word = min(prose, key=lambda word: (spread[word] or 99, -len(word), word))
        box.fill(word)
        box.press("End")  # Material waits for a key
        result = tab.locator(f'.md-search-result__link[href*="{address}{page.url}"]')
        expect(result.first, f"{page.url}: {word}").to_be_visible()

    box.fill("zzzzqqqq")
    box.press("End")
    expect(tab.locator(".md-search-result__meta")).to_have_text("No matching documents")
    assert not watch.take()


def test_a_search_result_leads_to_its_place(address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address)
    visit(tab, watch, "")
    tab.keyboard.press("/")
    tab.keyboard.type("embedding")
    result = tab.locator(".md-search-result__link").first
    target = result.get_attribute("href")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")

    assert target
    tab.wait_for_url(re.compile(re.escape(target.partition("?")[0])))
    expect(tab.locator("article mark").first).to_be_attached()
    assert not settle(tab) + watch.take()


def test_the_choice_of_colors_lasts(site: Site, address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address)
    visit(tab, watch, "")
    wait_for_scheme(tab, "default")
    toggle = tab.locator("form[data-palette] label:visible")
    for _ in range(3):
        toggle.click()
        if tab.locator("input[name=__palette]:checked").get_attribute("id") == (
            "__palette_2"
        ):
            break

    wait_for_scheme(tab, "slate")
    for page in site.with_element(".figure-dark")[:2]:
        assert not visit(tab, watch, page.url)
        wait_for_scheme(tab, "slate")
        expect(tab.locator(".figure-dark").first).to_be_visible()
    tab.reload()
    wait_for_scheme(tab, "slate")
    toggle.click()  # back to the colors of the system
    wait_for_scheme(tab, "default")
    tab.reload()
    wait_for_scheme(tab, "default")
    assert not watch.take()


def test_colors_change_by_keyboard(address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address)
    visit(tab, watch, "")
    focused = "document.activeElement.name === '__palette'"
    for _ in range(20):
        tab.keyboard.press("Tab")
        if tab.evaluate(focused):
            break
    assert tab.evaluate(focused), "no way to the choice by Tab"
    for _ in range(2):
        tab.keyboard.press("ArrowRight")

    wait_for_scheme(tab, "slate")


def test_the_timeline_is_filtered_by_keyboard(
    site: Site, address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(address)
    pages = site.with_element(".timeline-pick")
    assert pages
    for page in pages:
        assert not visit(tab, watch, page.url)
        total = tab.locator(".timeline li[data-category]:visible").count()
        tab.locator("h1 .headerlink").focus()
        focused = "document.activeElement.classList.contains('timeline-pick')"
        for _ in range(20):
            tab.keyboard.press("Tab")
            if tab.evaluate(focused):
                break
        assert tab.evaluate(focused), f"{page.url}: no way to the filter by Tab"
        counts = {}
        while True:
            chip = tab.locator(".timeline-pick:checked + .timeline-chip")
            category = chip.get_attribute("data-category")
            if category in counts:
                break
            shown = tab.locator(".timeline li[data-category]:visible")
            read = "events => events.map(event => event.dataset.category)"
            categories = set(shown.evaluate_all(read))
            if category == "all":
                assert shown.count() == total
            else:
                assert categories == {category}, page.url
            assert chip.evaluate("chip => getComputedStyle(chip).outlineStyle") != "none"
            counts[category] = shown.count()
            tab.keyboard.press("ArrowRight")
        assert counts.pop("all") == total
        assert len(counts) > 1
        assert sum(counts.values()) == total
    assert not watch.take()


def test_diagrams_have_the_colors_of_the_page(
    site: Site, address: str, open_tab: Open
) -> None:
    pages = site.with_element("pre.mermaid")
    assert pages
    for color_scheme in ("light", "dark"):
        tab, watch = open_tab(address, color_scheme=color_scheme)
        assert not visit(tab, watch, pages[0].url)
        label = tab.locator("div.mermaid .nodeLabel, div.mermaid text").first
        expect(label).to_be_visible()
        color = label.evaluate("label => getComputedStyle(label).color")
        brightness = sum(int(float(n)) for n in re.findall(r"[\d.]+", color)[:3]) / 3
        assert (brightness > 127) == (color_scheme == "dark"), color


def test_math_is_set(site: Site, address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address)
    pages = site.with_element(".arithmatex")
    assert pages
    for page in pages[:3]:
        assert not visit(tab, watch, page.url)
        expect(tab.locator(".arithmatex .katex-html").first).to_be_attached()
        # Without KaTeX's style sheet, the copy for screen readers is seen as well.
        box = tab.locator(".arithmatex .katex-mathml").first.bounding_box()
        assert box is not None
        assert box["width"] <= 2


def test_downloads_are_saved_under_their_names(
    site: Site, address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(address)
    page = site.notebooks[0]
    visit(tab, watch, page.url)
    tab.get_by_text("How this page was made").click()
    for name in page.downloads:
        with tab.expect_download() as download:
            tab.locator(f'a[download][href$="/{name}"]').click()
        assert download.value.suggested_filename == name
        expected = (site.file(page.url).parent / name).read_bytes()
        assert download.value.path().read_bytes() == expected


def test_the_home_page_leads_to_a_start(site: Site, address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address)
    visit(tab, watch, "")
    buttons = tab.locator("article a.md-button")
    targets = [
        urljoin(tab.url, button.get_attribute("href") or "").removeprefix(address)
        for button in buttons.all()
    ]

    assert len(targets) >= 2
    assert set(targets) <= set(site.pages)
    assert any(site.pages[target].is_notebook for target in targets)
    for button in buttons.all():
        expect(button).to_be_in_viewport()
    buttons.first.click()
    tab.wait_for_url(address + targets[0])
    heading = site.pages[targets[0]].soup.select_one("h1")
    assert heading
    expect(tab.locator("h1")).to_contain_text(str(heading.contents[0]))
