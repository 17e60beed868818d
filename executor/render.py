"""Makes an executed notebook fit to become a page: clean outputs, figures as files.

A notebook goes through here twice. `prepare` runs before mkdocs-jupyter sees it: each
output keeps one representation and is cleaned, and figures become files.
The template in templates/mkdocs_html lays the result out as one Markdown document.
mkdocs-jupyter returns that document HTML-escaped, with a style sheet behind it;
`decode` gives the Markdown back.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import struct
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

from bleach.sanitizer import Cleaner  # type: ignore[import-untyped]
from bs4 import BeautifulSoup, Tag
from nbformat import NotebookNode, from_dict

from executor.errors import PageError

FIGURE_MIME = "application/vnd.report.figure+json"
"""MIME type of a figure that was moved into a file."""

TEMPLATES = Path(__file__).with_name("templates")
"""Folder that mkdocs-jupyter must look for its template in."""

DARK_COLORS = {
    "#24292f": "#e4e2dc",  # ink: text, axes, ticks
    "#d8d4ca": "#3d4046",  # grid
    "#f7f4ec": "#22252a",  # paper: what hides a line behind a label
    "#b35c00": "#f0a04b",  # amber
    "#1f6f8b": "#5fb8d6",  # teal
    "#8a3b5c": "#e08bab",  # plum
    "#5a7d2a": "#a3c46a",  # moss
    "#4a4e8c": "#9da3ec",  # indigo
    "#7a6a53": "#c2b094",  # umber
}
"""Colors of executor/matplotlibrc and what each becomes on a dark page."""

_FONT_STACK = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
)
_PREFERRED = (
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/html",
    "text/markdown",
    "text/latex",
    "text/plain",
)
_IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54}

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_ANNOTATION = re.compile(r"#.*\(\d+\)")
_LIST_ITEM = re.compile(r"\d+\.\s")
_NUMBER = re.compile(r"[-+−]?(?:\d[\d,_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?\s?%?|nan|NaN|-?inf")
_COLOR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
# fmt: off
_TAGS = frozenset({
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details",
    "div", "dl", "dt", "em", "figcaption", "figure", "h3", "h4", "h5", "h6", "hr",
    "i", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small",
    "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "u", "ul", "var",
})
# fmt: on
_ATTRIBUTES = {
    "*": ["title", "lang", "dir"],
    "a": ["href"],
    "details": ["open"],
    "ol": ["start"],
    "td": ["colspan", "rowspan", "headers"],
    "th": ["colspan", "rowspan", "headers", "scope"],
}


class RenderError(PageError):
    """A notebook that must not become a page as it is."""


def prepare(notebook: NotebookNode, stem: str) -> tuple[NotebookNode, dict[str, bytes]]:
    """Makes an executed notebook ready for the template.

    Each output keeps one representation: a figure, else HTML, Markdown, LaTeX or text.
    HTML is reduced to harmless tags, terminal codes and widgets go, neighboring streams
    merge, and a numbered list that explains code annotations moves behind its code.

    Args:
        notebook: The executed notebook; it stays as it is. A code cell may carry in its
            metadata ``alt`` (a text, or one text a figure) and ``place``, which is where
            error messages say that the cell stands (``docs/vision/vit.py:42``).
        stem: Start of the names of figure files, usually the name of the page.

    Returns:
        The notebook for mkdocs-jupyter, and the figure files by name. They belong into
        the folder of the page's index.html.

    Raises:
        RenderError: If a figure has no alternative text or an image cannot be read.
    """
    prepared = deepcopy(notebook)
    files: dict[str, bytes] = {}
    figures = 0
    for number, cell in enumerate(prepared.cells, 1):
        if cell.cell_type != "code":
            continue
        place = str(cell.metadata.get("place") or f"{stem}, cell {number}")
        cell.metadata["fence"] = _fence(cell.source)
        cell.outputs = _clean_outputs(cell.outputs)
        images = [
            output
            for output in cell.outputs
            if output.output_type in ("display_data", "execute_result")
            and next(iter(output.data)) in _IMAGES
        ]
        alts = _alts(place, cell.metadata.get("alt"), len(images))
        for output, alt in zip(images, alts, strict=True):
            figures += 1
            figure, written = _figure(place, output, alt, f"{stem}-{figures}")
            output.data = from_dict({FIGURE_MIME: figure})
            output.metadata = from_dict({})
            files |= written
    _move_annotations(prepared.cells)
    return prepared, files


def decode(content: str) -> str:
    """Gives back the Markdown that the template wrote.

    Args:
        content: What mkdocs-jupyter's ``on_page_markdown`` returned.

    Raises:
        ValueError: If the content does not come from our template.
    """
    escaped, mark, rest = content.partition("\n        <style>\n")
    if not mark or "<" in escaped or not rest.rstrip().endswith("</style>"):
        raise ValueError(
            "not a page of executor/templates: mkdocs_jupyter.config.settings."
            "templates_dir must point there, and markdown_cell_processor be 'mkdocs'"
        )
    return html.unescape(escaped)


def templates_digest() -> str:
    """Returns a hash of everything that turns a notebook into Markdown."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(TEMPLATES.rglob("*"))):
        if path.is_file():
            data = path.read_bytes()
            digest.update(f"{path.name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


def clean_html(source: str) -> str:
    """Reduces HTML to harmless tags, and makes its tables readable by everybody.

    Scripts, styles, event handlers, frames, images and forms go. A table ends in a
    region that scrolls and takes the focus, its headers get a scope, and numbers a class.

    Args:
        source: HTML from an output, from whatever library.

    Returns:
        HTML on one line.
    """
    soup = BeautifulSoup(source, "html.parser")
    for element in soup(
        ["script", "style", "iframe", "object", "embed", "template", "svg"]
    ):
        element.decompose()
    cleaner = Cleaner(
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        protocols=frozenset({"http", "https", "mailto"}),
        strip=True,
        strip_comments=True,
    )
    soup = BeautifulSoup(str(cleaner.clean(str(soup))), "html.parser")
    for link in soup.find_all("a", href=True):
        if ":" not in str(link["href"]):
            del link["href"]  # nobody checks where a relative link of an output leads
    for table in soup.find_all("table"):
        _refine_table(soup, table)
    for text in soup.find_all(string=True):
        if not text.strip() and "\n" in text and text.find_parent("pre") is None:
            text.extract()
    return (
        str(soup).strip().replace("\r", "").replace("\n", "&#10;").replace("\t", "&#9;")
    )


def clean_text(text: str) -> str:
    """Returns what a terminal would show in the end: no colors, no overwritten lines."""
    text = _CONTROL.sub("", _ANSI.sub("", text).replace("\r\n", "\n"))
    lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    return "\n".join(lines).strip("\n")


def _fence(source: str) -> str:
    """Returns a fence longer than any run of backticks in the code."""
    longest = max((len(run) for run in re.findall(r"`+", source)), default=0)
    return "`" * max(3, longest + 1)


def _clean_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Merges streams, keeps one form of each output, drops what shows nothing."""
    merged: list[NotebookNode] = []
    for output in outputs:
        before = merged[-1] if merged else None
        if (
            output.output_type == "stream"
            and before is not None
            and before.output_type == "stream"
            and before.name == output.name
        ):
            before.text += output.text
        else:
            merged.append(output)
    cleaned = []
    for output in merged:
        if output.output_type == "stream":
            output.text = clean_text(output.text)
            if output.text:
                cleaned.append(output)
        elif output.output_type == "error":
            text = clean_text("\n".join(output.traceback))
            text = text or f"{output.ename}: {output.evalue}"
            stream = {"output_type": "stream", "name": "stderr", "text": text}
            cleaned.append(from_dict(stream))
        elif kept := _one_representation(output.data):
            output.data = from_dict(kept)
            cleaned.append(output)
    return cleaned


def _one_representation(data: dict[str, Any]) -> dict[str, str]:
    """Picks how to show a value; empty if nothing can be shown."""
    plain = clean_text(data.get("text/plain", ""))
    source = data.get("text/html", "")
    # Scripts and styles without a table are a widget: its text says more than its ruins.
    widget = "<script" in source or ("<style" in source and "<table" not in source)
    widget |= "application/vnd.jupyter.widget-view+json" in data
    for kind in _PREFERRED:
        if kind not in data or (
            widget and kind == "text/html" and plain[:1] not in ("", "<")
        ):
            continue
        if kind == "text/html":
            value = clean_html(source)
        elif kind == "text/plain":
            value = plain
        else:
            value = data[kind]
        if value:
            return {kind: value}
    return {}


def _refine_table(soup: BeautifulSoup, table: Tag) -> None:
    """Puts a table into a scrolling region; marks headers and numbers."""
    names = []
    numbers: dict[int, list[bool]] = {}
    heads: list[tuple[int, Tag]] = []
    for row in table.find_all("tr"):
        in_head = row.find_parent("thead") is not None
        for index, cell in enumerate(row.find_all(["th", "td"])):
            text = cell.get_text(strip=True)
            if cell.name == "th" and text:
                cell.attrs.setdefault("scope", "col" if in_head else "row")
            else:
                cell.name = "td"  # a header without a text heads nothing
                cell.attrs.pop("scope", None)
            if in_head:
                heads.append((index, cell))
                names += [text] if text else []
            else:
                is_number = cell.name == "td" and _NUMBER.fullmatch(text) is not None
                numbers.setdefault(index, []).append(is_number)
                if is_number:
                    cell["class"] = "number"
    for index, cell in heads:
        if all(numbers.get(index, [False])):
            cell["class"] = "number"
    table["class"] = "output-table"
    label = "Table" + (f" with the columns {', '.join(names[:12])}" if names else "")
    region = soup.new_tag("div", attrs={"class": "output-scroll", "role": "region"})
    region.attrs |= {"tabindex": "0", "aria-label": label}
    table.wrap(region)


def _alts(place: str, value: object, count: int) -> list[str]:
    alts = [value] if isinstance(value, str) else list(value or ())  # type: ignore[call-overload]
    alts = [" ".join(str(alt).split()) for alt in alts]
    if len(alts) != count or not all(alts):
        raise RenderError(
            place,
            f"the cell draws {count} figures and gives {len(alts)} alternative texts; "
            "write '#| alt:' with what a person sees, as a list for several figures",
        )
    return alts


def _figure(
    place: str, output: NotebookNode, alt: str, stem: str
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Returns what the template needs to know of a figure, and the files of it."""
    ((kind, data),) = output.data.items()
    if kind == "image/svg+xml":
        svg, width, height = _tidy_svg(place, data)
        versions = {"src": svg.encode(), "src_dark": _darken(svg).encode()}
        if versions["src"] == versions["src_dark"]:
            del versions["src_dark"]
    else:
        raster = base64.b64decode(data)
        versions = {"src": raster}
        width, height = _raster_size(place, kind, raster)
        asked = output.metadata.get(kind, {})
        if "width" in asked and "height" in asked:
            width, height = int(asked["width"]), int(asked["height"])
    figure: dict[str, Any] = {"width": width, "height": height, "alt": alt}
    files = {}
    for key, content in versions.items():
        name = f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}.{_IMAGES[kind]}"
        figure[key] = name
        files[name] = content
    return figure, files


