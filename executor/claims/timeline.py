"""Timelines and charts of counts, drawn from claims."""

import re
from collections.abc import Sequence
from datetime import date

from executor.claims.ledger import (
    CATEGORIES,
    MONTHS,
    Claim,
    ClaimError,
    Ledger,
    human_date,
    short_count,
    sort_key,
)
from executor.claims.markup import attribute, inline, inside, protected

_MARKER = re.compile(r"<!--\s*(?P<kind>timeline|counts):\s*(?P<names>[^>]*?)\s*-->")


def expand(markdown: str, ledger: Ledger) -> str:
    """Replaces the markers for timelines and counts by what they stand for.

    The result still holds marks, so a timeline cites its claims like any paragraph.

    Args:
        markdown: The page.
        ledger: The claims.

    Returns:
        The page with the markers replaced.

    Raises:
        ClaimError: A marker names a file or series that has nothing to show.
    """
    shields = [s for s in protected(markdown) if not _MARKER.fullmatch(markdown, *s)]

    def replace(match: re.Match[str]) -> str:
        if inside(match.start(), shields):
            return match[0]
        names = [name.strip() for name in match["names"].split(",") if name.strip()]
        if match["kind"] == "timeline":
            return timeline(ledger, names)
        return counts(ledger, names)

    return _MARKER.sub(replace, markdown)


def timeline(ledger: Ledger, files: Sequence[str] = ()) -> str:
    """Writes the timeline: events by year, with a filter that needs no script.

    Args:
        ledger: The claims.
        files: Stems of the files to take events from; all files if empty.

    Returns:
        HTML with marks, ready for `render`.

    Raises:
        ClaimError: There is no event.
    """
    events = sorted(
        (c for c in ledger if c.timeline and (not files or c.file in files)),
        key=sort_key,
    )
    if not events:
        raise ClaimError(f"no claim of {', '.join(files) or 'the ledger'} is an event")
    used = [name for name in CATEGORIES if any(c.category == name for c in events)]
    name = "timeline-" + ("-".join(files) or "all")
    lines = [
        '<div class="timeline-box" role="group"'
        ' aria-label="Timeline; choose a topic to show its events only">'
    ]
    for choice, label in [("all", "Everything"), *((c, CATEGORIES[c]) for c in used)]:
        checked = " checked" if choice == "all" else ""
        lines.append(
            f'<input class="timeline-pick timeline-pick--{choice}" type="radio"'
            f' name="{name}" id="{name}-{choice}"{checked}>'
            f'<label class="timeline-chip" for="{name}-{choice}"'
            f' data-category="{choice}">{label}</label>'
        )
    lines.append('<ol class="timeline">')
    for year in sorted({event.as_of[:4] for event in events}):
        group = [event for event in events if event.as_of.startswith(year)]
        has = " ".join(f"has-{c}" for c in used if any(e.category == c for e in group))
        lines.append(f'<li class="timeline__year {has}">')
        lines.append(f'<span class="timeline__heading">{year}</span>')
        lines.append('<ol class="timeline__events">')
        for event in group:
            day = _day(event.as_of)
            lines.append(
                f'<li data-category="{event.category}"><time datetime="{event.as_of}">'
                f'{day or year}</time> <span class="timeline__label">'
                f"{inline(event.timeline)}[@{event.id}]</span>"
                f' <span class="timeline__category">{CATEGORIES[event.category]}</span>'
                "</li>"
            )
        lines += ["</ol>", "</li>"]
    lines += ["</ol>", "</div>"]
    return "\n".join(lines)


def _day(as_of: str) -> str:
    """Writes month and day of a date as short as it is known; empty for a year."""
    _, month, day = [*as_of.split("-"), "", ""][:3]
    return (
        f"{MONTHS[int(month) - 1][:3]} {int(day) if day else ''}".strip() if month else ""
    )


