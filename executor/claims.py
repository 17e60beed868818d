"""The claims ledger: every fact from outside, once, with its source and its date.

A claim is an entry in `data/claims/*.yml`. Prose cites it with a mark that reads well
in an editor: `It raised $235M [@series-d-2023].` Several claims share one mark:
`[@series-d-2023; @series-d-lead]`. This module loads the ledger, checks it, and turns
marks into numbered references. It knows Markdown and HTML, and nothing of MkDocs.
"""

import html
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

VERIFIED = {
    "read": "read",
    "second-hand": "second-hand: the source reports what others said",
    "inferred": "inferred from what we read",
}
CATEGORIES = {
    "company": "Company",
    "library": "Libraries",
    "hub": "Hub",
    "money": "Money",
    "science": "Open science",
    "security": "Security",
}
FIELDS = {
    "id",
    "statement",
    "as_of",
    "source",
    "url",
    "package",
    "derived_from",
    "verified",
    "note",
    "conflicts",
    "volatile",
    "timeline",
    "category",
    "series",
    "values",
}
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_MARK = re.compile(r"(?:(?<=\S)[ \t]*\n?[ \t]*)?\[@(?P<ids>(?:[^\]\n]|\n(?!\s*\n))*)\]")
_MARKER = re.compile(r"<!--\s*(?P<kind>timeline|counts):\s*(?P<names>[^>]*?)\s*-->")
_SOURCES_MARKER = re.compile(r"<!--\s*sources\s*-->")
# Package registries: a claim names the package and its version, never the host.
_REGISTRY = re.compile(
    r"\b(?:pypi|npmjs|crates|rubygems|anaconda)\.(?:org|com|io|dev)\b|pythonhosted\.",
    re.IGNORECASE,
)
_UNVERIFIED = re.compile(r"\bunverified\b", re.IGNORECASE)


class ClaimError(Exception):
    """The ledger, or a mark that cites it, is wrong. The message lists every problem."""


@dataclass(frozen=True)
class Claim:
    """One fact from outside.

    Attributes:
        id: Stable name that prose cites.
        statement: The fact, in our own words; inline Markdown code is allowed.
        as_of: When it was true: `2023-08-24`, `2023-08` or `2023`.
        source: Title of the source.
        url: Address of the source, unless `package` or `derived_from` stands for it.
        package: A released package that was read, such as `transformers 5.0.0`.
        derived_from: Claims that an inferred claim rests on.
        verified: `read`, `second-hand` or `inferred`.
        note: What a reader should know about the evidence.
        conflicts: Claims that say something else.
        volatile: True when the fact ages, such as a count or a newest version.
        timeline: Short label, when the claim is an event of the timeline.
        category: Category of the event, a key of `CATEGORIES`.
        series: Name of a series of counts that the claim belongs to.
        values: The counts themselves, such as `{"models": 50000}`.
        file: Stem of the file in which the claim stands.
        group: Heading under which it stands there.
        line: Line on which it begins.
    """

    id: str
    statement: str
    as_of: str
    source: str
    verified: str
    url: str = ""
    package: str = ""
    derived_from: tuple[str, ...] = ()
    note: str = ""
    conflicts: tuple[str, ...] = ()
    volatile: bool = False
    timeline: str = ""
    category: str = ""
    series: str = ""
    values: Mapping[str, int] = field(default_factory=dict)
    file: str = ""
    group: str = ""
    line: int = 0


@dataclass(frozen=True)
class Ledger:
    """All claims, in the order of the files.

    Attributes:
        claims: Claims by id.
        titles: Title of each file by its stem.
    """

    claims: Mapping[str, Claim]
    titles: Mapping[str, str]

    def __getitem__(self, id_: str) -> Claim:
        """Returns the claim with this id."""
        return self.claims[id_]

    def __contains__(self, id_: object) -> bool:
        """Tells whether a claim with this id exists."""
        return id_ in self.claims

    def __iter__(self) -> Iterator[Claim]:
        """Yields the claims in the order of the files."""
        return iter(self.claims.values())

    def __len__(self) -> int:
        """Returns the number of claims."""
        return len(self.claims)

    def of(self, file: str) -> list[Claim]:
        """Returns the claims of one file, given by its stem."""
        return [claim for claim in self if claim.file == file]

    def conflicts_of(self, id_: str) -> list[Claim]:
        """Returns the claims that disagree with this one, whichever side says so."""
        named = set(self[id_].conflicts)
        return [c for c in self if c.id in named or id_ in c.conflicts]


