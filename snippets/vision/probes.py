"""Linear probes: how far a linear classifier gets with features that a model made.

Source: Alain and Bengio, "Understanding intermediate layers using linear classifier
probes", arXiv 1610.01644. Units: accuracy as a share from 0 to 1.
Shapes: B images of one channel, H x W pixels; N tokens of D numbers; F features.
"""

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoConfig, AutoImageProcessor, AutoModel

PENALTIES = tuple(10.0**power for power in range(-1, 6))
BATCH_SIZE = 250


def load_encoder(checkpoint: str) -> tuple[Any, Any]:
    """Load what pretraining leaves for later: the encoder, without the head.

    Args:
        checkpoint: A folder written by `save_pretrained`, or an id on the Hub.

    Returns:
        The processor and the encoder, which sees every patch.
    """
    config = AutoConfig.from_pretrained(checkpoint)
    if config.model_type == "vit_mae":
        settings = {"mask_ratio": 0.0}  # hide nothing
    else:
        settings = {"add_pooling_layer": False}
    processor = AutoImageProcessor.from_pretrained(checkpoint)
    return processor, AutoModel.from_pretrained(checkpoint, **settings).eval()


def encode(encoder: Any, pixel_values: torch.Tensor, grid: int = 3) -> np.ndarray:
    """Turn images into features: the mean token of each part of the image.

    Args:
        encoder: An encoder that gives one class token and then a square of patch tokens.
        pixel_values: Images (B, 1, H, W) from the processor.
        grid: The image is divided in `grid` x `grid` parts; 1 is one mean over all.

    Returns:
        Features (B, grid * grid * D).
    """
    features = []
    for images in pixel_values.split(BATCH_SIZE):
        inputs = {"pixel_values": images}
        if encoder.config.model_type == "vit_mae":  # which sorts patches by noise
            patches = encoder.embeddings.patch_embeddings.num_patches
            inputs["noise"] = torch.arange(patches).float().expand(len(images), -1)
        with torch.no_grad():
            tokens = encoder(**inputs).last_hidden_state[:, 1:]  # (B, N, D)
        across = round(tokens.shape[1] ** 0.5)
        square = tokens.transpose(1, 2).unflatten(2, (across, across))
        pooled = torch.nn.functional.adaptive_avg_pool2d(square, grid)
        features.append(pooled.flatten(1))
    return torch.cat(features).numpy()


def draw_labeled(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Choose images at random, an equal number of each class.

    Args:
        labels: Classes of all images (B,).
        count: How many to choose.
        seed: Seed of the choice.

    Returns:
        Indices (count,).

    Raises:
        ValueError: If the classes cannot have equal shares.
    """
    classes = np.unique(labels)
    share, rest = divmod(count, len(classes))
    if rest or share < 1:
        raise ValueError(f"count is {count}, wanted a multiple of {len(classes)} classes")
    rng = np.random.default_rng(seed)
    chosen = []
    for name in classes:
        own = np.flatnonzero(labels == name)
        chosen.append(rng.choice(own, share, replace=False))
    return np.concatenate(chosen)


def probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
) -> float:
    """Fit a linear classifier on features and score it on others.

    Ridge regression on the classes; the penalty is chosen on the training images, by
    leaving out one at a time.

    Args:
        train_features: Features (B, F) to learn from.
        train_labels: Their classes (B,).
        test_features: Features (M, F), held out.
        test_labels: Their classes (M,).

    Returns:
        Share of the held-out images that are right.
    """
    classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=PENALTIES))
    classifier.fit(train_features, train_labels)
    return float(classifier.score(test_features, test_labels))


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Summarize repeated measurements.

    Args:
        values: At least two measurements.

    Returns:
        Their mean and the standard error of it.

    Raises:
        ValueError: If there are fewer than two.
    """
    if len(values) < 2:
        raise ValueError(f"got {len(values)} values, wanted two or more")
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5)
