"""`mkdocs build`: what runs, what fails the build, and what the site holds."""

import ast
import json
import logging
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from mkdocs.exceptions import PluginError

from executor import hook
from executor.project import Project
from tests.executor.small_site import SmallSite

CHART = """\
# %% [markdown]
# ---
# description: A chart.
# executor:
#   data: [data/x.csv]
# ---
# # A chart
#
# The double of 4 is {{ eight }}.

# %%
#| record:
#|   eight: twice(4)
from pathlib import Path

from snippets.use.two import twice

print("twice", twice(50), Path("data/x.csv").read_text().strip())

# %%
#| alt: A line that rises.
from matplotlib import pyplot as plt

figure, axes = plt.subplots()
axes.plot([1, 2, 3])
axes.set_xlabel("steps");
"""
TWO = '''\
"""Numbers to double."""

TWO = 2


def twice(x):
    """Returns the double."""
    return x * TWO
'''


def add_snippet(site: SmallSite) -> None:
    site.write("snippets/use/__init__.py", '"""Use."""\n')
    site.write("snippets/use/two.py", TWO)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SmallSite:
    folder = tmp_path_factory.mktemp("built")
    site = SmallSite(folder)
    add_snippet(site)
    site.write("data/x.csv", "1,2\n")
    site.write("docs/use/chart.py", CHART)
    site.page("plain.py", "import time\ntime.sleep(1)\nprint('plain', 10 + 1)")
    site.write(
        "docs/index.md",
        "# Home\n\nFrom [the chart](use/chart.py): {{ use.chart.eight }}.\n",
    )
    site.configure(
        "  - Chart: use/chart.py\n  - plain.py\n",
        "  features: [content.action.edit]\n"
        "repo_url: https://example.org/someone/project\nedit_uri: edit/main/docs/",
    )
    # From another folder: the hook finds the project by its configuration.
    result = site.mkdocs(
        "build", "--strict", "-f", str(site.root / "mkdocs.yml"), cwd=folder
    )
    assert "Executing 2 pages" in result.stderr
    return site


def test_the_build_waits_for_every_page(built: SmallSite) -> None:
    assert "plain 11" in built.html("plain/index.html")
    html = built.html("use/chart/index.html")
    assert "twice 100 1,2" in html
    assert "The double of 4 is 8." in html
    assert ": 8." in built.html("index.html")
    assert "Running…" not in html


def test_code_is_shown_without_snippets(built: SmallSite) -> None:
    text = re.sub(r"<[^>]+>", "", built.html("use/chart/index.html"))
    assert "def twice(x):" in text
    assert "from snippets" not in text
    assert "alt: A line" not in text


def test_figures_are_files_with_a_text(built: SmallSite) -> None:
    html = built.html("use/chart/index.html")
    images = re.findall(r'<img class="figure-\w+" src="([^"]+)"[^>]*alt="([^"]*)"', html)
    assert images
    for source, alt in images:
        assert alt == "A line that rises."
        assert "<svg" in built.html(f"use/chart/{source}")


