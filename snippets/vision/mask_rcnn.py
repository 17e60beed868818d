"""Mask R-CNN: propose boxes, look into each, and draw a mask; small enough for seconds.

Source: He et al., "Mask R-CNN", arXiv 1703.06870, as torchvision implements it.
Units: pixels of the image. Shapes: images of S x S pixels, n objects, C channels.
Label 0 is the background, so class k has label k + 1 inside the model.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import Conv2dNormActivation, MultiScaleRoIAlign

CHANNELS = 48


class Backbone(nn.Sequential):
    """Five convolutions that make a map of features, one for each 4 x 4 pixels."""

    out_channels = CHANNELS  # torchvision asks for it

    def __init__(self) -> None:
        super().__init__(
            Conv2dNormActivation(1, CHANNELS // 2, stride=2),
            Conv2dNormActivation(CHANNELS // 2, CHANNELS // 2),
            Conv2dNormActivation(CHANNELS // 2, CHANNELS, stride=2),
            Conv2dNormActivation(CHANNELS, CHANNELS),
            Conv2dNormActivation(CHANNELS, CHANNELS),
        )


def build_mask_rcnn(backbone: Backbone, num_labels: int, size: int) -> MaskRCNN:
    """Build a small Mask R-CNN for gray images.

    Args:
        backbone: The convolutions, new or trained.
        num_labels: Number of classes without the background.
        size: Side of the square images, S.

    Returns:
        The model. In training it takes images and targets and returns its losses; in
        evaluation it takes images and returns what it found.
    """
    regions, mask_regions = 7, 7  # cells of a cut-out piece of the map, each way
    return MaskRCNN(
        backbone,
        min_size=size,
        max_size=size,
        size_divisible=4,
        image_mean=[0.5],
        image_std=[0.5],
        rpn_anchor_generator=AnchorGenerator(((10, 15),), ((1.0, 1.5, 2.2),)),
        rpn_pre_nms_top_n_train=150,
        rpn_pre_nms_top_n_test=150,
        rpn_post_nms_top_n_train=40,
        rpn_post_nms_top_n_test=40,
        rpn_batch_size_per_image=64,
        box_roi_pool=MultiScaleRoIAlign(["0"], regions, sampling_ratio=2),
        box_head=TwoMLPHead(CHANNELS * regions**2, 128),
        box_predictor=FastRCNNPredictor(128, num_labels + 1),
        box_batch_size_per_image=24,
        mask_roi_pool=MultiScaleRoIAlign(["0"], mask_regions, sampling_ratio=2),
        mask_head=MaskRCNNHeads(CHANNELS, [32, 32], dilation=1),
        mask_predictor=MaskRCNNPredictor(32, 32, num_labels + 1),
    )


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Turn gray bytes (S, S) into numbers from 0 to 1 (1, S, S).

    Args:
        image: The bytes.

    Returns:
        The tensor.
    """
    return torch.tensor(image)[None].float() / 255


def to_target(
    boxes: np.ndarray, labels: np.ndarray, masks: np.ndarray
) -> dict[str, torch.Tensor]:
    """Write the objects of one image as torchvision wants them.

    Args:
        boxes: Left, top, right and bottom (n, 4).
        labels: Classes (n,), from 0.
        masks: Booleans (n, S, S).

    Returns:
        The same as tensors, with labels from 1.

    Raises:
        ValueError: If a box has no area.
    """
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError(f"boxes are {boxes.tolist()}, wanted left < right, top < bottom")
    return {
        "boxes": torch.tensor(boxes),
        "labels": torch.tensor(labels) + 1,
        "masks": torch.tensor(masks, dtype=torch.uint8),
    }


def segment(model: MaskRCNN, images: list[np.ndarray]) -> list[dict[str, torch.Tensor]]:
    """Find the objects of some images.

    Args:
        model: The model.
        images: Gray bytes (S, S).

    Returns:
        For each image, best first: `boxes` (n, 4), `labels` (n,) from 0, `scores`
        (n,) and `masks` (n, S, S) of booleans.
    """
    model.eval()
    with torch.no_grad():
        answers = model([to_tensor(image) for image in images])
    return [
        {
            "boxes": answer["boxes"],
            "labels": answer["labels"] - 1,
            "scores": answer["scores"],
            "masks": answer["masks"][:, 0] >= 0.5,
        }
        for answer in answers
    ]


def propose(model: MaskRCNN, image: np.ndarray, count: int) -> torch.Tensor:
    """Give the boxes that the region proposal network holds most likely for objects.

    Args:
        model: The model.
        image: Gray bytes (S, S).
        count: Number of boxes.

    Returns:
        Boxes (count, 4), best first.
    """
    model.eval()
    with torch.no_grad():
        images, _ = model.transform([to_tensor(image)])
        features = {"0": model.backbone(images.tensors)}
        proposals: torch.Tensor = model.rpn(images, features)[0][0]
    return proposals[:count]


def save(model: MaskRCNN, folder: Path) -> None:
    """Write the weights as safetensors; torchvision models have no `save_pretrained`.

    Args:
        model: A trained model.
        folder: Where to write; created if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")


def load(model: Any, folder: Path) -> None:
    """Read the weights of `save` into a model that was built in the same way.

    Args:
        model: A model of the same shape.
        folder: Where `save` wrote.
    """
    model.load_state_dict(load_file(folder / "model.safetensors"))
