"""The real ledger against the real report: nothing uncited, undated or made up."""

import re
from datetime import UTC, datetime
from pathlib import Path

import markdown
import pytest

from executor import claims
from executor.pages import find_pages, read_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LEDGER = claims.load(ROOT / "data" / "claims")
REPORT = sorted((ROOT / "docs" / "report").glob("*.md"))
STYLE = (ROOT / "docs/assets/stylesheets/timeline.css").read_text(encoding="utf-8")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", REPORT, ids=lambda path: path.stem)
def test_every_figure_in_the_report_has_a_claim(path: Path) -> None:
    assert not [str(problem) for problem in claims.check_prose(read(path), LEDGER)]


@pytest.mark.parametrize("path", find_pages(DOCS / "report"), ids=lambda path: path.stem)
def test_every_figure_in_the_prose_of_a_notebook_has_a_claim(path: Path) -> None:
    page = read_page(ROOT, path)
    prose = [cell.source for cell in page.cells if cell.kind == "markdown"]
    problems = [claims.check_prose(text, LEDGER) for text in prose]
    assert not [str(problem) for found in problems for problem in found]


@pytest.mark.parametrize("path", REPORT, ids=lambda path: path.stem)
def test_every_mark_in_the_report_can_be_rendered(path: Path) -> None:
    text, _ = claims.render(read(path), LEDGER)
    assert "[@" not in re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def test_every_claim_is_cited_by_a_page() -> None:
    citations = {}
    for path in sorted(DOCS.rglob("*.md")):
        citations[path.name] = claims.cited(read(path))
    for path in find_pages(DOCS):
        page = read_page(DOCS.parent, path)
        prose = [cell.source for cell in page.cells if cell.kind == "markdown"]
        citations[path.name] = claims.cited("\n\n".join(prose))
    assert claims.uncited(LEDGER, citations) == []


def test_no_fact_stands_in_the_ledger_twice() -> None:
    statements = [claim.statement.casefold() for claim in LEDGER]
    assert len(statements) == len(set(statements))


def test_statements_are_sentences() -> None:
    assert not [c.id for c in LEDGER if not c.statement.endswith((".", ".'", ".`"))]
    assert not [c.id for c in LEDGER if re.search(r"[—<>\[\]{}]", _words(c.statement))]


def _words(statement: str) -> str:
    return re.sub(r"`[^`]*`|mkdocs\S*[<>]\S*", "", statement)


def test_no_claim_is_from_the_future() -> None:
    today = datetime.now(UTC).date().isoformat()
    assert not [claim.id for claim in LEDGER if claim.as_of > today]


def test_second_hand_and_inferred_claims_are_told_apart() -> None:
    kinds = {claim.verified for claim in LEDGER}
    assert kinds == {"read", "second-hand", "inferred"}


def test_the_style_sheet_can_show_every_category() -> None:
    for category in claims.CATEGORIES:
        assert f"--cat-{category}:" in STYLE
        assert f".timeline-pick--{category}:checked" in STYLE
    assert "@media print" in STYLE


def test_the_bibliography_holds_every_claim() -> None:
    text = markdown.markdown(claims.bibliography(LEDGER, {}), extensions=["toc"])
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert {f"claim-{claim.id}" for claim in LEDGER} <= set(ids)
    assert len(ids) == len(set(ids))
