"""The style of the prose: what a reader should not have to read.

`check` reads Markdown as a reader sees it: code, formulas, links' addresses, claim marks
and comments do not count. Two sources of rules: proselint (clichés, needless words,
doubled words, slips of spelling) and our own, listed in `RULES`. British spellings come
from codespell's dictionary. Run `python -m executor.prose` for all pages.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import proselint.checks  # type: ignore[import-untyped]
import yaml
from proselint.registry import CheckRegistry  # type: ignore[import-untyped]
from proselint.tools import LintFile  # type: ignore[import-untyped]

from executor import pages

RULES = {
    "hype": "a word that praises instead of telling",
    "belittling": "a word that tells readers it should be easy for them",
    "intensifier": "a word that makes its neighbor louder, not clearer",
    "sentence-length": "more than 40 words without a period or semicolon",
    "heading-case": "a heading in title case; only names keep their capital",
    "heading-emoji": "an emoji in a heading",
    "heading-end": "a heading that ends in a period or an exclamation mark",
    "repeated-word": "the same word twice in a row",
    "spelling": "a British spelling; this site writes American English",
    "exclamation": "an exclamation mark outside a quotation",
}
LONGEST_SENTENCE = 40

_HYPE = (
    *("amazing", "astonishing", "awesome", "blazing", "blazingly", "breathtaking"),
    *("cutting-edge", "delve", "delves", "effortless", "effortlessly", "exciting"),
    *("game-changer", "game-changing", "groundbreaking", "incredible", "incredibly"),
    *("jaw-dropping", "lightning-fast", "next-level", "powerful", "revolutionary"),
    *("revolutionize", "revolutionizes", "robust", "seamless", "seamlessly"),
    *("state-of-the-art", "stunning", "supercharge", "supercharges", "tapestry"),
    *("unleash", "unleashes", "unlock", "unlocks", "unparalleled", "world-class"),
    *("leverage", "leverages", "leveraging", "leveraged", "best-in-class", "magical"),
)
_BELITTLING = (
    *("simply", "easily", "obviously", "clearly", "trivially", "merely"),
    r"just(?!\s(?:as|before|after|above|below|now|made|seen|said|\w+ed)\b)",
    *("of course", "needless to say", "as everybody knows", "basically"),
)
_INTENSIFIERS = (r"(?<!the )very", "extremely", "really", "highly", "hugely", "totally")
# Capitals that a heading may keep after its first word. Words that are all capitals or
# have a capital inside, such as GPU and PyTorch, need no entry. E, R and T are of DALL-E,
# Mask R-CNN and VL-T5.
_NAMES = frozenset(
    re.findall(
        r"\w+",
        """
        Accelerate American Apple April August Colab Core December Diffusers E English
        Face February Flax France French Google Gradio Hub Hugging Ignite January July
        June Keras Lightning Linux March May Mask Microsoft November October Parquet Paris
        Python R Rust September Space Spaces Swin T Tokenizers Trainer Transformer
        Transformers Vision Windows Xet
        """,
    )
)
# Parts of proselint that do not fit a technical site: typographic quotes, which Markdown
# and code do not share, words that have a plain meaning here, and times of day.
_OFF = (
    *("annotations", "dates_times", "misc.but", "misc.metadiscourse", "restricted"),
    *("typography", "terms.denizen_labels", "hedging", "misc.illogic"),
    *("weasel_words", "lexical_illusions"),  # "very" and doubled words: ours are above
)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe0f]|:[a-z]+-[a-z0-9-]+:"
)
_ATOM = "¤"
"""Stands for something that is not prose, such as inline code, within a sentence."""


@dataclass(frozen=True, order=True)
class Problem:
    """A breach of the style.

    Attributes:
        path: The page, as given.
        line: Line of the file, counted from 1.
        rule: A key of `RULES`, or the path of a check of proselint.
        message: What was found and what to do.
    """

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        """Returns the problem as one line that editors can jump to."""
        return f"{self.path}:{self.line}: {self.message} ({self.rule})"


@dataclass(frozen=True)
class _Unit:
    """A paragraph, list item, table cell or heading: its kind, its text, its place."""

    kind: str
    text: str
    start: int


# --- from Markdown to prose ------------------------------------------------------------

_BLANK = (
    re.compile(r"\A---[ \t]*\n.*?^---[ \t]*$", re.DOTALL | re.MULTILINE),
    re.compile(
        r"^(?P<f>[ \t]*(?:`{3,}|~{3,}))[^\n]*\n.*?^(?P=f)[`~]*[ \t]*$",
        re.DOTALL | re.MULTILINE,
    ),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"[ \t]*\[@[^\]]*\]"),
    re.compile(r"^[ \t]*\[\^[^\]\n]+\]:|\[\^[^\]\n]+\]", re.MULTILINE),
    re.compile(
        r"^[ \t]*\*?\[[^\]\n]+\]:[^\n]*", re.MULTILINE
    ),  # addresses, abbreviations
)
_ATOMS = (
    re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)\1(?!`)", re.DOTALL),
    re.compile(r"\{\{.*?\}\}", re.DOTALL),
    re.compile(r"(?<![\\$\w])\$(?=\S)[^$\n]+?(?<=\S)\$(?![\w$])"),
    re.compile(r"<https?://[^>\s]+>|https?://[^\s)>\]]+"),
)
_LATER = (
    re.compile(r"!\[[^\]]*\]\([^)]*\)", re.DOTALL),
    re.compile(r"\]\((?:[^()]|\([^()]*\))*\)", re.DOTALL),
    re.compile(r"\{[ \t]*[.#:][^}\n]*\}"),
    re.compile(r"</?[a-zA-Z][^>]*>"),
    re.compile(r"[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)|\["),
)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _atom(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", _ATOM, match[0])


def plain(markdown: str) -> str:
    """Blanks out what is no prose. Each character that stays keeps its place."""
    text = markdown
    for pattern in _BLANK:
        text = pattern.sub(_blank, text)
    for pattern in _ATOMS:
        text = pattern.sub(_atom, text)
    for pattern in _LATER:
        text = pattern.sub(_blank, text)
    return text


def _units(text: str) -> Iterator[_Unit]:
    """Cuts plain text into units, each with the place of its first character."""
    place = 0
    gathered: list[str] = []
    start = 0
    for line in [*text.split("\n"), ""]:
        stripped = line.strip()
        here = place + len(line) - len(line.lstrip())
        heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", stripped)
        opener = re.match(r"(?:!!!|\?\?\?\+?|===\+?)\s+[\w ]*\"?(.*?)\"?$", stripped)
        item = re.match(r"(?:[-*+]|\d+[.)])\s+(?:\[[ x]\]\s+)?", stripped)
        row = stripped.startswith("|")
        if gathered and (not stripped or heading or opener or item or row):
            yield _Unit("text", "\n".join(gathered), start)
            gathered = []
        if heading:
            yield _Unit("heading", heading[1], here + heading.start(1))
        elif opener:
            yield _Unit("title", opener[1], here + opener.start(1))
        elif row:
            for cell in re.finditer(r"[^|]+", stripped):
                if re.search(r"\w", cell[0]):
                    yield _Unit("text", cell[0], here + cell.start())
        elif stripped:
            if not gathered:
                start = here + (item.end() if item else 0)
                gathered = [stripped[item.end() :] if item else line.lstrip()]
            else:
                gathered.append(line)
        place += len(line) + 1


# --- rules -----------------------------------------------------------------------------


@cache
def _american() -> dict[str, str]:
    """Reads codespell's list: the American spelling of British words."""
    source = files("codespell_lib") / "data" / "dictionary_en-GB_to_en-US.txt"
    lines = source.read_text(encoding="utf-8").split()
    pairs = (line.split("->") for line in lines if "->" in line)
    return {british: american.rstrip(",") for british, american in pairs}


