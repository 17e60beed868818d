"""Group texts whose embeddings lie near each other, and compare with known groups.

Sources: k-means (Lloyd 1982), V-measure (Rosenberg and Hirschberg 2007, ACL D07-1043).
Shapes: N texts with C numbers each, K clusters.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import v_measure_score


def pick(
    texts: Sequence[str],
    groups: Sequence[str],
    names: Sequence[str],
    count: int,
    seed: int = 0,
) -> tuple[list[str], list[str]]:
    """Draw as many texts of each named group.

    Args:
        texts: All texts.
        groups: The group of each.
        names: The groups to draw from.
        count: Texts a group.
        seed: Seed of the drawing.

    Returns:
        The texts and their groups, group by group.

    Raises:
        ValueError: If a group has fewer texts than wanted.
    """
    generator = np.random.default_rng(seed)
    kept: list[str] = []
    for name in names:
        members = [
            text for text, group in zip(texts, groups, strict=True) if group == name
        ]
        if len(members) < count:
            raise ValueError(f"{name} has {len(members)} texts, wanted {count}")
        drawn = generator.choice(len(members), count, replace=False)
        kept.extend(members[index] for index in sorted(drawn))
    return kept, [name for name in names for _ in range(count)]


def cluster(vectors: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """Find `k` centers and give each text the number of the nearest one.

    Args:
        vectors: Embeddings (N, C).
        k: Number of clusters.
        seed: Seed of the first centers; the best of ten starts is kept.

    Returns:
        Numbers of clusters (N,).

    Raises:
        ValueError: If there are more clusters than texts.
    """
    if k > len(vectors):
        raise ValueError(f"k is {k}, wanted at most the number of texts, {len(vectors)}")
    numbers: np.ndarray = KMeans(k, n_init=10, random_state=seed).fit_predict(vectors)
    return numbers


def v_measure(
    groups: Sequence[str], clusters: np.ndarray, draws: int = 400, seed: int = 0
) -> tuple[float, float, float]:
    """Measure how well clusters and known groups agree, with a bootstrap interval.

    Args:
        groups: The known group of each text.
        clusters: Its cluster.
        draws: How often as many texts are drawn anew.
        seed: Seed of the drawing.

    Returns:
        The V-measure, 0 to 1 for the same partition, and the bounds between which it lies
        in 95% of the draws.
    """
    names = np.asarray(groups)
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = generator.integers(len(names), size=len(names))
        values.append(v_measure_score(names[drawn], clusters[drawn]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(v_measure_score(names, clusters)), float(low), float(high)


def typical_words(
    texts: Sequence[str], clusters: np.ndarray, count: int = 5
) -> list[str]:
    """Describe each cluster by the words that it has and the others have not.

    Args:
        texts: The texts.
        clusters: The cluster of each.
        count: Words a cluster.

    Returns:
        The words of cluster 0, 1, and so on.
    """
    joined = [
        " ".join(np.array(texts, dtype=object)[clusters == number])
        for number in range(int(clusters.max()) + 1)
    ]
    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    weights = vectorizer.fit_transform(joined).toarray()  # (K, words)
    words = vectorizer.get_feature_names_out()
    best = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    return [", ".join(words[row]) for row in best]


def majority(groups: Sequence[str], clusters: np.ndarray) -> list[str]:
    """Name each cluster after its most frequent group.

    Args:
        groups: The known group of each text.
        clusters: Its cluster.

    Returns:
        For each text the name of its cluster.
    """
    names = {
        number: Counter(
            group
            for group, other in zip(groups, clusters, strict=True)
            if other == number
        ).most_common(1)[0][0]
        for number in np.unique(clusters)
    }
    return [names[number] for number in clusters]
