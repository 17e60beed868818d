"""What readers get of a page: a notebook that runs anywhere, a script, and its origin."""

import ast
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import v4

from executor import publish
from executor.assemble import Program
from executor.cache import Entry
from executor.errors import PageError
from executor.values import Values

PAGE = """\
# %% [markdown]
# ---
# description: What it does.
# executor:
#   timeout: 9
# ---
# # Double it
#
# Twice is {{ twice }}.

# %%
#| alt: A figure.
#| record:
#|   twice: y
import sys

from snippets.chapter.code import double

y = double(21)
print(y, "snippets" in sys.modules)

# %%

# %% [markdown]
# Then `{{ code }}`.

# %%
# %precision 3
y
"""
NOTE = "*From here.*"
PROVENANCE: dict[str, Any] = {
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "date": "2026-11-21",
    "python": "3.13.0",
    "packages": {"numpy": "2.5.5"},
    "seeds": ["set_seed(0)"],
    "weights": ["a/b"],
    "data": ["data/x.csv"],
    "processor": "A processor",
    "cores": 2,
    "seconds": 1.25,
    "cpu_seconds": 3.6,
    "watts": 10.0,
    "peak_memory": 123_456_789,
    "weight_bytes": 0,
}


@pytest.fixture
def program(project: Any) -> Program:
    project.snippet(
        '"""Doc."""\n\nFACTOR = 2\n\n\ndef double(x):\n    return FACTOR * x\n'
    )
    found: Program = project.program(PAGE)
    return found


@pytest.fixture
def entry() -> Entry:
    first = v4.new_output("stream", name="stdout", text="42 False\n")
    last = v4.new_output("execute_result", data={"text/plain": "42"}, execution_count=2)
    outputs = [[dict(first)], [], [dict(last)]]
    return Entry("chapter.page", "k", {}, outputs, {"twice": 42}, PROVENANCE)


@pytest.fixture
def values() -> Values:
    return Values({"chapter.page": {"twice": 42}})


def run_in_an_empty_folder(code: str, folder: Path) -> str:
    folder.mkdir()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_download_is_a_notebook_that_runs_as_it_is(
    program: Program, entry: Entry, values: Values, tmp_path: Path
) -> None:
    text = publish.download_notebook(program, entry, values, NOTE)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "markdown", "code", "code", "markdown", "code"]
    assert notebook.cells[0].source == NOTE
    assert notebook.cells[1].source == "# Double it\n\nTwice is 42."
    assert notebook.cells[4].source == "Then `{{ code }}`."
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, None, 2]
    assert code[0].outputs[0].text == "42 False\n"
    assert "import" not in code[0].source.replace("import sys", "")
    assert "#|" not in text
    assert notebook.metadata.kernelspec.name == "python3"
    runnable = "\n\n".join(cell.source for cell in code[:2])
    assert run_in_an_empty_folder(runnable, tmp_path / "empty") == "42 False\n"


def test_the_script_says_the_same_and_runs(
    program: Program, values: Values, tmp_path: Path
) -> None:
    script = publish.download_script(program, values, NOTE)
    assert script.startswith("# %% [markdown]\n# *From here.*\n")
    assert "# Twice is 42.\n" in script
    assert "jupytext" not in script
    assert "from snippets" not in script
    ast.parse(script)
    assert run_in_an_empty_folder(script, tmp_path / "empty") == "42 False\n"


def test_builds_give_the_same_bytes(
    program: Program, entry: Entry, values: Values
) -> None:
    first = publish.download_notebook(program, entry, values, NOTE)
    assert first == publish.download_notebook(program, entry, values, NOTE)
    ids = [cell["id"] for cell in json.loads(first)["cells"]]
    assert ids == [f"cell-{number}" for number in range(1, 7)]
    site = publish.site_notebook(program, entry, values, "end")
    assert len({cell["id"] for cell in site.cells}) == len(site.cells)
    again = publish.site_notebook(program, entry, values, "end")
    assert nbformat.writes(site) == nbformat.writes(again)


def test_the_site_gets_front_matter_alt_texts_and_places(
    program: Program, entry: Entry, values: Values
) -> None:
    notebook = publish.site_notebook(program, entry, values, "The end.")
    nbformat.validate(notebook)
    first = notebook.cells[0].source
    assert first.startswith("---\ndescription: What it does.\n---\n# Double it\n")
    assert "executor" not in first
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].metadata["alt"] == ["A figure."]
    assert code[0].metadata["place"] == "docs/chapter/page.py:15"
    assert code[2].metadata["alt"] == []
    assert notebook.cells[-1].source == "The end."


def test_a_page_that_starts_with_code_keeps_its_front_matter(
    project: Any, entry: Entry
) -> None:
    program = project.program("# %%\n1\n")
    program.page.meta["title"] = "T"
    entry.outputs[:] = [[]]
    notebook = publish.site_notebook(program, entry, Values({}), "end")
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "markdown"]
    assert notebook.cells[0].source == "---\ntitle: T\n---\n"


