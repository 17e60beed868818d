"""Reads a page, a jupytext py:percent script, into cells that know their lines."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import jupytext
import yaml

from executor.errors import PageError

# What starts a cell for jupytext.
_MARKER = re.compile(r"^#[ \t]*%%(?:%*\s|$)")
_QUOTES = {'"""', "'''", 'r"""', "r'''"}
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_SETTINGS = {"timeout", "memory_gb", "weights", "data", "checkpoints", "saves"}
_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_CELL_OPTIONS = {"alt", "record", "volatile"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a page, as its author wrote it.

    Attributes:
        kind: ``"markdown"`` or ``"code"``.
        source: The text, without its ``#|`` option lines and front matter.
        line: Line of the file (from 1) at which ``source`` starts.
        alt: What each figure of the cell shows, one text a figure.
        record: Values to keep after the cell ran: name to Python expression.
        volatile: Whether outputs differ from run to run, as timings do.
    """

    kind: str
    source: str
    line: int
    alt: tuple[str, ...] = ()
    record: dict[str, str] = field(default_factory=dict)
    volatile: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What a page may use, and what it makes for others.

    Attributes:
        timeout: Seconds.
        memory_gb: Gigabytes, of 10**9 bytes.
        weights: Hub ids.
        data: Files and folders of the project.
        checkpoints: Checkpoints of other pages, which it finds in ``checkpoints/``.
        saves: Checkpoints that it writes to ``checkpoints/``.
    """

    timeout: float = 120.0
    memory_gb: float = 3.0
    weights: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    saves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A notebook page.

    Attributes:
        path: Source path relative to the project's root, e.g. ``docs/vision/vit.py``.
        uri: Source path relative to docs/, e.g. ``vision/vit.py``.
        id: Name in bound values, e.g. ``vision.vit``.
        meta: The front matter without the executor's own settings.
        settings: The executor's settings.
        cells: The cells in order.
    """

    path: str
    uri: str
    id: str
    meta: dict[str, Any]
    settings: Settings
    cells: tuple[Cell, ...]


def find_pages(docs: Path) -> list[Path]:
    """Returns every page below ``docs``: each Python file with a ``# %%`` cell."""
    return [
        path
        for path in sorted(docs.rglob("*.py"))
        if any(
            _MARKER.match(line) for line in path.read_text(encoding="utf-8").splitlines()
        )
    ]


def page_id(uri: str) -> str:
    """Returns the name of a page in bound values: ``use/a-b.py`` is ``use.a_b``."""
    return uri.removesuffix(".py").replace("/", ".").replace("-", "_")


def read_page(root: Path, path: Path) -> Page:
    """Reads one page.

    Args:
        root: The project's root, which holds docs/.
        path: The page, below ``root / "docs"``.

    Raises:
        PageError: If the front matter or the options of a cell are not in order.
    """
    place = path.relative_to(root).as_posix()
    uri = path.relative_to(root / "docs").as_posix()
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    return _parse(place, uri, text)


@lru_cache(maxsize=1024)
def _parse(place: str, uri: str, text: str) -> Page:
    notebook = jupytext.reads(text, fmt="py:percent")
    lines = text.split("\n")
    for number, written in enumerate(lines, 1):
        if len(written.splitlines()) > 1:
            raise PageError(
                f"{place}:{number}",
                "the line holds a character that some tools take for the end of a line; "
                "write it as an escape, such as '\\u2028' or '\\f'",
            )
    markers = [number for number, line in enumerate(lines, 1) if _MARKER.match(line)]
    if len(markers) != len(notebook.cells) or any(
        line.strip() for line in lines[: markers[0] - 1 if markers else 0]
    ):
        raise PageError(
            place,
            "each cell starts with a line '# %%' at the margin, and nothing stands "
            "before the first; write '# %%' inside a string with a space before it",
        )
    meta: dict[str, Any] = {}
    settings = Settings()
    cells = []
    for index, (marker, raw) in enumerate(zip(markers, notebook.cells, strict=True)):
        source = str(raw.source)
        line = marker + 1
        if raw.cell_type not in ("markdown", "code"):
            raise PageError(
                f"{place}:{marker}",
                f"a cell is code or [markdown]; saw a {raw.cell_type} cell",
            )
        quoted = lines[marker : marker + 1] and lines[marker].strip() in _QUOTES
        if raw.cell_type == "markdown" and quoted:
            line += 1
        elif raw.cell_type == "markdown":
            _check_comments(place, lines, line, markers[index + 1 : index + 2])
        body = source.lstrip("\n")
        line += len(source) - len(body) if body else 0
        source = body
        if raw.cell_type == "code":
            cells.append(_code_cell(place, source, line))
            continue
        if index == 0:
            meta, source, skipped = _front_matter(place, source, line)
            settings = _settings(place, lines, meta.pop("executor", None))
            line += skipped
        cells.append(Cell("markdown", source, line))
    return Page(place, uri, page_id(uri), meta, settings, tuple(cells))


def _check_comments(place: str, lines: list[str], line: int, end: list[int]) -> None:
    for number, text in enumerate(lines[line - 1 : end[0] - 1 if end else None], line):
        if text.strip() and not text.startswith("#"):
            raise PageError(
                f"{place}:{number}",
                "a line of a [markdown] cell is not a comment; start a code cell with "
                "'# %%' above it",
            )


def _front_matter(place: str, source: str, line: int) -> tuple[dict[str, Any], str, int]:
    if not source.startswith("---"):
        return {}, source, 0
    match = _FRONT_MATTER.match(source)
    if match is None:
        raise PageError(f"{place}:{line}", "the front matter has no closing '---' line")
    meta = _yaml(place, line + 1, match.group(1), "the front matter")
    rest = source[match.end() :]
    body = rest.lstrip("\n")
    skipped = source[: match.end()].count("\n") + len(rest) - len(body)
    return meta, body, skipped


def _settings(place: str, lines: list[str], value: object) -> Settings:
    if value is None:
        return Settings()
    line = _line_of(lines, "executor")
    if not isinstance(value, dict) or set(value) - _SETTINGS:
        known = ", ".join(sorted(_SETTINGS))
        raise PageError(
            f"{place}:{line}",
            f"'executor' must be a mapping with keys of: {known}; saw {value!r}",
        )
    for key in ("timeout", "memory_gb"):
        number = value.get(key, 1)
        if (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or not 0 < number < math.inf
        ):
            raise PageError(
                f"{place}:{_line_of(lines, key)}",
                f"executor.{key} must be a positive number; saw {number!r}",
            )
    for key in ("weights", "data", "checkpoints", "saves"):
        names = value.get(key, [])
        if not isinstance(names, list) or not all(
            isinstance(name, str) for name in names
        ):
            raise PageError(
                f"{place}:{_line_of(lines, key)}",
                f"executor.{key} must be a list of names; saw {names!r}",
            )
        for name in names if key in ("checkpoints", "saves") else ():
            if not _NAME.fullmatch(name):
                raise PageError(
                    f"{place}:{_line_of(lines, key)}",
                    f"executor.{key} names {name!r}; the name of a checkpoint has small "
                    "letters, digits and single hyphens, such as mask-rcnn",
                )
    if isinstance(value.get("data"), list):
        # A slash at the end says that it is a folder, and nothing else.
        value = value | {"data": [str(PurePosixPath(path)) for path in value["data"]]}
    given: dict[str, Any] = {
        key: tuple(dict.fromkeys(item)) if isinstance(item, list) else float(item)
        for key, item in value.items()
    }
    return Settings(**given)


def _line_of(lines: list[str], key: str) -> int:
    """Returns the line of the front matter at which the value of ``key`` starts."""
    pattern = re.compile(rf"#?[^#]*\b{key}['\"]?\s*:")
    return next(number for number, line in enumerate(lines, 1) if pattern.match(line))


def _code_cell(place: str, source: str, line: int) -> Cell:
    lines = source.split("\n")
    count = 0
    while count < len(lines) and lines[count].startswith("#|"):
        count += 1
    if not count:
        return Cell("code", source, line)
    text = "\n".join(option[2:].removeprefix(" ") for option in lines[:count])
    options = _yaml(place, line, text, "the '#|' lines of the cell")
    if set(options) - _CELL_OPTIONS:
        known = ", ".join(sorted(_CELL_OPTIONS))
        unknown = ", ".join(sorted(set(options) - _CELL_OPTIONS))
        raise PageError(
            f"{place}:{line}", f"unknown cell option {unknown}; known are: {known}"
        )
    alt = options.get("alt", [])
    if isinstance(alt, str):
        alt = [alt]
    if not isinstance(alt, list) or not all(isinstance(item, str) for item in alt):
        raise PageError(
            f"{place}:{line}", f"'alt' must be a text or a list of texts; saw {alt!r}"
        )
    record = options.get("record", {})
    if not isinstance(record, dict) or not all(
        str(name).isidentifier() and isinstance(expression, str | int | float)
        for name, expression in record.items()
    ):
        raise PageError(
            f"{place}:{line}",
            f"'record' must map names to Python expressions; saw {record!r}",
        )
    volatile = options.get("volatile", False)
    if not isinstance(volatile, bool):
        raise PageError(
            f"{place}:{line}", f"'volatile' must be true or false; saw {volatile!r}"
        )
    rest = lines[count:]
    while rest and not rest[0].strip():
        rest, count = rest[1:], count + 1
    return Cell(
        "code",
        "\n".join(rest),
        line + count,
        tuple(item.strip() for item in alt),
        {str(name): str(expression) for name, expression in record.items()},
        volatile,
    )


def _yaml(place: str, line: int, text: str, what: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        if mark is not None:
            line += mark.line
        problem = getattr(error, "problem", None) or str(error)
        raise PageError(
            f"{place}:{line}", f"{what}: not valid YAML: {problem}"
        ) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PageError(
            f"{place}:{line}", f"{what} must be a YAML mapping; saw {value!r}"
        )
    return {str(key): item for key, item in value.items()}