@dataclass(frozen=True)
class Problem:
    """Something wrong in a page of prose.

    Attributes:
        line: Line of the paragraph, list item or table row, counted from 1.
        kind: `unknown-claim`, `malformed-mark`, `uncited-figure` or `bad-escape`.
        message: What is wrong and what to do.
    """

    line: int
    kind: str
    message: str

    def __str__(self) -> str:
        """Returns the problem as one line."""
        return f"line {self.line}: {self.message} ({self.kind})"


# --- loading ---------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that keeps dates as text and remembers the line of each mapping.

    It is PyYAML's C loader where there is one, which is five times as fast.
    """


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if not tag.endswith(":timestamp")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    value = loader.construct_mapping(node, deep=True)
    value["__line__"] = node.start_mark.line + 1
    return value


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load(folder: Path) -> Ledger:
    """Loads and checks every `*.yml` file of a folder.

    A file is a mapping with a `title`, its place among the files (`order`) and `groups`,
    a list of mappings with a `title` and `claims`.

    Args:
        folder: The folder, such as `data/claims`.

    Returns:
        The ledger.

    Raises:
        ClaimError: A claim lacks an id, statement, date or source, repeats an id, has a
            bad date, names an unknown claim, is unverified, or gives the address of a
            package registry. The message lists every problem as `file:line: problem`.
    """
    problems: list[str] = []
    documents: list[tuple[int, Path, dict[str, Any]]] = []
    for path in sorted(folder.glob("*.yml")):
        try:
            document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        except yaml.YAMLError as error:
            problems.append(f"{path}: {error}")
            continue
        if not isinstance(document, dict) or not isinstance(document.get("groups"), list):
            problems.append(f"{path}:1: want a mapping with a title and groups")
            continue
        order = document.get("order", 99)
        if not isinstance(order, int):
            problems.append(f"{path}:1: order must be a number, found {order!r}")
            continue
        documents.append((order, path, document))
    claims: dict[str, Claim] = {}
    titles: dict[str, str] = {}
    for _, path, document in sorted(documents, key=lambda entry: entry[:2]):
        titles[path.stem] = str(document.get("title") or path.stem.capitalize())
        for group in document["groups"]:
            for raw in group.get("claims") or []:
                claim, found = _claim(raw, path.stem, str(group.get("title", "")))
                where = f"{path}:{claim.line}: {claim.id or 'a claim'}"
                if claim.id in claims:
                    first = claims[claim.id]
                    found.append(f"the id is already used in {first.file}:{first.line}")
                problems += [f"{where}: {problem}" for problem in found]
                claims.setdefault(claim.id, claim)
    if not titles and not problems:
        problems.append(f"{folder}: no claims here")
    for claim in claims.values():
        for name in ("conflicts", "derived_from"):
            for other in getattr(claim, name):
                if other not in claims or other == claim.id:
                    where = f"{folder / claim.file}.yml:{claim.line}: {claim.id}"
                    problems.append(f"{where}: {name} names {other!r}, no other claim")
    if problems:
        raise ClaimError("\n".join(problems))
    return Ledger(claims, titles)


def _claim(raw: Any, file: str, group: str) -> tuple[Claim, list[str]]:
    """Builds one claim and lists what is wrong with it."""
    if not isinstance(raw, dict):
        empty = Claim("", "", "", "", "", file=file, group=group)
        return empty, [f"want a mapping, found {raw!r}"]
    problems: list[str] = []

    def text(name: str) -> str:
        value = raw.get(name)
        return "" if value is None else " ".join(str(value).split())

    def names(name: str) -> tuple[str, ...]:
        value = raw.get(name) or []
        if not isinstance(value, list):
            problems.append(f"{name} must be a list, found {value!r}")
            return ()
        return tuple(str(item) for item in value)

    claim = Claim(
        id=text("id"),
        statement=text("statement"),
        as_of=text("as_of"),
        source=text("source"),
        verified=text("verified"),
        url=text("url"),
        package=text("package"),
        derived_from=names("derived_from"),
        note=text("note"),
        conflicts=names("conflicts"),
        volatile=raw.get("volatile") is True,
        timeline=text("timeline"),
        category=text("category"),
        series=text("series"),
        values={k: v for k, v in (raw.get("values") or {}).items() if k != "__line__"},
        file=file,
        group=group,
        line=int(raw.get("__line__", 0)),
    )
    unknown = sorted(set(raw) - FIELDS - {"__line__"})
    if unknown:
        problems.append(f"unknown fields {', '.join(map(str, unknown))}")
    needed = ("id", "statement", "as_of", "source", "verified")
    problems += [f"missing {name}" for name in needed if not getattr(claim, name)]
    if claim.id and not _ID.fullmatch(claim.id):
        problems.append("the id must be in kebab-case, such as series-d-2023")
    if claim.as_of and not _bounds(claim.as_of):
        problems.append(f"bad date {claim.as_of!r}, want 2023-08-24, 2023-08 or 2023")
    if claim.verified and claim.verified not in VERIFIED:
        problems.append(
            f"verified is {claim.verified!r}, want one of {', '.join(VERIFIED)}"
        )
    problems += _origin_problems(claim)
    everything = " ".join(str(value) for value in raw.values())
    if _REGISTRY.search(everything):
        problems.append("names the host of a package registry; use package instead")
    if _UNVERIFIED.search(everything):
        problems.append("is unverified; verify it or leave it out")
    if bool(claim.timeline) != bool(claim.category):
        problems.append("timeline and category go together")
    if claim.category and claim.category not in CATEGORIES:
        problems.append(f"category is {claim.category!r}, want one of {[*CATEGORIES]}")
    if claim.series and not claim.values:
        problems.append("a claim of a series needs values")
    for name, value in claim.values.items():
        if type(value) is not int or value < 0:
            problems.append(f"the value of {name} must be a count, found {value!r}")
    return claim, problems


def _origin_problems(claim: Claim) -> list[str]:
    given = [n for n in ("url", "package", "derived_from") if getattr(claim, n)]
    problems = []
    if not given:
        problems.append("missing url (or package, or derived_from if inferred)")
    if len(given) > 1:
        problems.append(f"give one of url, package, derived_from, found {given}")
    if claim.url and not re.match(r"https?://[^\s/]+\.[^\s]+$", claim.url):
        problems.append(f"bad url {claim.url!r}")
    if claim.package and not re.fullmatch(r"[\w.-]+ [\w.+-]+", claim.package):
        problems.append(f"package is {claim.package!r}, want a name and a version")
    if claim.derived_from and claim.verified != "inferred":
        problems.append("only an inferred claim is derived from others")
    return problems


# --- dates and numbers -----------------------------------------------------------------


def _bounds(as_of: str) -> tuple[date, date] | None:
    """Returns the first and the last day of a date of any precision."""
    match = _DATE.fullmatch(as_of)
    if not match:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    assert year is not None
    try:
        first = date(year, month or 1, day or 1)
        if day:
            return first, first
        if month:
            return first, date(year + month // 12, month % 12 + 1, 1) - timedelta(1)
        return first, date(year, 12, 31)
    except ValueError:
        return None


def _sort_key(claim: Claim) -> tuple[date, date]:
    bounds = _bounds(claim.as_of)
    assert bounds
    return bounds


def human_date(as_of: str) -> str:
    """Writes a ledger date for people: `2023-08-24` becomes `August 24, 2023`."""
    year, month, day = [*as_of.split("-"), "", ""][:3]
    if day:
        return f"{MONTHS[int(month) - 1]} {int(day)}, {year}"
    return f"{MONTHS[int(month) - 1]} {year}" if month else year


def short_count(count: int) -> str:
    """Writes a count in three digits at most: `2430000` becomes `2.43M`."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