def _tidy_svg(place: str, source: str) -> tuple[str, int, int]:
    """Returns an SVG without prolog and metadata, in system fonts, and its size."""
    root = re.search(r"<svg\b[^>]*>", source)
    if root is None:
        raise RenderError(place, "an output of type image/svg+xml has no <svg> element")
    tag = root.group()
    box = re.search(r"\bviewBox=[\"']([^\"']+)", tag)
    view = (
        [float(part) for part in re.split(r"[\s,]+", box.group(1).strip())] if box else []
    )
    sizes = []
    for index, side in enumerate(("width", "height")):
        given = re.search(rf"\b{side}=[\"']([\d.]+)([a-z]*)[\"']", tag)
        if given and given.group(2) in _PIXELS:
            sizes.append(float(given.group(1)) * _PIXELS[given.group(2)])
        elif len(view) == 4:
            sizes.append(view[2 + index])
        else:
            raise RenderError(place, "an SVG figure needs width and height, or a viewBox")
    width, height = (max(1, round(size)) for size in sizes)
    if not box:
        tag = f'{tag[:-1]} viewBox="0 0 {sizes[0]:g} {sizes[1]:g}">'
    for side, size in (("width", width), ("height", height)):
        tag = re.sub(rf"\s\b{side}=[\"'][^\"']*[\"']", "", tag)
        tag = tag.replace("<svg", f'<svg {side}="{size}"', 1)
    body = re.sub(
        r"\s*<metadata>.*?</metadata>", "", source[root.end() :], flags=re.DOTALL
    )
    body = re.sub(r"'DejaVu Sans'(?:, (?:'[^']*'|sans-serif))*", _FONT_STACK, body)
    return f"{tag}{body.rstrip()}\n", width, height


