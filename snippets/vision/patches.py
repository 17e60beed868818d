"""Draw what a model sees, guesses and looks at patch by patch.

Units: gray values from 0 to 1.
Shapes: B images of one channel, S x S pixels, cut into N patches of P pixels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional as F


def as_images(
    patches: torch.Tensor, processor: Any, keep: torch.Tensor | None = None
) -> np.ndarray:
    """Put patches together to gray images.

    Args:
        patches: Patches (B, N, P) of normalized pixels, row by row.
        processor: The image processor that normalized them.
        keep: Which patches to show (B, N); the others become NaN, which is drawn blank.

    Returns:
        Images (B, S, S) in 16 shades: enough for the eye, and small in a file.
    """
    if keep is not None:
        patches = patches.masked_fill(~keep[:, :, None], torch.nan)
    side = round(patches.shape[2] ** 0.5)
    size = side * round(patches.shape[1] ** 0.5)
    columns = patches.transpose(1, 2)  # (B, P, N)
    gray = F.fold(columns, size, side, stride=side)[:, 0]  # (B, S, S)
    gray = (gray * processor.image_std[0] + processor.image_mean[0]).clamp(0, 1)
    images: np.ndarray = ((gray * 15).round() / 15).numpy()
    return images


def show_rows(rows: Mapping[str, np.ndarray]) -> Figure:
    """Draw rows of images as one picture, with a gap between the images.

    Args:
        rows: For each row its name and its images (B, S, S).

    Returns:
        The figure.
    """
    size = next(iter(rows.values())).shape[1] + 2
    lines = []
    for images in rows.values():
        framed = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
        lines.append(np.hstack(list(framed)))  # (S + 2, B * (S + 2))
    figure, axes = plt.subplots(figsize=(7.2, 1.2 * len(rows)))
    axes.imshow(np.vstack(lines), vmin=0, vmax=1, interpolation="none")
    axes.set_yticks([size * line + size // 2 for line in range(len(rows))], list(rows))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def show_attention(
    images: np.ndarray, attention: torch.Tensor, places: Sequence[int]
) -> Figure:
    """Draw images, and below each where one of its patches looks.

    Args:
        images: Images (B, S, S).
        attention: Weights (B, N, N): row by row, how much a patch takes from each.
        places: The patch to watch in each image; it gets a cross.

    Returns:
        The figure.
    """
    across = round(attention.shape[1] ** 0.5)
    maps = attention[torch.arange(len(images)), list(places)].numpy()  # (B, N)
    figure, panels = plt.subplots(2, len(images), figsize=(6.6, 3.4))
    extent = (0, across, across, 0)
    for column, image, weights, place in zip(panels.T, images, maps, places, strict=True):
        column[0].imshow(image, vmin=0, vmax=1, interpolation="none", extent=extent)
        shades = column[1].imshow(
            weights.reshape(across, across),
            vmin=0,
            vmax=maps.max(),
            interpolation="none",
            extent=extent,
        )
        for axes in column:
            axes.plot(place % across + 0.5, place // across + 0.5, "x", color="C1")
            axes.set(xticks=[], yticks=[])
    figure.colorbar(shades, ax=panels[1], label="attention")
    return figure
