"""Values in prose: written as asked, or an error that names the line."""

from typing import Any

import pytest

from executor.errors import PageError
from executor.values import Values

RECORDS: dict[str, dict[str, Any]] = {
    "vision.vit": {
        "accuracy": 0.98765,
        "count": 12345,
        "half": 1234.5,
        "losses": [2.5, 1.25],
        "label": "<pad> & {{ count }}",
        "items": 7,
        "keys": [1, 2],
        "config": {"hidden": 64},
    },
    "vision": {"vit_note": "other"},
    "use.a_b": {"ratio": 2, "accuracy": 0.5},
}
VALUES = Values(RECORDS, frozenset({"use.failed"}))


def fill(text: str, page: str | None = "vision.vit") -> str:
    return VALUES.fill(text, "docs/vision/vit.py", 10, page)


def error_of(text: str, page: str | None = "vision.vit") -> PageError:
    with pytest.raises(PageError) as caught:
        fill(text, page)
    return caught.value


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("accuracy", "0.98765"),
        ("accuracy | percent", "98.8%"),
        ("accuracy|percent(2)", "98.77%"),
        ("accuracy | percent(0)", "99%"),
        ("accuracy | round(2)", "0.99"),
        ("accuracy | round", "1"),
        ("count | thousands", "12,345"),
        ("half | thousands", "1,234"),
        ("half | seconds", "1234 s"),
        ("accuracy | seconds", "1.0 s"),
        ("losses[0]", "2.5"),
        ("losses[-1] | round(1)", "1.2"),
        ("losses | length", "2"),
        ("losses | join(' to ')", "2.5 to 1.25"),
        ("losses | max | percent(0)", "250%"),
        ("config['hidden']", "64"),
        ("use.a_b.accuracy", "0.5"),
        ("use.a_b.ratio | percent", "200.0%"),
        ("vision.vit.accuracy | percent", "98.8%"),
        ("vision.vit.losses[1]", "1.25"),
        ("vision.vit_note", "other"),
    ],
)
def test_values_are_written_as_asked(expression: str, text: str) -> None:
    assert fill(f"We measured {{{{ {expression} }}}}.") == f"We measured {text}."
    assert fill(f"{{{{{expression}}}}}") == text


def test_a_name_that_dictionaries_have_too() -> None:
    assert (
        fill("{{ items }}, {{ vision.vit.items }}, {{ vision.vit.keys[1] }}") == "7, 7, 2"
    )


def test_an_expression_may_go_over_the_end_of_a_line() -> None:
    assert fill("We measured {{ accuracy |\npercent }}.") == "We measured 98.8%."


def test_markup_in_a_value_is_seen_and_not_evaluated() -> None:
    assert fill("{{ label }}") == "&lt;pad&gt; &amp; {{ count }}"
    assert fill("{{ label | e }}") == "&lt;pad&gt; &amp; {{ count }}"
    assert fill("{{ label | safe }}") == "<pad> & {{ count }}"


@pytest.mark.parametrize(
    "code",
    [
        "`{{ nothing }}`",
        "``{{ nothing }} ` {{ nothing }}``",
        "` a\n{{ nothing }} `",
        "```\n{{ nothing }}\n```",
        "~~~\n{{ nothing }}\n```\n{{ nothing }}\n~~~",
        '``` python title="x"\n{{ nothing }}\n```',
        "````\n```\n{{ nothing }}\n```\n{{ nothing }}\n````",
        "- item\n\n    ```jinja\n    {{ nothing }}\n\n    {{ nothing }}\n    ```\n",
        "1. item\n   ~~~\n   {{ nothing }}\n   ~~~",
        "!!! note\n\t```\n\t{{ nothing }}\n\t```",
        "> ```\n> {{ nothing }}\n> ```",
    ],
)
def test_code_is_left_alone(code: str) -> None:
    around = "{{{{ count }}}}\n\n{}\n\n{{{{ count }}}} and `code` {{{{ count }}}}"
    filled = fill(around.format(code))
    assert filled == around.format(code).replace("{{ count }}", "12345")


@pytest.mark.parametrize(
    "prose",
    [
        "A lone ` here.\n\nThen {{ count }} and `code`.",
        "An escaped \\` and {{ count }} and \\`.",
        "```not a fence``` {{ count }}\n\n```\n{{ nothing }}\n```",
    ],
)
def test_a_backtick_that_opens_no_code_hides_no_value(prose: str) -> None:
    assert fill(prose) == prose.replace("{{ count }}", "12345")


