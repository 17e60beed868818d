"""How good are boxes, masks and maps of labels? And how good would they be for nothing?

Source: average precision as in COCO (Lin et al., arXiv 1405.0312), computed by
pycocotools through torchmetrics.
Units: boxes in pixels (left, top, right, bottom); scores from 0 to 1, higher is better.
Shapes: B images of S x S pixels, n objects, K labels.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import label as connect
from torchmetrics.detection import MeanAveragePrecision

Found = dict[str, torch.Tensor]


def average_precision(
    predictions: list[Found], targets: list[Found], kind: str = "bbox"
) -> dict[str, float]:
    """Score what a detector found against what is there.

    Args:
        predictions: For each image `boxes` (n, 4) or `masks` (n, S, S), `scores` (n,) and
            `labels` (n,).
        targets: For each image the true `boxes` or `masks` and `labels`.
        kind: `bbox` to compare boxes, `segm` to compare masks.

    Returns:
        `ap50`: average precision, if an overlap (IoU) of 0.5 counts as found; `ap`: its
        mean over ten overlaps from 0.5 to 0.95, the main figure of COCO.
    """
    metric = MeanAveragePrecision(iou_type=kind)  # type: ignore[arg-type]
    metric.update(predictions, targets)
    values = metric.compute()
    return {"ap50": values["map_50"].item(), "ap": values["map"].item()}


def mean_iou(answers: torch.Tensor, labels: torch.Tensor, num_labels: int) -> float:
    """Compare maps of labels: intersection over union of each label, then the mean.

    Args:
        answers: Answered labels (B, S, S).
        labels: True labels (B, S, S).
        num_labels: Number of labels, K, with the background.

    Returns:
        The mean over the labels that occur in either.

    Raises:
        ValueError: If the maps have different shapes.
    """
    if answers.shape != labels.shape:
        raise ValueError(
            f"answers are {tuple(answers.shape)}, wanted {tuple(labels.shape)}"
        )
    pairs = labels.flatten() * num_labels + answers.flatten()
    counts = torch.bincount(pairs, minlength=num_labels**2).double()
    counts = counts.reshape(num_labels, num_labels)  # row: true label, column: answer
    both = counts.diagonal()
    either = counts.sum(dim=0) + counts.sum(dim=1) - both
    return (both / either)[either > 0].mean().item()


def pieces_of_ink(
    image: np.ndarray, ink: int = 64
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut an image into connected pieces of bright pixels: detection without learning.

    Args:
        image: Gray bytes (S, S).
        ink: Smallest bright value.

    Returns:
        For each piece its box (4,) and its mask (S, S).
    """
    pieces, count = connect(image >= ink, np.ones((3, 3)))
    found = []
    for piece in range(1, count + 1):
        mask = pieces == piece
        rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        found.append((box, mask))
    return found


def shrink(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Cut a box out of a gray image (S, S) and squeeze it to 64 numbers.

    Args:
        image: The image, bytes.
        box: Left, top, right and bottom in pixels.

    Returns:
        The numbers (64,).
    """
    left, top, right, bottom = (int(edge) for edge in box)
    cut = Image.fromarray(image[top:bottom, left:right])
    return np.asarray(cut.resize((8, 8), Image.Resampling.BOX), dtype=float).ravel()


def detect_by_rule(
    images: list[np.ndarray], label: int | None = None, reader: Any = None
) -> list[Found]:
    """Detect each connected piece of ink, and label it blindly or with a classifier.

    Args:
        images: Gray bytes (S, S).
        label: The label that every piece gets, or
        reader: a scikit-learn classifier of the 64 numbers of `shrink`.

    Returns:
        For each image boxes, masks, scores and labels, as `average_precision` wants them.
    """
    predictions = []
    for image in images:
        boxes, masks = zip(*pieces_of_ink(image), strict=True)
        if reader is None:
            labels = np.full(len(boxes), label)
        else:
            labels = reader.predict([shrink(image, box) for box in boxes])
        predictions.append(
            {
                "boxes": torch.tensor(np.stack(boxes), dtype=torch.float32),
                "masks": torch.tensor(np.stack(masks)),
                "scores": torch.ones(len(boxes)),
                "labels": torch.tensor(labels),
            }
        )
    return predictions
