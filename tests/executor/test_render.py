"""What readers get to see of an executed notebook."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from markdown import Markdown
from mkdocs_jupyter.config import settings
from mkdocs_jupyter.nbconvert2 import nb2html
from nbformat import NotebookNode, v4

from executor import render

new_code_cell: Callable[..., NotebookNode] = v4.new_code_cell
new_markdown_cell: Callable[..., NotebookNode] = v4.new_markdown_cell
new_notebook: Callable[..., NotebookNode] = v4.new_notebook
new_output: Callable[..., NotebookNode] = v4.new_output
write: Callable[..., None] = nbformat.write

HOSTILE = [
    "a < b && c > d",
    "&amp;lt; &lt; &amp; &#39; &nbsp;",
    "<b>bold</b> <script>alert(1)</script> <style>\n        x\n        </style>",
    "{% raw %} {{ value }} {# note #}",
    "quotes \" ' ` ``` ~~~",
    "no\u00a0break \u2028 emoji \U0001f917 \u00e9 e\u0301",
    "<!-- comment --> <![CDATA[x]]> <?xml ?>",
    "\\begin{a} $x$ \\(y\\)",
]
SVG = (
    '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="432pt" '
    'height="216pt" viewBox="0 0 432 216"><metadata><date>today</date></metadata>'
    "<text style=\"font: 12px 'DejaVu Sans', 'Arial', sans-serif; fill: #24292f\">"
    'depth</text><path style="stroke: #B35C00"/></svg>'
)


def cell(*outputs: NotebookNode, source: str = "x", **metadata: Any) -> NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


def result(**data: Any) -> NotebookNode:
    return new_output(
        "display_data",
        data={key.replace("_", "/", 1): value for key, value in data.items()},
    )


def image(kind: str, data: str, **metadata: Any) -> NotebookNode:
    return new_output("display_data", data={kind: data}, metadata=metadata)


def png(width: int, height: int) -> str:
    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b"")
    return base64.b64encode(raw).decode()


@pytest.fixture
def markdown_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends cells through mkdocs-jupyter and back, as the build does."""
    monkeypatch.setattr(settings, "templates_dir", str(render.TEMPLATES))

    def convert(*cells: NotebookNode, stem: str = "page") -> str:
        notebook = new_notebook(cells=list(cells))
        notebook.metadata["kernelspec"] = {
            "name": "p",
            "display_name": "P",
            "language": "python",
        }
        prepared, _ = render.prepare(notebook, stem)
        path = tmp_path / "page.ipynb"
        write(prepared, path)
        html: str = nb2html(str(path), markdown_cell_processor="mkdocs")
        return render.decode(html)

    return convert


def to_html(markdown: str) -> str:
    extensions = ["md_in_html", "attr_list", "pymdownx.superfences"]
    return str(Markdown(extensions=extensions).convert(markdown))


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_survives_the_round_trip(markdown_of: Any, text: str) -> None:
    assert markdown_of(new_markdown_cell(text)).strip() == text


@pytest.mark.parametrize("text", HOSTILE)
def test_code_survives_the_round_trip(markdown_of: Any, text: str) -> None:
    page = markdown_of(cell(source=f"start\n{text}\nend"))
    assert f"\nstart\n{text}\nend\n" in page


@pytest.mark.parametrize(
    "text", [*HOSTILE, "```python\nx\n```", "a\tb\n\n\n    c", "# h"]
)
def test_text_output_shows_as_it_is(markdown_of: Any, text: str) -> None:
    page = to_html(markdown_of(cell(new_output("stream", text=text))))
    shown = re.search(r'aria-label="Output">(.*?)</pre>', page, re.DOTALL)
    assert shown is not None
    soup = BeautifulSoup(shown.group(1), "html.parser")
    assert soup.get_text() == text
    assert soup.find() is None


def test_fence_is_longer_than_backticks_in_the_code(markdown_of: Any) -> None:
    page = markdown_of(cell(source='text = """\n````\n"""'))
    assert page.startswith("````` { .python .cell }\n")
    assert "<h1" not in to_html(page)


def test_a_numbered_block_has_a_label_an_id_and_what_it_needs(markdown_of: Any) -> None:
    label = 'Block 3 <span>is copied with block <a href="#block-1">1</a></span>'
    page = to_html(markdown_of(cell(source="x = 1", block=3, needs=[1, 2], label=label)))
    soup = BeautifulSoup(page, "html.parser")
    above, block = soup.find_all("div", recursive=False)
    assert above.decode_contents() == label
    assert (block["id"], block["data-needs"]) == ("block-3", "1 2")
    assert block.get_text().strip() == "x = 1"


