"""Classify without examples: compare a text with a description of each class.

Shapes: N texts and K classes with C numbers each.
"""

from collections.abc import Mapping, Sequence

import numpy as np


def nearest_class(
    texts: np.ndarray, descriptions: np.ndarray, threshold: float = -1.0
) -> np.ndarray:
    """Pick the class whose description is most similar.

    Args:
        texts: Embeddings of length 1 (N, C).
        descriptions: Embeddings of length 1 of a description of each class (K, C).
        threshold: Cosine, below which no class is picked.

    Returns:
        Numbers of classes (N,), -1 for none.

    Raises:
        ValueError: If both kinds of embeddings differ in size.
    """
    if texts.shape[1] != descriptions.shape[1]:
        raise ValueError(
            f"embeddings of {texts.shape[1]} and of {descriptions.shape[1]} numbers, "
            "wanted both from one checkpoint"
        )
    cosines = texts @ descriptions.T  # (N, K)
    best: np.ndarray = np.where(
        cosines.max(axis=1) >= threshold, cosines.argmax(axis=1), -1
    )
    return best


def keyword_class(
    texts: Sequence[str], keywords: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """Baseline: count the words of a list for each class.

    Args:
        texts: The texts.
        keywords: For each class words that speak for it, in small letters.

    Returns:
        Numbers of classes (N,): the class with most words, the first one if none occurs.
    """
    answers = []
    for text in texts:
        words = ["".join(filter(str.isalpha, word)) for word in text.lower().split()]
        hits = [sum(word in listed for word in words) for listed in keywords.values()]
        answers.append(int(np.argmax(hits)))
    return np.array(answers)
