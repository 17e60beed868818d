"""Makes highlighted code lighter: fewer elements for the same colors.

Pygments puts each name, space and sign into an element of its own. The theme gives many
of these no color, or the same one: two thirds of the elements of a page with code.
"""

from __future__ import annotations

import re

_CODE = re.compile(r"(?<=<span></span>)(.*?)(?=</pre>)", re.DOTALL)
_SPAN = re.compile(r'<span(?: class="(\w+)")?[^>]*>|</span>')

PLAIN = frozenset({"n", "w", "fm", "vm", "sa", "normal"})
"""Classes that have the color of the text around them."""

SAME = {
    **dict.fromkeys(["o", "ow"], "p"),
    **dict.fromkeys(["kn", "kd", "kr"], "k"),
    **dict.fromkeys(["s1", "si"], "s2"),
    **dict.fromkeys(["mf", "mh"], "mi"),
}
"""For a class, another one of the same color."""

_NEIGHBORS = [
    re.compile(rf'(<span class="{name}">[^<\n]*)</span>( *)<span class="{name}">')
    for name in dict.fromkeys(SAME.values())
]


def lighten(content: str) -> str:
    """Takes elements without a color of their own out of the code of a page.

    Args:
        content: The page's HTML.

    Returns:
        The HTML, in which code reads and looks as before.
    """
    return _CODE.sub(lambda match: _join(_unwrap(match[1])), content)


def _unwrap(code: str) -> str:
    ends: list[str] = []

    def tag(match: re.Match[str]) -> str:
        if match[0] == "</span>":
            return ends.pop() if ends else match[0]
        name = match[1]
        ends.append("" if name in PLAIN else "</span>")
        if name in PLAIN:
            return ""
        return f'<span class="{SAME[name]}">' if name in SAME else match[0]

    return _SPAN.sub(tag, code)


def _join(code: str) -> str:
    """Joins neighbors in a line."""
    for pattern in _NEIGHBORS:
        before = ""
        while before != code:
            before, code = code, pattern.sub(r"\1\2", code)
    return code
