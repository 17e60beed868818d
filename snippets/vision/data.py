"""Small images with exact answers: digits, clothes, scenes of digits and moving digits.

Source: the handwritten digits of scikit-learn's `load_digits` (Alpaydin and Kaynak, UCI
Machine Learning Repository) and Fashion-MNIST (Xiao et al., arXiv 1708.07747).
Units: sizes, boxes and speeds in pixels; gray values as bytes, 0 is the background.
Shapes: N images of H x W or S x S pixels, F frames, n objects.
"""

from dataclasses import dataclass

import numpy as np
from datasets import disable_progress_bars, load_dataset
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

TEST_IMAGES = 450
TUNE_IMAGES = 300
INK = 64  # a pixel of at least this value belongs to the digit
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
DIRECTIONS = ["right", "left", "down", "up"]


@dataclass
class Scene:
    """A few digits on a canvas, and all that is to be found in it."""

    image: np.ndarray  # (S, S) bytes
    boxes: np.ndarray  # (n, 4) left, top, right, bottom; the last two are exclusive
    labels: np.ndarray  # (n,) digits 0 to 9
    masks: np.ndarray  # (n, S, S) booleans, which never overlap
    caption: str  # "a three, a seven and a one", read from left to right


@dataclass
class GridScene:
    """Nine cells in three rows, some of them with a digit."""

    image: np.ndarray  # (S, S) bytes
    digits: np.ndarray  # (3, 3) digits 0 to 9, and -1 for an empty cell


def load_digit_images(seed: int = 0) -> tuple[np.ndarray, ...]:
    """Load scikit-learn's scanned digits and hold out an equal share of each class.

    Args:
        seed: Seed of the split.

    Returns:
        Training images and test images (N, 8, 8, 3) as bytes, then the training labels
        and the test labels (N,).
    """
    digits = load_digits()
    gray = (digits.images * 255 / 16).round().astype(np.uint8)  # (N, H, W)
    images = np.stack([gray, gray, gray], axis=-1)  # (N, H, W, 3), as a photo has
    parts = train_test_split(
        images,
        digits.target,
        test_size=TEST_IMAGES,
        stratify=digits.target,
        random_state=seed,
    )
    return tuple(parts)


def load_fashion(folder: str = "data/fashion-mnist") -> tuple[np.ndarray, ...]:
    """Load the photographs of clothes that lie beside this site as Parquet files.

    Args:
        folder: Folder of the data set.

    Returns:
        Training images and test images (N, 28, 28) as bytes, then the training labels
        and the test labels (N,) from 0 to 9.
    """
    disable_progress_bars()
    images, labels = [], []
    for split in ("train", "test"):
        dataset = load_dataset(folder, split=split)
        images.append(np.stack([np.asarray(image) for image in dataset["image"]]))
        labels.append(np.array(dataset["label"]))
    return *images, *labels


