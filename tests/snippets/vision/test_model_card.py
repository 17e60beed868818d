import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard

from snippets.vision.model_card import check_card, evaluate, write_card

NAMES = ["shirt", "boot"]
TEXTS = {
    "title": "A tiny classifier",
    "summary": "It tells shirts from boots.",
    "uses": "Examples in a tutorial.",
    "not_for": "Anything that matters.",
    "training": "From scratch on 100 images.",
    "limitations": "It has seen gray images only.",
    "code": "`AutoModel.from_pretrained(...)`",
}


@pytest.fixture
def result() -> dict:
    return evaluate(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), NAMES)


@pytest.fixture
def card(result) -> ModelCard:
    return write_card(torch.nn.Linear(3, 2), result, "me/clothes", "Clothes", **TEXTS)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


def test_accuracy_and_recall_are_counted(result):
    assert result["accuracy"] == 0.75
    assert result["images"] == 4
    assert result["standard_error"] == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert result["recall"] == {"shirt": 0.5, "boot": 1.0}


def test_predictions_and_labels_must_match():
    with pytest.raises(ValueError, match="3 predictions, wanted 4"):
        evaluate(np.zeros(3), np.zeros(4), NAMES)


def test_the_metadata_is_yaml_that_the_hub_reads(card):
    metadata = yaml.safe_load(card.content.split("---")[1])
    assert metadata["license"] == "mit"
    assert metadata["pipeline_tag"] == "image-classification"
    entry = metadata["model-index"][0]
    assert entry["name"] == "A tiny classifier"
    assert entry["results"][0]["dataset"] == {
        "name": "Clothes",
        "type": "me/clothes",
        "split": "test",
    }
    assert entry["results"][0]["metrics"] == [{"type": "accuracy", "value": 0.75}]


def test_the_text_holds_numbers_and_words(card):
    assert "75.0% of 4 held-out images" in card.text
    assert "| shirt | 50.0% |" in card.text
    assert "The model has 8 parameters." in card.text
    assert "**Not for:** Anything that matters." in card.text


def test_a_saved_card_reloads_as_it_was(card, folder):
    card.save(folder / "README.md")
    again = ModelCard.load(folder / "README.md")
    assert again.content == card.content
    assert again.data.eval_results == card.data.eval_results


def test_a_good_card_has_no_problem(card, folder):
    assert check_card(card, folder) == []


def test_a_bare_card_has_many(tmp_path):
    bare = ModelCard("---\nlicense: mit\n---\n# Model\n\n[More Information Needed]\n")
    problems = check_card(bare, tmp_path)
    assert "metadata lacks pipeline_tag" in problems
    assert "metadata lacks license" not in problems
    assert "section Limitations is missing or empty" in problems
    assert "metadata lacks an evaluation result" in problems
    assert "text of the template is left: [More Information Needed]" in problems
    assert "the folder has no weights in safetensors" in problems


def test_an_empty_section_counts_as_missing(card, folder):
    card.text = card.text.replace(TEXTS["limitations"], "")
    assert check_card(card, folder) == ["section Limitations is missing or empty"]


def test_an_accuracy_in_percent_is_noticed(result, folder):
    result["accuracy"] = 75.0
    result["standard_error"] = 0.0
    card = write_card(torch.nn.Linear(3, 2), result, "me/clothes", "Clothes", **TEXTS)
    assert check_card(card, folder) == ["accuracy is 75.0, wanted 0 to 1"]
