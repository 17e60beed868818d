"""The reference: a page for each module, which knows the pages that use it."""

from pathlib import PurePosixPath
from typing import Any

import yaml
from bs4 import BeautifulSoup

from executor.reference import (
    finish_reference,
    functions_of,
    reference_pages,
    title_of,
    users_of,
)


def front_matter(markdown: str) -> Any:
    return yaml.safe_load(markdown.split("---\n")[1])


def test_a_page_for_each_module_with_links_to_its_users(project: Any) -> None:
    project.snippet(
        '"""Trains: a | b,\nshortly.\n\nMore."""\n\n\ndef f():\n    return 1\n',
        "vision.vit",
    )
    project.snippet('"""Tops."""\n\nX = 1\n', "top")
    user = project.program(
        "# %% [markdown]\n# # Train it\n\n# %%\n"
        "from snippets.vision.vit import f\nfrom snippets.top import X\n",
        "vision/vit.py",
    )
    again = project.program("# %%\nfrom snippets.vision.vit import f\n", "use/a-b.py")
    overview, *pages = reference_pages(project.root, [user, again])
    assert [page.uri for page in pages] == ["reference/top.md", "reference/vision/vit.md"]
    assert overview.uri == "reference/index.md"
    assert "__init__" not in overview.markdown
    top, vit = pages
    assert (top.title, vit.title) == ("top", "vision.vit")
    assert "::: snippets.vision.vit\n" in vit.markdown
    assert "- [Train it](../../vision/vit.py)\n" in vit.markdown
    assert "- [use.a_b](../../use/a-b.py)\n" in vit.markdown
    assert "- [Train it](../vision/vit.py)\n" in top.markdown
    assert "a-b.py" not in top.markdown
    for page in [overview, *pages]:
        meta = front_matter(page.markdown)
        assert meta["title"] == page.title
        assert meta["description"].endswith(".")
    assert (
        "| [`snippets.vision.vit`](vision/vit.md) | Trains: a \\| b, shortly. |"
        in overview.markdown
    )
    assert PurePosixPath(vit.uri).parts[0] == "reference"


MODULE = """\
\"\"\"Text.\"\"\"

from math import tau

SIZE = 2


def _half():
    return tau / SIZE


def area(r):
    \"\"\"Return an <area>.\"\"\"
    return _half() * r**2


class Circle:
    \"\"\"A circle.\"\"\"

    def area(self):
        \"\"\"Return an area.\"\"\"
        return area(1)


def bare():
    return 1
"""
PAGE = """\
<h2 id="snippets.shape.circle.{name}" class="doc doc-heading"><code></code></h2>
<div class="language-python doc-signature highlight"><pre><code>()</code></pre></div>
<details class="mkdocstrings-source">
<div class="language-python highlight"><pre><code>x</code></pre></div>
</details>
"""


def test_a_page_links_its_functions(project: Any) -> None:
    project.snippet(MODULE, "shape.circle")
    imports = "# %%\nfrom snippets.shape.circle import area, bare, Circle\n"
    markdown = functions_of(project.root, project.program(imports, "a/b.py"))
    link = "(../reference/shape/circle.md#snippets.shape.circle."
    assert f"[`area`]{link}area)" in markdown
    assert f"[`Circle`]{link}Circle)" in markdown
    assert "bare" not in markdown  # it has no entry
    assert "_half" not in markdown
    assert functions_of(project.root, project.program("# %%\n1\n")) == ""


def test_source_is_copied_with_what_it_needs(project: Any) -> None:
    project.snippet(MODULE, "shape.circle")
    program = project.program(
        "# %% [markdown]\n# # A & B\n\n# %%\nfrom snippets.shape.circle import area\n",
        "a/b.py",
    )
    users = users_of([program])
    page = "".join(PAGE.format(name=name) for name in ("area", "Circle.area"))
    html = finish_reference(project.root, page, "reference/shape/circle.md", users)
    soup = BeautifulSoup(html, "html.parser")
    assert len(soup.select(".doc-signature.no-copy")) == 2
    function, method = (str(block["data-copy"]) for block in soup.select("[data-copy]"))
    names: dict[str, Any] = {}
    exec(function, names)
    assert round(names["area"](2), 2) == 12.57
    assert "Circle" not in names
    exec(method, names)
    assert round(names["Circle"]().area(), 2) == 3.14
    (shown,) = soup.select(".doc-users")
    assert shown.get_text() == "Shown on A & B"
    assert [link["href"] for link in shown.select("a")] == ["../../../a/b/"]


def test_source_that_reads_files_is_copied_with_what_fetches_them(project: Any) -> None:
    project.snippet(MODULE, "shape.circle")
    page = PAGE.format(name="area")
    uri = "reference/shape/circle.md"
    html = finish_reference(project.root, page, uri, {}, lambda _: "fetch()\n")
    (block,) = BeautifulSoup(html, "html.parser").select("[data-copy]")
    assert str(block["data-copy"]).startswith("fetch()\n\n")
    assert str(block["data-copied"]).endswith("and lines that fetch its files")


def test_source_that_cannot_stand_alone_has_no_copy_button(project: Any) -> None:
    project.snippet("HERE = __file__\n\n\ndef f():\n    return HERE\n", "shape.circle")
    page = PAGE.format(name="f")
    html = finish_reference(project.root, page, "reference/shape/circle.md", {})
    assert html.count("no-copy") == 2


def test_a_module_that_no_page_uses(project: Any) -> None:
    project.snippet("X = 1\n", "alone")
    _, page = reference_pages(project.root, [])
    assert "Used on" not in page.markdown
    assert "::: snippets.alone\n" in page.markdown


def test_the_title_of_a_page(project: Any) -> None:
    front = "# %% [markdown]\n# ---\n# title: Given\n# ---\n# # Heading\n"
    assert title_of(project.program(front)) == "Given"
    heading = (
        "# %%\n# # no title\n1\n\n# %% [markdown]\n# text\n#\n# # Heading \n# # Two\n"
    )
    assert title_of(project.program(heading)) == "Heading"
    assert title_of(project.program("# %%\n1\n", "use/a.py")) == "use.a"
