"""Lists the pages of a chapter in the prose of another page."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

_MARK = re.compile(r"^<!-- pages: (?P<folder>[\w/-]+) -->$", re.MULTILINE)


def fill(markdown: str, uri: str, nav: Any, title_of: Callable[[str], str]) -> str:
    """Puts a list of links in the place of each ``<!-- pages: FOLDER -->``.

    The pages stand in the order of the navigation.

    Args:
        markdown: The prose of a page.
        uri: The page's source path below docs/.
        nav: The navigation, as mkdocs.yml has it.
        title_of: Returns the title of a page by its source path.

    Raises:
        ValueError: If no page in the navigation lies in that folder.
    """

    def links(match: re.Match[str]) -> str:
        pages = [page for page in _pages(nav) if page.startswith(f"{match['folder']}/")]
        if not pages:
            raise ValueError(f"no page of the navigation is in docs/{match['folder']}/")
        start = posixpath.dirname(uri) or "."
        return "\n".join(
            f"- [{title_of(page)}]({posixpath.relpath(page, start)})" for page in pages
        )

    return _MARK.sub(links, markdown)


def _pages(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        yield from _pages(list(nav.values()))
    elif isinstance(nav, list):
        for item in nav:
            yield from _pages(item)
