import numpy as np
import pytest

from snippets.text.summarization import copied, found_again, kept, new_names, sentences

TEXT = "Mr. Darcy smiled at Anne. She was pleased! Did he know? Yes."


def test_titles_end_no_sentence():
    assert sentences(TEXT) == [
        "Mr. Darcy smiled at Anne.",
        "She was pleased!",
        "Did he know?",
        "Yes.",
    ]


def test_a_sentence_of_the_text_is_all_copied_and_keeps_its_share():
    first = sentences(TEXT)[0]
    assert copied(first, TEXT) == 1
    assert kept(first, TEXT) == pytest.approx(5 / 12)
    assert kept(TEXT, TEXT) == 1
    assert copied("Something else entirely", TEXT) == 0


def test_only_names_that_the_text_lacks_are_new():
    summary = "Darcy met Anne in London. Later Elizabeth smiled."
    assert new_names(summary, TEXT) == ["Elizabeth", "London"]


def test_a_summary_finds_the_text_that_shares_its_words():
    texts = ["the ship sailed to the harbor", "the garden was full of roses"]
    others = ["a letter arrived in the morning"]
    places = found_again(["ship in a harbor", "a letter about a garden"], texts, others)
    assert places.tolist()[0] == 1
    assert places.tolist()[1] > 1 or np.isfinite(places).all()
    assert found_again(["nothing shared", "roses"], texts, others).tolist() == [3, 1]
    with pytest.raises(ValueError, match="1 summaries, wanted one for each of 2"):
        found_again(["ship"], texts, others)
