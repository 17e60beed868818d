"""Which lines of a block are folded away, and that its text stays its code."""

import html
import re
from typing import Any

import pytest
from bs4 import BeautifulSoup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from executor.codelinks import Docs, Table, link
from executor.folds import fold, folds_of, subjects, wanted
from executor.highlight import lighten

HELPER = '''\
"""Doc."""

LEVELS = [
    1,
    2,
    3,
    4,
    5,
    6,
]


def twice(value: int) -> int:
    """Double a number.

    Args:
        value: The number, in
            a line of its own.

    Returns:
        Twice the number, <b>not</b> more.
    """
    text = """one

    two"""
    return value + value + len(LEVELS) * len(text)
'''
OWN = '''\
"""Doc."""

import functools


def note(function):
    """Return the function."""
    return function


@note
@functools.cache
def once(
    value: int,
) -> int:
    # What is above a docstring stays.
    r"""Add one
    to a number.

    Args:
        value: The number.
    """
    value += 0
    return value + 1


class Box:
    """Holds a number.

    Attributes:
        value: The number.
        other: Another one.
    """

    def __init__(self) -> None:
        self.value = 0

    def put(self, value: int) -> None:
        """Put a number in.

        Args:
            value: The number.
        """
        self.value = value

    def _check(self) -> None:
        """Check the number."""
        for bound in (
            1,
            2,
            3,
        ):
            assert self.value != bound


def brief():
    """Return nothing.

    Or little."""
    return None
'''
PAGE = '''\
# %% [markdown]
# # Title

# %%
from snippets.chapter.helper import twice

print(twice(2))


def mine():
    """Do it.

    Args:
        nothing: At all.
    """


# %%
from snippets.chapter.page import Box, brief, once

once(1)
'''


@pytest.fixture
def program(project: Any) -> Any:
    project.snippet(HELPER, "chapter.helper")
    project.snippet(OWN, "chapter.page")
    return project.program(PAGE)


NAMES = {"twice", "Box", "brief", "once"}


def hidden(cell: Any, about: set[str]) -> dict[str, list[str]]:
    lines = cell.source.split("\n")
    return {
        each.of: lines[each.first - 1 : each.last]
        for each in folds_of(cell, about, NAMES)
    }


def page_of(program: Any) -> str:
    """Return the code of a page as Material shows it."""
    blocks = []
    for number, cell in enumerate(program.code, 1):
        code = highlight(cell.source, PythonLexer(), HtmlFormatter(nowrap=True))
        blocks.append(
            f'<div class="cell-label" data-search-exclude="">Block {number}</div>\n'
            f'<div id="block-{number}" class="language-python cell highlight">'
            f"<pre><span></span><code>{code}</code></pre></div>"
        )
    return "\n".join(["<p>Text</p>", *blocks, "<p>End</p>"])


def test_a_definition_of_another_page_is_folded_to_its_head(program: Any) -> None:
    folded = hidden(program.code[0], {"chapter/page"})
    assert list(folded) == ["LEVELS", "twice"]
    # Only `twice` needs it.
    assert folded["LEVELS"][0] == "LEVELS = ["
    assert folded["LEVELS"][-2:] == ["]", ""]  # and one of two blank lines
    assert folded["twice"][0] == ""
    assert folded["twice"][1] == "    Args:"
    assert folded["twice"][-2].startswith("    return value + value")
    assert len(folded["twice"]) == 13


def test_of_what_a_page_is_about_docstrings_alone_are_folded(program: Any) -> None:
    folded = hidden(program.code[1], {"chapter/page"})
    start = "the docstring of "
    assert list(folded) == [
        *(f"{start}once", f"{start}Box", f"{start}Box.put"),
        "Box._check",
    ]
    assert folded[f"{start}once"] == [
        "",
        "    Args:",
        "        value: The number.",
        '    """',
    ]
    assert folded[f"{start}Box"][-1] == '    """'
    assert folded[f"{start}Box.put"][1] == "        Args:"
    assert folded["Box._check"][0] == "        for bound in ("
    # `brief` has too little to hide, and what the author of the page wrote stays.
    assert "mine" not in str(hidden(program.code[0], {"chapter/helper"}))


def test_a_decorated_function_keeps_its_head(program: Any) -> None:
    (found,) = [
        each for each in folds_of(program.code[1], set(), NAMES) if each.of == "once"
    ]
    lines = program.code[1].source.split("\n")
    assert lines[found.first - 2] == "    to a number."
    assert lines[found.last - 2 : found.last] == ["    return value + 1", ""]


