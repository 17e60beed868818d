"""The ledger as a whole: a bibliography, what is not cited, what has grown old."""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from executor.claims.ledger import Claim, Ledger, human_date, sort_key
from executor.claims.markup import origin


def bibliography(
    ledger: Ledger,
    citations: Mapping[str, Iterable[str]],
    *,
    page: str = "report/sources.md",
    titles: Mapping[str, str] | None = None,
) -> str:
    """Writes the page that lists all claims, with links back to the pages that cite them.

    Args:
        ledger: The claims.
        citations: For each page (its path below `docs`), the ids that it cites.
        page: Path of the page being written, below `docs`; links are relative to it.
        titles: Titles of the citing pages; a page without one is named by its path.

    Returns:
        Markdown with headings of the second level and below; the caller adds the title.
        The anchor of a claim is `claim-` and its id.
    """
    places: dict[str, list[str]] = {}
    for where, ids in citations.items():
        for id_ in dict.fromkeys(ids):
            places.setdefault(id_, []).append(where)
    lines: list[str] = []
    for file, title in ledger.titles.items():
        lines += [f"## {title}", ""]
        group = None
        for claim in ledger.of(file):
            if claim.group != group:
                group = claim.group
                lines += ["", f"### {group}", ""] if group else [""]
            lines.append(_entry(claim, ledger, places.get(claim.id, []), page, titles))
        lines.append("")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _entry(
    claim: Claim,
    ledger: Ledger,
    pages: Sequence[str],
    page: str,
    titles: Mapping[str, str] | None,
) -> str:
    how = "" if claim.verified == "read" else f", {claim.verified}"
    text = (
        f'- <span id="claim-{claim.id}"></span>{claim.statement}'
        f" <small>{origin(claim, ledger)}, as of {human_date(claim.as_of)}{how}.</small>"
    )
    if claim.note:
        text += f" <small>Note: {claim.note}</small>"
    others = ledger.conflicts_of(claim.id)
    if others:
        links = ", ".join(f"[`{other.id}`](#claim-{other.id})" for other in others)
        text += f" <small>Disagrees with {links}.</small>"
    if pages:
        links = ", ".join(
            f"[{(titles or {}).get(where, where)}]"
            f"({posixpath.relpath(where, posixpath.dirname(page))}#cite-{claim.id}-1)"
            for where in pages
        )
        text += f" <small>Cited in {links}.</small>"
    return text


def uncited(
    ledger: Ledger, citations: Mapping[str, Iterable[str]], file: str = ""
) -> list[str]:
    """Returns the ids that no page cites, of one file or of the whole ledger."""
    known = {id_ for ids in citations.values() for id_ in ids}
    return [c.id for c in ledger if c.id not in known and (not file or c.file == file)]


def stale(ledger: Ledger, today: date, max_age_days: int = 180) -> list[Claim]:
    """Returns the volatile claims that are older than allowed, oldest first.

    A date known only by month or year counts from its last day. A claim that is not
    volatile, such as the date of a release, never ages.
    """
    limit = today - timedelta(days=max_age_days)
    found = [claim for claim in ledger if claim.volatile and sort_key(claim)[1] < limit]
    return sorted(found, key=lambda claim: (sort_key(claim)[1], claim.id))


def freshness(ledger: Ledger, today: date, max_age_days: int = 180) -> str:
    """Writes which claims are due for a new check.

    Args:
        ledger: The claims.
        today: The day to count from.
        max_age_days: The age in days from which a volatile claim is due.

    Returns:
        A Markdown table, or a sentence when nothing is due.
    """
    due = stale(ledger, today, max_age_days)
    if not due:
        return f"No volatile claim is older than {max_age_days} days.\n"
    lines = ["| Claim | As of | Age in days |", "| --- | --- | ---: |"]
    for claim in due:
        age = (today - sort_key(claim)[1]).days
        statement = claim.statement.replace("|", "&#124;")
        lines.append(f"| {statement} | {human_date(claim.as_of)} | {age} |")
    return "\n".join(lines) + "\n"
