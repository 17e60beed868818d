"""Score two old methods on raw pixels, as a measure for trained image classifiers.

Source: both methods are those of scikit-learn.
Units: accuracy as a share from 0 to 1.
Shapes: N images of H x W pixels, with or without equal color channels.
"""

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier


def prepare(
    processor: Any, images: np.ndarray, labels: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn gray images and their labels into what a classifier learns from.

    Args:
        processor: An image processor of transformers.
        images: Gray images (N, H, W) as bytes.
        labels: Their classes (N,).

    Returns:
        Pixel values (N, 3, S, S), three equal channels as a photo has, and labels (N,).

    Raises:
        ValueError: If there is not one label for each image.
    """
    if len(images) != len(labels):
        raise ValueError(f"{len(labels)} labels, wanted one for each of {len(images)}")
    colors = images[..., None].repeat(3, -1)  # (N, H, W, 3)
    pixel_values = processor(list(colors), return_tensors="pt").pixel_values
    return pixel_values, torch.tensor(labels)


def pixel_baselines(
    train_images: np.ndarray,
    test_images: np.ndarray,
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    C: float = 0.1,
) -> dict[str, float]:
    """Score a look-up of the most similar training image, and a linear model.

    Args:
        train_images: Bytes (N, ...) to learn from.
        test_images: Bytes of the same shape, held out.
        train_labels: Classes of the first.
        test_labels: Classes of the second.
        C: How freely the linear model may use large weights.

    Returns:
        Accuracy on the test images, for "logistic regression" and "nearest image".
    """
    pixels = train_images.reshape(len(train_images), -1) / 255
    test_pixels = test_images.reshape(len(test_images), -1) / 255
    methods = {
        "logistic regression": LogisticRegression(C=C, max_iter=1000),
        "nearest image": KNeighborsClassifier(n_neighbors=1),
    }
    return {
        name: float(method.fit(pixels, train_labels).score(test_pixels, test_labels))
        for name, method in methods.items()
    }
