import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from snippets.text.loop import train_steps
from snippets.text.masked_lm import (
    blocks,
    build_encoder,
    counted_vectors,
    fill,
    hide,
    masked_batches,
    neighbor_scores,
)
from snippets.text.wordpiece import SPECIAL, train_wordpiece

TEXTS = ["the cat sat on the mat .", "a dog lay by the door .", "the bird sang a song ."]


@pytest.fixture(scope="module")
def tokenizer():
    return train_wordpiece(TEXTS * 4, 120)


@pytest.fixture(scope="module")
def ids(tokenizer):
    return blocks(TEXTS * 30, tokenizer, length=16)


def test_the_tokenizer_marks_pairs(tokenizer):
    assert tokenizer.convert_tokens_to_ids(SPECIAL) == [0, 1, 2, 3, 4]
    encoded = tokenizer("The CAT", "a dog")
    assert tokenizer.decode(encoded["input_ids"]) == "[CLS] the cat [SEP] a dog [SEP]"
    assert encoded["token_type_ids"][-1] == 1
    with pytest.raises(ValueError, match="vocab_size is 9"):
        train_wordpiece(TEXTS, 9)


def test_another_process_learns_the_same_vocabulary():
    program = (
        "from snippets.text.wordpiece import train_wordpiece\n"
        "texts = ['zyx wvu tsr qpo nml kji hgf edc ba', 'abc def ghi jkl mno pqr']\n"
        "print(sorted(train_wordpiece(texts, 100).get_vocab().items()))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(printed) == 1
    assert "'##a'" in printed.pop()


def test_blocks_have_one_length_and_both_ends(tokenizer, ids):
    assert ids.shape[1] == 16
    assert (ids[:, 0] == tokenizer.cls_token_id).all()
    assert (ids[:, -1] == tokenizer.sep_token_id).all()


def test_hidden_tokens_are_labels_and_ends_are_never_hidden(tokenizer, ids):
    masked, labels = hide(ids, tokenizer, 0.3, torch.Generator().manual_seed(0))
    places = labels != -100
    assert 0.2 < places[:, 1:-1].double().mean() < 0.4
    assert (masked[places] == tokenizer.mask_token_id).all()
    assert torch.equal(torch.where(places, labels, masked), ids)
    assert not places[:, [0, -1]].any()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_of_nothing_and_everything_are_refused(tokenizer, ids, share):
    with pytest.raises(ValueError, match=f"share is {share}"):
        hide(ids, tokenizer, share, torch.Generator())


def test_training_beats_plain_frequency(tokenizer, ids):
    torch.manual_seed(0)
    model = build_encoder(counted_vectors(ids, len(tokenizer), width=32), layers=1)
    losses = train_steps(model, masked_batches(ids, tokenizer, 8), 60, 1e-2)
    assert losses[-1] < losses[0]
    masked, labels = hide(ids, tokenizer, 0.15, torch.Generator().manual_seed(1))
    gold = labels[labels != -100]
    plain, between = neighbor_scores(
        ids, masked, labels, len(tokenizer), tokenizer.mask_token_id
    )
    scores = fill(model, masked, labels)
    assert scores.shape == plain.shape == between.shape == (len(gold), len(tokenizer))
    assert functional.cross_entropy(scores, gold) < functional.cross_entropy(plain, gold)
    hits = [(table.argmax(dim=-1) == gold).double().mean() for table in (between, plain)]
    assert hits[0] > hits[1]
