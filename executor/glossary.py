"""The glossary: its page, and the mark at the first use of each term on other pages.

The terms are in data/glossary.yml. A mark is a link to the entry whose title is the
entry's text: Material shows it as a tooltip to mouse and keyboard, assets/javascripts/
reading.js at a tap, and without scripts it is a link that browsers explain by themselves.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

PAGE = "glossary.md"
_FIELDS = {"term", "forms", "except", "skip", "text", "see", "used"}
_TOKEN = re.compile(
    r"<!--.*?-->"
    r"|<(?P<close>/)?(?P<name>[a-zA-Z][\w:-]*)(?:\"[^\"]*\"|'[^']*'|[^'\">])*>",
    re.DOTALL,
)
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr")
)
# Where no word is marked: what is a link or a heading already, and what is not prose.
_SKIPPED = frozenset(
    (
        *("a", "abbr", "button", "code", "figure", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("kbd", "label", "pre", "samp", "script", "style", "summary", "svg", "th"),
    )
)
_SKIPPED_CLASSES = re.compile(
    r"""\bclass=["'](?:[^"']*\s)?(?:output|highlight|arithmatex|mermaid|admonition-title"""
    r"""|info|footnote|claims|cell-label|page-tools|page-functions|home-kicker|home-card"""
    r"""|home-log__title|verified|timeline|md-button)(?=["'\s])"""
)


