"""MaskFormer: segment an image into a set of masks, each with one label.

Source: Cheng, Schwing and Kirillov, "Per-Pixel Classification is Not All You Need for
Semantic Segmentation", arXiv 2107.06278.
Units: pixels of the image; scores from 0 to 1.
Shapes: B images of S x S pixels, Q queries, n segments, K classes.
"""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import (
    AutoImageProcessor,
    AutoModelForUniversalSegmentation,
    MaskFormerConfig,
    MaskFormerForInstanceSegmentation,
    MaskFormerImageProcessor,
    ResNetConfig,
    ResNetForImageClassification,
)
from transformers.models.maskformer.configuration_maskformer import MaskFormerDetrConfig

# The backbone: three stages, each with one block of two convolutions.
BACKBONE: dict[str, Any] = {
    "embedding_size": 32,
    "hidden_sizes": [32, 64, 96],
    "depths": [1, 1, 1],
    "layer_type": "basic",
}


def build_classifier(num_labels: int) -> ResNetForImageClassification:
    """Build a small residual network; trained, it is the backbone of the segmenter.

    Args:
        num_labels: Number of classes K.

    Returns:
        The classifier, for gray images.
    """
    return ResNetForImageClassification(
        ResNetConfig(**BACKBONE | {"num_labels": num_labels})
    )


def build_maskformer(
    classifier: ResNetForImageClassification, labels: list[str], num_queries: int = 8
) -> MaskFormerForInstanceSegmentation:
    """Build a small MaskFormer on the layers of a trained classifier.

    Args:
        classifier: The network whose convolutions are copied.
        labels: Names of the classes, K.
        num_queries: Largest number of segments in one image, Q.

    Returns:
        The model. Until `finish` it wants `output_hidden_states=True` at each call.
    """
    decoder = MaskFormerDetrConfig(
        backbone_config=ResNetConfig(),  # not used, but the default asks for timm
        num_queries=num_queries,
        d_model=64,
        encoder_layers=0,
        decoder_layers=2,
        decoder_ffn_dim=128,
        decoder_attention_heads=4,
        dropout=0.0,
        init_std=0.1,
    )
    stages = {"out_features": ["stage1", "stage2", "stage3"]}
    config = MaskFormerConfig(
        backbone_config=ResNetConfig(**BACKBONE | stages),
        decoder_config=decoder,
        fpn_feature_size=64,  # a multiple of 32
        mask_feature_size=32,
        init_std=0.1,  # the default of 0.02 is too small for narrow layers
        use_auxiliary_loss=True,
        no_object_weight=0.2,
        cross_entropy_weight=2.0,
        mask_weight=10.0,
        id2label=dict(enumerate(labels)),
    )
    model = MaskFormerForInstanceSegmentation(config)
    model.model.pixel_level_module.encoder.load_state_dict(classifier.resnet.state_dict())
    torch.nn.init.normal_(model.model.transformer_module.queries_embedder.weight)
    return model


def finish(model: MaskFormerForInstanceSegmentation) -> None:
    """Turn off what only training needs, so that a plain call works.

    Args:
        model: A trained model.
    """
    model.config.use_auxiliary_loss = False
    model.eval()


def to_segments(labels: np.ndarray, masks: np.ndarray) -> tuple[torch.Tensor, ...]:
    """Add the background to the objects of one image, as a segment like the others.

    Args:
        labels: Classes of the objects (n,), from 0.
        masks: Their masks (n, S, S).

    Returns:
        Labels (n + 1,), where the background is 0 and an object its class + 1, and masks
        (n + 1, S, S) of zeros and ones, which together cover each pixel once.

    Raises:
        ValueError: If two masks share a pixel.
    """
    cover = masks.sum(axis=0)  # (S, S)
    if cover.max(initial=0) > 1:
        raise ValueError(f"{(cover > 1).sum()} pixels in more than one mask, wanted none")
    both = np.concatenate([cover[None] == 0, masks])
    return (
        torch.tensor(np.concatenate([[0], labels + 1])),
        torch.tensor(both, dtype=torch.float32),
    )


def segment(
    model: MaskFormerForInstanceSegmentation,
    processor: MaskFormerImageProcessor,
    images: list[Any],
) -> torch.Tensor:
    """Name every pixel of some images.

    Args:
        model: The model, after `finish`.
        processor: Its processor.
        images: Color images (H, W, 3) or PIL images, all of one size.

    Returns:
        Labels (B, H, W).
    """
    inputs = processor(images, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    sizes = [np.asarray(image).shape[:2] for image in images]
    maps: Any = processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)
    labels: torch.Tensor = torch.stack(maps)
    return labels


def find_instances(
    model: MaskFormerForInstanceSegmentation,
    processor: MaskFormerImageProcessor,
    images: list[Any],
) -> list[dict[str, torch.Tensor]]:
    """Give each query's mask and label, the background left out.

    Args:
        model: The model, after `finish`.
        processor: Its processor.
        images: Color images (H, W, 3) or PIL images, all of one size.

    Returns:
        For each image `masks` (Q, H, W) of booleans, `labels` (Q,) from 0, and `scores`
        (Q,): the probability of the label times the mean probability inside the mask.
    """
    inputs = processor(images, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    size = np.asarray(images[0]).shape[:2]
    logits = F.interpolate(outputs.masks_queries_logits, size=size, mode="bilinear")
    chances = logits.sigmoid()  # (B, Q, H, W)
    masks = chances > 0.5
    inside = (chances * masks).sum(dim=(2, 3)) / masks.sum(dim=(2, 3)).clamp(min=1)
    classes = outputs.class_queries_logits.softmax(dim=-1)[..., 1:-1]  # (B, Q, K - 1)
    best = classes.max(dim=-1)
    parts = zip(masks, best.values * inside, best.indices, strict=True)
    return [{"masks": m, "scores": s, "labels": i} for m, s, i in parts]


def load_segmenter(checkpoint: str) -> tuple[Any, Any]:
    """Load a segmenter and its processor from a folder or from an id on the Hub.

    Args:
        checkpoint: The folder or the id.

    Returns:
        The processor and the model, set to evaluation.
    """
    processor = AutoImageProcessor.from_pretrained(checkpoint)
    return processor, AutoModelForUniversalSegmentation.from_pretrained(checkpoint)
