"""Writes an Atom feed of what changed in the pages, from the history in git."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from executor.extras.built import BuiltPage

_ATOM = "http://www.w3.org/2005/Atom"
_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that touched pages.

    Attributes:
        commit: Its hash.
        date: When it was committed, in ISO 8601.
        subject: First line of its message.
        files: Paths below docs/ that it added or changed.
    """

    commit: str
    date: str
    subject: str
    files: tuple[str, ...]


def changes(root: Path) -> list[Change]:
    """Returns the latest commits that touched docs/; none without git or a history."""
    command = ["git", "-C", str(root), "log", f"--max-count={_LIMIT}", "--no-merges"]
    command += ["--diff-filter=AMR", "--name-only", "--format=%x01%H%x00%cI%x00%s"]
    try:
        result = subprocess.run(
            [*command, "--", "docs"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    found = []
    for record in result.stdout.split("\x01")[1:]:
        head, *files = record.strip().split("\n")
        commit, date, subject = head.split("\0")
        names = [name.removeprefix("docs/") for name in files if name.startswith("docs/")]
        found.append(Change(commit, date, subject, tuple(sorted(names))))
    return found


def atom(
    name: str, address: str, pages: Iterable[BuiltPage], history: Iterable[Change]
) -> bytes:
    """Returns the feed.

    Args:
        name: The site's name.
        address: Where the site is, ending in a slash.
        pages: The site's pages; a change names those that it touched.
        history: The changes, latest first.
    """
    ElementTree.register_namespace("", _ATOM)
    by_source = {page.source: page for page in pages}
    touched = [
        (change, [by_source[name] for name in change.files if name in by_source])
        for change in history
    ]
    touched = [(change, found) for change, found in touched if found]
    feed = ElementTree.Element(f"{{{_ATOM}}}feed")
    _add(feed, "title", f"{name}: changes")
    _add(feed, "id", f"{address}feed.xml")
    _add(feed, "link", rel="self", type="application/atom+xml", href=f"{address}feed.xml")
    _add(feed, "link", rel="alternate", type="text/html", href=address)
    _add(_add(feed, "author"), "name", name)
    latest = (
        touched[0][0].date if touched else datetime(1970, 1, 1, tzinfo=UTC).isoformat()
    )
    _add(feed, "updated", latest)
    for change, found in touched:
        entry = _add(feed, "entry")
        _add(entry, "title", change.subject)
        _add(entry, "id", f"{address}feed.xml#{change.commit}")
        _add(entry, "updated", change.date)
        for page in found[:1]:
            _add(entry, "link", rel="alternate", href=f"{address}{page.url}")
        titles = (
            f'<li><a href="{address}{p.url}">{_escape(p.title)}</a></li>' for p in found
        )
        _add(entry, "content", f"<ul>{''.join(titles)}</ul>", type="html")
    ElementTree.indent(feed)
    text: bytes = ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, f"{{{_ATOM}}}{tag}", attributes)
    element.text = text
    return element


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
