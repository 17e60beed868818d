"""Highlighted code with fewer elements reads and looks as before."""

import re
from html import unescape
from pathlib import Path

import material
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from executor.highlight import PLAIN, SAME, lighten

ROOT = Path(__file__).resolve().parents[2]
CODE = '''\
"""Doc,
    in lines."""
import torch.nn as nn

@dataclass(frozen=True)
class A(B[int]):
    x: list[int] = [1, 0x1f, 2.5] * 3  # ink

    async def __init__(self, /, *args) -> None:
        print(f"{x!r} < {y:.3f}", 'a' "b\\n", __name__ in {None: ...})
        return self.x[-1:](1)(2) if not x else (lambda y: y ** 2)(3)
'''


def block(code: str) -> str:
    shown = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True))
    return f"<p>a</p><pre><span></span><code>{shown}</code></pre><span class='n'>b</span>"


def colors(page: str) -> list[tuple[str, str]]:
    """Return each visible character with the class that colors it."""
    found = []
    stack = [""]
    for match in re.finditer(r"<(/?)\w+(?: class=[\"'](\w+)[\"'])?[^>]*>|([^<]+)", page):
        end, name, text = match.groups()
        if text:
            found += [(c, stack[-1]) for c in unescape(text) if not c.isspace()]
        elif end:
            stack.pop()
        else:
            stack.append(stack[-1] if name in (None, *PLAIN) else SAME.get(name, name))
    return found


def test_text_and_colors_stay_with_fewer_elements() -> None:
    before = block(CODE)
    after = lighten(before)
    strip = re.compile("<[^>]*>")
    assert unescape(strip.sub("", after)) == unescape(strip.sub("", before))
    assert colors(after) == colors(before)
    assert after.count("<span") < 0.7 * before.count("<span")
    assert after.count("<span") == after.count("</span>")
    assert after.endswith("<span class='n'>b</span>")  # not code


def test_each_line_of_code_is_whole() -> None:
    for line in lighten(block(CODE)).split("<code>")[1].split("</code>")[0].split("\n"):
        assert line.count("<span") == line.count("</span>")


def test_the_theme_gives_joined_classes_one_color() -> None:
    folder = Path(material.__file__).parent / "templates/assets/stylesheets"
    (sheet,) = folder.glob("main.*.min.css")
    ours = (ROOT / "docs/assets/stylesheets/site.css").read_text(encoding="utf-8")
    values = dict(re.findall(r"(--md-code-[\w-]+): ([^;]+);", ours))
    rules = {}
    for selectors, name in re.findall(
        r"([^{}]+)\{color:var\((--md-code-hl-[\w-]+)\)\}", sheet.read_text("utf-8")
    ):
        for selector in selectors.split(","):
            rules[selector.strip()] = values.get(name, name)
    for name, same in SAME.items():
        assert rules[f".highlight .{name}"] == rules[f".highlight .{same}"], name
    for name in PLAIN - {"n"}:
        assert f".highlight .{name}" not in rules
    assert ".highlight .n" in rules  # which the color of code stands in for
    assert values["--md-code-fg-color"] == "var(--ink)"
