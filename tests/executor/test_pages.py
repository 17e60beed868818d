"""Reading pages: cells know their lines, and errors name the line at fault."""

from pathlib import Path
from typing import Any

import pytest

from executor.errors import PageError
from executor.pages import Page, Settings, find_pages, page_id

FULL = """\
# %% [markdown]
# ---
# description: What it does.
# tags: [a, b]
# executor:
#   timeout: 7
#   memory_gb: 1.5
#   weights: [a/b]
#   data: [data/x.csv]
# ---
#
# # Title
#
# Prose.

# %%

#| alt: A line.
#| record:
#|   a: x + 1
#|   b: 3

import os

x = 1

# %% [markdown]
#
# More prose.

# %%


y = 2

# %% a title
z = '''
 # %% not a cell
'''
"""


def settings_of(project: Any, lines: str) -> Settings:
    text = f"# %% [markdown]\n# ---\n# executor:\n{lines}\n# ---\n# # T\n"
    page: Page = project.read(text)
    return page.settings


def error_of(project: Any, text: str) -> str:
    with pytest.raises(PageError) as caught:
        project.read(text)
    return str(caught.value)


def test_a_page_has_its_front_matter_settings_and_options(project: Any) -> None:
    page = project.read(FULL, "vision/a-b.py")
    assert (page.path, page.uri) == ("docs/vision/a-b.py", "vision/a-b.py")
    assert page.id == "vision.a_b"
    assert page.meta == {"description": "What it does.", "tags": ["a", "b"]}
    assert page.settings == Settings(7.0, 1.5, ("a/b",), ("data/x.csv",))
    kinds = [cell.kind for cell in page.cells]
    assert kinds == ["markdown", "code", "markdown", "code", "code"]
    assert page.cells[0].source == "# Title\n\nProse."
    assert page.cells[1].alt == ("A line.",)
    assert page.cells[1].record == {"a": "x + 1", "b": "3"}
    assert page.cells[4].source == "z = '''\n # %% not a cell\n'''"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_cell_knows_its_line(project: Any, newline: str) -> None:
    path = project.docs / "page.py"
    path.write_bytes(FULL.replace("\n", newline).encode())
    lines = FULL.split("\n")
    cells = project.read(path.read_text(), "again.py").cells
    assert [cell.line for cell in cells] == [12, 23, 29, 34, 37]
    for cell in cells:
        first = cell.source.split("\n")[0]
        written = lines[cell.line - 1]
        expected = f"# {first}" if cell.kind == "markdown" else first
        assert written == expected


def test_line_ends_of_windows_do_not_reach_the_cells(project: Any) -> None:
    path = project.docs / "page.py"
    path.write_bytes(b"# %%\r\nx = 1\r\ny = 2\r\n")
    from executor.pages import read_page

    assert read_page(project.root, path).cells[0].source == "x = 1\ny = 2"


def test_options_count_below_blank_lines(project: Any) -> None:
    cell = project.read("# %%\n\n\n#| alt: A dot.\nplot()\n").cells[0]
    assert (cell.alt, cell.source, cell.line) == (("A dot.",), "plot()", 5)


def test_markdown_in_quotes_knows_its_line(project: Any) -> None:
    text = '# %% [markdown]\n"""\n# Title\n\nText\n"""\n\n# %%\nx = 1\n'
    cells = project.read(text).cells
    assert (cells[0].source, cells[0].line) == ("# Title\n\nText", 3)
    assert cells[1].line == 9


def test_an_empty_cell_and_a_page_without_front_matter(project: Any) -> None:
    page = project.read("# %% [markdown]\n# # T\n\n# %%\n\n# %%\nx = 1\n")
    assert (page.meta, page.settings) == ({}, Settings())
    assert [cell.source for cell in page.cells] == ["# T", "", "x = 1"]


def test_empty_front_matter(project: Any) -> None:
    page = project.read("# %% [markdown]\n# ---\n# ---\n# # T\n")
    assert (page.meta, page.cells[0].source, page.cells[0].line) == ({}, "# T", 4)


def test_alt_is_a_text_or_several(project: Any) -> None:
    page = project.read(
        """\
        # %%
        #| alt: >
        #|   A line
        #|   that rises.
        a
        # %%
        #| alt: [One., Two.]
        b
        """
    )
    assert page.cells[0].alt == ("A line that rises.",)
    assert page.cells[1].alt == ("One.", "Two.")


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ("#   timeout: 0", 4, "executor.timeout must be a positive number; saw 0"),
        ("#   timeout: -3", 4, "saw -3"),
        ("#   timeout: yes", 4, "saw True"),
        ("#   timeout: soon", 4, "saw 'soon'"),
        ("#   timeout: .nan", 4, "saw nan"),
        ("#   timeout: .inf", 4, "saw inf"),
        ("#   data: []\n#   memory_gb: '3'", 5, "executor.memory_gb must be a positive"),
        ("#   weights: a/b", 4, "executor.weights must be a list of names; saw 'a/b'"),
        ("#   timeout: 1\n#   data: [1]", 5, "executor.data must be a list of names"),
        ("#   time: 3", 3, "of: checkpoints, data, memory_gb, saves, timeout, weights; "),
        ("#   saves: [a, B c]", 4, "executor.saves names 'B c'; the name of a checkp"),
        ("#   checkpoints: vit", 4, "executor.checkpoints must be a list of names"),
        ("#   - timeout", 3, "'executor' must be a mapping"),
    ],
)
def test_a_bad_setting_is_named_with_its_line(
    project: Any, lines: str, line: int, words: str
) -> None:
    with pytest.raises(PageError) as caught:
        settings_of(project, lines)
    assert caught.value.place == f"docs/chapter/page.py:{line}"
    assert words in caught.value.message


