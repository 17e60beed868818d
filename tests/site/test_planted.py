"""The checks of this folder find the faults that they are for, each planted alone."""

import json
from pathlib import Path

import nbformat
import pytest
from site_checks import FILE_CHECKS, Open, Site, serve, visit

pytestmark = pytest.mark.site

BASE = "https://site.invalid/report/"
PAGE = """<!doctype html>
<html lang="en"><head><title>A title</title>
<meta name="description" content="A description.">
<meta name="viewport" content="width=device-width,initial-scale=1">
{head}</head>
<body data-md-color-scheme="default"><article>
<h1 id="top">A heading</h1>
{body}
</article></body></html>
"""
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
FIGURE = (
    '<figure class="output-figure">'
    '<img class="figure-light" src="../dot.svg" alt="A dot."{light}>'
    '<img class="figure-dark" src="../dot.svg" alt="A dot."{dark}></figure>'
)
CELL = (
    '<div class="cell highlight"><button data-md-type="copy"></button>'
    "<pre><code>1 + 1\n</code></pre></div>"
)
ROWS = {
    "Executed": "2026-11-21, from the first cell to the last",
    "Commit": "0123456789ab",
    "Packages": "Python 3.13.0, torch 2.14.1",
    "Seed": "no random numbers seeded",
    "Weights": "none loaded",
    "Processor": "A processor, 2 cores",
    "Time": "1.5 s, imports preloaded",
    "Peak memory": "700 MB",
}


def about(rows: dict[str, str]) -> str:
    """Return the block that says how a page was made."""
    table = "".join(
        f"<tr><td>{name}</td><td>{text}</td></tr>" for name, text in rows.items()
    )
    return (
        f"<details><summary>How this page was made</summary><table>{table}</table>"
        '<a href="code.ipynb" download>A</a><a href="code.py" download>B</a></details>'
    )


def notebook(source: str = "1 + 1", count: int | None = 1, prose: str = "Text.") -> str:
    """Return a notebook of one text cell and one code cell."""
    output = nbformat.v4.new_output(
        "execute_result", {"text/plain": "2"}, execution_count=1
    )
    cell = nbformat.v4.new_code_cell(source, execution_count=count, outputs=[output])
    cells = [nbformat.v4.new_markdown_cell(prose), cell]
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))


def build(root: Path, files: dict[str, str] | None = None, **parts: str) -> Site:
    """Write a small site.

    Args:
        root: An empty folder.
        files: Files that differ from those of a site without a fault.
        **parts: Body of the page ``page/``, head of that page, body of ``code/``.
    """
    body = (
        '<p><a href="../#top">Home</a> <a href="https://elsewhere.invalid/">Out</a></p>'
    )
    canonical = f'<link rel="canonical" href="{BASE}page/">'
    locations = "".join(
        f"<url><loc>{BASE}{url}</loc></url>" for url in ["", "page/", "code/"]
    )
    code = CELL + about(ROWS)
    documents = [{"location": ""}, {"location": "page/#top"}]
    site = {
        "sitemap.xml": '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        f"{locations}</urlset>",
        "index.html": PAGE.format(head="", body='<p><a href="page/">A page</a></p>'),
        "404.html": PAGE.format(head="", body='<p><a href="/report/">Home</a></p>'),
        "page/index.html": PAGE.format(
            head=canonical + parts.get("head", ""),
            body=f"{body}\n{parts.get('body', '')}",
        ),
        "code/index.html": PAGE.format(head="", body=parts.get("code", code)),
        "code/code.ipynb": notebook(),
        "code/code.py": "# %% [markdown]\n# Text.\n\n# %%\n1 + 1\n",
        "search/search_index.json": json.dumps({"docs": documents}),
        "style.css": "a { background: url(dot.svg) }",
        "dot.svg": DOT,
    }
    for name, text in (site | (files or {})).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Site(root)


def all_file_faults(site: Site) -> list[str]:
    return [fault for check in FILE_CHECKS for fault in check(site)]


