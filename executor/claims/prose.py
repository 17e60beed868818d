"""Finds figures in prose that no claim stands behind."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from executor.claims.ledger import MONTHS, Ledger
from executor.claims.marks import MARK, ids_of, mark_problems
from executor.claims.markup import protected


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
        marks = [*MARK.finditer(unit)]
        for mark in marks:
            problems += [Problem(line, *found) for found in mark_problems(mark, ledger)]
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
        if any(ids_of(mark["ids"]) for mark in marks):
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
    for start, end in reversed(protected(markdown)):
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
    text = MARK.sub("", text)
    text = re.sub(r"\]\([^)\s]*(?:\s\"[^\"]*\")?\)", "]", text)
    text = re.sub(r"<[^>\n]+>|https?://\S+", " ", text)
    text = re.sub(r"\b(?:CVE-\d{4}-\d+|arXiv[: ]\d{4}\.\d{4,5})", " ", text)
    text = re.sub(r"\{[^}\n]*\}", " ", text)
    return " ".join(text.replace("*", "").split()), escapes
