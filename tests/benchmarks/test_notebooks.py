"""The pages of the benchmark are pages that the executor takes, and edits show."""

from pathlib import Path

import pytest

from benchmarks.notebooks import Notebooks, shows, shows_text
from executor.assemble import assemble
from executor.pages import find_pages, read_page


@pytest.fixture(params=[True, False], ids=["with torch", "without"])
def notebooks(request: pytest.FixtureRequest, tmp_path: Path) -> Notebooks:
    notebooks = Notebooks(tmp_path, 6, torch=request.param)
    notebooks.write()
    return notebooks


def test_the_executor_takes_every_page(notebooks: Notebooks) -> None:
    paths = find_pages(notebooks.root / "docs")

    assert [path.stem for path in paths] == notebooks.names()
    for path in paths:
        page = read_page(notebooks.root, path)
        program = assemble(notebooks.root, page)
        source = "\n".join(cell.source for cell in program.code)
        compile(source, str(path), "exec")
        assert "snippets" not in source
        assert ("BertModel" in source) is notebooks.torch
        assert ("def describe" in source) is (path.stem in notebooks.sharing())


def test_some_pages_share_a_module_but_not_the_edited_one(notebooks: Notebooks) -> None:
    assert notebooks.sharing() == ["page-002", "page-006"]
    assert notebooks.edited not in notebooks.sharing()


@pytest.mark.parametrize("torch", [True, False])
def test_a_small_page_may_stand_beside_models(torch: bool, tmp_path: Path) -> None:
    notebooks = Notebooks(tmp_path, 2, torch=torch, small=True)

    assert "BertModel" not in notebooks.text("page-001")
    assert ("BertModel" in notebooks.text("page-002")) is torch


def test_an_edit_of_code_changes_a_result_that_the_source_does_not_hold(
    notebooks: Notebooks,
) -> None:
    before = {name: notebooks.path(name).read_text() for name in notebooks.names()}

    expected = notebooks.edit_code()

    assert expected == {"page-001": "code result 2002"}
    changed = [n for n in before if notebooks.path(n).read_text() != before[n]]
    assert changed == ["page-001"]
    assert "2002" not in notebooks.path("page-001").read_text()


def test_an_edit_of_prose_leaves_the_code_alone(notebooks: Notebooks) -> None:
    def code() -> list[str]:
        page = read_page(notebooks.root, notebooks.path(notebooks.edited))
        return [cell.source for cell in page.cells if cell.kind == "code"]

    before = code()
    expected = notebooks.edit_prose()

    assert code() == before
    text = notebooks.path(notebooks.edited).read_text()
    assert shows_text(text.replace("\n# ", "\n"), expected["page-001"])


def test_an_edit_of_the_shared_module_changes_what_its_pages_must_show(
    notebooks: Notebooks,
) -> None:
    expected = notebooks.edit_shared()

    assert expected == dict.fromkeys(["page-002", "page-006"], "shared result 2006")
    assert notebooks.expected()["page-006"] == "shared result 2006"
    assert notebooks.expected()["page-003"] == "code result 0"


def test_a_text_shows_across_tags_and_only_whole(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    assert not shows(path, "code result 2002")

    path.write_text("<pre><span></span>code <b>result</b>\n2002\n</pre>")
    assert shows(path, "code result 2002")
    assert not shows(path, "code result 200")
