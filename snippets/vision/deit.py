"""A small DeiT that learns from labels and from a teacher at the same time.

Source: Touvron et al., "Training data-efficient image transformers & distillation through
attention", arXiv 2012.12877.
Shapes: B or N images of C channels and H x W pixels, T = 2 + patches tokens, K classes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import DeiTConfig, DeiTForImageClassificationWithTeacher


def build_deit(
    labels: Sequence[str], image_size: int = 28, patch_size: int = 7
) -> DeiTForImageClassificationWithTeacher:
    """Build a small DeiT with two heads and random weights.

    Args:
        labels: Names of the classes.
        image_size: Side of the square images.
        patch_size: Side of the square patches.

    Returns:
        The model, with eager attention.

    Raises:
        ValueError: If whole patches do not fill the image.
    """
    if image_size % patch_size:
        raise ValueError(
            f"image_size is {image_size}, wanted a multiple of patch_size {patch_size}"
        )
    config = DeiTConfig(
        image_size=image_size,
        patch_size=patch_size,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
        id2label=dict(enumerate(labels)),
    )
    model = DeiTForImageClassificationWithTeacher(config)
    embeddings = model.deit.embeddings  # the library starts these three at zero
    nn.init.normal_(embeddings.cls_token, std=0.1)
    nn.init.normal_(embeddings.distillation_token, std=0.1)
    nn.init.normal_(embeddings.position_embeddings, std=0.1)
    model.set_attn_implementation("eager")
    return model


def distillation_loss(
    outputs: Any, labels: torch.Tensor, teacher_labels: torch.Tensor
) -> torch.Tensor:
    """Give the class token the true label and the distillation token the teacher's.

    Args:
        outputs: What the model returned, with `cls_logits` and `distillation_logits`,
            each (B, K).
        labels: True classes (B,), or -100 where nobody knows them.
        teacher_labels: Classes that the teacher names (B,).

    Returns:
        The mean of the two cross-entropies, the hard distillation of the paper. Images
        without a label count in the second one only.
    """
    errors = F.cross_entropy(outputs.cls_logits, labels, reduction="sum")  # skips -100
    by_label = errors / (labels >= 0).sum().clamp(min=1)
    by_teacher = F.cross_entropy(outputs.distillation_logits, teacher_labels)
    return (by_label + by_teacher) / 2


def lesson_loss(
    model: DeiTForImageClassificationWithTeacher,
    images: torch.Tensor,
    labels: torch.Tensor,
    teacher_labels: torch.Tensor,
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make the function that training lowers, from labels and answers of a teacher.

    Args:
        model: The student, set to learn.
        images: Images (N, C, H, W) from the processor.
        labels: True classes (N,), or -100 where nobody knows them.
        teacher_labels: Classes that the teacher names (N,); the labels again to train
            without a teacher.

    Returns:
        A function from the indices of a batch (B,) to its `distillation_loss`.

    Raises:
        ValueError: If there is not one answer of the teacher for each image.
    """
    if not len(images) == len(labels) == len(teacher_labels):
        raise ValueError(
            f"{len(images)} images, {len(labels)} labels and {len(teacher_labels)} "
            "teacher labels, wanted as many of each"
        )
    model.train()
    return lambda batch: distillation_loss(
        model(images[batch]), labels[batch], teacher_labels[batch]
    )


def paired_interval(
    with_it: Sequence[float], without: Sequence[float]
) -> tuple[float, float, float]:
    """Estimate a gain from pairs of runs that differ in one thing only.

    Args:
        with_it: A score for each seed.
        without: The scores of the same seeds without it.

    Returns:
        Mean of the differences, and a lower and an upper end two standard errors away.

    Raises:
        ValueError: If the runs do not come in pairs, or if there are less than two.
    """
    if len(with_it) != len(without) or len(without) < 2:
        raise ValueError(
            f"{len(with_it)} and {len(without)} scores, wanted at least 2 pairs"
        )
    differences = np.subtract(with_it, without)
    error = differences.std(ddof=1) / len(differences) ** 0.5
    mean = float(differences.mean())
    return mean, mean - 2 * float(error), mean + 2 * float(error)


def token_attention(
    model: DeiTForImageClassificationWithTeacher, pixel_values: torch.Tensor
) -> torch.Tensor:
    """Read what the class token and the distillation token attend to in the last layer.

    Args:
        model: A student with `attn_implementation="eager"`.
        pixel_values: Images (B, C, H, W) from the processor.

    Returns:
        Attention to the patches as a mean over heads, (B, 2, rows, columns): first that
        of the class token, then that of the distillation token.
    """
    model.eval()
    with torch.inference_mode():
        last = model(pixel_values, output_attentions=True).attentions[-1]  # (B, h, T, T)
    maps = last.mean(dim=1)[:, :2, 2:]  # (B, 2, patches)
    across = round(maps.shape[-1] ** 0.5)
    return torch.reshape(maps, (-1, 2, across, across))