# --- rendering marks -------------------------------------------------------------------


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
        for line, mark in _marks(markdown)
        for _, message in _mark_problems(mark, ledger)
    ]
    if problems:
        raise ClaimError("\n".join(problems))
    text = expand(markdown, ledger)
    shields = _protected(text)
    numbers: dict[str, int] = {}
    uses: dict[str, int] = {}

    def reference(match: re.Match[str]) -> str:
        if _inside(match.start("ids"), shields):
            return match[0]
        links = []
        for id_ in _ids(match["ids"]) or []:
            number = numbers.setdefault(id_, len(numbers) + 1)
            uses[id_] = uses.get(id_, 0) + 1
            claim = ledger[id_]
            where = f"{claim.source}, {human_date(claim.as_of)}"
            links.append(
                f'<a class="claim" id="cite-{id_}-{uses[id_]}" href="#claim-{id_}"'
                f' title="{_attribute(tooltip(claim))}"'
                f' aria-label="{_attribute(f"Source {number}: {where}")}">{number}</a>'
            )
        return f'<sup class="claims-mark">{", ".join(links)}</sup>'

    body = _MARK.sub(reference, text)
    if not numbers:
        return _SOURCES_MARKER.sub("", body), []
    sources = _sources(ledger, numbers, uses, bibliography_url)
    if _SOURCES_MARKER.search(body):
        return _SOURCES_MARKER.sub(lambda _: sources, body, count=1), [*numbers]
    return f"{body.rstrip()}\n\n{sources}", [*numbers]


