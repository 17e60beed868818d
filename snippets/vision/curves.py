"""How the loss fell while a model learned, as a figure."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure


def show_losses(losses: Sequence[float], lines: Mapping[str, float], name: str) -> Figure:
    """Draw the loss over the steps, each point the mean of 50, and levels to compare.

    Args:
        losses: The loss of each step.
        lines: Name and height of each level.
        name: Of the model.

    Returns:
        The figure.
    """
    points = np.reshape(losses[: len(losses) // 50 * 50], (-1, 50)).mean(axis=1)
    figure, axes = plt.subplots(figsize=(6.4, 3.0))
    axes.plot(50 * (np.arange(len(points)) + 0.5), points, label=f"{name}, training")
    styles = ["--", ":", "-."]
    for index, (level, height) in enumerate(lines.items()):
        style, color = styles[index % 3], f"C{index + 1}"
        axes.axhline(height, color=color, linestyle=style, label=level)
    axes.set(xlabel="step", ylim=(0, None))
    axes.legend()
    return figure
