"""DETR: detect objects as a set, with a transformer, small enough to train in seconds.

Source: Carion et al., "End-to-End Object Detection with Transformers", arXiv 2005.12872.
Units: pixels of the image, or shares of its side where the model works with boxes.
Shapes: B images of S x S pixels, Q queries, n objects, K classes.
"""

from itertools import permutations
from typing import Any

import numpy as np
import torch
from torchvision.ops import box_convert, generalized_box_iou
from transformers import (
    AutoImageProcessor,
    AutoModelForObjectDetection,
    DetrConfig,
    DetrForObjectDetection,
    DetrImageProcessor,
    ResNetConfig,
    ResNetForImageClassification,
)

# The backbone: two stages, each with one block of two convolutions.
BACKBONE: dict[str, Any] = {
    "embedding_size": 32,
    "hidden_sizes": [32, 64],
    "depths": [1, 1],
    "layer_type": "basic",
}


def build_classifier(num_labels: int) -> ResNetForImageClassification:
    """Build a small residual network; trained, it is the backbone of the detector.

    Args:
        num_labels: Number of classes K.

    Returns:
        The classifier, for gray images.
    """
    return ResNetForImageClassification(
        ResNetConfig(**BACKBONE | {"num_labels": num_labels})
    )


def build_detr(
    classifier: ResNetForImageClassification, num_queries: int = 8
) -> DetrForObjectDetection:
    """Build a small DETR on the layers of a trained classifier.

    Args:
        classifier: The network whose convolutions are copied.
        num_queries: Largest number of objects that can be found in one image, Q.

    Returns:
        The detector, which knows the classes of the classifier.
    """
    count: Any = classifier.config.num_labels
    config = DetrConfig(
        backbone_config=ResNetConfig(**BACKBONE | {"out_features": ["stage2"]}),
        num_queries=num_queries,
        d_model=64,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        dropout=0.0,
        init_std=0.1,  # the default of 0.02 is too small for narrow layers
        auxiliary_loss=True,
        id2label={index: str(index) for index in range(count)},
    )
    model = DetrForObjectDetection(config)
    model.model.backbone.model.load_state_dict(classifier.resnet.state_dict())
    model.model.unfreeze_backbone()  # transformers freezes all of a ResNet
    torch.nn.init.normal_(model.model.query_position_embeddings.weight)
    model.set_attn_implementation("eager")  # the kind that can report its weights
    return model


def to_annotations(boxes: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Write the objects of one image as COCO does.

    Args:
        boxes: Left, top, right and bottom (n, 4).
        labels: Classes (n,).

    Returns:
        What `DetrImageProcessor` takes: boxes as left, top, width and height.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]  # (n, 2)
    return {
        "image_id": 0,
        "annotations": [
            {
                "bbox": [*box[:2].tolist(), *size.tolist()],
                "category_id": int(label),
                "area": float(size.prod()),
                "iscrowd": 0,
            }
            for box, size, label in zip(boxes, sizes, labels, strict=True)
        ],
    }


def matching_costs(
    logits: torch.Tensor, boxes: torch.Tensor, target: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Tell how badly each query would fit each true object of one image.

    Args:
        logits: Scores of the classes and of "no object" (Q, K + 1).
        boxes: Center, width and height as shares of the image (Q, 4).
        target: `class_labels` (n,) and `boxes` (n, 4) of the true objects.

    Returns:
        Costs (Q, n): minus the probability of the right class, plus 5 times the sum of
        the distances of the four numbers, minus 2 times the generalized IoU.
    """
    probabilities = logits.softmax(dim=-1)[:, target["class_labels"]]  # (Q, n)
    distances = (boxes[:, None] - target["boxes"]).abs().sum(dim=-1)  # (Q, n)
    overlaps = generalized_box_iou(
        box_convert(boxes, "cxcywh", "xyxy"),
        box_convert(target["boxes"], "cxcywh", "xyxy"),
    )
    costs: torch.Tensor = -probabilities + 5 * distances - 2 * overlaps
    return costs


def match_by_trying(costs: torch.Tensor) -> list[int]:
    """Give each object a query of its own, by trying every possible assignment.

    Args:
        costs: Cost (Q, n) of giving query q to object n.

    Returns:
        For each object the index of its query; the sum of their costs is the smallest.

    Raises:
        ValueError: If there are more objects than queries.
    """
    queries, objects = costs.shape
    if objects > queries:
        raise ValueError(f"{objects} objects, wanted at most the {queries} queries")
    return min(
        (list(chosen) for chosen in permutations(range(queries), objects)),
        key=lambda chosen: costs[chosen, range(objects)].sum().item(),
    )


def detect(
    model: DetrForObjectDetection,
    processor: DetrImageProcessor,
    images: list[Any],
    threshold: float = 0.0,
) -> list[dict[str, torch.Tensor]]:
    """Find the objects of some images.

    Args:
        model: The detector.
        processor: Its processor.
        images: Color images (H, W, 3) or PIL images, all of one size.
        threshold: Smallest score to report.

    Returns:
        For each image `scores`, `labels`, and `boxes` as left, top, right, bottom.
    """
    model.eval()
    inputs = processor(images, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    sizes = [np.asarray(image).shape[:2] for image in images]
    found: list[dict[str, torch.Tensor]] = processor.post_process_object_detection(
        outputs, threshold=threshold, target_sizes=sizes
    )
    return found


def load_detector(checkpoint: str) -> tuple[Any, Any]:
    """Load a detector and its processor from a folder or from an id on the Hub.

    Args:
        checkpoint: The folder or the id.

    Returns:
        The processor and the model, set to evaluation.
    """
    processor = AutoImageProcessor.from_pretrained(checkpoint)
    model = AutoModelForObjectDetection.from_pretrained(
        checkpoint, attn_implementation="eager"
    )
    return processor, model