def cited(markdown: str) -> list[str]:
    """Returns the ids that a page cites, in the order of their first mark."""
    ids = [id_ for _, mark in _marks(markdown) for id_ in _ids(mark["ids"]) or []]
    return [*dict.fromkeys(ids)]


def tooltip(claim: Claim) -> str:
    """Returns what a mark shows on hover: statement, source, date, how it is known."""
    how = "" if claim.verified == "read" else f" ({claim.verified})"
    statement = claim.statement.replace("`", "")
    where = f"{claim.source}, {human_date(claim.as_of)}{how}"
    return f"{statement} Source: {where}." if statement else where


def _ids(inside: str) -> list[str] | None:
    """Parses what stands between `[@` and `]`; None if it is malformed."""
    ids = [part.strip() for part in f"@{inside}".split(";")]
    if all(id_.startswith("@") and _ID.fullmatch(id_[1:]) for id_ in ids):
        return [id_[1:] for id_ in ids]
    return None


def _marks(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Yields the marks outside code and comments, each with its line."""
    shields = _protected(text)
    for match in _MARK.finditer(text):
        if not _inside(match.start("ids"), shields):
            yield text.count("\n", 0, match.start("ids")) + 1, match


def _mark_problems(mark: re.Match[str], ledger: Ledger) -> list[tuple[str, str]]:
    """Returns what is wrong with a mark, as pairs of kind and message."""
    ids = _ids(mark["ids"])
    if ids is None:
        message = f"malformed mark {mark[0].strip()}, want [@id] or [@a; @b]"
        return [("malformed-mark", message)]
    unknown = [id_ for id_ in ids if id_ not in ledger]
    return [("unknown-claim", f"no claim has the id {id_!r}") for id_ in unknown]


def _inside(position: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= position < end for start, end in spans)


def _attribute(text: str) -> str:
    """Escapes text for an HTML attribute inside Markdown, so that nothing acts on it."""
    return re.sub(r"[^\w\s.,;()/-]|_", lambda m: f"&#{ord(m[0])};", text)


def _inline(text: str) -> str:
    """Turns plain text with `code` into HTML that Markdown leaves alone."""
    parts = text.split("`")
    return "".join(
        f"<code>{_attribute(part)}</code>" if index % 2 else _attribute(part)
        for index, part in enumerate(parts)
    )


def _protected(text: str) -> list[tuple[int, int]]:
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


def _origin(claim: Claim, ledger: Ledger) -> str:
    """Returns the source of a claim as HTML, with its link."""
    if claim.url:
        return f'<a href="{html.escape(claim.url)}">{_inline(claim.source)}</a>'
    if claim.package:
        return f"{_inline(claim.source)} (<code>{_attribute(claim.package)}</code>)"
    rest = "; ".join(_inline(ledger[id_].source) for id_ in claim.derived_from)
    return f"{_inline(claim.source)} (from: {rest})"


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
            f'<span class="claims__source">{_origin(claim, ledger)}</span>',
            f'as of <time datetime="{claim.as_of}">{human_date(claim.as_of)}</time>',
            f'<span class="claims__how claims__how--{claim.verified}"'
            f' title="{_attribute(VERIFIED[claim.verified])}">{claim.verified}</span>',
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
            lines.append(f'<span class="claims__note">Note: {_inline(claim.note)}</span>')
        for other in ledger.conflicts_of(id_):
            where = (
                f'<a href="#claim-{other.id}">source {numbers[other.id]}</a>'
                if other.id in numbers
                else _origin(other, ledger)
            )
            lines.append(
                f'<span class="claims__conflict">Disagrees with {where}:'
                f" {_inline(other.statement)}</span>"
            )
        items.append(f'<li id="claim-{id_}">' + "<br>".join(lines) + "</li>")
    joined = "\n".join(items)
    return f'## Sources\n\n<ol class="claims">\n{joined}\n</ol>\n'


# --- timeline and counts ---------------------------------------------------------------


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
    shields = [s for s in _protected(markdown) if not _MARKER.fullmatch(markdown, *s)]

    def replace(match: re.Match[str]) -> str:
        if _inside(match.start(), shields):
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
        key=_sort_key,
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
                f"{_inline(event.timeline)}[@{event.id}]</span>"
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
    for row in sorted(rows, key=lambda r: (series.index(r.series), _sort_key(r))):
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
    alt = _attribute(f"{kind.capitalize()} on the Hub over time. " + " ".join(described))
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
    first, last = _sort_key(claim)
    return first + (last - first) / 2


# --- the page with all claims ----------------------------------------------------------


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
        f" <small>{_origin(claim, ledger)}, as of {human_date(claim.as_of)}{how}.</small>"
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
    found = [claim for claim in ledger if claim.volatile and _sort_key(claim)[1] < limit]
    return sorted(found, key=lambda claim: (_sort_key(claim)[1], claim.id))


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
        age = (today - _sort_key(claim)[1]).days
        statement = claim.statement.replace("|", "&#124;")
        lines.append(f"| {statement} | {human_date(claim.as_of)} | {age} |")
    return "\n".join(lines) + "\n"


# --- checking prose --------------------------------------------------------------------

_MONTH = "(?:" + "|".join((*MONTHS, *(month[:3] for month in MONTHS))) + ")"
_UNITS = (
    r"(?:parameters|models|data ?sets|datasets|Spaces|repositories|users|customers"
    r"|downloads|stars|languages|tokens|tensors|GPUs|TPUs|people|researchers|countries"
    r"|institutions|employees|teenagers|conversations|contributors|companies|checkpoints"
    r"|architectures|installs|images|classes|clips|frames|videos|pages|articles|papers"
    r"|commits|issues|actions|degrees|hours|minutes|seconds|milliseconds|days|weeks"
    r"|months|years|points|times|epochs|steps|layers|heads|synsets|instances|pairs"
    r"|partners|providers|derivatives|[kKMGTP]i?B|px|W|kg|ms|fps)\b"
)
_WORDS = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty"
    r"|forty|fifty|sixty|seventy|eighty|ninety|hundred|half a|a|several|tens of"
    r"|hundreds of)"
)
_METRICS = (
    r"(?:mIoU|[bm]?AP|mAP|BLEU|F1|FID|PQ|CIDEr|GLUE|top-1|top-5|accuracy|perplexity|CVSS)"
)
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_FIGURES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "money",
        re.compile(
            rf"[$€£]\s?{_NUMBER}|\b(?:EUR|USD)\s?{_NUMBER}"
            rf"|\b{_NUMBER}\s?(?:[kMB]|million|billion)?\s?(?:dollars|euros|EUR|USD)\b"
        ),
    ),
    ("percentage", re.compile(rf"\b{_NUMBER}\s?(?:%|percent\b|per cent\b)")),
    (
        "date",
        re.compile(
            rf"\b{_MONTH}\.?\s\d{{1,2}}(?:st|nd|rd|th)?\b(?!\.\d)"
            rf"|\b\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH}\b"
        ),
    ),
    ("year", re.compile(r"(?<![\w.,/])(?:19[5-9]\d|20[0-3]\d)s?(?![\w]|[.,]\d)")),
    ("figure", re.compile(r"\b\d{1,3}(?:,\d{3})+\b")),
    (
        "figure",
        re.compile(
            rf"\b{_NUMBER}\s?(?:[kKMBT]\b(?!-)|thousand|million|billion|trillion)"
            rf"|\b{_WORDS}\s(?:thousand|million|billion|trillion)s?\b",
            re.ASCII,
        ),
    ),
    (
        "count",
        re.compile(rf"(?<![\w./-]){_NUMBER}\+?[\s-](?:[a-z][\w-]*\s){{0,2}}?{_UNITS}"),
    ),
    (
        "result",
        re.compile(
            rf"(?<![\w.-])\d+\.\d+\s(?:[a-z]+\s)?{_METRICS}(?!\w)"
            rf"|(?<!\w){_METRICS}\s(?:of\s|is\s|was\s|at\s)?\d+(?:\.\d+)?(?![\w.]\d)"
        ),
    ),
)
_ESCAPE = re.compile(r"<!--\s*own number:\s*(?P<what>.*?)\s*-->", re.DOTALL)


def check_prose(markdown: str, ledger: Ledger) -> list[Problem]:
    """Finds figures and dates in report prose that no claim and no page stands for.

    A paragraph, list item or table row that states a year, a date, money, a percentage,
    a count with its unit or a benchmark result must cite a claim in the same unit, or
    take the number from a page with `{{ ... }}`. Headings, table heads, code and front
    matter are exempt. For a number of our own, say so in the same unit:
    `<!-- own number: 3 pages -->` exempts exactly the words `3 pages`.

    Args:
        markdown: The source of the page, before `render`.
        ledger: The claims.

    Returns:
        The problems, in the order of the page.
    """
    problems: list[Problem] = []
    for line, unit in _units(markdown):
        marks = [*_MARK.finditer(unit)]
        for mark in marks:
            problems += [Problem(line, *found) for found in _mark_problems(mark, ledger)]
        text, escapes = _plain(unit)
        for escape in escapes:
            if escape not in text:
                message = f"the escape {escape!r} does not stand in this unit"
                problems.append(Problem(line, "bad-escape", message))
            elif any(
                kind in ("money", "date", "year", "result") and pattern.search(escape)
                for kind, pattern in _FIGURES
            ):
                message = f"{escape!r} is no number of our own, cite a claim"
                problems.append(Problem(line, "bad-escape", message))
            else:
                text = text.replace(escape, " ")
        if any(_ids(mark["ids"]) for mark in marks):
            continue
        for kind, pattern in _FIGURES:
            if found := pattern.search(text):
                message = f"the {kind} {found[0]!r} has no claim in this paragraph"
                problems.append(Problem(line, "uncited-figure", message))
                break
    return problems


def _units(markdown: str) -> Iterator[tuple[int, str]]:
    """Yields paragraphs, list items and table rows, each with its first line.

    Code and comments other than escapes are blanked out, headings left out.
    """
    text = markdown
    for start, end in reversed(_protected(markdown)):
        if not _ESCAPE.fullmatch(text, start, end):
            blank = re.sub(r"[^\n]", " ", text[start:end])
            text = text[:start] + blank + text[end:]
    lines = text.split("\n")
    begin = 0
    if lines and lines[0].strip() == "---":
        closing = [i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"]
        begin = closing[0] + 1 if closing else 0
    unit: list[str] = []
    first = begin
    for index in range(begin, len(lines) + 1):
        line = lines[index] if index < len(lines) else ""
        stripped = line.strip()
        heading = bool(re.match(r"#{1,6}\s", stripped))
        row = stripped.startswith("|")
        item = bool(re.match(r"(?:[-*+]|\d+[.)])\s", stripped))
        opener = bool(re.match(r"(?:!!!|\?\?\?\+?|===)\s", stripped))
        if unit and (not stripped or heading or row or item or opener):
            yield first + 1, "\n".join(unit)
            unit = []
        if not stripped or heading:
            continue
        if row:
            below = lines[index + 1].strip() if index + 1 < len(lines) else ""
            if not _rule(below) and not _rule(stripped):
                yield index + 1, line
            continue
        if not unit:
            first = index
        unit.append(line)
        if opener:
            yield first + 1, line
            unit = []


def _rule(line: str) -> bool:
    """Tells whether a line is the rule between the head and the rows of a table."""
    return bool(re.fullmatch(r"\|?[\s:|-]*-[\s:|-]*\|?", line)) and "|" in line


def _plain(unit: str) -> tuple[str, list[str]]:
    """Reduces a unit to the words a reader sees, and returns its escapes."""
    escapes = [
        part.strip()
        for match in _ESCAPE.finditer(unit)
        for part in match["what"].split(";")
        if part.strip()
    ]
    text = _ESCAPE.sub(" ", unit)
    text = re.sub(r"\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    text = _MARK.sub("", text)
    text = re.sub(r"\]\([^)\s]*(?:\s\"[^\"]*\")?\)", "]", text)
    text = re.sub(r"<[^>\n]+>|https?://\S+", " ", text)
    text = re.sub(r"\b(?:CVE-\d{4}-\d+|arXiv[: ]\d{4}\.\d{4,5})", " ", text)
    text = re.sub(r"\{[^}\n]*\}", " ", text)
    return " ".join(text.replace("*", "").split()), escapes
