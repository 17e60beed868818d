"""The ledger: loads the claims and checks each of them."""

import re
from collections.abc import Iterator, Mapping
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


ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
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
    if claim.id and not ID.fullmatch(claim.id):
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


def sort_key(claim: Claim) -> tuple[date, date]:
    """Returns the first and last day that a claim's date can mean."""
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
