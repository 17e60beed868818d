"""One build of the site: what stands for each page, and what a failure does to others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files, get_files

from executor.assemble import assemble
from executor.cache import Entry
from executor.errors import PageError
from executor.pages import read_page
from executor.project import Project
from executor.site import Site, View, is_reference
from tests.executor.small_site import SmallSite

PROVENANCE = {
    "commit": None,
    "date": "2026-01-02",
    "python": "3.13.0",
    "packages": {},
    "seeds": [],
    "weights": [],
    "weight_bytes": 0,
    "data": [],
    "processor": "a processor",
    "cores": 2,
    "seconds": 1.0,
    "cpu_seconds": 1.0,
    "watts": 4.0,
    "peak_memory": 10**8,
}


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    site = SmallSite(tmp_path)
    site.configure()
    return site


@pytest.fixture
def config(site: SmallSite) -> MkDocsConfig:
    config = MkDocsConfig(str(site.root / "mkdocs.yml"))
    config.load_dict(
        {
            "site_name": "Small",
            "plugins": [],
            "nav": [{"Home": "index.md"}, {"Reference": "reference/index.md"}],
        }
    )
    errors, _ = config.validate()
    assert not errors
    config.plugins._current_plugin = None
    return config


@pytest.fixture
def view(site: SmallSite) -> Callable[..., View]:
    """Makes the view of a page: done, failed, or still running."""

    def make(
        uri: str,
        prose: str = "",
        records: dict[str, Any] | None = None,
        error: PageError | None = None,
    ) -> View:
        path = site.page(uri, "print(1)", prose=prose)
        program = assemble(site.root, read_page(site.root, path))
        if records is None:
            return View(program, None, error)
        output = {"output_type": "stream", "name": "stdout", "text": "printed\n"}
        page = program.page.id
        return View(program, Entry(page, "k", {}, [[output]], records, dict(PROVENANCE)))

    return make


def add(
    site: SmallSite, config: MkDocsConfig, views: dict[str, View], tolerant: bool = True
) -> tuple[Site, Files]:
    one = Site(Project(site.root), views, tolerant)
    files = get_files(config)
    one.add_files(files, config)
    return one, files


def text_of(files: Files, uri: str) -> str:
    file = files.get_file_from_path(uri)
    assert file is not None
    assert file.abs_src_path is not None
    notebook = nbformat.read(file.abs_src_path, as_version=4)
    return "\n".join(cell.source for cell in notebook.cells)


def outputs_of(files: Files, uri: str) -> int:
    file = files.get_file_from_path(uri)
    assert file is not None
    notebook = nbformat.read(str(file.abs_src_path), as_version=4)
    return sum(len(cell.get("outputs", [])) for cell in notebook.cells)


def test_each_state_of_a_page_has_its_notebook(
    site: SmallSite, config: MkDocsConfig, view: Any
) -> None:
    views = {
        "done.py": view("done.py", "Done {{ x }}.", {"x": 3}),
        "running.py": view("running.py", "Running {{ x }}."),
        "failed.py": view(
            "failed.py", "Failed.", error=PageError("docs/failed.py:5", "no")
        ),
        "broken.py": View(None, None, PageError("docs/broken.py:1", "unreadable")),
    }
    site.write("docs/broken.py", "# %%\n")
    _, files = add(site, config, views)
    assert "Done 3." in text_of(files, "done.py")
    assert outputs_of(files, "done.py") == 1
    assert "Running…" in text_of(files, "running.py")
    assert "Running …." in text_of(files, "running.py")
    assert outputs_of(files, "running.py") == 0
    assert "docs/failed.py:5: no" in text_of(files, "failed.py")
    assert "print(1)" in text_of(files, "failed.py")
    assert "docs/broken.py:1: unreadable" in text_of(files, "broken.py")
    for uri in views:
        file = files.get_file_from_path(uri)
        assert file is not None
        assert file.edit_uri == uri
    assert files.get_file_from_path("done/done.ipynb")
    assert not files.get_file_from_path("running/running.ipynb")


def test_an_unknown_value_fails_a_build_and_shows_under_serve(
    site: SmallSite, config: MkDocsConfig, view: Any
) -> None:
    views = {
        "a.py": view("a.py", "It is {{ nothing }}.", {}),
        "b.py": view("b.py", "Fine {{ y }}.", {"y": 1}),
    }
    with pytest.raises(PageError, match=r"docs/a\.py:4"):
        add(site, config, views, tolerant=False)
    _, files = add(site, config, views)
    text = text_of(files, "a.py")
    assert "This page failed" in text
    assert "docs/a.py:4" in text
    assert "It is {{ nothing }}." in text
    assert "print(1)" in text
    assert "Fine 1." in text_of(files, "b.py")


def test_values_of_a_page_that_failed_are_told_so(
    site: SmallSite, config: MkDocsConfig, view: Any
) -> None:
    site.write("docs/use/broken-page.py", "# %%\n")
    error = PageError("docs/use/broken-page.py:1", "unreadable")
    views = {
        "use/broken-page.py": View(None, None, error),
        "a.py": view("a.py", "It is {{ use.broken_page.x }}.", {}),
    }
    one, files = add(site, config, views)
    assert "needs the page use.broken_page, which failed" in text_of(files, "a.py")
    with pytest.raises(PageError, match="which failed"):
        one.prose("{{ use.broken_page.x }}", "index.md", "report/sources/")


def test_what_is_shown_changes_with_the_page_only(
    site: SmallSite, config: MkDocsConfig, view: Any
) -> None:
    def shown() -> dict[str, str]:
        return add(site, config, {"a.py": done, "b.py": other})[0].shown

    site.write("snippets/use/__init__.py", '"""Use."""\n')
    site.write("snippets/use/two.py", '"""Two."""\n')
    done, other = view("a.py", "", {}), view("b.py", "", {})
    first = shown()
    assert {"a.py", "b.py", "report/sources.md", "reference/use/two.md"} <= first.keys()
    assert shown() == first
    done = View(done.program)
    assert {uri for uri, digest in shown().items() if digest != first[uri]} == {"a.py"}
    done = View(done.program, None, PageError("docs/a.py", "no"))
    assert shown()["a.py"] != first["a.py"]
    before = shown()
    site.write("snippets/use/two.py", '"""Two."""\n\nX = 1\n')
    changed = {uri for uri, digest in shown().items() if digest != before[uri]}
    assert changed == {"reference/use/two.md"}


def test_the_reference_takes_its_place_in_the_navigation(
    site: SmallSite, config: MkDocsConfig
) -> None:
    site.write("snippets/use/__init__.py", '"""Use."""\n')
    site.write("snippets/use/two.py", '"""Two."""\n')
    add(site, config, {})
    assert config.nav == [
        {"Home": "index.md"},
        {"Reference": ["reference/index.md", "reference/use/two.md"]},
    ]
    assert is_reference("reference/use/two.md")
    assert not is_reference("use/reference.md")


@pytest.mark.parametrize("text", ["def f(:\n", "x = '\0'\n", "# \udcff\n"])
def test_a_snippet_that_is_not_python(
    site: SmallSite, config: MkDocsConfig, text: str
) -> None:
    bad = site.write("snippets/bad.py", '"""Bad."""\n')
    bad.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(PageError, match=r"snippets/bad\.py.*not valid Python"):
        add(site, config, {}, tolerant=False)
    _, files = add(site, config, {})
    page = files.get_file_from_path("reference/index.md")
    assert page is not None
    assert "snippets/bad.py" in page.content_string


def test_an_unknown_claim_names_the_page(site: SmallSite, config: MkDocsConfig) -> None:
    one = Site(Project(site.root), {})
    with pytest.raises(PageError, match=r"docs/index\.md: .*nowhere"):
        one.prose("Water[@nowhere].", "index.md", "report/sources/")
