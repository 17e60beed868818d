"""The pages of a built site, in the order of its navigation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, Tag


@dataclass(frozen=True, slots=True)
class BuiltPage:
    """A page of the site.

    Attributes:
        url: Its address below the site's root: empty, or ending in a slash.
        title: Its title in the navigation.
        chapter: Title of the section that it stands in; empty at the top.
        description: One sentence of what it is about.
        source: Its source path below docs/.
    """

    url: str
    title: str
    chapter: str
    description: str
    source: str

    @property
    def name(self) -> str:
        """A name for files: the address with dashes."""
        return self.url.strip("/").replace("/", "-") or "home"

    def file(self, site: Path) -> Path:
        """Returns the HTML file in the built site."""
        return site / self.url / "index.html"

    def read(self, site: Path) -> BeautifulSoup:
        """Parses the HTML file in the built site."""
        return BeautifulSoup(self.file(site).read_text(encoding="utf-8"), "html.parser")


def article(soup: BeautifulSoup) -> Tag:
    """Returns the part of a page that an author wrote or a cell put out."""
    found = soup.select_one("article")
    if found is None:
        raise ValueError("a page without an <article>: the theme has changed")
    return found
