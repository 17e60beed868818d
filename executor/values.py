"""Puts recorded values into prose: ``{{ vision.vit.accuracy | percent }}``."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.environment import TemplateExpression

from executor.errors import PageError

# A fenced block, or a span between runs of as many backticks, within a paragraph.
_CODE = re.compile(
    r"^(?P<fence>[ \t]*(?:`{3,}(?=[^`\n]*$)|~{3,}))[^\n]*\n.*?^(?P=fence)[`~]*[ \t]*$"
    r"|(?<![`\\])(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.MULTILINE,
)
_MARK = re.compile(r"\{\{([^{}]+)\}\}")
_EXPRESSION = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)(.*)", re.DOTALL)


def _percent(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}%}"


def _thousands(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}"


def _round(value: float, digits: int = 0) -> str:
    return f"{value:.{digits}f}"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def _megabytes(value: float, digits: int = 0) -> str:
    return f"{value / 1e6:,.{digits}f} MB"


_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined)
_ENVIRONMENT.filters |= {
    "megabytes": _megabytes,
    "percent": _percent,
    "thousands": _thousands,
    "round": _round,
    "seconds": _seconds,
}


def _escape(value: object) -> str:
    """Writes a value so that ``<pad>`` is seen; ``| safe`` lets markup through."""
    text = str(value)
    return text if hasattr(value, "__html__") else html.escape(text, quote=False)


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> TemplateExpression:
    return _ENVIRONMENT.compile_expression(expression, undefined_to_none=False)


class Values:
    """Recorded values of all pages.

    Args:
        records: For each page id the values it recorded; what the build knows of the page
            ``vision.vit`` has the owner ``vision.vit.page``.
        failed: Ids of pages that did not run to their end.
        pending: Ids of pages that are still running; their values show as an ellipsis.
    """

    def __init__(
        self,
        records: Mapping[str, Mapping[str, Any]],
        failed: frozenset[str] = frozenset(),
        pending: frozenset[str] = frozenset(),
    ) -> None:
        self._records = records
        self._failed = failed
        self._pending = pending

    def fill(
        self, markdown: str, place: str, line: int = 1, page: str | None = None
    ) -> str:
        """Replaces each ``{{ … }}`` outside code by its value.

        Args:
            markdown: Prose.
            place: The file, for messages.
            line: Line of the file at which ``markdown`` starts.
            page: Id of the page itself, whose own values need no prefix.

        Raises:
            PageError: If a name is unknown or its page failed.
        """
        if "{{" not in markdown:
            return markdown
        code = [match.span() for match in _CODE.finditer(markdown)]

        def value(match: re.Match[str]) -> str:
            if any(start <= match.start() < end for start, end in code):
                return match[0]
            at = f"{place}:{line + markdown.count(chr(10), 0, match.start())}"
            return self._evaluate(match[1].strip(), at, page)

        return _MARK.sub(value, markdown)

    def _evaluate(self, expression: str, place: str, page: str | None) -> str:
        match = _EXPRESSION.fullmatch(expression)
        if match is None:
            raise PageError(
                place, f"{{{{ {expression} }}}} does not start with the name of a value"
            )
        name, rest = match.groups()
        owner, _, short = name.rpartition(".")
        owner = owner or page or ""
        if owner == "page" and page:  # what the build knows of the page itself
            owner = f"{page}.page"
        runs = owner.removesuffix(".page")
        if runs in self._pending or (runs in self._failed and runs == page):
            return "…"
        if runs in self._failed:
            raise PageError(
                place, f"{{{{ {name} }}}} needs the page {runs}, which failed"
            )
        known = self._records.get(owner)
        if known is None or short not in known:
            raise PageError(
                place,
                f"no page recorded {{{{ {name} }}}}; "
                f"known values: {', '.join(self._names(page))}",
            )
        try:
            return _escape(_compiled(f"value{rest}")(value=known[short]))
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise PageError(
                place, f"cannot write {{{{ {expression} }}}}: {error}"
            ) from error

    def _names(self, page: str | None) -> list[str]:
        own = list(self._records.get(page or "", {}))
        return own + [
            f"{other}.{name}"
            for other, known in self._records.items()
            if not other.endswith(".page")
            for name in known
        ]
