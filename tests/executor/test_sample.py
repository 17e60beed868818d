"""A cell of a page, shown on another one as it ran."""

from html import unescape
from pathlib import Path
from typing import Any

import pytest

from executor import sample
from executor.assemble import assemble
from executor.cache import Entry
from executor.errors import PageError
from executor.pages import read_page
from executor.site import View
from executor.values import Values

PAGE = """# %% [markdown]
# # A page

# %%
x = 1

# %%
print("<b>", x)

# %%
x + 1
"""
MARKER = "Before.\n\n<!-- sample: a/page.py 2 -->\n\nAfter."


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


@pytest.fixture
def view(tmp_path: Path) -> View:
    path = tmp_path / "docs" / "a" / "page.py"
    path.parent.mkdir(parents=True)
    path.write_text(PAGE, encoding="utf-8")
    program = assemble(tmp_path, read_page(tmp_path, path))
    number = {
        "output_type": "execute_result",
        "execution_count": 3,
        "metadata": {},
        "data": {"text/plain": "2"},
    }
    provenance = {
        "date": "2026-11-21",
        "commit": "0123456789+",
        "packages": {"torch": "2.14.1", "numpy": "2.5.5"},
        "weights": [],
        "seconds": 1.0,
    }
    outputs = [[], [stream("<b> 1\n")], [number]]
    entry = Entry("a.page", "key", {}, outputs, {}, provenance)
    return View(program, entry)


def fill(view: View, markdown: str = MARKER) -> str:
    return sample.fill(markdown, {"a/page.py": view}, Values({}), "index.md")


def test_the_marker_becomes_code_output_and_origin(view: View) -> None:
    text = fill(view)

    assert text.startswith('Before.\n\n<div class="copy-source" hidden ')
    assert 'data-copied="1 earlier block" data-text="x = 1&#10;&#10;print(' in text
    assert '{ .python .sample-code }\nprint("<b>", x)\n```' in text
    assert ">&lt;b&gt; 1</pre>" in text
    assert "Ran on 2026-11-21 · commit 0123456 with local changes · torch 2.14.1<" in text
    assert "numpy" not in unescape(text)
    assert text.endswith("\n\nAfter.")


def test_a_page_that_has_not_run_shows_nothing_yet(view: View) -> None:
    assert fill(View(view.program)) == "Before.\n\n\n\nAfter."


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("<!-- sample: a/other.py 2 -->", "a/other.py, which is no page with code"),
        ("<!-- sample: a/page.py 4 -->", "has 3 cells; saw 4"),
        ("<!-- sample: a/page.py 0 -->", "has 3 cells; saw 0"),
        ("<!-- sample: a/page.py 1 -->", "does not print text alone"),
        ("<!-- sample: a/page.py 3 -->", "does not print text alone"),
    ],
)
def test_a_wrong_marker_is_named(view: View, marker: str, message: str) -> None:
    with pytest.raises(PageError, match=message) as caught:
        fill(view, marker)

    assert caught.value.place == "docs/index.md"


def test_a_cell_that_reads_files_is_copied_with_what_fetches_them(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "a" / "page.py"
    path.parent.mkdir(parents=True)
    front = "# %% [markdown]\n# ---\n# executor:\n#   data: [data/x]\n# ---\n# # A\n\n"
    path.write_text(front + "# %%\nprint('data/x')\n", encoding="utf-8")
    program = assemble(tmp_path, read_page(tmp_path, path))
    known = {"date": "2026-11-21", "commit": None, "packages": {}}
    entry = Entry("a.page", "key", {}, [[stream("data/x\n")]], {}, known)
    views = {"a/page.py": View(program, entry)}
    text = sample.fill(
        "<!-- sample: a/page.py 1 -->", views, Values({}), "index.md", "https://x.org/r/"
    )

    assert 'data-copied="lines that fetch its files"' in text
    assert "urlopen(f&quot;https://x.org/r/files/{name}.zip&quot;)" in text
    assert "[&quot;data/x&quot;]" in text
    assert ".extractall()  # below this folder&#10;&#10;print(&#x27;data/x&#x27;)" in text
