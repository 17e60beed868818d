"""Puts recorded values into prose: ``{{ vision.vit.accuracy | percent }}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2

from executor.errors import PageError

# A fenced block, or a span between runs of as many backticks.
_CODE = re.compile(
    r"^(?P<fence> *(?:`{3,}|~{3,}))[^\n]*\n.*?^(?P=fence)[`~]*[ \t]*$"
    r"|(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.MULTILINE,
)
_MARK = re.compile(r"\{\{(.+?)\}\}")


def _percent(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}%}"


def _thousands(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}"


def _round(value: float, digits: int = 0) -> str:
    return f"{value:.{digits}f}"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
_ENVIRONMENT.filters |= {
    "percent": _percent,
    "thousands": _thousands,
    "round": _round,
    "seconds": _seconds,
}


class Values:
    """Recorded values of all pages.

    Args:
        records: For each page id the values it recorded.
        failed: Ids of pages that did not run to their end.
    """

    def __init__(
        self,
        records: Mapping[str, Mapping[str, Any]],
        failed: frozenset[str] = frozenset(),
    ) -> None:
        self._records = records
        self._failed = failed

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
        name = expression.split("|")[0].split("[")[0].strip()
        owner, _, short = name.rpartition(".")
        if (owner or page) in self._failed:
            raise PageError(
                place, f"{{{{ {name} }}}} needs the page {owner or page}, which failed"
            )
        known = self._records.get(owner or page or "")
        if known is None or short not in known:
            raise PageError(
                place,
                f"no page recorded {{{{ {name} }}}}; known values: {', '.join(self._names(page))}",
            )
        tree: dict[str, Any] = {}
        for other, values in self._records.items():
            node = tree
            for part in other.split("."):
                node = node.setdefault(part, {})
            node.update(values)
        try:
            compiled = _ENVIRONMENT.compile_expression(
                expression, undefined_to_none=False
            )
            result = compiled(tree | dict(self._records.get(page or "", {})))
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise PageError(
                place, f"cannot write {{{{ {expression} }}}}: {error}"
            ) from error
        return str(result)

    def _names(self, page: str | None) -> list[str]:
        own = list(self._records.get(page or "", {}))
        return own + [
            f"{other}.{name}" for other in self._records for name in self._records[other]
        ]
