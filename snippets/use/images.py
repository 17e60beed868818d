"""Pictures between libraries: channel order, shape, and preprocessing by hand.

PIL and scikit-image hold (H, W, 3) bytes: red, green, blue. OpenCV holds them as blue,
green, red; PyTorch wants (3, H, W). Pixel values are bytes from 0 to 255 unless told.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn any picture upright and into three channels, red, green, blue.

    Args:
        image: A picture as PIL opened it, of any mode.

    Returns:
        The picture that a person would see.
    """
    return ImageOps.exif_transpose(image).convert("RGB")


def check_pixels(pixels: np.ndarray) -> np.ndarray:
    """Refuse what an image processor would misread without an error.

    Args:
        pixels: A picture.

    Returns:
        The same array.

    Raises:
        ValueError: If it is not (H, W, 3) or not of bytes.
    """
    if pixels.ndim != 3 or pixels.shape[-1] != 3:
        raise ValueError(f"shape is {pixels.shape}, wanted (height, width, 3)")
    if pixels.dtype != np.uint8:
        raise ValueError(f"dtype is {pixels.dtype}, wanted uint8 from 0 to 255")
    return pixels


def normalize_by_hand(
    image: Image.Image, size: int, mean: Sequence[float], std: Sequence[float]
) -> Tensor:
    """Do what a processor does: resize, scale to 0..1, subtract the mean, divide.

    Args:
        image: A picture in RGB.
        size: Side of the square that the model takes.
        mean: Mean of each channel in the training data, 0 to 1.
        std: Standard deviation of each channel, 0 to 1.

    Returns:
        Pixel values, (1, 3, size, size).
    """
    small = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    values = torch.tensor(small).permute(2, 0, 1) / 255  # (3, size, size)
    scaled = (values - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[
        :, None, None
    ]
    return scaled[None]


def best_classes(
    model: Any, processor: Any, image: Image.Image | np.ndarray, k: int = 3
) -> list[tuple[str, float]]:
    """Name what a picture shows.

    Args:
        model: An image classifier.
        processor: The processor of the same checkpoint.
        image: A picture in RGB.
        k: How many answers.

    Returns:
        Names and probabilities, the most probable first.
    """
    inputs = processor(image, return_tensors="pt")
    with torch.inference_mode():
        probabilities = model(**inputs).logits[0].softmax(dim=-1)  # (classes,)
    best = probabilities.topk(k)
    return [
        (model.config.id2label[index].split(",")[0], probability)
        for index, probability in zip(
            best.indices.tolist(), best.values.tolist(), strict=True
        )
    ]