class GlossaryError(Exception):
    """data/glossary.yml is not in order. The message says where."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the glossary.

    Attributes:
        name: The term as the glossary heads it.
        forms: The spellings that are marked on pages.
        exceptions: Phrases in which these spellings mean something else.
        skip: Source paths below docs/ of pages on which they do.
        text: What it means, in one to three sentences.
        see: Names of related terms.
        used: Source path below docs/ of the page on which it is at work.
    """

    name: str
    forms: tuple[str, ...]
    exceptions: tuple[str, ...]
    skip: tuple[str, ...]
    text: str
    see: tuple[str, ...]
    used: str

    @property
    def id(self) -> str:
        """Returns the anchor of the entry."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


class Glossary:
    """The terms, and what finds them in a text.

    Args:
        terms: The terms, in any order.
    """

    def __init__(self, terms: list[Term]) -> None:
        self.terms = sorted(terms, key=lambda term: term.name.lower())
        self._by_form: dict[str, Term | None] = {
            form: term for term in terms for form in term.forms
        }
        self._by_form |= {phrase: None for term in terms for phrase in term.exceptions}
        spellings = sorted(self._by_form, key=lambda form: (-len(form), form))
        self._words = re.compile(
            r"(?<![\w@/.-])(?:"
            + "|".join(_spelling(form) for form in spellings)
            + r")(?![\w/]|-\w|\.\w)"
        )

    def mark(self, content: str, url: str, page: str = "") -> str:
        """Marks the first use of each term in a page.

        Args:
            content: The page's HTML.
            url: Address of the glossary, relative to the page.
            page: Source path of the page below docs/.

        Returns:
            The same HTML with links around some words, and otherwise to the letter.
        """
        seen = {term.name for term in self.terms if page in term.skip}
        parts = []
        for text, is_prose in _pieces(content):
            parts.append(self._mark_text(text, url, seen) if is_prose else text)
        return "".join(parts)

    def _mark_text(self, text: str, url: str, seen: set[str]) -> str:
        def link(match: re.Match[str]) -> str:
            term = self.find(match[0])
            if term is None or term.name in seen:
                return match[0]
            seen.add(term.name)
            title = html.escape(term.text)
            return (
                f'<a class="term" href="{url}#{term.id}" title="{title}">{match[0]}</a>'
            )

        return self._words.sub(link, text) if self._by_form else text

    def find(self, words: str) -> Term | None:
        """Returns the term that is spelled like this, or None for an exception.

        Raises:
            KeyError: If it is neither.
        """
        words = re.sub(r"\s+", " ", words)
        if words in self._by_form:
            return self._by_form[words]
        return self._by_form[words[0].lower() + words[1:]]

    def markdown(self, titles: dict[str, str]) -> str:
        """Returns the glossary as a page.

        Args:
            titles: Title of each page by its source path, for those that terms name.
        """
        letters: dict[str, list[Term]] = {}
        for term in self.terms:
            letters.setdefault(term.name[0].upper(), []).append(term)
        by_name = {term.name: term for term in self.terms}
        jump = " ".join(f"[{letter}](#{letter.lower()}_)" for letter in letters)
        lines = [
            "---",
            "title: Glossary",
            "description: >-",
            f"  {len(self.terms)} words of machine learning and of the Hub, each in a",
            "  few plain sentences, with the page on which it is at work.",
            "---",
            "# Glossary",
            "",
            f"Here are {len(self.terms)} words of the field in plain language. On every "
            "page the first use of such a word has a dotted line: point at it, reach it "
            "with the Tab key or tap it, and its meaning shows.",
            "",
            f"{jump}",
            "{ .glossary-letters }",
        ]
        for letter, terms in letters.items():
            lines += ["", f"## {letter} {{ #{letter.lower()}_ }}"]
            for term in terms:
                see = [f"[{name}](#{by_name[name].id})" for name in term.see]
                more = f"See also {', '.join(see)}. " if see else ""
                more += f"On this site: [{titles[term.used]}]({term.used})."
                lines += ["", f"### {term.name} {{ #{term.id} }}", "", term.text]
                lines += ["", more, "{ .glossary-more }"]
        return "\n".join(lines) + "\n"


def load(path: Path) -> Glossary:
    """Reads the glossary.

    Args:
        path: The file data/glossary.yml.

    Raises:
        GlossaryError: If an entry lacks a field, names an unknown term, or shares a
            spelling or an anchor with another one.
    """
    return _load(path, path.read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def _load(path: Path, text: str) -> Glossary:
    data = yaml.safe_load(text)
    if not isinstance(data, list):
        raise GlossaryError(f"{path.name} must be a list of terms")
    terms = [_term(path, entry) for entry in data]
    names = {term.name for term in terms}
    owners: dict[str, str] = {}
    for term in terms:
        for name in term.see:
            if name not in names or name == term.name:
                raise GlossaryError(f"{path.name}: {term.name}: see unknown {name!r}")
        for key in (f"#{term.id}", *term.forms, *term.exceptions):
            if owners.setdefault(key, term.name) != term.name:
                raise GlossaryError(
                    f"{path.name}: {key!r} belongs to {owners[key]} and to {term.name}"
                )
    return Glossary(terms)


def _term(path: Path, entry: Any) -> Term:
    if not isinstance(entry, dict) or not {"term", "text", "used"} <= set(entry):
        raise GlossaryError(f"{path.name}: an entry needs term, text and used: {entry!r}")
    if unknown := set(entry) - _FIELDS:
        raise GlossaryError(f"{path.name}: {entry['term']}: unknown {sorted(unknown)}")
    name = str(entry["term"])
    return Term(
        name=name,
        forms=tuple(str(form) for form in entry.get("forms", [name])),
        exceptions=tuple(str(phrase) for phrase in entry.get("except", [])),
        skip=tuple(str(page) for page in entry.get("skip", [])),
        text=" ".join(str(entry["text"]).split()),
        see=tuple(str(other) for other in entry.get("see", [])),
        used=str(entry["used"]),
    )


def _spelling(form: str) -> str:
    """Returns a pattern: line breaks are spaces, and a sentence may start with it."""
    words = [re.escape(word) for word in form.split(" ")]
    first = form[0]
    if form == form.lower() and first != first.upper():
        words[0] = f"[{first}{first.upper()}]{words[0][1:]}"
    return r"\s+".join(words)


def _pieces(content: str) -> Iterator[tuple[str, bool]]:
    """Splits HTML into tags and texts; tells of each whether it is prose."""
    stack: list[tuple[str, bool]] = []
    position = 0
    for match in _TOKEN.finditer(content):
        skipped = bool(stack) and stack[-1][1]
        if match.start() > position:
            yield content[position : match.start()], not skipped
        yield match[0], False
        position = match.end()
        name = (match["name"] or "").lower()
        if match["close"]:
            while stack:
                if stack.pop()[0] == name:
                    break
        elif name and name not in _VOID and not match[0].endswith("/>"):
            skips = (
                skipped
                or name in _SKIPPED
                or _SKIPPED_CLASSES.search(match[0]) is not None
            )
            stack.append((name, skips))
    if position < len(content):
        yield content[position:], not (stack and stack[-1][1])
