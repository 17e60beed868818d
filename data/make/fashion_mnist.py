"""Cut 5,000 + 1,000 images from Fashion-MNIST."""

import gzip
import io
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, Image
from numpy.typing import NDArray
from PIL import Image as Pillow

from data.make.common import Source, unpacked, write

NAME = "fashion-mnist"
SOURCE = Source(
    "Debian",
    "dataset-fashion-mnist",
    "0.0~git20200523.55506a9-1",
    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)
NAMES = [
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
]
SEED = 0

CARD = f"""
# Fashion-MNIST, cut to 6,000 images

Photographs of articles that Zalando sold, 28x28 pixels in gray, in ten classes. The
original has 60,000 training and 10,000 test images; this is a part of it, small
enough to lie in a repository.

## Source and rights

- Made by Han Xiao, Kashif Rasul and Roland Vollgraf (Zalando Research),
  [Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
  Algorithms](https://arxiv.org/abs/1708.07747), 2017.
- License: MIT, copyright 2017 Zalando SE.
- Taken from {SOURCE}, sha256 of the package `{SOURCE.sha256}`.

## How it was cut

- 500 images of each class from the training images and 100 of each class from the
  test images: for each class in order, the first ones of a permutation drawn by
  `numpy.random.default_rng({SEED})`, one generator for each split. They stand in the
  order of the original.
- No image of the test split equals an image of the training split, pixel for pixel.
- The pixels are unchanged and stored as PNG.
"""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an array in the IDX format of MNIST."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def choose(labels: NDArray[np.uint8], each: int) -> list[int]:
    """Choose as many indexes of each class, by the seed, in ascending order."""
    generator = np.random.default_rng(SEED)
    chosen: list[int] = []
    for label in range(len(NAMES)):
        members = np.flatnonzero(labels == label)
        chosen.extend(generator.permutation(members)[:each].tolist())
    return sorted(chosen)


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Return an image as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def make() -> Path:
    """Write `data/fashion-mnist`."""
    features = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    splits = {}
    with unpacked(SOURCE) as package:
        for split, prefix, each in (("train", "train", 500), ("test", "t10k", 100)):
            folder = package / "usr/share/datasets/fashion-mnist"
            images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
            labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
            rows = [
                {
                    "image": {"bytes": encode(images[index]), "path": None},
                    "label": int(labels[index]),
                }
                for index in choose(labels, each)
            ]
            splits[split] = Dataset.from_list(rows, features=features)
    metadata = {
        "pretty_name": "Fashion-MNIST, 6,000 images",
        "license": "mit",
        "task_categories": ["image-classification"],
        "size_categories": ["1K<n<10K"],
    }
    return write(NAME, splits, metadata, CARD)
