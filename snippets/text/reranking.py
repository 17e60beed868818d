"""Search in two steps: compare whole texts first, then the best of them token by token.

Source: Khattab and Zaharia, "ColBERT", arXiv 2004.12832, for the late interaction.
Shapes: texts of T tokens with C numbers each, Q queries, N passages.
"""

import re
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def title_passages(
    titles: Sequence[str], bodies: Sequence[str], count: int, words: int = 48
) -> tuple[list[str], list[str]]:
    """Pair titles with the beginning of their texts, for a test with known answers.

    Args:
        titles: A title of each text.
        bodies: The texts.
        count: How many pairs to take, the first that fit.
        words: Words to keep of a text.

    Returns:
        Titles of four or more words, no two alike, and texts of which no word is lost but
        the title itself, which is cut out: else there would be nothing to find.

    Raises:
        ValueError: If fewer pairs fit than wanted.
    """
    found: dict[str, tuple[str, str]] = {}
    taken = set()
    for title, body in zip(titles, bodies, strict=True):
        rest = re.sub(re.escape(title), " ", " ".join(body.split()), flags=re.IGNORECASE)
        passage = " ".join(rest.split()[:words])
        whole = len(title.split()) >= 4 and len(passage.split()) >= words // 2
        if whole and (title + passage).isascii() and passage not in taken:
            found.setdefault(title.lower(), (title, passage))
            taken.add(passage)
    if len(found) < count:
        raise ValueError(f"{len(found)} pairs fit, wanted {count}")
    pairs = list(found.values())[:count]
    return [title for title, _ in pairs], [passage for _, passage in pairs]


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


def rerank(
    scores: np.ndarray, queries: Sequence[Tensor], passages: Sequence[Tensor], k: int
) -> np.ndarray:
    """Score the first `k` passages of each query again, token by token.

    Args:
        scores: Of each passage for each query, by the first step (Q, N).
        queries: Token vectors of the queries.
        passages: Token vectors of the passages.
        k: How many passages get a second look.

    Returns:
        New scores (Q, N): the passages looked at come first, the others keep their order.

    Raises:
        ValueError: If `k` is not between 1 and the number of passages.
    """
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k is {k}, wanted 1 to {scores.shape[1]}")
    again = scores - 10.0  # below every cosine
    for row, best in enumerate(np.argsort(-scores, axis=1, kind="stable")[:, :k]):
        for column in best:
            again[row, column] = max_sim(queries[row], passages[column])
    return again


def learn(systems: Sequence[np.ndarray]) -> LogisticRegression:
    """Learn how much to trust each of several scores, from queries with known answers.

    Args:
        systems: For each way to score, the scores of each passage for each query (Q, Q);
            query and passage of the same number belong together.

    Returns:
        A model that tells from the scores whether a pair belongs together.
    """
    features = np.stack(
        [scores.ravel() for scores in systems], axis=1
    )  # (Q * Q, systems)
    return LogisticRegression(C=100, max_iter=2000).fit(features, _same(systems[0]))


def _same(scores: np.ndarray) -> np.ndarray:
    return np.eye(len(scores), dtype=int).ravel()


def combine(model: LogisticRegression, systems: Sequence[np.ndarray]) -> np.ndarray:
    """Score with what `learn` found out.

    Args:
        model: The result of `learn`.
        systems: The same ways to score, on other queries (Q, N).

    Returns:
        Combined scores (Q, N).
    """
    features = np.stack([scores.ravel() for scores in systems], axis=1)
    combined: np.ndarray = model.decision_function(features).reshape(systems[0].shape)
    return combined


def ranks(scores: np.ndarray) -> np.ndarray:
    """Tell at which place each query finds its own passage, the one of the same number.

    Args:
        scores: Of each passage for each query (Q, N), with Q = N.

    Returns:
        Places from 1 (Q,). A tie counts against the answer.
    """
    places: np.ndarray = (scores >= np.diag(scores)[:, None]).sum(axis=1)
    return places
