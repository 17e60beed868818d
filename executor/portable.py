"""Prose for downloads: sources named in words, links in full."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urljoin

from executor import claims
from executor.values import Values

_LINK = re.compile(r"(?<!\\)\]\((?P<target>[^)\s:#]+\.(?:md|py))(?P<anchor>#[^)\s]*)?\)")


class PortableValues(Values):
    """Values that also make the prose around them independent of the site.

    Args:
        values: The values.
        ledger: The claims behind the marks in the prose.
        uri: The page's source path below docs/, which its links start from.
        site_url: Address of the published site.
    """

    def __init__(
        self, values: Values, ledger: claims.Ledger, uri: str, site_url: str
    ) -> None:
        self._values = values
        self._ledger = ledger
        self._uri = uri
        self._site_url = site_url

    def fill(
        self, markdown: str, place: str, line: int = 1, page: str | None = None
    ) -> str:
        """Fills in values, names sources in words, and completes links to other pages."""
        text = self._values.fill(markdown, place, line, page)
        text = claims.plain(text, self._ledger)
        return _LINK.sub(self._absolute, text)

    def _absolute(self, match: re.Match[str]) -> str:
        folder = posixpath.dirname(self._uri)
        target = posixpath.normpath(posixpath.join(folder, match["target"]))
        path = re.sub(r"(?:(?<=/)|^)index$", "", re.sub(r"\.(?:md|py)$", "", target))
        url = urljoin(self._site_url, f"{path}/" if path else "")
        return f"]({url}{match['anchor'] or ''})"
