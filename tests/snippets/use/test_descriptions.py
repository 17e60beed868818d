from snippets.use.descriptions import PROSE, load_paragraphs


def test_paragraphs_are_prose_on_one_line_each():
    paragraphs = load_paragraphs()
    assert len(paragraphs) > 50
    assert paragraphs == load_paragraphs()
    assert len(set(paragraphs)) == len(paragraphs)
    for paragraph in paragraphs:
        assert "\n" not in paragraph
        assert len(paragraph) >= 40
        letters = sum(c.isalpha() or c == " " for c in paragraph)
        assert letters >= PROSE * len(paragraph)
