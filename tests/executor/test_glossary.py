"""Which words of a page are marked, and what data/glossary.yml may hold."""

import re
from pathlib import Path

import pytest

from executor import glossary
from executor.glossary import GlossaryError

TERMS = """
- {term: token, forms: [token, tokens], text: A piece of text., used: a.md}
- {term: class token, forms: [class token], text: An "extra" token., used: a.md,
   see: [token]}
- {term: Space, forms: [Space, Spaces], text: A small app., used: b.py}
- {term: seed, forms: [seed], except: [seed round], text: A start., used: a.md}
- {term: model, skip: [other.md], text: A program., used: a.md}
- {term: recall, forms: [], text: A share., used: a.md}
"""


def terms(folder: Path, text: str = TERMS) -> glossary.Glossary:
    path = folder / "glossary.yml"
    path.write_text(text, encoding="utf-8")
    return glossary.load(path)


@pytest.fixture
def words(tmp_path: Path) -> glossary.Glossary:
    return terms(tmp_path)


def marked(glossary: glossary.Glossary, content: str, page: str = "") -> list[str]:
    html = glossary.mark(content, "../glossary/", page)
    # All that is added are links: without them the page is what it was.
    assert (
        re.sub(r'<a class="term"[^>]*>(.*?)</a>', r"\1", html, flags=re.DOTALL) == content
    )
    return re.findall(r'<a class="term"[^>]*>(.*?)</a>', html, flags=re.DOTALL)


def test_a_mark_is_a_link_with_the_meaning(words: glossary.Glossary) -> None:
    assert words.mark("<p>The class token.</p>", "../glossary/") == (
        '<p>The <a class="term" href="../glossary/#class-token" '
        'title="An &quot;extra&quot; token.">class token</a>.</p>'
    )


def test_only_the_first_use_is_marked(words: glossary.Glossary) -> None:
    assert marked(words, "<p>A token, tokens, <b>token</b></p><p>a token</p>") == [
        "token"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>Tokens come first.</p>", ["Tokens"]),  # plural, at the start of a sentence
        ("<p>a class token, a token</p>", ["class token", "token"]),  # the longest first
        ("<p>a class\ntoken</p>", ["class\ntoken"]),
        ("<p>many Spaces, one space, SPACE</p>", ["Spaces"]),
        ("<p>a seed round and a seed</p>", ["seed"]),
        ("<p>tokenizer, pretoken, sub-token, token-level, token.py, a/token</p>", []),
        ("<p>the end of a token.</p>", ["token"]),
        ("<p>recall</p>", []),
        ("<p>an <em>important</em> model &amp; more</p>", ["model"]),
        ("<ul><li>token<br>seed</li></ul>", ["token", "seed"]),
        ("<table><tr><th>token</th><td>token</td></tr></table>", ["token"]),
    ],
)
def test_the_spelling_decides(
    words: glossary.Glossary, text: str, expected: list[str]
) -> None:
    assert marked(words, text) == expected


@pytest.mark.parametrize(
    "content",
    [
        "<h2 id='token'>The token</h2>",
        '<p><a href="x">A <em>token</em></a></p>',
        "<p><code>token</code></p>",
        '<div class="language-python highlight"><pre><code>token</code></pre></div>',
        '<div class="output output--last"><table><td>token</td></table></div>',
        '<pre class="mermaid">token</pre>',
        '<span class="arithmatex">token</span>',
        '<p class="admonition-title">token</p>',
        '<details class="info"><p>token</p></details>',
        '<p title="a > token">nothing</p>',
        "<!-- token -->",
        "<script>token</script>",
        "<svg><text>token</text></svg>",
        '<div class="footnote"><li>token</li></div>',
    ],
)
def test_what_is_no_prose_stays_as_it_is(words: glossary.Glossary, content: str) -> None:
    assert marked(words, content) == []
    assert marked(words, f"{content}<p>token</p>") == ["token"]


def test_a_page_can_be_left_out_for_a_term(words: glossary.Glossary) -> None:
    content = "<p>model, token</p>"

    assert marked(words, content, "page.md") == ["model", "token"]
    assert marked(words, content, "other.md") == ["token"]


def test_the_page_lists_every_term_with_links(words: glossary.Glossary) -> None:
    page = words.markdown({"a.md": "Page A", "b.py": "Page B"})

    assert page.count("\n### ") == 6
    assert '### class token { #class-token }\n\nAn "extra" token.\n' in page
    assert "See also [token](#token). On this site: [Page A](a.md)." in page
    assert "Here are 6 words" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("term: token", "must be a list"),
        ("- {term: token}", "needs term, text and used"),
        ("- {term: token, text: x, used: a.md, plural: tokens}", "unknown"),
        ("- {term: token, text: x, used: a.md, see: [nothing]}", "'nothing'"),
        (
            "- {term: a, forms: [x], text: x, used: a.md}\n"
            "- {term: b, forms: [x], text: x, used: a.md}",
            "'x' belongs to a and to b",
        ),
        (
            "- {term: a b, forms: [], text: x, used: a.md}\n"
            "- {term: a-b, forms: [], text: x, used: a.md}",
            "'#a-b'",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GlossaryError, match=re.escape(message)):
        terms(tmp_path, text)
