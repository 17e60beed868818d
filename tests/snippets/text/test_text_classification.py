from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from hub_mirror import fill
from snippets.text.classification import (
    clean_subject,
    fine_tune,
    predict,
    unique_subjects,
)

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


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Re: [ILUG] Disk is  full", "Disk is full"),
        ("[Razor-users] RE: Fwd: help", "help"),
        ("Return of the king", "Return of the king"),
    ],
)
def test_tags_and_replies_are_removed(subject: str, text: str):
    assert clean_subject(subject) == text


def test_equal_lines_are_kept_once():
    texts, labels = unique_subjects(
        ["Hello", "Re: hello", "Bye", "[x]", "ñ"], [1, 0, 0, 1, 1]
    )
    assert sorted(zip(texts, labels, strict=True)) == [("Bye", 0), ("Hello", 1)]


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