def test_downloads_lie_beside_the_page(built: SmallSite) -> None:
    html = built.html("use/chart/index.html")
    assert 'href="chart.ipynb"' in html
    assert 'href="chart.py"' in html
    notebook = nbformat.reads(built.html("use/chart/chart.ipynb"), as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    fetch, *code = code
    assert '["data/x.csv"]' in fetch.source
    assert "http://127.0.0.1/files/{name}.zip" in fetch.source
    with zipfile.ZipFile(built.root / "site/files/data/x.csv.zip") as archive:
        assert archive.read("data/x.csv") == b"1,2\n"
    assert 'href="../../files/data/x.csv.zip"' in html
    assert code[0].outputs[0].text == "twice 100 1,2\n"
    assert "The double of 4 is 8." in built.html("use/chart/chart.ipynb")
    for name in ("chart.ipynb", "chart.py"):
        assert "snippets" not in built.html(f"use/chart/{name}")
    script = built.html("use/chart/chart.py")
    ast.parse(script)
    assert "%% [markdown]" in script


def test_the_edit_link_leads_to_the_source(built: SmallSite) -> None:
    html = built.html("use/chart/index.html")
    assert "https://example.org/someone/project/edit/main/docs/use/chart.py" in html
    assert ".ipynb" not in "".join(re.findall(r'href="https://example.org[^"]*"', html))


def test_the_reference_is_in_the_navigation(built: SmallSite) -> None:
    html = built.html("index.html")
    assert 'href="reference/use/two/"' in html
    reference = built.html("reference/use/two/index.html")
    assert "Returns the double." in reference
    assert re.search(r'href="\.\./\.\./\.\./use/chart/"[^>]*>A chart<', reference)
    assert "Numbers to double." in built.html("reference/index.html")


def test_the_rest_of_the_site_is_there(built: SmallSite) -> None:
    assert "Nothing at this address" in built.html("404.html")
    for page in ("report/sources", "report/freshness"):
        assert built.html(f"{page}/index.html")
    index = json.loads(built.html("search/search_index.json"))
    assert any(entry["location"] == "use/chart/" for entry in index["docs"])


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


@pytest.fixture
def executed(
    site: SmallSite, caplog: pytest.LogCaptureFixture
) -> Callable[[], list[str]]:
    """Executes what a build would, in this process. Returns the ids of pages that ran."""
    caplog.set_level(logging.INFO, "mkdocs.executor")

    def run() -> list[str]:
        caplog.clear()
        hook._execute(hook._make_plan(Project(site.root)))
        return sorted(re.findall(r"Executed (\S+) in", caplog.text))

    return run


def test_only_what_changed_runs_again(site: SmallSite, executed: Any) -> None:
    add_snippet(site)
    site.page("user.py", "from snippets.use.two import twice\nprint(twice(2))")
    site.page("other.py", "print(1)", prose="Some prose.")
    assert executed() == ["other", "user"]
    assert executed() == []
    site.edit("docs/other.py", "Some prose.", "Other prose.\n#\n# And more.")
    assert executed() == []
    site.edit("snippets/use/two.py", "TWO = 2", "TWO = 3")
    assert executed() == ["user"]
    site.edit("snippets/use/two.py", "TWO = 3", "TWO = 2")
    assert executed() == []  # it is still cached


def test_a_second_build_executes_nothing(built: SmallSite, tmp_path: Path) -> None:
    copy = SmallSite(tmp_path)
    shutil.rmtree(copy.root)
    shutil.copytree(built.root, copy.root, symlinks=True)
    old = copy.html("use/chart/index.html")
    result = copy.mkdocs("build", "--strict")
    assert "Execut" not in result.stderr
    assert copy.html("use/chart/index.html") == old
    assert not copy.processes()


def test_pages_that_raise_fail_the_build_and_leave_the_old_site(site: SmallSite) -> None:
    site.page("good.py", "print('good', 10 + 1)")
    site.page("bad.py", "x = 1\nx / 0")
    site.write("docs/broken.py", "# %% [markdown]\n# ---\n# a: [1\n# ---\n# # Broken\n")
    site.configure("".join(f"  - {page}.py\n" for page in ("good", "bad", "broken")))
    old = site.write("site/index.html", "the old site")
    times = old.stat()
    result = site.mkdocs("build", code=1)
    assert "2 pages failed" in result.stderr
    assert "docs/bad.py:6: cell 1 raised ZeroDivisionError" in result.stderr
    assert "docs/broken.py:" in result.stderr
    assert [path.name for path in (site.root / "site").iterdir()] == ["index.html"]
    assert old.stat().st_mtime_ns == times.st_mtime_ns
    assert old.read_text() == "the old site"
    assert "cached  good.py" in site.executor("status", code=1).stdout
    assert not site.processes()
    assert not site.leftovers()


def test_an_error_of_the_prose_fails_the_build(site: SmallSite) -> None:
    site.page("value.py", "print(1)", prose="It is {{ nothing }}.")
    site.configure("  - value.py\n")
    result = site.mkdocs("build", code=1)
    assert "docs/value.py:4: no page recorded {{ nothing }}" in result.stderr
    assert "Traceback" not in result.stderr


def test_every_failure_is_told(site: SmallSite) -> None:
    for page in ("one", "two"):
        site.write(
            f"docs/{page}.py", "# %% [markdown]\n# ---\n# a: [1\n# ---\n# # Broken\n"
        )
    with pytest.raises(PluginError, match=r"(?s)2 pages failed:.*one\.py:.*two\.py:"):
        hook._execute(hook._make_plan(Project(site.root)))
