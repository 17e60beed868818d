import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel, set_seed

from snippets.use.models import best_device, cosines, heads_of, parts

CONFIG = BertConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
)


class Words:
    """A tokenizer with two tokens a letter, and padding."""

    def __call__(self, texts, padding, return_tensors):
        assert padding
        assert return_tensors == "pt"
        longest = max(map(len, texts))
        ids = [
            [ord(c) % 50 for c in text] + [0] * (longest - len(text)) for text in texts
        ]
        mask = [[1] * len(text) + [0] * (longest - len(text)) for text in texts]
        from transformers import BatchEncoding

        return BatchEncoding(
            {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        )


def test_the_heads_of_a_bert_can_be_built_by_their_auto_classes():
    import transformers

    heads = heads_of("bert")
    assert heads["AutoModel"] == "BertModel"
    assert heads["AutoModelForSequenceClassification"] == "BertForSequenceClassification"
    assert "AutoModelForImageClassification" not in heads
    built = transformers.AutoModelForTokenClassification.from_config(CONFIG)
    assert type(built).__name__ == heads["AutoModelForTokenClassification"]


def test_an_unknown_kind_of_model_is_refused():
    with pytest.raises(ValueError, match="model_type is 'brt'"):
        heads_of("brt")


def test_parts_add_up_to_the_whole():
    model = BertForSequenceClassification(CONFIG)
    sizes = parts(model)
    assert set(sizes) == {"bert", "classifier"}
    assert sum(sizes.values()) == model.num_parameters()
    assert sizes["classifier"] == 2 * 16 + 2


def test_a_text_is_compared_without_its_padding():
    set_seed(0)
    model = BertModel(CONFIG).eval()
    alone = cosines(model, Words(), ["abc", "xyz"])
    padded = cosines(model, Words(), ["abc", "xyz", "a much longer text"])
    assert padded.shape == (3, 3)
    torch.testing.assert_close(padded[:2, :2], alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(padded.diagonal(), torch.ones(3))


def test_half_precision_is_close_and_returned_in_full():
    set_seed(0)
    model = BertModel(CONFIG).eval()
    full = cosines(model, Words(), ["abc", "xyz"])
    half = cosines(model.to(torch.bfloat16), Words(), ["abc", "xyz"])
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, atol=0.05, rtol=0)


def test_a_model_can_be_moved_to_the_best_device():
    assert BertModel(CONFIG).to(best_device()).device.type == best_device().type