@pytest.mark.parametrize(
    "prose",
    [
        "{% raw %} {% if x %} {# note #}",
        "$\\frac{a}{b}$ and { braces }",
        "{{}} and {{ and {",
        "no braces",
    ],
)
def test_other_braces_are_left_alone(prose: str) -> None:
    assert fill(prose) == prose
    assert fill(f"{prose} {{{{ count }}}}") == f"{prose} 12345"


def test_an_unknown_name_is_told_with_line_and_known_names() -> None:
    error = error_of("{{ count }}\n\n`x`\n{{ acuracy | percent }}")
    assert error.place == "docs/vision/vit.py:13"
    assert error.message.startswith(
        "no page recorded {{ acuracy }}; known values: accuracy,"
    )
    assert "use.a_b.ratio" in error.message
    assert error_of("{{ vision.vti.accuracy }}").place == "docs/vision/vit.py:10"


def test_values_of_a_page_need_its_name_elsewhere() -> None:
    assert fill("{{ vision.vit.count }}", page=None) == "12345"
    assert "no page recorded {{ count }}" in error_of("{{ count }}", page=None).message
    assert fill("{{ accuracy }}", page="use.a_b") == "0.5"


@pytest.mark.parametrize("page", [None, "vision.vit"])
def test_a_page_that_failed_is_named(page: str | None) -> None:
    error = error_of("{{ use.failed.x | percent }}", page)
    assert error.place == "docs/vision/vit.py:10"
    assert "{{ use.failed.x }} needs the page use.failed, which failed" in error.message


def test_what_is_not_known_yet_shows_as_an_ellipsis() -> None:
    values = Values(RECORDS, frozenset({"a.failed"}), frozenset({"a.running"}))
    assert values.fill("{{ a.running.x | percent }}", "p", page="vision.vit") == "…"
    assert values.fill("{{ x }}", "p", page="a.running") == "…"
    # A page that failed shows its own error already.
    assert values.fill("{{ x | percent }}", "p", page="a.failed") == "…"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("count | nonsense", "No filter named 'nonsense'"),
        ("label | percent", "cannot write {{ label | percent }}"),
        ("losses | percent", "cannot write {{ losses | percent }}"),
        ("losses[9]", "cannot write {{ losses[9] }}"),
        ("config['x']", "cannot write"),
        ("count +", "cannot write"),
        ("count(3)", "cannot write"),
        ("count | round(other)", "'other' is undefined"),
        ("3 + count", "does not start with the name of a value"),
        ("'text'", "does not start with the name of a value"),
    ],
)
def test_what_cannot_be_written_is_an_error_with_its_line(
    expression: str, words: str
) -> None:
    error = error_of(f"Text\n{{{{ {expression} }}}}")
    assert error.place == "docs/vision/vit.py:11"
    assert words in error.message


KNOWN = {
    "vision.vit": {"accuracy": 0.5},
    "vision.vit.page": {"seconds": 12.3, "peak_memory": 734_000_000, "lines": 210},
}


@pytest.mark.parametrize(
    ("text", "page", "filled"),
    [
        ("{{ vision.vit.page.seconds | seconds }}", None, "12 s"),
        ("{{ vision.vit.page.peak_memory | megabytes }}", "use.other", "734 MB"),
        ("{{ page.lines }} lines", "vision.vit", "210 lines"),
        ("{{ accuracy }}", "vision.vit", "0.5"),
    ],
)
def test_what_the_build_knows_of_a_page(text: str, page: str | None, filled: str) -> None:
    assert Values(KNOWN).fill(text, "docs/a.md", page=page) == filled


def test_what_the_build_does_not_know_of_a_page() -> None:
    with pytest.raises(PageError, match="no page recorded") as caught:
        Values(KNOWN).fill("{{ vision.vit.page.color }}", "docs/a.md")
    assert "known values: vision.vit.accuracy" in caught.value.message
    assert "peak_memory" not in caught.value.message
    running = Values({}, pending=frozenset({"vision.vit"}))
    assert running.fill("{{ vision.vit.page.seconds }}", "docs/a.md") == "…"
    assert running.fill("{{ page.seconds }}", "docs/a.md", page="vision.vit") == "…"
    failed = Values({}, failed=frozenset({"vision.vit"}))
    with pytest.raises(PageError, match=r"needs the page vision\.vit, which failed"):
        failed.fill("{{ vision.vit.page.seconds }}", "docs/a.md")
