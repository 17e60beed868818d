import numpy as np
import pytest

from snippets.text.zero_shot import keyword_class, nearest_class


def test_the_most_similar_description_wins():
    classes = np.eye(3)
    texts = np.array([[0.9, 0.1, 0.0], [0.0, 0.2, 0.8]])
    assert nearest_class(texts, classes).tolist() == [0, 2]


def test_a_threshold_refuses_what_is_near_to_nothing():
    classes = np.eye(2, 4)
    texts = np.array([[0.9, 0.0, 0.1, 0.0], [0.05, 0.0, 0.0, 1.0]])
    assert nearest_class(texts, classes, threshold=0.3).tolist() == [0, -1]


def test_embeddings_of_two_checkpoints_are_refused():
    with pytest.raises(ValueError, match="of 4 and of 3 numbers"):
        nearest_class(np.zeros((2, 4)), np.zeros((5, 3)))


def test_keywords_count_whole_words_without_punctuation():
    keywords = {"sea": ["ship", "sail"], "church": ["priest"]}
    texts = ["The priest, a priest!", "Ship: sail.", "priesthood", "nothing"]
    assert keyword_class(texts, keywords).tolist() == [1, 0, 0, 0]