def test_decode_refuses_what_the_template_did_not_write() -> None:
    with pytest.raises(ValueError, match="templates_dir"):
        render.decode("<div>notebook</div>\n        <style>\n        </style>")
    with pytest.raises(ValueError, match="templates_dir"):
        render.decode("# plain")


def test_terminal_tricks_leave_what_a_terminal_shows() -> None:
    text = "\x1b[31mred\x1b[0m\r\n 10%\r 50%\r100%\n\x00bell\x07\n\n"
    assert render.clean_text(text) == "red\n100%\nbell"


def test_neighboring_streams_merge_and_errors_look_like_errors(markdown_of: Any) -> None:
    page = markdown_of(
        cell(
            new_output("stream", name="stdout", text="a\n"),
            new_output("stream", name="stdout", text="b\n"),
            new_output("stream", name="stderr", text="ValueError: saw 3\n"),
        )
    )
    assert page.count("<pre") == 2
    assert ">a&#10;b</pre>" in page
    assert re.search(r'output--error output--last".*ValueError: saw 3</pre>', page)


def test_uncaught_error_is_shown(markdown_of: Any) -> None:
    error = new_output(
        "error", ename="KeyError", evalue="'a'", traceback=["\x1b[0;31mKeyError"]
    )
    assert 'aria-label="Error output">KeyError</pre>' in markdown_of(cell(error))


def test_widgets_and_javascript_show_their_text_or_nothing(markdown_of: Any) -> None:
    script = result(application_javascript="alert(1)", text_plain="<Javascript>")
    widget = result(
        **{
            "application_vnd.jupyter.widget-view+json": {"model_id": "1"},
            "text_html": "<script>1</script>",
            "text_plain": "IntSlider(value=3)",
        }
    )
    page = markdown_of(cell(script), cell(widget))
    assert "alert" not in page
    assert "IntSlider(value=3)" in page


def test_html_beside_text_wins_and_is_harmless() -> None:
    source = (
        "<div onclick='x()' style='color: red'><p>kept</p><script>bad()</script>"
        "<style>p {}</style><iframe src='https://a.b'></iframe><img src=x onerror=y>"
        "<a href='javascript:bad()'>one</a><a href='https://a.b/c'>two</a>"
        "<a href='../x.md'>three</a></div>"
    )
    assert render.clean_html(source) == (
        '<div><p>kept</p><a>one</a><a href="https://a.b/c">two</a><a>three</a></div>'
    )


def test_tables_scroll_take_focus_and_have_scopes(markdown_of: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"name": ["cat", "dog"], "score": [0.5, -1.0]})
    page = markdown_of(cell(result(text_html=frame._repr_html_(), text_plain=str(frame))))
    region = re.search(r'<div aria-label="([^"]*)" class="output-scroll"([^>]*)>', page)
    assert region is not None
    assert region.group(1) == "Table with the columns name, score"
    assert region.group(2) == ' role="region" tabindex="0"'
    assert '<th scope="col">name</th>' in page
    assert '<th class="number" scope="col">score</th>' in page
    assert '<th scope="row">0</th>' in page
    assert '<td class="number">-1.0</td>' in page
    assert "<th></th>" not in page
    assert "<style" not in page


def test_figures_become_files_for_light_and_dark(markdown_of: Any) -> None:
    notebook = new_notebook(
        cells=[cell(image("image/svg+xml", SVG), alt="A line.\n It rises")]
    )
    prepared, files = render.prepare(notebook, "vit")
    ((light, light_svg), (dark, dark_svg)) = files.items()
    assert re.fullmatch(r"vit-1-[0-9a-f]{8}\.svg", light)
    assert re.fullmatch(r"vit-1-[0-9a-f]{8}\.svg", dark)
    assert light_svg.startswith(b"<svg")
    assert b"metadata" not in light_svg
    assert b"fill: #24292f" in light_svg
    assert b"fill: #e4e2dc" in dark_svg
    assert b"stroke: #f0a04b" in dark_svg
    assert b"DejaVu" not in light_svg
    assert notebook.cells[0].outputs[0].data["image/svg+xml"] == SVG
    assert prepared.cells[0].outputs[0].data[render.FIGURE_MIME] == {
        "src": light,
        "src_dark": dark,
        "width": 576,
        "height": 288,
        "alt": "A line. It rises",
    }
    page = to_html(markdown_of(*notebook.cells, stem="vit"))
    assert f'<img class="figure-light" src="{light}" width="576" height="288"' in page
    assert f'<img class="figure-dark" src="{dark}"' in page
    assert page.count('alt="A line. It rises" loading="lazy" decoding="async"') == 2


