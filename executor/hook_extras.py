"""The MkDocs hook that completes a built site; `mkdocs serve` goes without."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Literal

# MkDocs loads this file by its path; the package around it is found from the root.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from jinja2 import Environment
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

from executor.extras.pdf import PdfError
from executor.extras.publish import Extras

_CLAIM = re.compile(r'(<(?:a class="claim"|span class="claims__how)[^>]*?) title=')
_REGION = re.compile(r'aria-label="([^"]*)" class="output-scroll"')
# What keeps its white space comes first: whole elements, and tags with their attributes,
# which may hold code.
_INDENT = re.compile(
    r"""(<(pre|script|style|textarea)\b.*?</\2>|<[a-z/!](?:[^>"']|"[^"]*"|'[^']*')*>)|\n\s+""",
    re.DOTALL | re.IGNORECASE,
)

_serving = False
_extras: Extras | None = None
_nav: Navigation | None = None


def on_startup(command: Literal["build", "gh-deploy", "serve"], dirty: bool) -> None:
    """Remembers whether the site is built or served."""
    global _serving
    _serving = command == "serve"


def on_pre_build(config: MkDocsConfig) -> None:
    """Finds out what this build can make."""
    global _extras
    _extras = None
    if _serving:
        return
    try:
        _extras = Extras(Path(config.config_file_path).parent, config)
    except PdfError as error:
        raise PluginError(str(error)) from error


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Links the downloads on the home page, where they will be."""
    if _extras is not None and page.is_homepage:
        return _extras.downloads(markdown)
    return markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Drops indentation, tells equal tables apart, puts titles of sources aside.

    The theme prepares a tooltip for each title when a page opens. A page with 240 of them
    kept a phone busy for a third of a second. site.js gives a source its title back when
    it is pointed at.
    """
    output = _INDENT.sub(lambda match: match[1] or "\n", output)
    labels: Counter[str] = Counter()

    def label(match: re.Match[str]) -> str:
        labels[match[1]] += 1
        number = f", {labels[match[1]]}" if labels[match[1]] > 1 else ""
        return f'aria-label="{match[1]}{number}" class="output-scroll"'

    output = _REGION.sub(label, output)
    return _CLAIM.sub(r"\1 data-title=", output)


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> None:
    """Keeps the navigation for `on_env`, when all pages have been read."""
    global _nav
    _nav = nav


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> None:
    """Tells the templates what each page may link to."""
    env.globals["extras"] = _extras is not None
    if _extras is not None and _nav is not None:
        _extras.note(_nav, files)


@event_priority(-100)  # after everything else that writes files
def on_post_build(config: MkDocsConfig, **kwargs: Any) -> None:
    """Completes the site."""
    if _extras is None:
        return
    try:
        _extras.finish()
    except PdfError as error:
        raise PluginError(str(error)) from error
