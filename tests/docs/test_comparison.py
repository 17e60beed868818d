"""The comparison of vision models has a row for each family, bound to its page."""

import re
from pathlib import Path

from executor.pages import Page, find_pages, read_page
from executor.values import Values

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "vision" / "comparison.md"
NEEDED = {"parameters", "metric", "baseline"}
KNOWN = {"seconds": 1.5, "peak_memory": 500_000_000, "lines": 200}


def recorded(page: Page) -> set[str]:
    return {name for cell in page.cells for name in cell.record}


def families() -> list[Page]:
    """Return the pages that train a family of models and measure it."""
    pages = [read_page(ROOT, path) for path in find_pages(ROOT / "docs" / "vision")]
    return [page for page in pages if recorded(page) >= NEEDED and page.settings.saves]


def rows() -> dict[str, str]:
    """Return the rows of the table by the page that each links."""
    text = TABLE.read_text(encoding="utf-8")
    return {
        f"vision/{match[1]}": match[0]
        for match in re.finditer(r"^\| \[[^]]+\]\(([\w-]+\.py)\).*$", text, re.MULTILINE)
    }


def test_every_family_has_a_row() -> None:
    assert set(rows()) == {page.uri for page in families()}


def test_a_row_has_the_values_of_its_own_page() -> None:
    for page in families():
        row = rows()[page.uri]
        numbers = {"parameters": 123_456, "metric": 0.75, "baseline": 0.25}
        values = Values({page.id: numbers, f"{page.id}.page": KNOWN})
        cells = values.fill(row, page.path).split(" | ")
        assert len(cells) == 7, page.uri
        assert cells[1:4] == ["123,456", "1.5", "500 MB"], page.uri
        assert cells[4].partition("<")[0] in ("75.0%", "0.750"), page.uri
        assert cells[5].partition("<")[0] in ("25.0%", "0.250"), page.uri
        assert cells[6] == "200 |", page.uri
