"""What pages read can be fetched from the site, by every way of taking code from it."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect
from site_checks import ROOT, Open, Site, is_of_page, visit

from executor.pages import Page, read_page

pytestmark = pytest.mark.site


def authored(site: Site) -> dict[str, Page]:
    """Return the pages that read or make files, by address."""
    pages = {
        page.url: read_page(ROOT, ROOT / "docs" / f"{page.url[:-1]}.py")
        for page in site.notebooks
    }
    return {
        url: page
        for url, page in pages.items()
        if page.settings.data or page.settings.checkpoints or page.settings.saves
    }


def reads(page: Page) -> list[str]:
    """Return the paths of what a page finds where it runs."""
    used = [f"checkpoints/{name}" for name in page.settings.checkpoints]
    return [*page.settings.data, *used]


def makes(page: Page) -> list[str]:
    """Return the paths of what a page saves."""
    return [f"checkpoints/{name}" for name in page.settings.saves]


def zips(site: Site) -> dict[str, Path]:
    """Return the zips of the site by the path of what is in them."""
    folder = site.root / "files"
    return {
        path.relative_to(folder).as_posix().removesuffix(".zip"): path
        for path in folder.rglob("*.zip")
    }


def test_there_is_a_zip_for_all_that_pages_read_or_make(site: Site) -> None:
    wanted = {
        name for page in authored(site).values() for name in [*reads(page), *makes(page)]
    }

    assert wanted == set(zips(site))


def test_zips_hold_what_they_are_named_after(site: Site) -> None:
    faults = []
    for name, path in zips(site).items():
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if not all(member == name or f"{name}/" in member for member in members):
                faults.append(f"{name}: {members}")
            for member in members:
                if name.startswith("data/"):
                    if archive.read(member) != (ROOT / member).read_bytes():
                        faults.append(f"{member} differs from that of the repository")
                elif member.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt")):
                    faults.append(f"{member} may be a pickle")
        if name.startswith("checkpoints/") and f"{name}/README.md" not in members:
            faults.append(f"{name} has no model card")
        if path.stat().st_size > 20_000_000:
            faults.append(f"{name}: {path.stat().st_size} bytes")

    assert not faults, "\n".join(faults)


def test_pages_link_what_they_read_and_make(site: Site) -> None:
    faults = []
    for url, page in authored(site).items():
        targets = {
            os.path.normpath(Path(url) / str(link["href"]))
            for link in site.pages[url].content.select("details td a[href]")
        }
        makers = {
            name: other
            for other, maker in authored(site).items()
            for name in maker.settings.saves
        }
        wanted = {f"files/{name}.zip" for name in [*page.settings.data, *makes(page)]}
        wanted |= {makers[name].rstrip("/") for name in page.settings.checkpoints}
        faults += [f"{url}: {name}" for name in wanted - targets]

    assert not faults, "\n".join(faults)


def test_downloads_begin_with_what_fetches_files(
    site: Site, address: str, tmp_path: Path
) -> None:
    """The first cell of a notebook brings what the page reads; a script has it too."""
    for number, (url, page) in enumerate(authored(site).items()):
        stem = url[:-1].rpartition("/")[2]
        folder = site.file(url).parent
        notebook = nbformat.reads((folder / f"{stem}.ipynb").read_text("utf-8"), 4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        if not reads(page):
            assert is_of_page(cells[0]), url
            continue
        assert [is_of_page(cell) for cell in cells[:2]] == [False, True], url
        code = cells[0].source
        assert code in (folder / f"{stem}.py").read_text("utf-8"), url
        empty = tmp_path / str(number)
        empty.mkdir()
        code = code.replace(f"{site.base}files/", f"{address}files/")
        for _ in range(2):  # the second time there is nothing to do
            subprocess.run([sys.executable, "-I", "-c", code], cwd=empty, check=True)
            code = code.replace(address, "http://127.0.0.1:9/")
        found = {path.relative_to(empty) for path in empty.rglob("*") if path.is_file()}
        assert {
            name
            for name in reads(page)
            if any(path.is_relative_to(name) for path in found)
        } == set(reads(page)), url


def test_a_copied_block_fetches_what_it_mentions(
    site: Site, address: str, open_tab: Open
) -> None:
    pages = [page for page in site.notebooks if page.content.select(".cell[data-fetch]")]
    assert len(pages) >= bool(authored(site))
    for page in pages[:3]:
        clipboard = ["clipboard-read", "clipboard-write"]
        tab, watch = open_tab(address, permissions=clipboard)
        visit(tab, watch, page.url)
        block = tab.locator("article .cell[data-fetch]").first
        names = (block.get_attribute("data-fetch") or "").split()
        button = block.locator("button[data-md-type=copy]")
        words = re.compile(r"^Copy with what it needs \(.*lines that fetch its files\)$")
        expect(button).to_have_accessible_name(words)
        button.click()
        text = tab.evaluate("navigator.clipboard.readText()")
        head, _, rest = text.partition("extractall()")
        assert f"{site.base}files/" in head, page.url
        assert all(f'"{name}"' in head for name in names), page.url
        assert "…" not in head
        assert rest.rstrip().endswith(block.locator("code").inner_text().rstrip()[-20:])
