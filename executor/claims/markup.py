"""Pieces of HTML and Markdown, and where a page is code."""

import html
import re
from collections.abc import Sequence

from executor.claims.ledger import (
    Claim,
    Ledger,
)


def inside(position: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Tells whether a position lies in one of the spans."""
    return any(start <= position < end for start, end in spans)


def attribute(text: str) -> str:
    """Escapes text for an HTML attribute inside Markdown, so that nothing acts on it."""
    return re.sub(r"[^\w\s.,;()/-]|_", lambda m: f"&#{ord(m[0])};", text)


def inline(text: str) -> str:
    """Turns plain text with `code` into HTML that Markdown leaves alone."""
    parts = text.split("`")
    return "".join(
        f"<code>{attribute(part)}</code>" if index % 2 else attribute(part)
        for index, part in enumerate(parts)
    )


def protected(text: str) -> list[tuple[int, int]]:
    """Returns the spans in which marks mean nothing: code and comments."""
    spans: list[tuple[int, int]] = []
    fence = ""
    start = position = 0
    for line in text.splitlines(keepends=True):
        opening = re.match(r"\s*(`{3,}|~{3,})(.*)", line)
        if not fence and opening and "`" not in opening[2]:
            fence, start = opening[1], position
        elif (
            fence and opening and opening[1].startswith(fence) and not opening[2].strip()
        ):
            spans.append((start, position + len(line)))
            fence = ""
        position += len(line)
    if fence:
        spans.append((start, len(text)))
    inline = re.compile(
        r"<!--.*?-->|<pre\b.*?</pre>|<code\b.*?</code>|(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)*?"
        r"(?<!`)\1(?!`)",
        re.DOTALL,
    )
    position = 0
    while match := inline.search(text, position):
        block = next((s for s in spans if s[0] <= match.start() < s[1]), None)
        if block:
            position = block[1]
            continue
        spans.append(match.span())
        position = match.end()
    return sorted(spans)


def origin(claim: Claim, ledger: Ledger) -> str:
    """Returns the source of a claim as HTML, with its link."""
    if claim.url:
        return f'<a href="{html.escape(claim.url)}">{inline(claim.source)}</a>'
    if claim.package:
        return f"{inline(claim.source)} (<code>{attribute(claim.package)}</code>)"
    rest = "; ".join(inline(ledger[id_].source) for id_ in claim.derived_from)
    return f"{inline(claim.source)} (from: {rest})"
