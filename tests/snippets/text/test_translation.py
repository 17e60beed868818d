import numpy as np
import pytest
import torch

from snippets.text.loop import train_steps
from snippets.text.numbers import (
    english_number,
    number_pairs,
    number_phrases,
    spanish_number,
)
from snippets.text.translation import (
    Dictionary,
    build_t5,
    pair_batches,
    train_bpe,
    translate,
)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (7, "seven"),
        (40, "forty"),
        (1222, "one thousand two hundred twenty two"),
        (74600, "seventy four thousand six hundred"),
        (337500, "three hundred thirty seven thousand five hundred"),
    ],
)
def test_english_numbers(number: int, words: str):
    assert english_number(number) == words


@pytest.mark.parametrize("number", [0, 1_000_000])
def test_numbers_out_of_range_are_refused(number: int):
    with pytest.raises(ValueError, match="wanted 1 to 999,999"):
        english_number(number)


def test_spanish_numbers_are_those_of_1909():
    generator = np.random.default_rng(0)
    assert spanish_number(18, generator) == "diez y ocho"
    assert spanish_number(22, generator) == "veinte y dos"
    forms = {spanish_number(1200, generator) for _ in range(40)}
    assert {"mil doscientos", "mil doscientas", "mil y doscientos"} <= forms


def test_pairs_leave_the_test_out():
    _, everything = number_pairs(300, seed=1)
    skipped = everything[:5]
    _, rest = number_pairs(300, seed=1, skip=skipped)
    assert not set(skipped) & set(rest)
    assert len(rest) == 300


def test_phrases_are_cut_out_of_verses_and_single_words_are_not():
    spanish = ["Los hijos de Ara, setecientos setenta y cinco;", "Y vivió cien años."]
    english = ["The children of Arah, seven hundred seventy-five.", "He lived 100 years."]
    assert number_phrases(spanish, english) == [
        ("setecientos setenta y cinco", "seven hundred seventy five")
    ]


def test_a_short_training_learns_what_a_dictionary_cannot():
    words = ["eins", "zwei", "drei", "vier", "fünf"]
    other = ["one", "two", "three", "four", "five"]
    order = np.random.default_rng(0).integers(5, size=(120, 2))
    sources = [f"{words[a]}und{words[b]}" for a, b in order]
    targets = [f"{other[b]} {other[a]}" for a, b in order]
    tokenizer = train_bpe(sources + targets, vocab_size=90)
    torch.manual_seed(0)
    model = build_t5(len(tokenizer), width=32)
    losses = train_steps(model, pair_batches(sources, targets, tokenizer, 24), 90, 1e-2)
    assert losses[-1] < losses[0] / 3
    greedy = translate(model, tokenizer, sources[:20])
    assert len(greedy) == len(translate(model, tokenizer, sources[:20], beams=2)) == 20
    unknown = Dictionary(words, other)
    right = sum(a == b for a, b in zip(greedy, targets, strict=False))
    assert right > sum(
        unknown(s) == t for s, t in zip(sources[:20], targets, strict=False)
    )


def test_labels_of_padding_are_skipped_and_sides_must_fit():
    tokenizer = train_bpe(["a b c d e", "f g"], vocab_size=60)
    batch = next(pair_batches(["a", "a b"], ["f", "f g f g"], tokenizer))
    shorter = batch["labels"][(batch["labels"] == -100).any(dim=1)][0]
    assert (shorter[-2:] == -100).all()
    with pytest.raises(ValueError, match="1 targets, wanted one for each of 2"):
        next(pair_batches(["a", "b"], ["f"], tokenizer))


def test_the_dictionary_takes_the_word_that_shares_most_pairs():
    known = Dictionary(
        ["la casa", "la luna", "casa blanca"], ["the house", "the moon", "white house"]
    )
    assert known("La casa") == "the house"
    assert known("luna xyz") == "moon xyz"
