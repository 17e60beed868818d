"""What readers of the page on semantic search rely on."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hub_mirror import fill
from snippets.use.semantic_search import embed, emoji_names, hit_rate, mean_pool

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
Pair = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of MiniLM, as the Hub's cache holds it."""
    return fill(tmp_path_factory.mktemp("home"), [HUB_ID])[0].path


@pytest.fixture(scope="module")
def minilm(snapshot: Path) -> Pair:
    """Model and tokenizer."""
    return (
        AutoModel.from_pretrained(snapshot),
        AutoTokenizer.from_pretrained(snapshot),
    )


def test_mean_pool_leaves_padding_out() -> None:
    vectors = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [99.0, 99.0]]])
    pooled = mean_pool(vectors, torch.tensor([[1, 1, 0]]))
    assert pooled.tolist() == [[2.0, 1.0]]


def test_paraphrase_is_nearer_than_an_unrelated_sentence(minilm: Pair) -> None:
    vectors = embed(
        [
            "The cat sleeps on the sofa.",
            "A kitten is napping on the couch.",
            "The stock market fell today.",
        ],
        *minilm,
    )
    assert vectors.shape == (3, 384)
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(3))
    assert not vectors.requires_grad
    assert vectors[0] @ vectors[1] > 0.6
    assert vectors[0] @ vectors[2] < 0.2


def test_batches_do_not_change_the_result(minilm: Pair) -> None:
    texts = ["fox", "a much longer text about a quick brown fox", "jumps over", "dogs"]
    one = embed(texts, *minilm, batch_size=1)
    assert torch.allclose(embed(texts, *minilm), one, atol=1e-5)
    assert torch.allclose(embed(texts, *minilm, batch_size=3), one, atol=1e-5)


def test_text_behind_the_limit_does_not_count(minilm: Pair) -> None:
    text = "word " * 20
    short, cut = embed([text, text + "end"], *minilm, max_length=8)
    assert torch.equal(short, cut)
    short, kept = embed([text, text + "end"], *minilm)
    assert not torch.allclose(short, kept, atol=1e-3)


def test_equal_to_sentence_transformers(snapshot: Path, minilm: Pair) -> None:
    library = pytest.importorskip("sentence_transformers")
    encoder = library.SentenceTransformer(str(snapshot), device="cpu")
    texts = ["hugging face", "I laughed so hard that I cried", "word " * 300]
    theirs = torch.tensor(encoder.encode(texts))
    assert torch.allclose(embed(texts, *minilm), theirs, atol=1e-5)


@pytest.mark.parametrize("texts", ["one string", [], ()])
def test_texts_must_be_a_list(minilm: Pair, texts: list[str]) -> None:
    with pytest.raises(ValueError, match="wanted a list"):
        embed(texts, *minilm)


def test_hit_rate_counts_ties_and_zeros_against_the_answer() -> None:
    similarities = torch.tensor([[0.9, 0.5, 0.1], [0.5, 0.5, 0.1], [0.2, 0.1, 0.0]])
    assert hit_rate(similarities, [[0], [0], [0]], k=1) == pytest.approx(2 / 3)
    assert hit_rate(similarities, [[0], [0], [0]], k=2) == 1
    assert hit_rate(similarities, [[2], [2, 1], [2]], k=3) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="zip"):
        hit_rate(similarities, [[0]], k=1)


def test_emoji_names_are_official_and_many() -> None:
    names = emoji_names()
    assert names["hugging face"] == "\N{HUGGING FACE}"
    assert 1200 < len(names) < 1300
    assert all(name == name.lower() and len(char) == 1 for name, char in names.items())
