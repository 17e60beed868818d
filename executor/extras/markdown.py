"""Turns the article of a built page into plain Markdown, for programs that read text."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString

_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "details",
        "div",
        "dl",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "ul",
        "dt",
        "dd",
        "figcaption",
    ]
)
_DROPPED = (
    ".headerlink, .md-content__button, .md-annotation, .figure-dark, .timeline-pick,"
    " .timeline-chip, .tabbed-set > input, .doc-symbol, .footnote-backref, .claims__back,"
    " script, style, button, svg.twemoji"
)


def to_markdown(article: Tag, address: str) -> str:
    """Returns an article as Markdown.

    Args:
        article: The element; it is not changed.
        address: The page's full address, against which links are made absolute.
    """
    soup = BeautifulSoup(str(article), "html.parser")
    for element in soup.select(_DROPPED):
        element.decompose()
    text = _Writer(address).blocks(soup)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


class _Writer:
    def __init__(self, address: str) -> None:
        self._address = address

    def blocks(self, parent: Tag) -> str:
        """Writes children that are blocks; runs of text between them are paragraphs."""
        parts: list[str] = []
        run = ""
        for child in parent.children:
            if isinstance(child, Tag) and (
                child.name in _BLOCKS or child.find(["p", "pre", "table", "ul", "ol"])
            ):
                parts.append(_squeeze(run))
                run = ""
                parts.append(self.block(child))
            else:
                run += self.inline(child)
        parts.append(_squeeze(run))
        return "\n\n".join(part for part in parts if part.strip())

    def block(self, element: Tag) -> str:
        """Writes a block."""
        name = element.name
        if re.fullmatch(r"h[1-6]", name):
            return f"{'#' * int(name[1])} {_squeeze(self.inlines(element))}"
        if "highlight" in element.get_attribute_list("class"):
            return self._code(element)
        if "arithmatex" in element.get_attribute_list("class"):
            return element.get_text().strip().replace("\\[", "$$").replace("\\]", "$$")
        writers: dict[str, Callable[[Tag], str]] = {
            "p": lambda tag: _squeeze(self.inlines(tag)),
            "pre": self._pre,
            "ul": self._list,
            "ol": self._list,
            "table": self._table,
            "hr": lambda _: "---",
            "blockquote": lambda tag: _prefix(self.blocks(tag), "> "),
            "dt": lambda tag: _squeeze(self.inlines(tag)),
            "dd": lambda tag: _prefix(self.blocks(tag), ":   ", "    "),
            "summary": lambda tag: f"**{_squeeze(self.inlines(tag))}**",
        }
        if name in writers:
            return writers[name](element)
        title = element.select_one(":scope > .admonition-title")
        if title is not None:
            text = f"**{_squeeze(self.inlines(title))}**"
            title.extract()
            return _prefix(f"{text}\n\n{self.blocks(element)}", "> ")
        return self.blocks(element)

    def inlines(self, parent: Tag) -> str:
        """Writes what stands in a line."""
        return "".join(self.inline(child) for child in parent.children)

    def inline(self, node: object) -> str:
        """Writes text, or an element within text."""
        if isinstance(node, NavigableString):
            return re.sub(r"\s+", " ", str(node)) if type(node) is NavigableString else ""
        if not isinstance(node, Tag):
            return ""
        text = self.inlines(node)
        if node.name == "br":
            return "  \n"
        if node.name == "img":
            source = urljoin(self._address, str(node.get("src", "")))
            return f"![{node.get('alt', '')}]({source})"
        if node.name == "svg":
            return str(node.get("aria-label", ""))
        if "arithmatex" in node.get_attribute_list("class"):
            return node.get_text().replace("\\(", "$").replace("\\)", "$")
        if not text.strip():
            return text
        if node.name == "code":
            return (
                f"`{node.get_text()}`" if "`" not in text else f"`` {node.get_text()} ``"
            )
        if node.name in ("strong", "b"):
            return f"**{text}**"
        if node.name in ("em", "i"):
            return f"*{text}*"
        if node.name == "a" and node.get("href"):
            return f"[{_squeeze(text)}]({urljoin(self._address, str(node['href']))})"
        if node.name in ("td", "th", "time"):
            return f"{text} "
        return text

    def _code(self, element: Tag) -> str:
        classes = [*element.get_attribute_list("class")]
        language = next((c[9:] for c in classes if c and c.startswith("language-")), "")
        code = element.select_one("pre > code") or element.select_one("code")
        text = (code or element).get_text().rstrip("\n")
        return _fence(text, language)

    def _pre(self, element: Tag) -> str:
        language = (
            "mermaid" if "mermaid" in element.get_attribute_list("class") else "text"
        )
        return _fence(element.get_text().strip("\n"), language)

    def _list(self, element: Tag) -> str:
        lines = []
        for number, item in enumerate(element.find_all("li", recursive=False), 1):
            mark = f"{number}. " if element.name == "ol" else "- "
            lines.append(_prefix(self.blocks(item), mark, " " * len(mark)))
        tight = all("\n\n" not in line for line in lines)
        return ("\n" if tight else "\n\n").join(lines)

    def _table(self, element: Tag) -> str:
        rows = [
            [_cell(self.blocks(cell)) for cell in row.find_all(["th", "td"])]
            for row in element.find_all("tr")
        ]
        rows = [row for row in rows if row]
        if not rows:
            return ""
        width = max(len(row) for row in rows)
        rows = [row + [""] * (width - len(row)) for row in rows]
        rows.insert(1, ["---"] * width)
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _fence(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _prefix(text: str, first: str, rest: str | None = None) -> str:
    rest = first if rest is None else rest
    lines = text.split("\n")
    return "\n".join(
        ((first if number == 0 else rest) + line).rstrip()
        for number, line in enumerate(lines)
    )


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text).replace("|", "\\|")


def _squeeze(text: str) -> str:
    return re.sub(r"[ \t]*\n[ \t]*", "\n", re.sub(r"[ \t]+", " ", text)).strip()
