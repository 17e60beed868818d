import pytest
import torch

from snippets.text.loop import train_steps
from snippets.text.token_classification import (
    LookupTagger,
    batches_of,
    build_tagger,
    encode,
    f1,
    spans,
    tag,
)
from snippets.text.wordpiece import train_wordpiece

NAMES = ["city", "number", "street"]
WORDS = [["12", "Salem", "Road", "Salem"], ["7", "Dover", "Lane", "Dover"]]
TAGS = [["number", "street", "street", "city"]] * 2


@pytest.fixture(scope="module")
def tokenizer():
    return train_wordpiece([" ".join(text) for text in WORDS], 100)


def test_only_first_pieces_carry_tags(tokenizer):
    encoded = encode([["Saalem", "12"]], [["city", "number"]], tokenizer, NAMES)
    labels = encoded["labels"][0]
    assert labels[labels != -100].tolist() == [0, 1]
    assert labels[0] == labels[-1] == -100
    assert len(labels) > 4


def test_tags_must_fit_the_words(tokenizer):
    with pytest.raises(ValueError, match="1 tags, wanted one for each of 2"):
        encode([["12", "Salem"]], [["number"]], tokenizer, NAMES)


def test_the_model_learns_what_a_lookup_cannot(tokenizer):
    torch.manual_seed(0)
    model = build_tagger(len(tokenizer), NAMES, width=32)
    encoded = encode(WORDS, TAGS, tokenizer, NAMES)
    losses = train_steps(model, batches_of(encoded, 2), 60, 1e-2)
    assert losses[-1] < 0.2
    assert tag(model, tokenizer, WORDS) == TAGS
    lookup = LookupTagger(WORDS, TAGS)
    assert f1(TAGS, [lookup(text) for text in WORDS]) < 1


def test_spans_join_neighbors():
    assert spans(["a", "b", "b", "a"]) == [(0, 1, "a"), (1, 3, "b"), (3, 4, "a")]
    assert spans([]) == []


def test_f1_counts_whole_spans():
    assert f1([["a", "b", "b"]], [["a", "b", "b"]]) == 1
    assert f1([["a", "b", "b"]], [["a", "b", "c"]]) == pytest.approx(2 / 5)
    assert f1([["a"]], [["b"]]) == 0
    assert f1([], []) == 0


def test_lookup_falls_back_to_the_shape_and_then_to_the_most_frequent_tag():
    lookup = LookupTagger(
        [["97301", "Oak", "Oak", "Oak"]], [["code", "street", "street", "street"]]
    )
    assert lookup(["oak", "12345", "Elm", "x-1"]) == [
        "street",
        "code",
        "street",
        "street",
    ]


def test_a_batch_without_labels_is_refused(tokenizer):
    model = build_tagger(len(tokenizer), NAMES, width=32)
    with pytest.raises(ValueError, match="wanted labels in the batch"):
        train_steps(model, [{"input_ids": torch.zeros(1, 4, dtype=torch.long)}], 1, 0.1)
