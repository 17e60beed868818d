"""The style of every page, and the checker itself on planted sentences."""

from pathlib import Path

import pytest

from executor import prose

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "path", prose.find(ROOT), ids=lambda path: path.relative_to(ROOT / "docs").as_posix()
)
def test_the_page_keeps_the_style(path: Path) -> None:
    assert not [str(problem) for problem in prose.check_page(ROOT, path)]


def rules(markdown: str) -> list[str]:
    return [problem.rule for problem in prose.check(markdown)]


@pytest.mark.parametrize(
    ("markdown", "rule"),
    [
        ("This powerful library loads models.", "hype"),
        ("It works\nseamlessly with others.", "hype"),
        ("You simply call the function.", "belittling"),
        ("Just call the function.", "belittling"),
        ("Of course it works.", "belittling"),
        ("This is very fast.", "intensifier"),
        ("word " * 41 + "ends here.", "sentence-length"),
        ("word " * 25 + "e.g. Python " + "word " * 20, "sentence-length"),
        ("- An item.\n- " + "word " * 41, "sentence-length"),
        ("| a | b |\n| - | - |\n| c | " + "word " * 41 + "|", "sentence-length"),
        ("## Train The Model", "heading-case"),
        ("# Loading models: the Easy way", "heading-case"),
        ('!!! note "Read This First"', "heading-case"),
        ("## Fast models 🚀", "heading-emoji"),
        ("## Fast models :material-rocket:", "heading-emoji"),
        ("## It works.", "heading-end"),
        ("It reads the\nthe file.", "repeated-word"),
        ("The colour of the line.", "spelling"),
        ("A well-organised folder.", "spelling"),
        ("It works!", "exclamation"),
        ("They did it in order to win at the end of the day.", "cliches"),
        ("The reason is because it is a free gift.", "redundancy"),
    ],
)
def test_a_planted_breach_is_found(markdown: str, rule: str) -> None:
    assert any(found.startswith(rule) for found in rules(markdown))


@pytest.mark.parametrize(
    "markdown",
    [
        "Run `simply very powerful!` as it stands.",
        "```python\nprint('simply very powerful!')\n```",
        "    ~~~\n    simply amazing!\n    ~~~",
        "A [link](https://example.org/simply-the-the-colour) is read by its text.",
        "<!-- simply amazing! -->\nA text.",
        "---\ntitle: simply amazing!\n---\nA text.",
        'The press called it "a very powerful, revolutionary library!"',
        "The weights just trained are the very ones just before the test.",
        "The value {{ vit.accuracy | percent }} is {{ simply }} {{ simply }} taken in.",
        "The formula $a ! a$ and $$very ! very$$ is no prose.",
        "A sentence [@simply-amazing; @very-powerful] with sources.",
        "## What the Vision Transformer of Hugging Face reads from PyTorch and GPUs",
        "# What changed: Transformers 4 to 5",
        "Each row has a name; " * 15,
        "![Simply amazing!](figure.svg)",
        "It reads `a` `a` and\n\nand that is.",
        "",
    ],
)
def test_what_is_not_prose_or_not_wrong_passes(markdown: str) -> None:
    assert rules(markdown) == []


def test_a_problem_names_the_line_in_a_markdown_page(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    page.write_text(
        "---\ntitle: A Powerful Title\ndescription: A colour.\n---\n\n# Title\n\n"
        "Fine.\n\n```text\nvery\n```\n\nIt is fine and\nsimply good.\n",
        encoding="utf-8",
    )
    found = prose.check_page(tmp_path, page)
    assert [(problem.line, problem.rule) for problem in found] == [
        (1, "heading-case"),
        (1, "hype"),
        (1, "heading-case"),
        (1, "spelling"),
        (15, "belittling"),
    ]
    assert str(found[-1]).startswith("docs/page.md:15: 'simply' is ")


def test_a_problem_names_the_line_in_a_notebook_page(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.py"
    page.write_text(
        "# %% [markdown]\n# ---\n# description: Fine.\n# ---\n# # Title\n\n"
        "# %%\nx = 'simply'  # very powerful\n\n"
        "# %% [markdown]\n# Fine.\n#\n# This colour is\n# simply wrong.\n",
        encoding="utf-8",
    )
    found = [(p.line, p.rule) for p in prose.check_page(tmp_path, page)]
    assert found == [(13, "spelling"), (14, "belittling")]


def test_every_rule_has_a_planted_sentence() -> None:
    marks = test_a_planted_breach_is_found.pytestmark
    planted = {rule for mark in marks for _, rule in mark.args[1]}
    assert set(prose.RULES) <= planted
