"""Marks in prose: `[@id]` becomes a numbered reference, with a list of sources."""

import html
import re
from collections.abc import Iterator, Mapping

from executor.claims.ledger import (
    ID,
    VERIFIED,
    Claim,
    ClaimError,
    Ledger,
    human_date,
)
from executor.claims.markup import attribute, inline, inside, origin, protected
from executor.claims.timeline import expand

MARK = re.compile(r"(?:(?<=\S)[ \t]*\n?[ \t]*)?\[@(?P<ids>(?:[^\]\n]|\n(?!\s*\n))*)\]")
_SOURCES_MARKER = re.compile(r"<!--\s*sources\s*-->")


def render(
    markdown: str, ledger: Ledger, *, bibliography_url: str = ""
) -> tuple[str, list[str]]:
    """Turns marks into numbered references and adds the list of sources.

    Also replaces `<!-- timeline: FILE -->` and `<!-- counts: SERIES, ... -->`. The list
    of sources goes where `<!-- sources -->` stands, or else to the end of the page.
    Fenced code, inline code, `<pre>`, `<code>` and HTML comments stay as they are.

    Args:
        markdown: The page, with or without front matter.
        ledger: The claims.
        bibliography_url: Address of the page with all claims, relative to this page, to
            link each source to its full claim; empty for no link.

    Returns:
        The Markdown for the site, and the ids cited, in the order of their numbers.

    Raises:
        ClaimError: A mark is malformed or cites an unknown claim.
    """
    problems = [
        f"line {line}: {message}"
        for line, mark in marks(markdown)
        for _, message in mark_problems(mark, ledger)
    ]
    if problems:
        raise ClaimError("\n".join(problems))
    text = expand(markdown, ledger)
    shields = protected(text)
    numbers: dict[str, int] = {}
    uses: dict[str, int] = {}

    def reference(match: re.Match[str]) -> str:
        if inside(match.start("ids"), shields):
            return match[0]
        links = []
        for id_ in ids_of(match["ids"]) or []:
            number = numbers.setdefault(id_, len(numbers) + 1)
            uses[id_] = uses.get(id_, 0) + 1
            claim = ledger[id_]
            where = f"{claim.source}, {human_date(claim.as_of)}"
            links.append(
                f'<a class="claim" id="cite-{id_}-{uses[id_]}" href="#claim-{id_}"'
                f' title="{attribute(tooltip(claim))}"'
                f' aria-label="{attribute(f"Source {number}: {where}")}">{number}</a>'
            )
        return f'<sup class="claims-mark">{", ".join(links)}</sup>'

    body = MARK.sub(reference, text)
    if not numbers:
        return _SOURCES_MARKER.sub("", body), []
    sources = _sources(ledger, numbers, uses, bibliography_url)
    if _SOURCES_MARKER.search(body):
        return _SOURCES_MARKER.sub(lambda _: sources, body, count=1), [*numbers]
    return f"{body.rstrip()}\n\n{sources}", [*numbers]


def plain(markdown: str, ledger: Ledger) -> str:
    """Replaces marks by the names of their sources, for prose that leaves the site.

    Args:
        markdown: Prose, with or without marks.
        ledger: The claims.
    """
    shields = protected(markdown)

    def words(match: re.Match[str]) -> str:
        ids = ids_of(match["ids"])
        if inside(match.start("ids"), shields) or ids is None:
            return match[0]
        sources = []
        for claim in (ledger[id_] for id_ in ids):
            name = f"[{claim.source}]({claim.url})" if claim.url else claim.source
            sources.append(f"{name}, {human_date(claim.as_of)}")
        return f" ({'; '.join(dict.fromkeys(sources))})"

    return MARK.sub(words, markdown)


def cited(markdown: str) -> list[str]:
    """Returns the ids that a page cites, in the order of their first mark."""
    ids = [id_ for _, mark in marks(markdown) for id_ in ids_of(mark["ids"]) or []]
    return [*dict.fromkeys(ids)]


def tooltip(claim: Claim) -> str:
    """Returns what a mark shows on hover: statement, source, date, how it is known."""
    how = "" if claim.verified == "read" else f" ({claim.verified})"
    statement = claim.statement.replace("`", "")
    where = f"{claim.source}, {human_date(claim.as_of)}{how}"
    return f"{statement} Source: {where}." if statement else where


def ids_of(inside: str) -> list[str] | None:
    """Parses what stands between `[@` and `]`; None if it is malformed."""
    ids = [part.strip() for part in f"@{inside}".split(";")]
    if all(id_.startswith("@") and ID.fullmatch(id_[1:]) for id_ in ids):
        return [id_[1:] for id_ in ids]
    return None


def marks(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Yields the marks outside code and comments, each with its line."""
    shields = protected(text)
    for match in MARK.finditer(text):
        if not inside(match.start("ids"), shields):
            yield text.count("\n", 0, match.start("ids")) + 1, match


def mark_problems(mark: re.Match[str], ledger: Ledger) -> list[tuple[str, str]]:
    """Returns what is wrong with a mark, as pairs of kind and message."""
    ids = ids_of(mark["ids"])
    if ids is None:
        message = f"malformed mark {mark[0].strip()}, want [@id] or [@a; @b]"
        return [("malformed-mark", message)]
    unknown = [id_ for id_ in ids if id_ not in ledger]
    return [("unknown-claim", f"no claim has the id {id_!r}") for id_ in unknown]


def _sources(
    ledger: Ledger,
    numbers: Mapping[str, int],
    uses: Mapping[str, int],
    bibliography_url: str,
) -> str:
    items = []
    for id_ in numbers:
        claim = ledger[id_]
        parts = [
            f'<span class="claims__source">{origin(claim, ledger)}</span>',
            f'as of <time datetime="{claim.as_of}">{human_date(claim.as_of)}</time>',
            f'<span class="claims__how claims__how--{claim.verified}"'
            f' title="{attribute(VERIFIED[claim.verified])}">{claim.verified}</span>',
        ]
        if bibliography_url:
            address = html.escape(f"{bibliography_url}#claim-{id_}")
            parts.append(f'<a class="claims__full" href="{address}">claim</a>')
        backs = " ".join(
            f'<a class="claims__back" href="#cite-{id_}-{use}"'
            f' aria-label="Back to mention {use} of source {numbers[id_]}">↩'
            + (f"<sup>{use}</sup>" if uses[id_] > 1 else "")
            + "</a>"
            for use in range(1, uses[id_] + 1)
        )
        lines = [", ".join(parts) + " " + backs]
        if claim.note:
            lines.append(f'<span class="claims__note">Note: {inline(claim.note)}</span>')
        for other in ledger.conflicts_of(id_):
            where = (
                f'<a href="#claim-{other.id}">source {numbers[other.id]}</a>'
                if other.id in numbers
                else origin(other, ledger)
            )
            lines.append(
                f'<span class="claims__conflict">Disagrees with {where}:'
                f" {inline(other.statement)}</span>"
            )
        items.append(f'<li id="claim-{id_}">' + "<br>".join(lines) + "</li>")
    joined = "\n".join(items)
    return f'## Sources\n\n<ol class="claims">\n{joined}\n</ol>\n'
