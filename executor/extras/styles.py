"""Joins the style sheets of a built site into one file, so that a page asks once."""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path

_LINK = re.compile(r'[ \t]*<link rel="stylesheet" href="([^":]+)">\n?')
_ADDRESS = re.compile(r"""url\(\s*(["']?)(?!data:|#|https?:)([^"')]+)\1\s*\)""")
_MAP = re.compile(r"/\*# sourceMappingURL=.*?\*/")
_FOLDER = "assets/stylesheets"


def join(site: Path) -> str:
    """Joins the style sheets that every page loads, in their order.

    Args:
        site: The built site; its pages then load the joined file, and the parts are gone.

    Returns:
        The joined file's path below the site.

    Raises:
        ValueError: If pages differ in what they load.
    """
    pages = sorted(site.rglob("*.html"))
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    parts = _parts(site / "index.html", texts[site / "index.html"], site)
    style = "\n".join(_moved(site, part) for part in parts)
    digest = hashlib.sha256(style.encode()).hexdigest()[:8]
    name = f"{_FOLDER}/all.{digest}.css"
    (site / name).write_text(style, encoding="utf-8")
    for page, text in texts.items():
        if _parts(page, text, site) != parts:
            raise ValueError(f"{page.relative_to(site)} loads other style sheets")
        first = _LINK.search(text)
        assert first is not None
        target = first[1][: -len(parts[0])] + name
        line = f'      <link rel="stylesheet" href="{target}">\n'
        text = text[: first.start()] + line + _LINK.sub("", text[first.end() :])
        page.write_text(text, encoding="utf-8")
    for part in parts:
        (site / part).unlink()
        (site / f"{part}.map").unlink(missing_ok=True)
    return name


def _parts(page: Path, text: str, site: Path) -> list[str]:
    """Returns the style sheets of a page, as paths below the site."""
    folder = page.parent.relative_to(site).as_posix()
    found = []
    for match in _LINK.finditer(text):
        target = match[1]
        if target.startswith("/"):  # the page for missing addresses
            found.append(target[target.index("/assets/") + 1 :])
        else:
            found.append(posixpath.normpath(posixpath.join(folder, target)))
    return found


def _moved(site: Path, part: str) -> str:
    """Returns a style sheet whose addresses hold in the folder of the joined one."""

    def address(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(part), match[2]))
        return f'url("{posixpath.relpath(target, _FOLDER)}")'

    style = (site / part).read_text(encoding="utf-8")
    return _ADDRESS.sub(address, _MAP.sub("", style)).strip()
