"""How sure a measured number is, by the bootstrap, and samples of answers.

Efron 1979, "Bootstrap Methods: Another Look at the Jackknife" (Annals of Statistics 7).
Units: scores as given, levels as shares from 0 to 1.
"""

from collections.abc import Sequence

import numpy as np


def interval(
    scores: Sequence[float], level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Estimate between which bounds the mean of the scores would fall on other examples.

    Args:
        scores: One score an example, such as 1 for a right answer and 0 for a wrong one.
        level: Share of the redrawn means that lie between the bounds.
        draws: How often as many examples are drawn anew, with replacement.
        seed: Seed of the drawing.

    Returns:
        The lower and the upper bound.

    Raises:
        ValueError: If there are no scores.
    """
    if not len(scores):
        raise ValueError("scores is empty, wanted at least one")
    values = np.asarray(scores, dtype=float)  # (N,)
    generator = np.random.default_rng(seed)
    means = [generator.choice(values, len(values)).mean() for _ in range(draws)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def sample(
    right: Sequence[bool], count: int = 5, seed: int = 0
) -> tuple[list[int], list[int]]:
    """Draw examples to show, some answered right and some wrong.

    Args:
        right: For each example whether the answer was right.
        count: At most so many of each.
        seed: Seed of the drawing.

    Returns:
        Indices of right answers and indices of wrong ones, in rising order.
    """
    generator = np.random.default_rng(seed)
    flags = np.asarray(right, dtype=bool)  # (N,)
    parts = []
    for wanted in (True, False):
        indices = np.flatnonzero(flags == wanted)
        drawn = generator.choice(indices, min(count, len(indices)), replace=False)
        parts.append(sorted(drawn.tolist()))
    return parts[0], parts[1]
