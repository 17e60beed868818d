from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from hub_mirror import fill
from snippets.text.loop import train_steps
from snippets.text.reranking import (
    build_cross_encoder,
    max_sim,
    pool,
    ranking_batches,
    ranks,
    rerank,
    score_pairs,
    shortlist,
    token_vectors,
    word_senses,
)
from snippets.use.semantic_search import embed

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("home"), [HUB_ID])[0].path


def test_pooled_tokens_are_the_embedding(snapshot: Path):
    tokenizer = AutoTokenizer.from_pretrained(snapshot)
    model = AutoModel.from_pretrained(snapshot)
    texts = ["a cat on a sofa", "short", "the stock market fell today, and again"]
    vectors = token_vectors(texts, model, tokenizer)
    lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    assert [len(tokens) for tokens in vectors] == lengths
    assert torch.allclose(pool(vectors), embed(texts, model, tokenizer), atol=1e-5)


def test_max_sim_by_hand():
    query = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    passage = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert max_sim(query, passage) == pytest.approx((1 + 0.5**0.5) / 2)
    assert max_sim(query, query) == pytest.approx(1)


def test_the_shortlist_is_reordered_and_the_rest_keeps_its_order():
    scores = np.array([[0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
    listed = shortlist(scores, 3)
    assert listed == [(0, 0), (0, 1), (0, 2), (1, 5), (1, 4), (1, 3)]
    again = rerank(scores, listed, [-9.0, 3.0, 5.0, 1.0, 0.0, 2.0])
    assert np.argsort(-again[0]).tolist() == [2, 1, 0, 3, 4, 5]
    assert np.argsort(-again[1]).tolist() == [3, 5, 4, 2, 1, 0]


@pytest.mark.parametrize("k", [0, 7])
def test_k_must_fit(k: int):
    with pytest.raises(ValueError, match=f"k is {k}, wanted 1 to 6"):
        shortlist(np.zeros((1, 6)), k)


def test_words_with_one_meaning_take_no_part():
    words = ["bank", "moss", "bank", "bat", "bat", "bank"]
    definitions = ["money house", "plant", "river side", "animal", "club", "row"]
    examples = ["a loan from the bank", "soft moss", "the bank is steep", "a bat", "", ""]
    assert word_senses(words, definitions, examples) == (
        ["a loan from the bank", "the bank is steep"],
        ["bank: money house", "bank: river side"],
    )


def test_each_query_comes_with_its_own_a_near_and_another_passage(snapshot: Path):
    tokenizer = AutoTokenizer.from_pretrained(snapshot)
    queries = [f"query {number}" for number in range(9)]
    passages = [f"passage {number}" for number in range(9)]
    batch = next(ranking_batches(queries, passages, tokenizer, size=4))
    assert batch["labels"][:, 0].tolist() == [1.0] * 4 + [0.0] * 8
    pairs = tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True)
    numbers = [[int(word) for word in pair.split() if word.isdigit()] for pair in pairs]
    assert all(query == passage for query, passage in numbers[:4])
    assert all(query != passage for query, passage in numbers[4:])
    assert all((query - passage) % 9 in (1, 8) for query, passage in numbers[4:8])


def test_the_cross_encoder_learns_and_scores_a_pair_alone_as_in_a_batch(snapshot: Path):
    logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(snapshot)
    queries = ["a dog barks", "rain fell", "he ate bread", "the car stopped"]
    passages = ["an animal", "weather", "food", "a vehicle"]
    model = build_cross_encoder(str(snapshot), layers=1)
    assert model.config.num_hidden_layers == 1
    batches = ranking_batches(queries, passages, tokenizer, size=4)
    losses = train_steps(model, batches, total_steps=8, learning_rate=1e-3)
    assert losses[-1] < losses[0]
    pairs = [(query, passage) for query in queries for passage in passages]
    scores = np.array(score_pairs(model, tokenizer, pairs, batch_size=5)).reshape(4, 4)
    assert len(np.unique(scores)) == 16
    alone = score_pairs(model, tokenizer, pairs[3:4])
    assert alone[0] == pytest.approx(scores[0, 3], abs=1e-4)


def test_ranks_count_ties_against_the_answer():
    scores = np.array([[0.9, 0.1, 0.5], [0.5, 0.5, 0.1], [0.3, 0.2, 0.1]])
    assert ranks(scores).tolist() == [1, 2, 3]
