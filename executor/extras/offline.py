"""Packs the built site into a zip that works from a folder, without a server.

The pages stay those of the web, with three changes that file:// needs: links name
index.html, since no server adds it; the search index and its worker are scripts, since
browsers read no other files from there; and Mermaid's modules come from memory.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

SHIM = Path(__file__).with_name("iframe-worker.js")
"""Stands in for Web Workers, which file:// has none of."""

_ATTRIBUTE = re.compile(r'(\s(?:href|src)=)"([^"#?:]*)([#?][^"]*)?"')
# Of a font that is preloaded, a browser demands an answer that only servers give.
_ONLINE = re.compile(r'[ \t]*<link rel="(?:alternate|preload) ?"[^>]*>\n?')
# With it, the theme's script stops on file:// before it draws diagrams.
_INSTANT = re.compile(r'"navigation\.instant(?:\.\w+)?", ')
_DOWNLOADS = re.compile(
    r'(?:<h2 id="take-it-along">(?:(?!<h2).)*?</h2>\s*)?'
    r'<ul class="home-downloads">.*?</ul>',
    re.DOTALL,
)
_LEFT_OUT = re.compile(
    r"(?:.*\.(?:map|gz)|404\.html|sitemap\.xml|robots\.txt|feed\.xml|llms\.txt|.*/?index\.md"
    r"|search/search_index\.json|(?:downloads|notebooks)/.*|assets/cards/.*|assets/javascripts/lunr/.*"
    r"|assets/javascripts/mermaid/.*\.mjs)"
)
_MERMAID = "assets/javascripts/mermaid"
# With the time of the year that zip files start at, equal sites give equal files.
_TIME = (1980, 1, 1, 0, 0, 0)

_LOADER = """\
/* Mermaid for file://, where a browser loads no modules: each becomes a blob. */
(() => {
  const sources = %s;
  const addresses = new Map();
  const relative = /((?:from|import)\\s*\\(?\\s*)(["'])(\\.[^"']+)\\2/g;

  /** Returns the address of a module, after those that it imports. */
  function address(path) {
    if (!(path in sources)) return path;
    if (!addresses.has(path)) {
      const source = sources[path].replace(relative, (all, start, quote, target) => {
        const url = new URL(target, `http://x/${path}`);
        return `${start}${quote}${address(url.pathname.slice(1))}${quote}`;
      });
      const blob = new Blob([source], { type: "text/javascript" });
      addresses.set(path, URL.createObjectURL(blob));
    }
    return addresses.get(path);
  }

  window.mermaidAddress = () => address("mermaid.esm.min.mjs");
})();
"""


def pack(site: Path, folder: str) -> bytes:
    """Returns the zip; equal sites give equal bytes.

    Args:
        site: The built site.
        folder: Name of the folder that the zip unpacks to.
    """
    files: dict[str, bytes] = {}
    for path in site.rglob("*"):
        name = path.relative_to(site).as_posix()
        if path.is_file() and not _LEFT_OUT.fullmatch(name):
            files[name] = path.read_bytes()
    for name, data in files.items():
        if name.endswith(".html"):
            files[name] = _page(name, data.decode()).encode()
    files["assets/javascripts/iframe-worker.js"] = SHIM.read_bytes()
    files[f"{_MERMAID}/offline.js"] = _modules(site / _MERMAID).encode()
    index = json.loads((site / "search" / "search_index.json").read_bytes())
    files["search/search_index.js"] = f"var __index = {_index(index)}\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", _TIME)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def _page(name: str, html: str) -> str:
    """Returns a page that works from a folder."""

    def link(match: re.Match[str]) -> str:
        start, path, rest = match[1], match[2], match[3] or ""
        folder = path.endswith("/") or not PurePosixPath(path).suffix
        if path and folder and not path.startswith("/"):
            path = f"{path.rstrip('/')}/index.html"
        return f'{start}"{path}{rest}"'

    html = _ONLINE.sub("", _ATTRIBUTE.sub(link, html))
    html = _DOWNLOADS.sub("", _INSTANT.sub("", html))
    root = "../" * name.count("/")
    scripts = f'<script src="{root}assets/javascripts/iframe-worker.js"></script>'
    if 'class="mermaid"' in html:
        scripts += f'<script src="{root}{_MERMAID}/offline.js"></script>'
    start, bundle, end = html.partition(f'<script src="{root}assets/javascripts/bundle.')
    if not bundle:
        raise ValueError(f"{name}: the theme's script is not where it was")
    return f"{start}{scripts}{bundle}{end}"


def _index(index: dict[str, Any]) -> str:
    """Returns the search index with addresses that name files."""
    for document in index["docs"]:
        path, mark, anchor = document["location"].partition("#")
        document["location"] = f"{path}index.html{mark}{anchor}"
    return json.dumps(index, ensure_ascii=False, separators=(",", ":"))


def _modules(folder: Path) -> str:
    """Returns a script that holds Mermaid's modules as texts."""
    sources = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.mjs"))
    }
    return _LOADER % json.dumps(sources, ensure_ascii=False).replace("</", "<\\/")