def test_a_good_site_has_no_fault(tmp_path: Path, open_tab: Open) -> None:
    figure = FIGURE.format(light="", dark=" hidden")
    site = build(tmp_path, body=figure + CELL.replace("cell ", ""))

    assert not all_file_faults(site)
    with serve(site, "/deep/") as address:
        tab, watch = open_tab(address)
        for url in site.pages:
            assert not visit(tab, watch, url)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="../nowhere/">a</a>', "dead link"),
        ('<a href="../page">a</a>', "dead link"),
        ('<a href="nowhere.ipynb" download>a</a>', "dead link"),
        ('<a href="../#nowhere">a</a>', "dead anchor"),
        ('<a href="#nowhere">a</a>', "dead anchor"),
        ('<a href="/report/page/">a</a>', "absolute link"),
        ('<a href="../../page/">a</a>', "link out of the site"),
        ('<a href="javascript:void(0)">a</a>', "unknown kind of link"),
        ('<script src="https://cdn.invalid/a.js"></script>', "resource of another site"),
        ('<img src="//cdn.invalid/a.png" alt="A">', "resource of another site"),
        ('<img src="nowhere.png" alt="A">', "dead link"),
        ('<img src="../dot.svg">', "image without alt"),
        ('<img src="../dot.svg" alt=" ">', "image without alt"),
        ('<svg role="img"></svg>', "drawing without a name"),
        ("<h1>Another</h1>", "2 h1"),
        ('<p id="top">a</p>', "id top occurs 2 times"),
        ("<p>We measured {{ accuracy }}.</p>", "template left"),
        ("<p>In 2016 [@founded].</p>", "citation left"),
        ("<p>!!! note</p>", "block left"),
        ("<p>```python</p>", "fence left"),
        ("<p>[text](page.md)</p>", "link left"),
        ("<p>**bold**</p>", "bold left"),
        ("<p>Button { .md-button }</p>", "attributes left"),
        ("<p>title: A page</p>", "front matter left"),
        ("<p>5 &amp;lt; 6</p>", "escape left"),
        ("<!-- timeline: history -->", "comment left"),
        ("<pre>Traceback (most recent call last):</pre>", "traceback left"),
        ("<pre>a.py:3: FutureWarning: soon</pre>", "warning left"),
        ("<pre>&lt;object at 0x7f4c4dd29940&gt;</pre>", "memory address left"),
        ("<pre>/home/somebody/.cache/x</pre>", "machine path left"),
        ("<pre>/usr/lib/python3/site-packages/x.py</pre>", "machine path left"),
        ("<pre><code>from snippets.a import b</code></pre>", "import left"),
    ],
)
def test_a_fault_in_a_page_is_found(tmp_path: Path, body: str, fault: str) -> None:
    faults = all_file_faults(build(tmp_path, body=body))

    assert len(faults) == 1
    assert faults[0].startswith(f"page/: {fault}")


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("index.html", "<h1>A</h1>", "no title"),
        ("index.html", PAGE.replace('"A description."', '""'), "no description"),
        ("404.html", PAGE.replace("{body}", '<a href="page/">a</a>'), "holds at some"),
        ("404.html", PAGE.replace("{body}", '<a href="/page/">a</a>'), "holds at some"),
        ("404.html", PAGE.replace("{body}", '<a href="/report/page/">a</a>'), ""),
        ("404.html", PAGE.replace("{body}", '<a href="/report/a/">a</a>'), "dead link"),
        ("style.css", "@font-face { src: url(no.woff2) }", "dead link: no.woff2"),
        ("style.css", "@font-face { src: url(dot.svg), url(no.woff) }", ""),
        ("style.css", '@import "https://cdn.invalid/a.css"', "link out of the site"),
        (
            "search/search_index.json",
            '{"docs": [{"location": "page/#gone"}]}',
            "dead anchor",
        ),
        ("code/code.py", "1 +", "code/code.py: invalid syntax"),
        ("code/code.py", "from snippets.a import b", "import left"),
        ("code/code.py", "# %% [markdown]\n# [a](../page.py)", "relative link left"),
        ("code/code.ipynb", "{}", "code/*.ipynb: "),
        ("code/code.ipynb", notebook(count=None), "cell not executed"),
        ("code/code.ipynb", notebook("2 + 2"), "not the code that the page shows"),
        ("code/code.ipynb", notebook(prose="[a](../page.py)"), "relative link left"),
        ("code/code.ipynb", notebook(prose="In 2016 [@founded]"), "citation left"),
    ],
)
def test_a_fault_in_a_file_is_found(
    tmp_path: Path, file: str, text: str, fault: str
) -> None:
    text = text.replace("{head}", "").replace("{body}", "")
    faults = all_file_faults(build(tmp_path, {file: text}))

    assert any(fault in found for found in faults) if fault else not faults


@pytest.mark.parametrize("row", ROWS)
def test_a_gap_in_the_provenance_is_found(tmp_path: Path, row: str) -> None:
    rows = {name: text for name, text in ROWS.items() if name != row}
    site = build(tmp_path, code=CELL + about(rows))

    assert all_file_faults(site) == [f"code/: {row}: missing"]


def test_missing_downloads_are_found(tmp_path: Path) -> None:
    site = build(tmp_path, code=CELL + about(ROWS).replace("download", ""))

    assert all_file_faults(site) == ["code/: offers []"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<img src="../nowhere.png" alt="A">', "broken image"),
        ('<img src="../style.css" alt="A">', "broken image"),
        ('<img src="../style.css" alt="A" loading="lazy" hidden>', "broken image"),
        (FIGURE.format(light=" hidden", dark=""), "light figure not shown"),
        (FIGURE.format(light="", dark=""), "light figure not shown"),
        ('<script src="https://cdn.invalid/a.js"></script>', "external request"),
        ("<script>fetch('//cdn.invalid/').catch(() => 0)</script>", "external request"),
        ("<script>fetch('../gone.json')</script>", "status 404"),
        ("<script>console.error('broken')</script>", "console error: broken"),
        ("<script>throw new Error('broken')</script>", "page error: broken"),
        ("<script>Promise.reject(new Error('late'))</script>", "page error: late"),
        ('<pre class="mermaid">graph LR</pre>', "diagram not drawn"),
        ('<div class="mermaid"></div>', "empty diagram"),
        ('<span class="arithmatex">x</span>', "math not set"),
        (
            '<div class="highlight"><pre><code>1</code></pre></div>',
            "code without copy button",
        ),
        ('<div style="width: 500px">wide</div>', "scrolls sideways"),
    ],
)
def test_a_fault_in_the_browser_is_found(
    tmp_path: Path, open_tab: Open, body: str, fault: str
) -> None:
    site = build(tmp_path, body=body)
    with serve(site) as address:
        tab, watch = open_tab(address, viewport={"width": 390, "height": 844})
        faults = visit(tab, watch, "page/", patience=0.3)

    assert any(found.startswith(f"page/: {fault}") for found in faults), faults


def test_an_error_of_a_page_is_not_blamed_on_the_next(
    tmp_path: Path, open_tab: Open
) -> None:
    site = build(tmp_path, body="<script>console.error('broken')</script>")
    with serve(site) as address:
        tab, watch = open_tab(address)

        assert len(visit(tab, watch, "page/")) == 1
        assert not visit(tab, watch, "")