def counts(ledger: Ledger, series: Sequence[str]) -> str:
    """Draws series of counts as small charts on one scale, with the table of numbers.

    The first series is drawn as a line with filled dots, the second with open dots.

    Args:
        ledger: The claims.
        series: Names of one or two series, as in the `series` field of claims.

    Returns:
        HTML and a Markdown table with marks, ready for `render`.

    Raises:
        ClaimError: A series has no claim.
    """
    rows: list[Claim] = []
    for name in series:
        found = [claim for claim in ledger if claim.series == name]
        if not found:
            raise ClaimError(f"no claim belongs to the series {name!r}")
        rows += found
    if not rows:
        raise ClaimError("name a series of counts")
    kinds = [*dict.fromkeys(kind for row in rows for kind in row.values)]
    panels = "\n".join(_panel(kind, rows, series) for kind in kinds)
    head = "| As of | " + " | ".join(kind.capitalize() for kind in kinds) + " | Source |"
    table = [head, "| --- |" + " ---: |" * len(kinds) + " --- |"]
    for row in sorted(rows, key=lambda r: (series.index(r.series), sort_key(r))):
        cells = " | ".join(
            short_count(row.values[k]) if k in row.values else "" for k in kinds
        )
        day = f"{_day(row.as_of)} {row.as_of[:4]}".strip().replace(" ", "&nbsp;")
        table.append(f"| {day} | {cells} | {_publisher(row)} [@{row.id}] |")
    return f'<div class="counts">\n{panels}\n</div>\n\n' + "\n".join(table) + "\n"


def _panel(kind: str, rows: Sequence[Claim], series: Sequence[str]) -> str:
    """Draws one kind of count over time as SVG, colored by the style sheet."""
    width, height, left, right, top, bottom = 230, 165, 26, 38, 12, 24
    times = [_middle(row) for row in rows]
    first, last = min(times).year, max(times).year + 1
    peak = max(value for row in rows for value in row.values.values())
    step: int = 10 ** (len(str(peak)) - 1)
    ceiling = -(-peak // step) * step

    def x(day: date) -> float:
        days = (day - date(first, 1, 1)).days / (
            date(last, 1, 1) - date(first, 1, 1)
        ).days
        return left + (width - left - right) * days

    def y(count: float) -> float:
        return height - bottom - (height - top - bottom) * count / ceiling

    parts = [
        f'<line class="counts__grid" x1="{left}" x2="{width - right}"'
        f' y1="{y(tick):.1f}" y2="{y(tick):.1f}"/><text class="counts__tick"'
        f' x="{left - 5}" y="{y(tick) + 3.5:.1f}" text-anchor="end">'
        f"{short_count(tick)}</text>"
        for tick in range(0, ceiling + 1, step)
    ]
    parts += [
        f'<text class="counts__tick" x="{x(date(year, 1, 1)):.1f}" y="{height - 8}"'
        f' text-anchor="middle">{year}</text>'
        for year in range(first, last + 1, 2 if last - first > 3 else 1)
    ]
    described = []
    labels: list[tuple[float, float, str, str]] = []
    for index, name in enumerate(series):
        own = [row for row in rows if row.series == name and kind in row.values]
        if not own:
            continue
        own.sort(key=_middle)
        spots = [(x(_middle(row)), y(row.values[kind])) for row in own]
        look = f"counts__line--{index + 1}"
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in spots)
        parts.append(f'<polyline class="counts__line {look}" points="{path}"/>')
        parts += [
            f'<circle class="counts__dot {look}" r="3"'
            f' cx="{across:.1f}" cy="{down:.1f}"/>'
            for across, down in spots
        ]
        start, end = own[0], own[-1]
        value = short_count(end.values[kind])
        labels.append((spots[-1][1], spots[-1][0], look, value))
        described.append(
            f"{_publisher(end)}: from {short_count(start.values[kind])} in"
            f" {human_date(start.as_of)} to {value} in {human_date(end.as_of)}."
        )
    lowest, across = 0.0, max(label[1] for label in labels)
    for down, _, look, value in sorted(labels):
        lowest = max(down + 4, lowest + 13)  # labels must not cover one another
        parts.append(
            f'<text class="counts__value {look}" x="{across + 6:.1f}"'
            f' y="{lowest:.1f}">{value}</text>'
        )
    alt = attribute(f"{kind.capitalize()} on the Hub over time. " + " ".join(described))
    return (
        f'<figure class="counts__panel"><figcaption>{kind.capitalize()}</figcaption>'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{alt}">'
        + "".join(parts)
        + "</svg></figure>"
    )


def _publisher(claim: Claim) -> str:
    """Returns the part of a source before its colon: who says it."""
    return claim.source.split(":")[0]


def _middle(claim: Claim) -> date:
    first, last = sort_key(claim)
    return first + (last - first) / 2