def test_a_value_that_nobody_recorded_names_the_line(
    program: Program, entry: Entry
) -> None:
    with pytest.raises(PageError) as caught:
        publish.download_notebook(program, entry, Values({}), NOTE)
    assert caught.value.place == "docs/chapter/page.py:9"


def test_the_origin_of_a_page(entry: Entry) -> None:
    rows = [("Data", "[`data/x.csv`](../files/data/x.csv.zip), 0.2 KB as a zip")]
    about = publish.about_page(entry, rows)
    for text in [
        "`0123456789ab` |",
        "Python 3.13.0, numpy 2.5.5",
        "`set_seed(0)`",
        "| Weights | `a/b` |",
        "| Weights | `a/b` |\n    | Data | [`data/x.csv`](../files/data/x.csv.zip), 0.2",
        "A processor, 2 cores",
        "1.2 s",
        "123 MB",
        "about 10 mWh",
    ]:
        assert text in about
    assert about.startswith('??? info "')
    assert all(line.startswith("    ") for line in about.splitlines()[1:] if line)


def test_the_origin_of_a_page_of_which_little_is_known() -> None:
    nothing = {
        "commit": None,
        "packages": {},
        "seeds": [],
        "weights": [],
        "data": [],
    }
    entry = Entry("p", "k", {}, [], {}, {**PROVENANCE, **nothing})
    about = publish.about_page(entry)
    assert "| Commit | not under version control |" in about
    assert "| Packages | Python 3.13.0 |" in about
    assert "no random numbers seeded" in about
    assert "| Weights | none loaded |" in about
    assert "| Data |" not in about


def test_what_a_reader_can_take_from_a_page() -> None:
    source = "https://example.com/e/page.py"
    row = publish.tools("p.ipynb", "p.py", colab_url="https://c.ai/x", source_url=source)
    for text in [
        'href="p.ipynb" download>Download notebook<',
        'href="p.py" download>Download script<',
        'href="https://c.ai/x">Open in Colab<',
        'href="https://example.com/e/page.py">View source<',
    ]:
        assert text in row
    assert row.count("\n") == 1
    row = publish.tools("p.ipynb", "p.py", colab_url=None, source_url=None)
    assert row.count("<a ") == 2


@pytest.mark.parametrize(
    ("repository", "branch", "expected"),
    [
        ("https://github.com/a/b", "nb", "github/a/b/blob/nb/vision/vit.ipynb"),
        ("https://github.com/a/b.git", "nb", "github/a/b/blob/nb/vision/vit.ipynb"),
        ("https://github.com/a/b.c/", "nb", "github/a/b.c/blob/nb/vision/vit.ipynb"),
        ("https://github.com/a/b", "", None),
        ("https://gitlab.com/a/b", "nb", None),
        ("", "nb", None),
        (None, "nb", None),
    ],
)
def test_colab_opens_notebooks_of_github_repositories_only(
    repository: str | None, branch: str, expected: str | None
) -> None:
    address = publish.colab_url(repository, branch, "vision/vit")
    assert address == (expected and f"https://colab.research.google.com/{expected}")


def test_the_notebook_for_colab_installs_first(
    program: Program, entry: Entry, values: Values
) -> None:
    pins = {"numpy": "2.5.5", "torch": "2.14.1"}
    text = publish.colab_notebook(program, entry, values, NOTE, pins)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    plain = nbformat.reads(
        publish.download_notebook(program, entry, values, NOTE), as_version=4
    )
    note, install, *rest = notebook.cells
    assert note.source == NOTE
    assert install.source.endswith("%pip install -q numpy==2.5.5 torch==2.14.1")
    assert [cell.source for cell in rest] == [cell.source for cell in plain.cells[1:]]


def test_blocks_are_numbered_and_know_what_they_need(project: Any) -> None:
    text = "# %% [markdown]\n# # Title\n"
    for code in ["x = 1", "", "y = x", "z = 1", "w = z", "x, y, z, w"]:
        text += f"\n# %%\n{code}\n"
    notebook = publish.site_notebook(
        project.program(text), None, Values({}), "end", "top"
    )
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.metadata.get("block") for cell in cells] == [1, None, 2, 3, 4, 5]
    assert [cell.metadata.get("needs") for cell in cells if cell.source] == [
        [],
        [1],
        [],
        [3],
        [1, 2, 3, 4],
    ]
    labels = [cell.metadata.label for cell in cells if cell.source]
    assert labels[0] == "Block 1"
    assert 'is copied with block <a href="#block-1">1</a>' in labels[1]
    assert '<a href="#block-1">1</a>–<a href="#block-4">4</a>' in labels[4]
    assert [cell.source for cell in notebook.cells[:3]] == ["# Title", "end", ""]
    assert "top" in [cell.source for cell in notebook.cells]


