"""Sentence embeddings by mean pooling, and search by cosine similarity.

Sentence-BERT (Reimers and Gurevych 2019, arXiv:1908.10084). A similarity is a cosine,
from -1 to 1; embeddings have length 1, so that a dot product gives it.
"""

import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMOJI_BLOCKS = (  # Unicode blocks, first and last code point
    (0x1F300, 0x1F5FF),  # pictographs
    (0x1F600, 0x1F64F),  # faces and gestures
    (0x1F680, 0x1F6FF),  # transport
    (0x1F900, 0x1F9FF),  # more pictographs
)


def mean_pool(token_vectors: Tensor, attention_mask: Tensor) -> Tensor:
    """Average the vectors of a text's tokens, without its padding.

    Args:
        token_vectors: One vector for each token, (B, T, C).
        attention_mask: 1 for a token, 0 for padding, (B, T).

    Returns:
        One vector for each text, (B, C).
    """
    mask = attention_mask.unsqueeze(-1).to(token_vectors.dtype)  # (B, T, 1)
    return (token_vectors * mask).sum(dim=1) / mask.sum(dim=1)  # (B, C)


def embed(
    texts: Sequence[str],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int = 64,
    max_length: int = 256,
) -> Tensor:
    """Turn texts into vectors of length 1 that stand for their meaning.

    Args:
        texts: The texts; a batch takes as long as its longest text.
        model: An encoder whose checkpoint was trained for mean pooling.
        tokenizer: The tokenizer of the same checkpoint.
        batch_size: Texts that go through the model at once.
        max_length: Tokens that are kept of each text.

    Returns:
        Embeddings, (N, C).

    Raises:
        ValueError: If `texts` is a single string or empty.
    """
    if isinstance(texts, str) or not texts:
        raise ValueError(f"texts is {texts!r}, wanted a list with at least one text")
    vectors = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(
            list(texts[start : start + batch_size]),
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        )  # input_ids and attention_mask, (B, T)
        with torch.inference_mode():
            token_vectors = model(**batch).last_hidden_state  # (B, T, C)
        pooled = mean_pool(token_vectors, batch["attention_mask"])  # (B, C)
        vectors.append(functional.normalize(pooled, dim=-1))
    return torch.cat(vectors)  # (N, C)


def hit_rate(similarities: Tensor, answers: Sequence[Sequence[int]], k: int) -> float:
    """Measure how often an accepted text is among the best `k`.

    Args:
        similarities: Of each query to each text, (Q, N).
        answers: Indices of the texts that are accepted for each query.
        k: How many results a reader looks at.

    Returns:
        Share of the queries, 0 to 1. A tie counts against the answer, and so does a
        similarity of 0: such a text was not found.
    """
    hits = 0
    for row, accepted in zip(similarities, answers, strict=True):
        best = row[list(accepted)].max()
        hits += int(best > 0 and (row >= best).sum() <= k)
    return hits / len(answers)


def emoji_names() -> dict[str, str]:
    """Return the official names of about 1,200 emoji and pictographs.

    Returns:
        `{name: character}` from the Unicode Character Database that Python carries.
    """
    characters = [chr(c) for first, last in EMOJI_BLOCKS for c in range(first, last + 1)]
    names = {unicodedata.name(char, "").lower(): char for char in characters}
    return {name: char for name, char in names.items() if name}