def _darken(svg: str) -> str:
    """Swaps each color of our palette for its partner on a dark page."""
    return _COLOR.sub(lambda found: DARK_COLORS.get(found[0].lower(), found[0]), svg)


def _raster_size(place: str, kind: str, data: bytes) -> tuple[int, int]:
    """Reads the pixel size from the head of a PNG or JPEG file."""
    if kind == "image/png" and data[:8] == b"\x89PNG\r\n\x1a\n":
        width, height = struct.unpack(">II", data[16:24])
        return int(width), int(height)
    position = 2
    while kind == "image/jpeg" and position + 9 <= len(data):
        marker, length = struct.unpack(">HH", data[position : position + 4])
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return int(width), int(height)
        position += 2 + length
    raise RenderError(place, f"an output of type {kind} is not such an image")


def _move_annotations(cells: list[NotebookNode]) -> None:
    """Moves a list that explains ``# (1)!`` marks from the next cell behind the code."""
    for cell, following in pairwise(cells):
        if cell.cell_type != "code" or following.cell_type != "markdown":
            continue
        if not _ANNOTATION.search(cell.source) or not _LIST_ITEM.match(following.source):
            continue
        lines = following.source.split("\n")
        end = next(
            (
                index
                for index, line in enumerate(lines)
                if line.strip() and line[0] != " " and not _LIST_ITEM.match(line)
            ),
            len(lines),
        )
        cell.metadata["annotations"] = "\n".join(lines[:end]).strip()
        following.source = "\n".join(lines[end:])
