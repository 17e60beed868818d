"""The files of the built site: links, texts, provenance, downloads, reference."""

import ast
import importlib.metadata
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import Tag
from site_checks import FILE_CHECKS, ROOT, Page, Site

pytestmark = pytest.mark.site


def test_the_site_builds(build: tuple[Path, str]) -> None:
    _, failure = build

    assert not failure, failure


@pytest.mark.parametrize("check", FILE_CHECKS, ids=lambda check: check.__name__)
def test_the_files_have_no_fault_in(
    check: Callable[[Site], list[str]], site: Site
) -> None:
    faults = check(site)

    assert not faults, "\n".join(faults)


def test_the_sitemap_lists_every_page(site: Site) -> None:
    files = {
        path.relative_to(site.root).as_posix().removesuffix("index.html")
        for path in site.root.rglob("*.html")
    }

    assert files == set(site.pages)


def test_every_page_that_an_author_wrote_is_there(site: Site) -> None:
    docs = ROOT / "docs"
    notebooks = {
        f"{path.relative_to(docs).with_suffix('')}/" for path in docs.rglob("*.py")
    }
    texts = {
        f"{path.relative_to(docs).with_suffix('')}/".removesuffix("index/")
        for path in docs.rglob("*.md")
    }

    assert notebooks == {page.url for page in site.notebooks}
    assert texts <= set(site.pages)


def test_provenance_names_the_installed_packages(site: Site) -> None:
    for page in site.notebooks:
        for entry in page.provenance["Packages"].split(", ")[1:]:
            name, version = entry.split()
            assert version == importlib.metadata.version(name), page.url


def test_a_fresh_build_names_its_commit(site: Site) -> None:
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True, check=False).stdout
    fresh = "SITE_DIR" in os.environ  # otherwise, executions may be of another commit
    for page in site.notebooks:
        assert page.provenance["Commit"].startswith(head[:12] if fresh else ""), page.url


def test_a_page_names_the_weights_that_it_loads(site: Site) -> None:
    page = site.pages["use/semantic-search/"]

    assert page.provenance["Weights"] == "sentence-transformers/all-MiniLM-L6-v2"


MODULES = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "snippets").rglob("*.py")
    if path.name != "__init__.py"
)


def reference(site: Site, module: Path) -> Page:
    """Return the reference page of a module."""
    url = "/".join(["reference", *module.with_suffix("").parts[1:]]) + "/"
    assert url in site.pages, f"{url} is missing"
    return site.pages[url]


def section(page: Page, name: str) -> Tag:
    """Return what the reference says about a function or class."""
    heading = page.soup.find(id=name)
    assert isinstance(heading, Tag), f"{page.url}: {name} is missing"
    part = heading.find_parent(class_="doc-object")
    assert isinstance(part, Tag)
    return part


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_the_reference_lists_functions_with_their_parameters(
    module: Path, site: Site
) -> None:
    page = reference(site, module)
    name = ".".join(module.with_suffix("").parts)
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"
    ]
    assert public
    for node in public:
        part = section(page, f"{name}.{node.name}")
        if isinstance(node, ast.FunctionDef):
            assert parameters(node) <= described(part), f"{name}.{node.name}"
            assert part.select_one(".doc-signature")
    first = (ast.get_docstring(tree) or "").split("\n")[0]
    plain = first.replace("`", "")
    assert plain.split()[:3] == text_of(page.content.select_one(".doc-contents > p"))[:3]


def parameters(function: ast.FunctionDef) -> set[str]:
    """Return the names of a function's parameters."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {argument.arg for argument in named}


def described(part: Tag) -> set[str]:
    """Return the names that a section of the reference describes."""
    return {code.get_text() for code in part.select("li.doc-section-item > b > code")}


def text_of(tag: Tag | None) -> list[str]:
    """Return the words of an element."""
    return tag.get_text().split() if tag else []


def test_the_overview_links_every_module(site: Site) -> None:
    overview = site.pages["reference/"]
    targets = {str(link["href"]) for link in overview.content.select("td a[href]")}
    expected = {"/".join(module.with_suffix("").parts[1:]) + "/" for module in MODULES}

    assert targets == expected


def test_reference_and_pages_name_each_other(site: Site) -> None:
    """A function that a page shows tells on its reference page where it is shown."""
    for page in site.notebooks:
        if "snippets." in (ROOT / "docs" / f"{page.url[:-1]}.py").read_text("utf-8"):
            links = [
                other.url
                for other in site.pages.values()
                if other.url.startswith("reference/")
                and any(
                    str(link["href"]).endswith(f"../{page.url}")
                    for link in other.content.select("li > a[href]")
                )
            ]
            assert links, f"no page of the reference names {page.url}"