def test_data_and_checkpoints(project: Any) -> None:
    lines = "#   data: [data/a/, data/a, b.csv]\n#   checkpoints: [vit]\n#   saves: [a-b]"
    found = settings_of(project, lines)
    assert found.data == ("data/a", "b.csv")
    assert (found.checkpoints, found.saves) == (("vit",), ("a-b",))


def test_settings_have_defaults(project: Any) -> None:
    assert settings_of(project, "#   timeout: 2") == Settings(timeout=2.0)
    assert Settings() == Settings(120.0, 3.0, (), (), (), ())


@pytest.mark.parametrize(
    ("options", "line", "words"),
    [
        ("#| caption: x", 6, "unknown cell option caption; known are: alt, record"),
        ("#| alt: 3", 6, "'alt' must be a text or a list of texts; saw 3"),
        ("#| alt: [a, 1]", 6, "'alt' must be a text"),
        ("#| record: [a]", 6, "'record' must map names to Python expressions"),
        ("#| record:\n#|   a b: c", 6, "'record' must map names"),
        ("#| record:\n#|   a:", 6, "'record' must map names"),
        ("#| just words", 6, "must be a YAML mapping; saw 'just words'"),
        ("#| alt: x\n#| record: {a: b", 7, "not valid YAML"),
        ("#| alt: x\n#|   y: z\n#| record: [", 7, "not valid YAML: mapping values"),
    ],
)
def test_a_bad_option_is_named_with_its_line(
    project: Any, options: str, line: int, words: str
) -> None:
    message = error_of(project, f"# %%\na = 1\n\n\n# %%\n{options}\nb = 2\n")
    place, _, rest = message.partition(": ")
    assert words in rest
    path, _, number = place.rpartition(":")
    # YAML sees the end of a flow mapping that is missing only at the next line.
    assert path == "docs/chapter/page.py"
    assert 0 <= int(number) - line <= 1


def test_bad_yaml_in_the_front_matter_is_named_with_its_line(project: Any) -> None:
    text = "# %% [markdown]\n# ---\n# a: 1\n# b: c: d\n# ---\n# # T\n"
    message = error_of(project, text)
    assert message.startswith("docs/chapter/page.py:4: the front matter: not valid YAML")


def test_front_matter_that_never_ends(project: Any) -> None:
    message = error_of(project, "# %% [markdown]\n# ---\n# a: 1\n# # T\n")
    assert message.startswith("docs/chapter/page.py:2: the front matter has no closing")


def test_front_matter_that_is_no_mapping(project: Any) -> None:
    message = error_of(project, "# %% [markdown]\n# ---\n# words\n# ---\n")
    assert message.startswith("docs/chapter/page.py:3: the front matter must be a YAML")


@pytest.mark.parametrize(
    "text",
    [
        "import os\n\n# %%\nx = 1\n",
        "# ---\n# title: x\n# ---\n\n# %%\nx = 1\n",
        "# %%\nx = '''\n# %% at the margin\n'''\n",
        "# %%\ndef f():\n    # %%\n    return 1\n",
    ],
)
def test_cells_that_are_not_what_they_seem(project: Any, text: str) -> None:
    assert "each cell starts with a line '# %%' at the margin" in error_of(project, text)


def test_code_in_a_markdown_cell_is_not_prose(project: Any) -> None:
    message = error_of(project, "# %% [markdown]\n# Text\n\nx = 1\n\n# %%\ny = 2\n")
    assert message.startswith(
        "docs/chapter/page.py:4: a line of a [markdown] cell is not"
    )


def test_a_raw_cell_is_refused(project: Any) -> None:
    message = error_of(project, "# %%\nx = 1\n\n# %% [raw]\n# x\n")
    assert message.startswith("docs/chapter/page.py:4: a cell is code or [markdown]; saw")


@pytest.mark.parametrize("character", ["\u2028", "\x0c", "\x85"])
def test_a_character_that_splits_lines_for_some_tools(
    project: Any, character: str
) -> None:
    message = error_of(project, f"# %%\nx = 1\ny = 'a{character}b'\n")
    assert message.startswith("docs/chapter/page.py:3: the line holds a character")


def test_find_pages_leaves_plain_python_files_alone(project: Any) -> None:
    project.page("# %%\nx = 1\n", "b/page.py")
    project.page("# %% [markdown]\n# # T\n", "a.py")
    project.page("print('100 # %% off')\n", "b/plain.py")
    project.page("# %%time is a magic\n", "b/magic.py")
    project.write("docs/b/text.md", "# %%\n")
    found = [
        path.relative_to(project.docs).as_posix() for path in find_pages(project.docs)
    ]
    assert found == ["a.py", "b/page.py"]
    assert find_pages(Path("nowhere")) == []


def test_page_ids() -> None:
    assert page_id("use/semantic-search.py") == "use.semantic_search"
    assert page_id("index.py") == "index"
