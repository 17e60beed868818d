"""Turns measurements into tables and sentences, and writes them into a page."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.tools import FLOOR, JUPYTER, MYST, OURS, POOL, TITLES

COLD, NOTHING, CODE, PROSE, SHARED = "cold", "nothing", "code", "prose", "shared"
CASES = {
    COLD: "Cold: nothing cached",
    NOTHING: "Nothing changed",
    CODE: "The code of one page edited",
    PROSE: "The prose of one page edited",
    SHARED: "A shared module edited",
}

_MARKED = re.compile(
    r"(?P<start><!-- benchmark: (?P<name>[\w-]+) -->)"
    r"(?P<body>(?:(?!<!-- benchmark:).)*?)(?P<end><!-- /benchmark -->)",
    re.DOTALL,
)
_START = re.compile(r"<!-- benchmark: ([\w-]+) -->")


@dataclass(frozen=True, slots=True)
class Sample:
    """One build: its cost, and whether the pages then showed what they had to."""

    seconds: float
    peak_memory: int
    right: bool


@dataclass
class Results:
    """All builds of one run, by case and tool."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)

    def add(self, case: str, tool: str, sample: Sample) -> None:
        """Keeps one build."""
        self.samples.setdefault((case, tool), []).append(sample)

    def seconds(self, case: str, tool: str) -> float | None:
        """Returns the median time, or None where there is none."""
        samples = self.samples.get((case, tool))
        return statistics.median(s.seconds for s in samples) if samples else None

    def peak_memory(self, tool: str) -> float | None:
        """Returns the median of the largest memory of cold builds, in bytes."""
        samples = self.samples.get((COLD, tool))
        return statistics.median(s.peak_memory for s in samples) if samples else None

    def right(self, case: str, tool: str) -> bool:
        """Tells whether every build of a case was right."""
        return all(s.right for s in self.samples.get((case, tool), []))

    def ratio(self, case: str, tool: str) -> float | None:
        """Returns how many times as long as ours the other tool took."""
        other, own = self.seconds(case, tool), self.seconds(case, OURS)
        return other / own if other is not None and own else None


def rows(results: Results) -> list[list[str]]:
    """Returns the comparison as a table, its first row the header."""
    tools = [t for t in (OURS, JUPYTER, MYST, POOL) if (COLD, t) in results.samples]
    table = [["Build", *(TITLES[tool] for tool in tools)]]
    for case, title in CASES.items():
        table.append([title, *(_cell(results, case, tool) for tool in tools)])
    memory = [results.peak_memory(tool) for tool in tools]
    cells = [f"{peak / 1e9:.1f} GB" if peak is not None else "" for peak in memory]
    table.append(["Largest memory, cold", *cells])
    return table


def _cell(results: Results, case: str, tool: str) -> str:
    seconds = results.seconds(case, tool)
    if seconds is None:
        return "as cold" if tool == POOL else ""
    text = time(seconds)
    ratio = results.ratio(case, tool)
    if tool != OURS and ratio is not None:
        text += f", {times(ratio)}"
    return text if results.right(case, tool) else f"{text}; **shows the old output**"


def values(results: Results, count: int) -> dict[str, str]:
    """Returns by name what the page says of the comparison."""
    said = {
        "table": markdown(rows(results)),
        "count": str(count),
        "repeats": str(max(map(len, results.samples.values()), default=0)),
        "better": better(results),
    }
    for name, case, tool in (
        ("cold", COLD, OURS),
        ("nothing", NOTHING, OURS),
        ("floor", NOTHING, FLOOR),
    ):
        seconds = results.seconds(case, tool)
        if seconds is not None:
            said[name] = time(seconds)
    for tool in (JUPYTER, MYST, POOL):
        ratio = results.ratio(COLD, tool)
        if ratio is not None:
            said[f"cold-{tool}"] = f"{ratio:.1f}"
    floor = results.ratio(NOTHING, FLOOR)
    if floor:
        said["floor-ratio"] = f"{1 / floor:.2f}"
    return said


def better(results: Results) -> str:
    """Lists every case in which another tool was faster or took less memory."""
    found = []
    for case, title in CASES.items():
        own = results.seconds(case, OURS)
        for tool in (JUPYTER, MYST, POOL):
            seconds = results.seconds(case, tool)
            if seconds is None or own is None or seconds >= own:
                continue
            wrong = "" if results.right(case, tool) else ", but showed the old output"
            found.append(
                f"- {title}: {TITLES[tool]} took {time(seconds)} against "
                f"{time(own)}{wrong}."
            )
    own = results.peak_memory(OURS)
    for tool in (JUPYTER, MYST, POOL):
        memory = results.peak_memory(tool)
        if memory is not None and own is not None and memory < own:
            found.append(
                f"- Largest memory, cold: {TITLES[tool]} took {memory / 1e9:.1f} GB "
                f"against {own / 1e9:.1f} GB."
            )
    if not found:
        return "In this run no other tool was faster or took less memory in any row."
    return "In this run others did better in these rows:\n\n" + "\n".join(found)


def growth(measured: Mapping[int, tuple[Sample, Sample]]) -> list[list[str]]:
    """Returns a table of cold and unchanged builds by number of pages."""
    table = [["Pages", "Cold", "Cold, a page", "Nothing changed", "Largest memory"]]
    for count, (cold, nothing) in sorted(measured.items()):
        table.append(
            [
                str(count),
                time(cold.seconds),
                time(cold.seconds / count),
                time(nothing.seconds),
                f"{cold.peak_memory / 1e9:.1f} GB",
            ]
        )
    return table


def time(seconds: float) -> str:
    """Writes a time with two or three digits that count."""
    digits = 2 if seconds < 1 else 1 if seconds < 20 else 0
    return f"{seconds:.{digits}f} s"


def times(ratio: float) -> str:
    """Writes a ratio."""
    return f"{ratio:.1f}×" if ratio < 20 else f"{ratio:.0f}×"


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Writes a table, its first row the header, as Markdown."""
    header, *body = table
    lines = [header, ["---", *(["---:"] * (len(header) - 1))], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def names(text: str) -> list[str]:
    """Returns the names between whose markers a page takes figures."""
    return _START.findall(text)


def fill(text: str, said: Mapping[str, str]) -> str:
    """Replaces what stands between the markers of the page; all else stays as it is.

    A place reads ``<!-- benchmark: NAME -->…<!-- /benchmark -->``, in a line or, for
    tables and the like, from the start of one. Places that this run has nothing for keep
    what they hold.

    Args:
        text: The page.
        said: By name what to write.

    Raises:
        ValueError: If a place is not closed.
    """
    open_places = _unclosed(text)
    if open_places:
        raise ValueError(
            f"no <!-- /benchmark --> follows benchmark: {', '.join(open_places)}"
        )

    def write(match: re.Match[str]) -> str:
        body = said.get(match["name"])
        if body is None:
            return match[0]
        # At the start of a line, Markdown takes the marker for a block of its own.
        if match.start() == 0 or text[match.start() - 1] == "\n":
            body = f"\n\n{body}\n\n"
        return f"{match['start']}{body}{match['end']}"

    return _MARKED.sub(write, text)


def _unclosed(text: str) -> Iterable[str]:
    closed = {match.start() for match in _MARKED.finditer(text)}
    return [m[1] for m in _START.finditer(text) if m.start() not in closed]
