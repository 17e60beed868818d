"""Folded code on the built site: closed at first, open when asked, whole when copied."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, expect
from playwright.sync_api import Page as Tab
from site_checks import Open, Site, visit

pytestmark = pytest.mark.site

FOLDED = "use/semantic-search/"
CLIPBOARD = ["clipboard-read", "clipboard-write"]


def height(fold: Locator) -> float:
    """Return how much room the lines of a fold take."""
    return float(fold.evaluate("fold => fold.getBoundingClientRect().height"))


def first_fold(tab: Tab) -> tuple[Locator, Locator]:
    """Return the first fold of a page and its button."""
    return tab.locator("article .fold").first, tab.locator("article .unfold").first


def test_pages_say_what_they_fold(site: Site) -> None:
    folded = 0
    for page in site.notebooks:
        folds = page.content.select(".cell code .fold")
        folded += bool(folds)
        assert len(page.content.select(".unfold-all")) == bool(folds), page.url
        for fold in folds:
            button = fold.find_previous_sibling()
            assert button, page.url
            lines = len(fold.get_text().splitlines())
            assert button["class"][0] == "unfold", page.url
            label = str(button["aria-label"])
            assert re.fullmatch(rf"{lines} lines( of [\w. ]+|: [\w, ]+)", label), page.url
            assert label.startswith(str(button["data-lines"])), page.url
            assert not button.get_text(), page.url
    assert folded > len(site.notebooks) / 2


def test_a_fold_opens_and_closes_with_the_keyboard(address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address)
    assert not visit(tab, watch, FOLDED)
    fold, button = first_fold(tab)
    assert height(fold) == 0
    assert height(button) >= 24
    button.focus()
    expect(button).not_to_have_css("outline-style", "none")
    for key, opened in (("Enter", True), ("Space", False)):
        tab.keyboard.press(key)
        expect(button).to_have_attribute("aria-expanded", str(opened).lower())
        expect(button).to_be_focused()
        assert (height(fold) > 0) == opened
    assert not watch.take()


def test_all_folds_of_a_page_open_and_close_at_once(
    site: Site, address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(address)
    # Reached without loading the document anew.
    assert not visit(tab, watch, "use/batching/")
    tab.locator(f".md-nav--primary a[href$='/{FOLDED.split('/')[1]}/']").first.click()
    tab.wait_for_url(re.compile(FOLDED))
    everything = tab.locator(".unfold-all")
    for opened in (True, False):
        everything.click()
        expect(everything).to_have_attribute("aria-pressed", str(opened).lower())
        shown = tab.locator(f".unfold[aria-expanded={str(opened).lower()}]")
        expect(shown).to_have_count(tab.locator(".fold").count())
    assert not watch.take()


def test_a_search_in_the_page_opens_a_fold(
    site: Site, address: str, open_tab: Open
) -> None:
    fold = site.pages[FOLDED].content.select(".fold")[0].get_text()
    line = max(map(str.strip, fold.splitlines()), key=len)
    tab, watch = open_tab(address)
    # An address with a text finds it as a search in the page does.
    assert not visit(tab, watch, f"{FOLDED}#:~:text={quote(line, safe='')}")
    opened, button = first_fold(tab)
    expect(button).to_have_attribute("aria-expanded", "true")
    assert height(opened) > 0
    assert not watch.take()


def test_what_is_copied_has_the_folded_lines(address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address, permissions=CLIPBOARD)
    assert not visit(tab, watch, FOLDED)
    # Where copy.js has something to add, it reads the text of the block, as test_paste.py
    # checks. Else Material reads what shows.
    alone = ":not([data-needs], [data-fetch], [data-copy])"
    block = tab.locator(f"article .cell{alone}:has(.fold)").first
    code = block.locator("code").first.evaluate("code => code.textContent")
    for _ in ("closed", "open"):
        block.locator("button[data-md-type=copy]").click()
        assert tab.evaluate("navigator.clipboard.readText()") == code.rstrip()
        block.locator(".unfold").first.click()
    assert not watch.take()


def test_everything_shows_on_paper_and_without_scripts(
    address: str, open_tab: Open
) -> None:
    tab, watch = open_tab(address)
    assert not visit(tab, watch, FOLDED)
    tab.emulate_media(media="print")
    plain, _ = open_tab(address, java_script_enabled=False)
    plain.goto(f"{address}{FOLDED}")
    for each in (tab, plain):
        folds = each.locator(".fold")
        assert all(height(folds.nth(n)) > 0 for n in range(folds.count()))
        expect(each.locator(".unfold").first).to_be_hidden()
        expect(each.locator(".unfold-all")).to_be_hidden()
