"""What any copy button on a Python block gives runs alone, in an empty folder."""

import sys
from pathlib import Path

import nbformat
import pytest
from paste import Paste, Process, Web, copied, imports, run_all
from playwright.sync_api import expect
from site_checks import ROOT, Open, Site, is_of_page, visit, wait_for_scripts

from executor.pages import read_page

CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture(scope="module")
def pastes() -> list[Paste]:
    """What the buttons gave, filled by the first test."""
    return []


@pytest.mark.site
def test_every_python_block_runs_as_copied(
    site: Site, address: str, open_tab: Open, pastes: list[Paste]
) -> None:
    tab, watch = open_tab(address, permissions=CLIPBOARD)
    for page in site.with_element(".highlight"):
        visit(tab, watch, page.url)
        pastes += copied(tab, page.url)
    faults = [
        f"{paste.place}: {result.error}"
        for paste, result in run_all(pastes, Web(site, address)).items()
        if result.error
    ]

    assert {page.url for page in site.notebooks} <= {
        paste.place.partition(" ")[0] for paste in pastes
    }
    assert not faults, "\n\n".join(faults)


@pytest.mark.site
def test_a_pasted_block_prints_what_its_page_shows(
    site: Site, address: str, pastes: list[Paste]
) -> None:
    ran = run_all(pastes, Web(site, address))
    results = {paste.place: result for paste, result in ran.items()}
    faults = []
    for page in site.notebooks:
        author = read_page(ROOT, ROOT / "docs" / f"{page.url[:-1]}.py")
        authored = [cell for cell in author.cells if cell.kind == "code"]
        stem = page.url[:-1].rpartition("/")[2]
        text = (site.file(page.url).parent / f"{stem}.ipynb").read_text("utf-8")
        notebook = nbformat.reads(text, as_version=4)
        cells = [cell for cell in notebook.cells if is_of_page(cell)]
        shown = [
            (cell, source.volatile)
            for cell, source in zip(cells, authored, strict=True)
            if cell.source.strip()
        ]
        for number, (cell, volatile) in enumerate(shown, 1):
            expected = "".join(
                output.text
                for output in cell.outputs
                if output.output_type == "stream" and output.name == "stdout"
            )
            result = results.get(f"{page.url} cell {number}")
            if result and not result.error and not volatile and result.output != expected:
                faults.append(
                    f"{page.url} cell {number}: {result.output!r}: {expected!r}"
                )

    assert not faults, "\n\n".join(faults)


@pytest.mark.site
def test_buttons_copy_the_code_of_the_notebook(site: Site, pastes: list[Paste]) -> None:
    copies = {paste.place: paste.text for paste in pastes}
    for page in site.notebooks:
        stem = page.url[:-1].rpartition("/")[2]
        text = (site.file(page.url).parent / f"{stem}.ipynb").read_text("utf-8")
        cells = [
            cell.source.rstrip()
            for cell in nbformat.reads(text, as_version=4).cells
            if is_of_page(cell) and cell.source.strip()
        ]
        for number, cell in enumerate(cells, 1):
            place = f"{page.url} cell {number}"
            assert copies[place].endswith(cell), place


@pytest.mark.site
def test_buttons_say_what_they_copy(site: Site, address: str, open_tab: Open) -> None:
    tab, watch = open_tab(address, permissions=CLIPBOARD)
    visit(tab, watch, "")
    wait_for_scripts(tab)
    tab.evaluate("window.sameDocument = true")
    # By a click within the site, which keeps the document.
    tab.locator('a[href*="vision/vit/"]').first.evaluate("link => link.click()")
    tab.wait_for_url(f"{address}vision/vit/")
    dependent = tab.locator("article .cell[data-needs]").first
    button = dependent.locator("button[data-md-type=copy]")
    count = len((dependent.get_attribute("data-needs") or "").split())
    words = "1 earlier block" if count == 1 else f"{count} earlier blocks"

    dependent.scroll_into_view_if_needed()  # the button comes when its block is in sight
    expect(button).to_have_accessible_name(f"Copy with what it needs ({words})")
    assert tab.evaluate("window.sameDocument")
    button.focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("status")).to_have_text(f"Copied with {words}")
    first = tab.locator("article .cell:not([data-needs])").first
    first.scroll_into_view_if_needed()
    expect(first.locator("button[data-md-type=copy]")).to_have_attribute(
        "title", "Copy to clipboard"
    )
    assert tab.evaluate("navigator.clipboard.readText()").startswith(
        first.locator("code").inner_text().split("\n")[0]
    )


# The runner itself.


def outcome(*parts: str, limit: int = 20) -> str:
    paste = Paste("here", parts)
    with Process() as process:
        return process.run([paste], limit)[paste].error


def test_good_code_passes() -> None:
    assert outcome("x = 1", "assert x == 1") == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print(undefined)", "NameError"),
        ("1 +", "SyntaxError"),
        ("from snippets.vision.vit import train", "No module named 'snippets'"),
        ("import executor", "No module named 'executor'"),
        ("import socket\nsocket.create_connection(('example.org', 80))", "offline"),
        ("open('data.csv')", "FileNotFoundError"),
        ("raise SystemExit", "SystemExit"),
        ("import os\nos._exit(3)", "status 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "status -9"),
    ],
)
def test_broken_code_fails(code: str, words: str) -> None:
    assert words in outcome("import math", code)


def test_endless_code_fails() -> None:
    assert "longer than 1 s" in outcome("while True: pass", limit=1)


@pytest.mark.skipif(sys.platform != "linux", reason="processes fork on Linux only")
def test_what_pastes_share_runs_once_and_branches_do_not_meet(tmp_path: Path) -> None:
    log = tmp_path / "log"
    head = f"""\
import tempfile
with open({str(log)!r}, "a") as file: file.write("ran")
folder = tempfile.TemporaryDirectory()
items = []
open("here", "w").close()
"""
    change = "import os\nitems.append(1)\nfolder.cleanup()\nos.remove('here')"
    look = "import os\nassert not items and os.path.exists(folder.name)\nopen('here')"
    pastes = [
        Paste("page 1", (head, change)),
        Paste("page 2", (head, look)),
        Paste("page 3", (head, change, look)),
        Paste("page 4", (head,)),
        Paste("page 5", (head, "oops")),
        Paste("page 6", (head, look, "assert items == []")),
    ]
    with Process() as process:
        errors = {p.place: r.error for p, r in process.run(pastes, 20).items()}

    assert log.read_text() == "ran"
    assert [place for place, error in errors.items() if error] == ["page 3", "page 5"]
    assert "NameError" in errors["page 5"]


def test_what_is_loaded_before_is_not_in_sight() -> None:
    needs = Paste("page 1", ("import torch", "torch.ones(2)"))
    lacks = Paste("page 2", ("torch.ones(2)",))
    preload = imports([needs, lacks])
    with Process(preload) as process:
        errors = [process.run([paste], 60)[paste].error for paste in (needs, lacks)]

    assert preload == ["import torch"]
    assert errors[0] == ""
    assert "NameError" in errors[1]


def test_a_process_outlives_what_it_runs() -> None:
    bad, good = Paste("page 1", ("import os\nos._exit(3)",)), Paste("page 2", ("1",))
    with Process(["import no_such_package"]) as process:
        errors = [process.run([paste], 20)[paste].error for paste in (bad, good)]

    assert errors == ["the process ended with status 3: ", ""]