def test_statements_that_share_a_line_stay(project: Any) -> None:
    body = "\n".join(f"    {number}," for number in range(9))
    project.snippet(f'"""Doc."""\n\nA = [\n{body}\n]\n', "chapter.helper")
    program = project.program("# %%\nfrom snippets.chapter.helper import A\n\nA\n")
    (cell,) = program.code
    assert [each.of for each in folds_of(cell, set(), {"A"})] == ["A"]
    assert [each.first for each in folds_of(cell, set(), set())] == [1]
    joined = cell.source.replace("]\n", "]; B = 1\n")
    shared = type(cell)(cell.cell, joined, cell.origins, cell.definitions)
    assert folds_of(shared, set(), set()) == []


def test_a_page_wants_what_it_imports(program: Any) -> None:
    assert wanted(program) == NAMES


def test_a_page_is_about_the_module_of_its_name(program: Any) -> None:
    assert subjects(program, []) == {"chapter/page"}


def test_a_page_without_one_is_about_the_module_that_gives_most(project: Any) -> None:
    project.snippet(HELPER, "chapter.helper")
    project.snippet('"""Doc."""\n\n\ndef small():\n    return 1\n', "chapter.small")
    text = """\
    # %%
    from snippets.chapter.helper import twice
    from snippets.chapter.small import small
    """
    program = project.program(text, "chapter/other-name.py")
    assert subjects(program, ["chapter/other-name.py"]) == {"chapter/helper"}
    pages = ["chapter/other-name.py", "chapter/helper.md"]
    assert subjects(program, pages) == {"chapter/small"}


def test_the_text_of_a_folded_page_is_its_code(program: Any) -> None:
    before = lighten(page_of(program))
    after = fold(before, program, ["chapter/page.py"])
    assert after != before
    soup = BeautifulSoup(after, "html.parser")
    shown = [code.get_text() for code in soup.select("pre > code")]
    assert shown == [f"{cell.source.rstrip()}\n" for cell in program.code]
    plain = re.sub(r"<button.*?</button>|<span class=\"fold\"[^>]*>", "", after)
    assert html.unescape(re.sub("<[^>]*>", "", plain)) == html.unescape(
        re.sub("<[^>]*>", "", before)
    )
    assert after.count("<span") == after.count("</span>")


def test_a_fold_says_what_it_hides(program: Any) -> None:
    after = fold(lighten(page_of(program)), program, ["chapter/page.py"])
    soup = BeautifulSoup(after, "html.parser")
    assert len(soup.select(".cell-label > .unfold-all")) == 1
    labels = []
    for button in soup.select("pre button.unfold"):
        part = button.find_next_sibling()
        assert part
        assert part["class"] == ["fold"]
        assert part["hidden"] == "until-found"
        assert button["aria-expanded"] == "false"
        assert len(part.get_text().splitlines()) == int(
            str(button["data-lines"]).split()[0]
        )
        labels.append(button["aria-label"])
    assert labels == [
        "9 lines: LEVELS",
        "13 lines of twice",
        "4 lines of the docstring of once",
        "5 lines of the docstring of Box",
        "4 lines of the docstring of Box.put",
        "7 lines of Box._check",
    ]
    twice = soup.select("button.unfold")[1]
    assert twice["style"] == "--indent: 4"


def test_a_block_that_is_not_the_cell_stays(program: Any) -> None:
    before = page_of(program).replace("print", "paint")
    after = fold(before, program, [])
    first = before.index('id="block-2"')
    assert after[:first].startswith(before[: first - 100])
    assert fold("<p>No code.</p>", program, []) == "<p>No code.</p>"


def test_a_cell_whose_lines_have_no_origin_stays(program: Any) -> None:
    cell = program.code[0]
    assert folds_of(type(cell)(cell.cell, cell.source), set(), NAMES) == []


def test_a_link_in_a_fold_is_not_the_first_of_its_address() -> None:
    table = Table([Docs("https://x/", "", {"math": "math.html"}, ())])
    word = '<span class="k">import</span> <span class="nn">math</span>\n'
    page = (
        '<div class="language-python cell highlight"><pre><span></span><code>'
        f'<span class="fold" hidden="until-found">{word}</span>{word}{word}'
        "</code></pre></div>"
    )
    links = BeautifulSoup(link(page, table), "html.parser").select("a.api")
    assert [each.get("tabindex") for each in links] == [None, None, "-1"]
