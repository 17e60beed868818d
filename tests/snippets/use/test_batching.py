import pytest
import torch
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, set_seed

from snippets.use.batching import (
    embed_in_batches,
    make_batches,
    padding_share,
    split_sentences,
)
from snippets.use.descriptions import load_paragraphs
from snippets.use.tokenizers import train_tokenizer

LENGTHS = [3, 9, 4, 8, 5, 7, 6]


def test_paragraphs_are_cut_behind_their_sentences():
    assert split_sentences(["One. Two? Three!", "", "Four"]) == [
        "One.",
        "Two?",
        "Three!",
        "Four",
    ]


@pytest.mark.parametrize("by_length", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_each_text_is_in_one_batch(batch_size, by_length):
    batches = make_batches(LENGTHS, batch_size, by_length)
    assert sorted(i for batch in batches for i in batch) == list(range(7))
    assert max(map(len, batches)) <= batch_size


def test_the_longest_texts_come_first():
    assert make_batches(LENGTHS, 2, by_length=True)[0] == [1, 3]


def test_padding_is_what_is_computed_and_no_text():
    assert padding_share(LENGTHS, make_batches(LENGTHS, 1, False)) == 0
    assert padding_share([2, 4], [[0, 1]]) == pytest.approx(1 - 6 / 8)
    in_order, by_length = (
        padding_share(LENGTHS, make_batches(LENGTHS, 3, flag)) for flag in (False, True)
    )
    assert by_length < in_order


def test_a_batch_has_at_least_one_text():
    with pytest.raises(ValueError, match="batch_size is 0, wanted at least 1"):
        make_batches(LENGTHS, 0, by_length=True)


def test_neither_batch_size_nor_order_changes_the_embeddings():
    texts = load_paragraphs()[:9]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer("BPE", texts, 200),
        unk_token="[UNK]",
        pad_token="[UNK]",
    )
    set_seed(0)
    config = BertConfig(
        vocab_size=200,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    model = BertModel(config)
    alone = embed_in_batches(texts, model, tokenizer, batch_size=1, by_length=False)
    assert alone.shape == (9, 16)
    for batch_size, by_length in ((4, False), (4, True), (9, True)):
        together = embed_in_batches(texts, model, tokenizer, batch_size, by_length)
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