def test_photograph_has_one_file_and_its_pixel_size() -> None:
    notebook = new_notebook(
        cells=[
            cell(
                image("image/png", png(640, 480)),
                image(
                    "image/png",
                    png(640, 480),
                    **{"image/png": {"width": 320, "height": 240}},
                ),
                alt=["A cat.", "The cat at half size."],
            )
        ]
    )
    prepared, files = render.prepare(notebook, "photo")
    figures = [output.data[render.FIGURE_MIME] for output in prepared.cells[0].outputs]
    assert [(figure.width, figure.height) for figure in figures] == [
        (640, 480),
        (320, 240),
    ]
    assert [name.split("-")[1] for name in files] == ["1", "2"]
    assert all("src_dark" not in figure for figure in figures)


@pytest.mark.parametrize("alt", [None, "", ["one"], ["one", ""], ["one", "two", "three"]])
def test_every_figure_needs_its_own_alternative_text(alt: object) -> None:
    two = cell(image("image/svg+xml", SVG), image("image/svg+xml", SVG))
    two.metadata.update({"alt": alt, "place": "docs/vision/vit.py:42"})
    with pytest.raises(render.RenderError, match=r"^docs/vision/vit\.py:42: .*alt"):
        render.prepare(new_notebook(cells=[two]), "vit")


def test_alternative_text_without_a_figure_is_an_error() -> None:
    cells = [new_markdown_cell("# Title"), cell(alt="A line rises.")]
    with pytest.raises(render.RenderError, match="vit, cell 2"):
        render.prepare(new_notebook(cells=cells), "vit")


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/svg+xml"])
def test_broken_image_is_an_error(kind: str) -> None:
    broken = cell(image(kind, base64.b64encode(b"nothing").decode()), alt="A cat.")
    with pytest.raises(render.RenderError, match="vit, cell 1"):
        render.prepare(new_notebook(cells=[broken]), "vit")


def test_jpeg_size_is_read_from_its_frame() -> None:
    pillow = pytest.importorskip("PIL.Image")
    import io

    buffer = io.BytesIO()
    pillow.new("RGB", (31, 17)).save(buffer, "JPEG")
    data = base64.b64encode(buffer.getvalue()).decode()
    cells = [cell(image("image/jpeg", data), alt="Black.")]
    prepared, files = render.prepare(new_notebook(cells=cells), "a")
    figure = prepared.cells[0].outputs[0].data[render.FIGURE_MIME]
    assert (figure.width, figure.height) == (31, 17)
    assert next(iter(files)).endswith(".jpg")


def test_list_after_marked_code_moves_behind_it(markdown_of: Any) -> None:
    page = markdown_of(
        cell(new_output("stream", text="out"), source="x = 1  # (B, T) (1)!"),
        new_markdown_cell("1. One, with\n   more.\n\n2. Two.\n\nAfter."),
    )
    assert page.index("1. One") < page.index("2. Two") < page.index(">out<")
    assert page.index(">out<") < page.index("After.")
    unmarked = markdown_of(
        cell(new_output("stream", text="out"), source="x = 1"),
        new_markdown_cell("1. One."),
    )
    assert unmarked.index(">out<") < unmarked.index("1. One")


def test_outputs_stay_out_of_the_search_index(markdown_of: Any) -> None:
    page = markdown_of(cell(new_output("stream", text="out"), result(text_plain="value")))
    assert page.count('<div class="output') == page.count('data-search-exclude=""') == 2


def test_digest_follows_the_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = render.templates_digest()
    assert before == render.templates_digest()
    (tmp_path / "notebook.html.j2").write_text("changed")
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    assert render.templates_digest() != before


def test_every_color_of_the_figure_style_has_a_dark_partner() -> None:
    style = (render.TEMPLATES.parent / "matplotlibrc").read_text()
    lines = [line for line in style.splitlines() if line and not line.startswith("#")]
    used = {
        f"#{color}" for line in lines for color in re.findall(r"\b[0-9a-f]{6}\b", line)
    }
    assert used
    assert used <= set(render.DARK_COLORS)
