"""Search in two steps: compare whole texts first, then read the best of them closely.

Sources: Nogueira and Cho, "Passage Re-ranking with BERT", arXiv 1901.04085, for the
cross-encoder; Khattab and Zaharia, "ColBERT", arXiv 2004.12832, for the late interaction.
Shapes: texts of T tokens with C numbers each, Q queries, N passages.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)


def word_senses(
    words: Sequence[str],
    definitions: Sequence[str],
    examples: Sequence[str],
    seed: int = 0,
) -> tuple[list[str], list[str]]:
    """Pair sentences with the entry of a dictionary that explains their word.

    Args:
        words: The word of each sense.
        definitions: What the word means in that sense.
        examples: A sentence with the word in that sense, or nothing.
        seed: Seed of the order of the words.

    Returns:
        Sentences, and for each its entry, `word: definition`. Only words of two or more
        senses with a sentence take part; senses of one word stand side by side.
    """
    senses: dict[str, list[int]] = {}
    for index, (word, example) in enumerate(zip(words, examples, strict=True)):
        if example:
            senses.setdefault(word, []).append(index)
    several = [found for found in senses.values() if len(found) > 1]
    order = np.random.default_rng(seed).permutation(len(several))
    kept = [index for number in order for index in several[number]]
    return [examples[i] for i in kept], [f"{words[i]}: {definitions[i]}" for i in kept]


def build_cross_encoder(checkpoint: str, layers: int, seed: int = 0) -> PreTrainedModel:
    """Turn the first layers of an encoder into a model that scores a pair of texts.

    Args:
        checkpoint: A folder or an id on the Hub of an encoder.
        layers: How many of its layers to keep.
        seed: Seed of the new last layer.

    Returns:
        A classifier with one output. Its loss takes labels of 1 for pairs that belong
        together and 0 for others.
    """
    torch.manual_seed(seed)
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
        checkpoint,
        num_labels=1,
        num_hidden_layers=layers,
        problem_type="multi_label_classification",  # binary cross-entropy
    )
    model.base_model.embeddings.requires_grad_(False)
    return model


def ranking_batches(
    queries: Sequence[str],
    passages: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    size: int = 8,
    seed: int = 0,
) -> Iterator[dict[str, Tensor]]:
    """Yield each query with its passage, with a neighbor of that and with a random one.

    Args:
        queries: The queries.
        passages: The passage of each; neighbors in this list are easily mistaken.
        tokenizer: A tokenizer that can join pairs.
        size: Queries a batch, which has three pairs for each.
        seed: Seed of the order and of the wrong passages.

    Yields:
        Batches of pairs with `labels` (3 * size, 1).
    """
    generator = np.random.default_rng(seed)
    count = len(queries)
    while True:
        order = generator.permutation(count)
        for start in range(0, count - size + 1, size):
            part = order[start : start + size]
            near = part + generator.choice([-1, 1], size)
            others = generator.integers(1, count, size) + part
            chosen = np.concatenate([part, near % count, others % count]).tolist()
            batch = tokenizer(
                [queries[index] for index in np.tile(part, 3)],
                [passages[index] for index in chosen],
                padding=True,
                truncation=True,
                max_length=64,
                return_tensors="pt",
            )
            labels = torch.zeros(3 * size, 1)
            labels[:size] = 1
            yield {**batch, "labels": labels}


def score_pairs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    batch_size: int = 32,
) -> list[float]:
    """Let a cross-encoder read each query together with a passage.

    Args:
        model: A classifier with one output.
        tokenizer: Its tokenizer.
        pairs: Queries and passages.
        batch_size: Pairs of similar length that go through the model at once.

    Returns:
        The logit of each pair; above 0 means that the two belong together.
    """
    order = sorted(range(len(pairs)), key=lambda index: len("".join(pairs[index])))
    scores = [0.0] * len(pairs)
    for start in range(0, len(pairs), batch_size):
        part = order[start : start + batch_size]
        batch = tokenizer(
            [pairs[index][0] for index in part],
            [pairs[index][1] for index in part],
            padding=True,
            truncation=True,
            max_length=64,
            return_tensors="pt",
        )
        with torch.inference_mode():
            logits = model(**batch).logits[:, 0].tolist()
        for index, logit in zip(part, logits, strict=True):
            scores[index] = logit
    return scores


def token_vectors(
    texts: Sequence[str],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int = 64,
    batch_size: int = 32,
) -> list[Tensor]:
    """Give each token of each text its vector.

    Args:
        texts: The texts.
        model: An encoder.
        tokenizer: Its tokenizer.
        max_length: Tokens that are kept of a text.
        batch_size: Texts that go through the model at once.

    Returns:
        For each text the vectors of its real tokens (T, C).
    """
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    vectors: dict[int, Tensor] = {}
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        batch = tokenizer(
            [texts[index] for index in part],
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        )
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state  # (B, T, C)
        for row, index in enumerate(part):
            vectors[index] = hidden[row][batch["attention_mask"][row].bool()]
    return [vectors[index] for index in range(len(texts))]


def pool(vectors: Sequence[Tensor]) -> Tensor:
    """Make one vector of length 1 for each text, the mean of its tokens.

    Args:
        vectors: The tokens' vectors of each text, (T, C).

    Returns:
        Embeddings (N, C).
    """
    means = torch.stack([tokens.mean(dim=0) for tokens in vectors])
    return functional.normalize(means, dim=-1)


def max_sim(query: Tensor, passage: Tensor) -> float:
    """Let each token of the query pick the token of the passage that is most like it.

    Args:
        query: Vectors of the query's tokens (T, C).
        passage: Vectors of the passage's tokens (T', C).

    Returns:
        The mean cosine of the picked pairs, -1 to 1.
    """
    cosines = (
        functional.normalize(query, dim=-1) @ functional.normalize(passage, dim=-1).T
    )
    return float(cosines.max(dim=1).values.mean())


def shortlist(scores: np.ndarray, k: int) -> list[tuple[int, int]]:
    """List the first `k` passages of each query.

    Args:
        scores: Of each passage for each query, by the first step (Q, N).
        k: How many passages get a second look.

    Returns:
        Numbers of query and passage, Q * k pairs, query by query, the best first.

    Raises:
        ValueError: If `k` is not between 1 and the number of passages.
    """
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k is {k}, wanted 1 to {scores.shape[1]}")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return [(row, int(column)) for row, columns in enumerate(best) for column in columns]


def rerank(
    scores: np.ndarray, listed: Sequence[tuple[int, int]], again: Sequence[float]
) -> np.ndarray:
    """Put the passages that were scored again first, in their new order.

    Args:
        scores: Of each passage for each query, by the first step (Q, N).
        listed: The pairs of `shortlist`.
        again: A new score for each of these pairs.

    Returns:
        New scores (Q, N); the other passages keep their order.
    """
    low = min(again) - scores.max() - 1
    merged: np.ndarray = scores + low
    for (row, column), score in zip(listed, again, strict=True):
        merged[row, column] = score
    return merged


def ranks(scores: np.ndarray) -> np.ndarray:
    """Tell at which place each query finds its own passage, the one of the same number.

    Args:
        scores: Of each passage for each query (Q, N), with Q = N.

    Returns:
        Places from 1 (Q,). A tie counts against the answer.
    """
    places: np.ndarray = (scores >= np.diag(scores)[:, None]).sum(axis=1)
    return places
