"""The zip of the site works from a folder: pages, search, diagrams, math, figures."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from site_checks import OPEN_SHADOWS, Site, settle

from executor.extras import offline

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def unzipped(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the zip unpacks to."""
    target = tmp_path_factory.mktemp("offline")
    with zipfile.ZipFile(site.root / "downloads/report-offline.zip") as archive:
        archive.extractall(target)
    (folder,) = target.iterdir()
    return folder


def test_every_page_works_from_a_folder(
    unzipped: Path, site: Site, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(OPEN_SHADOWS)
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(f"error: {error}"))
    tab.on(
        "request",
        lambda request: (
            faults.append(f"request: {request.url}")
            if not request.url.startswith(("file:", "data:", "blob:"))
            else None
        ),
    )
    tab.on(
        "requestfailed",
        lambda request: (
            faults.append(f"failed: {request.url}")
            if request.failure != "net::ERR_ABORTED"
            else None
        ),
    )
    for url in site.pages:
        if url != "404.html":
            tab.goto((unzipped / url / "index.html").as_uri())
            faults += [f"{url}: {fault}" for fault in settle(tab)]
            links = tab.locator("a[href]").evaluate_all("links => links.map(a => a.href)")
            for link in {link.partition("#")[0].partition("?")[0] for link in links}:
                if link.startswith("file:") and not Path(link[7:]).is_file():
                    faults.append(f"{url}: dead link: {link}")
    context.close()

    assert not faults, "\n".join(faults)


def test_search_works_from_a_folder(unzipped: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    tab.goto((unzipped / "index.html").as_uri())
    tab.fill(".md-search__input", "vision transformer")
    result = tab.locator(".md-search-result__item a").first
    result.wait_for()
    result.click()
    tab.wait_for_url("**/index.html*")
    title = tab.title()
    context.close()

    assert "transformer" in title.lower() or "vit" in title.lower()


def test_equal_sites_give_equal_zips(site: Site) -> None:
    first = offline.pack(site.root, "x")

    assert first == offline.pack(site.root, "x")
