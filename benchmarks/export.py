"""A MkDocs hook that writes down the Markdown which a build makes of its pages.

From it, the benchmark makes the same site without notebooks.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page


@event_priority(-100)  # after all that changes the Markdown
def on_page_markdown(
    markdown: str,
    page: Page,
    config: MkDocsConfig,
    files: Files,  # noqa: ARG001 - MkDocs gives every event all its arguments
) -> None:
    """Writes a page below the folder that ``extra.export`` names."""
    target = Path(config.extra["export"], page.file.src_uri).with_suffix(".md")
    target.parent.mkdir(parents=True, exist_ok=True)
    front = yaml.safe_dump(dict(page.meta), sort_keys=False) if page.meta else ""
    text = re.sub(r"(\]\([^)\s]*pages/[\w-]+)\.py\)", r"\1.md)", markdown)
    target.write_text(f"---\n{front}---\n{text}" if front else text, encoding="utf-8")
