"""Depth from one image: scenes with known distances, and a small GLPN that learns them.

Source: Kim et al., "Global-Local Path Networks for Monocular Depth Estimation with
Vertical CutDepth", arXiv 2201.07436.
Units: distances in meters, sizes in pixels. Shapes: B images of S x S pixels, n objects.
"""

import numpy as np
import torch
from transformers import GLPNConfig, GLPNForDepthEstimation

WALL = 3.0  # meters to the black wall behind all digits
HEIGHT = 0.3  # meters: every digit is as tall
FOCAL = 64.0  # pixels: something 1 m tall at 1 m fills as many


def distances(boxes: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Tell how far away each pixel is: a pinhole camera draws near things large.

    Args:
        boxes: Left, top, right and bottom of each digit (n, 4).
        masks: Its pixels (n, S, S).

    Returns:
        Meters (S, S): for a digit `FOCAL * HEIGHT / height of its box`, else `WALL`.
    """
    meters = np.full(masks.shape[1:], WALL, dtype=np.float32)
    for (_, top, _, bottom), mask in zip(boxes, masks, strict=True):
        meters[mask] = FOCAL * HEIGHT / (bottom - top)
    return meters


def build_glpn() -> GLPNForDepthEstimation:
    """Build a small GLPN with random weights, for images of 64 x 64 pixels or more."""
    config = GLPNConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 48, 64],
        num_attention_heads=[1, 2, 3, 4],
        mlp_ratios=[2, 2, 2, 2],
        decoder_hidden_size=16,
        drop_path_rate=0.0,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
        max_depth=5,
    )
    return GLPNForDepthEstimation(config)


def log_loss(predicted: torch.Tensor, meters: torch.Tensor) -> torch.Tensor:
    """Give the mean factor by which distances are missed, as a logarithm.

    Args:
        predicted: Predicted distances (B, S, S).
        meters: True distances (B, S, S).

    Returns:
        The mean over the digits plus the mean over the wall, which has far more pixels.
    """
    ratios = (predicted.clamp(min=1e-3) / meters).log().abs()
    digits = meters < WALL
    loss: torch.Tensor = ratios[digits].mean() + ratios[~digits].mean()
    return loss


def mean_error(predicted: torch.Tensor, meters: torch.Tensor) -> float:
    """Give the mean error in meters over the pixels of the digits, not the wall.

    Args:
        predicted: Predicted distances (B, S, S).
        meters: True distances (B, S, S).

    Raises:
        ValueError: If there is nothing but wall.
    """
    digits = meters < WALL
    if not digits.any():
        raise ValueError(f"all distances are {WALL}, wanted some digits")
    return (predicted - meters).abs()[digits].mean().item()
