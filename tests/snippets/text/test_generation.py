import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, TopPLogitsWarper

from snippets.text.generation import (
    greedy_by_hand,
    keep_top_p,
    next_tokens,
    pair_guesses,
    read_along,
    write,
)
from snippets.text.wordpiece import train_wordpiece

TEXTS = ["the cat sat on the mat", "the dog sat on the cat and the mat sat on the dog"]


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = train_wordpiece(TEXTS, 100)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config).eval()


def test_the_cache_changes_nothing_and_generate_agrees(model, tokenizer):
    first = greedy_by_hand(model, tokenizer, "the cat", 8, use_cache=True)
    assert first == greedy_by_hand(model, tokenizer, "the cat", 8, use_cache=False)
    ids = tokenizer("the cat", return_tensors="pt")
    output = model.generate(**ids, max_new_tokens=8, do_sample=False)
    assert tokenizer.decode(output[0, ids["input_ids"].shape[1] :]) == first


def test_write_returns_continuations_only(model, tokenizer):
    settings = {"max_new_tokens": 5, "do_sample": True, "num_return_sequences": 3}
    torch.manual_seed(0)
    texts = write(model, tokenizer, "the cat", **settings)
    assert len(texts) == 3
    torch.manual_seed(0)
    assert write(model, tokenizer, "the cat", **settings) == texts
    with pytest.raises(ValueError, match="prompt is empty"):
        write(model, tokenizer, "")


def test_top_p_keeps_the_fewest_that_reach_p():
    probabilities = torch.tensor([0.1, 0.5, 0.3, 0.1])
    kept = keep_top_p(probabilities, 0.7)
    assert torch.allclose(kept, torch.tensor([0.0, 0.625, 0.375, 0.0]))
    assert torch.allclose(keep_top_p(probabilities, 1.0), probabilities)


def test_top_p_agrees_with_transformers(model, tokenizer):
    probabilities = next_tokens(model, tokenizer, "the cat sat")
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    library = TopPLogitsWarper(0.6)(None, probabilities.log()[None]).softmax(dim=-1)[0]
    assert torch.allclose(keep_top_p(probabilities, 0.6), library, atol=1e-6)


@pytest.mark.parametrize("p", [0.0, 1.5])
def test_top_p_out_of_range(p: float):
    with pytest.raises(ValueError, match=f"p is {p}"):
        keep_top_p(torch.tensor([1.0]), p)


def test_guesses_line_up(model, tokenizer):
    came, guessed, losses = read_along(model, tokenizer, TEXTS, length=6)
    counted = pair_guesses(tokenizer, TEXTS, TEXTS, length=6)
    assert len(came) == len(guessed) == len(losses) == len(counted) == 10
    assert tokenizer.decode(came[:3]) == "the cat sat"
    assert min(losses) > 0
    hits = [a == b for a, b in zip(came, counted, strict=True)]
    assert sum(hits) > 5  # counted on the same texts
