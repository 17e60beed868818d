from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from hub_mirror import fill
from snippets.text.reranking import (
    max_sim,
    pool,
    ranks,
    rerank,
    title_passages,
    token_vectors,
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


def test_rerank_puts_the_best_of_the_first_k_first_and_keeps_the_rest():
    generator = torch.Generator().manual_seed(0)
    passages = [torch.randn(4, 8, generator=generator) for _ in range(6)]
    scores = np.array([[0.6, 0.5, 0.4, 0.3, 0.2, 0.1]])
    again = rerank(scores, [passages[2]], passages, k=3)
    order = np.argsort(-again[0]).tolist()
    assert order[0] == 2
    assert order[3:] == [3, 4, 5]
    assert np.argsort(-rerank(scores, [passages[5]], passages, k=3)[0])[0] != 5


@pytest.mark.parametrize("k", [0, 7])
def test_k_must_fit(k: int):
    with pytest.raises(ValueError, match=f"k is {k}, wanted 1 to 6"):
        rerank(np.zeros((1, 6)), [], [], k)


def test_ranks_count_ties_against_the_answer():
    scores = np.array([[0.9, 0.1, 0.5], [0.5, 0.5, 0.1], [0.3, 0.2, 0.1]])
    assert ranks(scores).tolist() == [1, 2, 3]


def test_the_title_is_not_in_its_passage():
    titles = ["How to copy some files", "Too short", "How to copy some files"]
    body = "How to copy SOME files? " + " ".join(f"word{i}" for i in range(60))
    found, passages = title_passages(titles, [body, body, body + " more"], 1, words=20)
    assert found == titles[:1]
    assert "copy" not in passages[0]
    assert len(passages[0].split()) == 20
    with pytest.raises(ValueError, match="1 pairs fit, wanted 2"):
        title_passages(titles, [body, body, body], 2, words=20)