def test_a_page_that_is_still_running_has_no_outputs(
    program: Program, values: Values
) -> None:
    notebook = publish.site_notebook(program, None, values, publish.RUNNING, "Tools.")
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells]
    assert sources[0].endswith("# Double it")
    assert sources[1] == publish.RUNNING
    assert "Tools." in sources
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or "alt" in cell.metadata for cell in code)


def test_a_page_that_failed_says_why() -> None:
    error = PageError("docs/a.py:3", "cell 1 raised ValueError", "```\nlast line")
    block = publish.failure(error)
    assert "docs/a.py:3: cell 1 raised ValueError" in block
    assert "last line" in block
    assert block.count("```") == 2


def test_a_commit_with_changes_says_so(project: Any) -> None:
    changed = {**PROVENANCE, "commit": PROVENANCE["commit"] + "+"}
    entry = Entry("p", "k", {}, [], {}, changed)
    words = "`0123456789ab` with local changes"
    assert words in publish.about_page(entry)
    program = project.program("# %%\n1\n")
    assert words in publish.note_for_download(program, entry, "u", {}, "Site")


def test_the_note_says_what_a_reader_needs(project: Any, entry: Entry) -> None:
    program = project.program("# %%\n1\n")
    url = "https://example.com/chapter/page/"
    pins = {"numpy": "2.5.5", "torch": "2.14.1"}
    note = publish.note_for_download(program, entry, url, pins, "The Site")
    assert note.startswith('*From "The Site": <https://example.com/chapter/page/>')
    assert "2026-11-21" in note
    assert note.endswith("`pip install numpy==2.5.5 torch==2.14.1`")
    plain = publish.note_for_download(program, entry, url, {}, "The Site")
    assert "pip install" not in plain
    front = "# %% [markdown]\n# ---\n# executor: {data: [data/x], checkpoints: [vit]}"
    reader = project.program(f"{front}\n# ---\n")
    reads = publish.note_for_download(reader, entry, url, {}, "The Site")
    assert "first cell fetches `data/x`, `checkpoints/vit` from the site" in reads


FETCHING = """\
# %% [markdown]
# ---
# executor:
#   data: [data/a, data/b.csv]
#   checkpoints: [other]
#   saves: [own]
# ---
# # Title
"""


def test_blocks_know_what_they_fetch(project: Any) -> None:
    text = FETCHING
    for code in [
        "def load(folder='data/a'):\n    'Like data/b.csv.'\n    return folder",
        "x = load()",
        "y = 1",
        "target = 'checkpoints/own'; open(target + '/model', 'w')",
        "open('data/b.csv'); f'checkpoints/{y}'",
        "open('checkpoints/own/model')",
        "open(target)",
        "print('data/abc', 'more data/a/b.csv', 'checkpoints')",
    ]:
        text += f"\n# %%\n{code}\n"
    url = "https://site.invalid/report/"
    program = project.program(text)
    notebook = publish.site_notebook(program, None, Values({}), "end", "top", url)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    every = ["data/a", "checkpoints/other", "checkpoints/own"]
    assert [cell.metadata.fetch for cell in cells] == [
        ["data/a"],
        ["data/a"],
        [],
        [],
        ["data/b.csv", "checkpoints/other", "checkpoints/own"],
        ["checkpoints/own"],
        [],
        every,
    ]
    assert cells[0].metadata.label.endswith(
        "copied with lines that fetch its files</span>"
    )
    assert cells[1].metadata.label.endswith(
        '<a href="#block-1">1</a>, and lines that fetch its files</span>'
    )
    (top,) = [cell.source for cell in notebook.cells if cell.source.startswith("top")]
    assert 'class="fetch-source" hidden' in top
    assert "for name in […names…]:&#10;" in top
    assert "{url}files/{name}.zip".format(url=url, name="{name}") in top


def test_downloads_fetch_first(project: Any, entry: Entry) -> None:
    program = project.program(FETCHING)
    fetch = "# Fetch.\nimport io\n"
    text = publish.colab_notebook(program, entry, Values({}), NOTE, {"x": "1"}, fetch)
    cells = nbformat.reads(text, as_version=4).cells
    assert [cell.source.split("\n")[-1] for cell in cells[1:3]] == [
        "%pip install -q x==1",
        "import io",
    ]
    assert cells[2].metadata.tags == [publish.FETCH]
    script = publish.download_script(program, Values({}), NOTE, fetch)
    assert "\n# Fetch.\nimport io\n" in script
    assert script.index("# Fetch.") < script.index("# # Title")


def test_nothing_tells_where_the_build_ran(
    program: Program, entry: Entry, values: Values, project: Any
) -> None:
    texts = [
        publish.download_notebook(program, entry, values, NOTE),
        publish.download_script(program, values, NOTE),
        nbformat.writes(publish.site_notebook(program, entry, values, "end")),
        publish.about_page(entry),
    ]
    places = [project.root, Path.home(), Path(tempfile.gettempdir()), Path.cwd()]
    for text in texts:
        for place in places:
            assert f"{place}/" not in text
