"""What the last hook does to a page's HTML."""

from types import SimpleNamespace
from typing import Any

from executor.hook_extras import on_post_page


def finished(html: str) -> str:
    page: Any = SimpleNamespace()
    config: Any = SimpleNamespace()
    return on_post_page(html, page=page, config=config)


def test_indentation_between_elements_goes() -> None:
    assert finished("<div>\n    <p>a</p>\n  </div>") == "<div>\n<p>a</p>\n</div>"


def test_code_in_an_attribute_keeps_its_indentation() -> None:
    code = "def f(a):\n    return a > 1\n"
    html = f"<button data-copy=\"{code}\" title='x\n  y'>copy</button>"
    assert finished(html) == html


def test_code_in_an_element_keeps_its_indentation() -> None:
    html = "<pre><code>if a:\n    <b>b</b>\n</code></pre>"
    assert finished(html) == html


def test_equal_labels_of_tables_are_told_apart() -> None:
    region = '<div aria-label="Table" class="output-scroll"></div>'
    assert finished(region * 2).count('aria-label="Table, 2"') == 1
