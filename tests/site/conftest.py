"""Builds or finds the site, serves it, and starts a browser that cannot leave it."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from playwright.sync_api import Page as Tab

# Test folders are not packages.
sys.path.insert(0, str(Path(__file__).parent))

from site_checks import OPEN_SHADOWS, ROOT, Open, Site, Watch, serve

PATIENCE = 60_000  # milliseconds, for machines with much else to do
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the built site, and what went wrong while it was built.

    The site is that in SITE_DIR, or else one built now from cached executions.
    """
    if "SITE_DIR" in os.environ:
        return Path(os.environ["SITE_DIR"]), ""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all workers: the first one builds
    folder, log = shared / "built-site", shared / "built-site.log"
    with (shared / "built-site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not log.exists():
            result = subprocess.run(
                [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", folder],
                cwd=ROOT,
                env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            log.write_text(result.stdout if result.returncode else "", encoding="utf-8")
    return folder, log.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def site(build: tuple[Path, str]) -> Site:
    """The built site."""
    folder, failure = build
    if failure:
        pytest.fail("test_the_site_builds tells why there is no site", pytrace=False)
    return Site(folder)


@pytest.fixture(scope="session")
def address(site: Site) -> Iterator[str]:
    """Where the site is served, as at the top of a domain."""
    with serve(site) as served:
        yield served


@pytest.fixture(scope="session")
def deep_address(site: Site) -> Iterator[str]:
    """Where the site is served below a folder, as GitHub Pages does."""
    with serve(site, "/some/folder/") as served:
        yield served


@pytest.fixture(scope="module")  # its event loop must not be in the way of other tests
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    path = os.environ.get("CHROMIUM")
    if not path:
        found = subprocess.run(
            [ROOT / "tools" / "find-chromium"],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode != 0:
            pytest.fail(found.stderr, pytrace=False)
        path = found.stdout.strip()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-quic",
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Open]:
    """Opens a tab in a context of its own: ``open_tab(address, viewport=…)``."""
    contexts = []

    def open_tab(address: str, **options: Any) -> tuple[Tab, Watch]:
        settings = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"}
        context = browser.new_context(**(settings | options))
        context.set_default_timeout(PATIENCE)
        context.add_init_script(OPEN_SHADOWS)
        contexts.append(context)
        return context.new_page(), Watch(context, address)

    yield open_tab
    for context in contexts:
        context.close()