@cache
def _registry() -> CheckRegistry:
    registry = CheckRegistry()
    registry.register_many(proselint.checks.__register__)
    return registry


def _words(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])", re.IGNORECASE)


_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LISTS = {
    "hype": _words(_HYPE),
    "belittling": _words(_BELITTLING),
    "intensifier": _words(_INTENSIFIERS),
}
_REPEATED = re.compile(r"\b([^\W\d_]+)\s+\1\b", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”")
_STOP = re.compile(
    r"(?<![ (]e\.g)(?<![ (]i\.e)(?<! vs)(?<! cf)(?<! al)[.!?][\"”)]*"
    r"(?=\s+[\"“(]?[A-Z¤\d])|;"
)


def _own(unit: _Unit) -> Iterator[tuple[int, str, str]]:
    """Yields place in the unit, rule and message of each breach of our own rules."""
    text = _QUOTED.sub(_atom, unit.text)
    for rule, pattern in _LISTS.items():
        for match in pattern.finditer(text):
            yield match.start(), rule, f"{match[0]!r} is {RULES[rule]}"
    for match in _REPEATED.finditer(text):
        yield match.start(), "repeated-word", f"{match[1]!r} stands twice"
    for match in _WORD.finditer(text):
        for part in match[0].split("-"):
            if american := _american().get(part.lower()):
                message = f"{part!r} is British, write {american!r}"
                yield match.start(), "spelling", message
    if "!" in text:
        yield text.index("!"), "exclamation", f"this is {RULES['exclamation']}"
    if unit.kind == "text":
        begin = 0
        for end in [*(match.end() for match in _STOP.finditer(text)), len(text)]:
            count = len(re.findall(rf"{_ATOM}+|[\w'’.,/+-]*\w", text[begin:end]))
            if count > LONGEST_SENTENCE:
                message = f"a sentence of {count} words, the limit is {LONGEST_SENTENCE}"
                yield begin + 1, "sentence-length", message
            begin = end
    else:
        yield from _heading(unit, text)


def _heading(unit: _Unit, text: str) -> Iterator[tuple[int, str, str]]:
    if match := _EMOJI.search(unit.text):
        yield match.start(), "heading-emoji", f"this is {RULES['heading-emoji']}"
    if unit.kind == "heading" and re.search(r"[.!]$", text.strip()):
        yield len(text) - 1, "heading-end", f"this is {RULES['heading-end']}"
    first = True
    for match in _WORD.finditer(text):
        before = text[: match.start()].rstrip()
        if not first and before[-1:] not in (":", "?"):
            for part in match[0].split("-"):
                bare = re.sub(r"['’]s$", "", part)
                if bare.istitle() and bare not in _NAMES:
                    message = f"{bare!r} in a heading: write it small if it is no name"
                    yield match.start(), "heading-case", message
        first = False


def check(markdown: str, path: str = "", first_line: int = 1) -> list[Problem]:
    """Checks the prose of a piece of Markdown.

    Args:
        markdown: The text; a front matter at its start does not count.
        path: The page, for messages.
        first_line: Line of the file at which the text starts.

    Returns:
        The problems, in the order of the text.
    """
    text = plain(markdown)
    found: set[tuple[int, str, str]] = set()
    for unit in _units(text):
        for offset, rule, message in _own(unit):
            found.add((unit.start + offset, rule, message))
    enabled = {check.path.split(".")[0]: True for check in _registry().checks}
    enabled |= dict.fromkeys(_OFF, False)
    # The most specific names first, as proselint wants them.
    enabled = dict(sorted(enabled.items(), key=lambda item: -item[0].count(".")))
    file = LintFile("text", text or "\n")  # it takes an empty text for a missing one
    for result in file.lint({"max_errors": 1000, "checks": enabled}):
        start = max(0, result.check_result.span[0] - 1)  # a line break is put in front
        start += len(text[start:]) - len(text[start:].lstrip())
        message = " ".join(result.check_result.message.split())
        found.add((start, result.check_result.check_path, message))
    return [
        Problem(path, first_line + text.count("\n", 0, place), rule, message)
        for place, rule, message in sorted(found)
    ]


def check_page(root: Path, path: Path) -> list[Problem]:
    """Checks a page of the site, Markdown or notebook, with its title and description.

    Args:
        root: The project's root, which holds docs/.
        path: The page, below `root / "docs"`.

    Returns:
        The problems, in the order of the page.
    """
    name = path.relative_to(root).as_posix()
    if path.suffix == ".py":
        page = pages.read_page(root, path)
        parts = [(c.source, c.line) for c in page.cells if c.kind == "markdown"]
        meta = page.meta
    else:
        text = path.read_text(encoding="utf-8")
        parts = [(text, 1)]
        match = re.match(r"---[ \t]*\n(.*?)^---[ \t]*$", text, re.DOTALL | re.MULTILINE)
        meta = (yaml.safe_load(match[1]) if match else None) or {}
    problems = check(f"# {meta['title']}", name) if meta.get("title") else []
    problems += check(str(meta.get("description") or ""), name)
    problems = [Problem(p.path, 1, p.rule, p.message) for p in problems]
    for source, line in parts:
        problems += check(source, name, line)
    return problems


def find(root: Path) -> list[Path]:
    """Returns every page below docs/."""
    docs = root / "docs"
    return sorted([*docs.rglob("*.md"), *pages.find_pages(docs)])


def main() -> int:
    """Checks every page and writes what it found; returns the exit code."""
    root = Path(__file__).resolve().parents[1]
    problems = [p for path in find(root) for p in check_page(root, path)]
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