def digits_of(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the digits that the scenes of one split may show.

    Args:
        split: `train` or `test`, which share no digit. To choose settings without a look
            at `test`, learn from `fit` and score on `tune`, the two parts of `train`.

    Returns:
        Images (N, 8, 8) as bytes and labels (N,).

    Raises:
        ValueError: If there is no such split.
    """
    train_images, test_images, train_labels, test_labels = load_digit_images()
    splits = {
        "train": (train_images, train_labels),
        "test": (test_images, test_labels),
        "fit": (train_images[:-TUNE_IMAGES], train_labels[:-TUNE_IMAGES]),
        "tune": (train_images[-TUNE_IMAGES:], train_labels[-TUNE_IMAGES:]),
    }
    if split not in splits:
        raise ValueError(f'split is "{split}", wanted one of {", ".join(splits)}')
    images, labels = splits[split]
    return images[..., 0], labels


def enlarge(digit: np.ndarray, side: int) -> np.ndarray:
    """Scale one digit smoothly.

    Args:
        digit: Bytes (8, 8).
        side: Wanted width and height.

    Returns:
        Bytes (side, side).
    """
    return np.asarray(
        Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    )


def make_scenes(
    count: int,
    seed: int,
    split: str = "train",
    size: int = 64,
    most: int = 3,
    sides: tuple[float, float] = (0.28, 0.42),
) -> list[Scene]:
    """Draw scenes of one to `most` digits that do not overlap.

    Args:
        count: Number of scenes.
        seed: Seed of everything that is random.
        split: Where the digits come from, see `digits_of`.
        size: Side of the square canvas, S.
        most: Largest number of digits in a scene.
        sides: Smallest and largest side of a digit as shares of `size`.

    Returns:
        The scenes. Boxes hold the ink tightly; a digit that found no place is left out.

    Raises:
        ValueError: If the digits would be smaller than their scans or fill the canvas.
    """
    smallest, largest = (round(share * size) for share in sides)
    if not 8 <= smallest <= largest < size:
        raise ValueError(
            f"digits would be {smallest} to {largest} pixels, wanted 8 to {size - 1}"
        )
    digits, digit_labels = digits_of(split)
    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(count):
        image = np.zeros((size, size), dtype=np.uint8)
        taken = np.zeros((size, size), dtype=bool)
        found = []  # (box, label, mask) of each digit
        wanted = rng.integers(1, most + 1)
        for _ in range(100):  # tries
            side = int(rng.integers(smallest, largest + 1))
            top, left = rng.integers(0, size - side + 1, size=2)
            place = np.s_[top : top + side, left : left + side]
            if taken[place].any():
                continue
            index = rng.integers(len(digits))
            taken[place] = True
            image[place] = enlarge(digits[index], side)
            mask = np.zeros((size, size), dtype=bool)
            mask[place] = image[place] >= INK
            rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
            box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            found.append((box, digit_labels[index], mask))
            if len(found) == wanted:
                break
        found.sort(key=lambda item: item[0][0] + item[0][2])  # from left to right
        boxes, labels, masks = zip(*found, strict=True)
        names = [("an " if label == 8 else "a ") + WORDS[label] for label in labels]
        scenes.append(
            Scene(
                image=image,
                boxes=np.array(boxes, dtype=np.float32),
                labels=np.array(labels),
                masks=np.stack(masks),
                caption=" and ".join(filter(None, [", ".join(names[:-1]), names[-1]])),
            )
        )
    return scenes


def make_grid_scenes(
    count: int, seed: int, split: str = "train", cell: int = 16, filled: float = 0.5
) -> list[GridScene]:
    """Draw grids of three by three cells, each with a digit or empty.

    Args:
        count: Number of scenes.
        seed: Seed of everything that is random.
        split: Where the digits come from, see `digits_of`.
        cell: Side of a cell; the canvas has S = 3 * cell.
        filled: Probability that a cell has a digit.

    Returns:
        The scenes.
    """
    images, labels = digits_of(split)
    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(count):
        canvas = np.zeros((3 * cell, 3 * cell), dtype=np.uint8)
        digits = np.full((3, 3), -1)
        for row, column in zip(*np.where(rng.random((3, 3)) < filled), strict=True):
            index = rng.integers(len(images))
            top, left = row * cell, column * cell
            canvas[top : top + cell, left : left + cell] = enlarge(images[index], cell)
            digits[row, column] = labels[index]
        scenes.append(GridScene(canvas, digits))
    return scenes


def make_clips(
    count: int, seed: int, split: str = "train", frames: int = 8, size: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Draw clips of one digit that moves steadily and comes back on the other side.

    A single frame does not tell the direction: any digit may be anywhere at any time.

    Args:
        count: Number of clips.
        seed: Seed of everything that is random.
        split: Where the digits come from, see `digits_of`.
        frames: Frames of a clip, F.
        size: Side of the square canvas, S; the digit is half as wide.

    Returns:
        Videos (N, F, S, S) as bytes, and indices (N,) into `DIRECTIONS`.
    """
    digits, _ = digits_of(split)
    rng = np.random.default_rng(seed)
    videos = np.zeros((count, frames, size, size), dtype=np.uint8)
    directions = rng.integers(len(DIRECTIONS), size=count)
    side = size // 2
    for video, direction in zip(videos, directions, strict=True):
        first = np.zeros((size, size), dtype=np.uint8)
        first[:side, :side] = enlarge(digits[rng.integers(len(digits))], side)
        start = rng.integers(size, size=2)  # row, column
        step = np.array([(0, 1), (0, -1), (1, 0), (-1, 0)][direction])
        speed = rng.integers(1, 4)  # pixels a frame
        for time in range(frames):
            row, column = start + time * speed * step
            video[time] = np.roll(first, (row, column), axis=(0, 1))
    return videos, directions
