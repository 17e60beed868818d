from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from hub_mirror import fill
from snippets.text.classification import fine_tune, labeled_texts, predict

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
TEXTS = [
    *("win money now", "cheap loans today", "free prize money", "lose weight fast"),
    *("kernel panic on boot", "patch for the parser", "disk is full", "build fails"),
]
LABELS = [1, 1, 1, 1, 0, 0, 0, 0]
NAMES = ["ham", "spam"]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(fill(tmp_path_factory.mktemp("home"), [HUB_ID])[0].path)


def test_only_the_wanted_kinds_are_kept_and_shuffled():
    kinds = ["plant", "act", "person", "plant", "person"]
    texts, labels = labeled_texts(list("abcde"), kinds, ["person", "plant"])
    assert sorted(zip(texts, labels, strict=True)) == [
        ("a", 1), ("c", 0), ("d", 1), ("e", 0),
    ]  # fmt: skip
    assert labeled_texts(list("abcde"), kinds, ["person", "plant"]) == (texts, labels)
    with pytest.raises(ValueError, match="no text of kind 'food'"):
        labeled_texts(list("abcde"), kinds, ["person", "food"])


def test_a_few_steps_learn_the_training_lines_and_survive_saving(
    snapshot: str, tmp_path: Path
):
    model, tokenizer, losses = fine_tune(snapshot, TEXTS, LABELS, NAMES, steps=10)
    probabilities = predict(model, tokenizer, TEXTS, batch_size=3)
    assert probabilities.shape == (8, 2)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities.argmax(axis=1) == LABELS).all()
    assert len(losses) == 1
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    reloaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    again = predict(
        reloaded, AutoTokenizer.from_pretrained(tmp_path), TEXTS, batch_size=3
    )
    assert np.array_equal(again, probabilities)
    assert reloaded.config.id2label == {0: "ham", 1: "spam"}


@pytest.mark.parametrize(
    ("labels", "message"), [([0], "1 labels"), ([0, 2], "label 2, wanted less than 2")]
)
def test_bad_labels_are_refused(labels: list[int], message: str):
    with pytest.raises(ValueError, match=message):
        fine_tune("unused", ["one", "two"], labels, NAMES)
