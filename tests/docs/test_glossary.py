"""The glossary as it is, and the links in the code of the pages as they are."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from executor import codelinks, glossary, prose
from executor.assemble import assemble
from executor.packages import Packages
from executor.pages import find_pages, read_page

ROOT = Path(__file__).resolve().parents[2]
TERMS = glossary.load(ROOT / "data" / "glossary.yml").terms
PINS = Packages(ROOT / "constraints.txt").pins
TABLE = codelinks.load(ROOT / "data" / "codelinks.yml", PINS)


def test_the_glossary_is_large_enough() -> None:
    assert len(TERMS) >= 70


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_a_term_is_told_in_plain_words_and_leads_to_a_page(term: glossary.Term) -> None:
    assert (ROOT / "docs" / term.used).is_file()
    for page in term.skip:
        assert (ROOT / "docs" / page).is_file()
    sentences = re.findall(r"[.?](?=\s|$)", term.text)
    assert 1 <= len(sentences) <= 3
    assert term.text.endswith(".")
    assert not [str(problem) for problem in prose.check(term.text)]
    # The meaning must not begin with the word itself.
    assert not re.match(rf"(an? |the )?{re.escape(term.name)}\b", term.text.lower())


def test_half_of_the_terms_are_at_work_on_the_page_they_name() -> None:
    at_work = [
        term for term in TERMS if any(form in _prose(term.used) for form in term.forms)
    ]
    assert len(at_work) >= len(TERMS) / 2


@cache
def _prose(uri: str) -> str:
    return " ".join((ROOT / "docs" / uri).read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    "path", find_pages(ROOT / "docs"), ids=lambda path: path.relative_to(ROOT).as_posix()
)
@pytest.mark.filterwarnings("ignore")  # of modules that are only looked up
def test_what_code_links_to_exists_in_the_installed_release(path: Path) -> None:
    program = assemble(ROOT, read_page(ROOT, path))
    trees = [ast.parse(cell.source) for cell in program.code]
    bindings = codelinks.imports(trees)
    names = set()
    for tree in trees:
        for node in ast.walk(tree):
            parts = []
            while isinstance(node, ast.Attribute):
                parts.insert(0, node.attr)
                node = node.value
            if isinstance(node, ast.Name) and node.id in bindings:
                names.add(".".join([bindings[node.id], *parts]))
    linked = {name for name in names if TABLE.exact(name) is not None}

    assert linked or not names
    assert not {name for name in linked if not _exists(name)}


def _exists(name: str) -> bool:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False
