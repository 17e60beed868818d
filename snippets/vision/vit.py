"""Train small image classifiers from scratch, beginning with a Vision Transformer.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929.
Units: sizes of images and patches in pixels, accuracy as a share from 0 to 1.
Shapes: B images of C channels and H x W pixels, N patches, K classes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard, ModelCardData
from torch.nn import functional as F
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

IMAGE_SIZE = 28
PATCH_SIZE = 7


def build_vit(
    labels: Sequence[str], image_size: int = IMAGE_SIZE, patch_size: int = PATCH_SIZE
) -> ViTForImageClassification:
    """Build a small Vision Transformer with random weights.

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
    config = ViTConfig(
        image_size=image_size,
        patch_size=patch_size,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
        id2label=dict(enumerate(labels)),
    )
    model = ViTForImageClassification(config)
    model.set_attn_implementation("eager")  # the kind that can report its weights
    return model


def warp(
    pixel_values: torch.Tensor, strength: float, generator: torch.Generator
) -> torch.Tensor:
    """Shift, turn, stretch and slant each image a little, at random.

    Args:
        pixel_values: Images (B, C, H, W) from -1 to 1.
        strength: Largest change, as a share of half the image.
        generator: Source of the random numbers.

    Returns:
        New images of the same shape. What moves in from outside is background, -1.
    """
    noise = torch.rand(len(pixel_values), 2, 3, generator=generator) * 2 - 1
    matrices = torch.eye(2, 3) + strength * noise  # (B, 2, 3)
    grid = F.affine_grid(matrices, list(pixel_values.shape), align_corners=False)
    return F.grid_sample(pixel_values + 1, grid, align_corners=False) - 1


def predict(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Score each class for each image, without learning.

    Args:
        model: An image classifier of transformers.
        pixel_values: Images (B, C, H, W) from the processor.

    Returns:
        Logits (B, K): the largest one names the class.
    """
    model.eval()
    with torch.inference_mode():
        parts = [model(part).logits for part in pixel_values.split(250)]
    return torch.cat(parts)


def score(model: Any, test_set: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Give the share of images that the model names right.

    Args:
        model: An image classifier of transformers.
        test_set: Images (B, C, H, W) from the processor and labels (B,).

    Returns:
        The accuracy.
    """
    answers = predict(model, test_set[0]).argmax(dim=-1)  # (B,)
    return (answers == test_set[1]).double().mean().item()


def image_loss(
    model: Any,
    train_set: tuple[torch.Tensor, torch.Tensor],
    strength: float,
    mirror: bool = False,
    seed: int = 0,
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make the function that a training loop lowers: how wrong the model is on a batch.

    Args:
        model: An image classifier of transformers, set to learn.
        train_set: Images (N, C, H, W) from the processor and labels (N,).
        strength: Of the warps, see `warp`.
        mirror: Swap left and right of half the images.
        seed: Seed of the warps and mirrors.

    Returns:
        A function from the indices of a batch (B,) to its mean cross-entropy.
    """
    model.train()
    generator = torch.Generator().manual_seed(seed)
    pixel_values, labels = train_set

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        images = pixel_values[batch]  # (B, C, H, W)
        if mirror:
            swapped = torch.rand(len(batch), 1, 1, 1, generator=generator) < 0.5
            images = torch.where(swapped, images.flip(-1), images)
        images = warp(images, strength, generator)
        return F.cross_entropy(model(images).logits, labels[batch])

    return loss_of


def class_attention(
    model: ViTForImageClassification, pixel_values: torch.Tensor
) -> torch.Tensor:
    """Read how the class token spreads its attention over itself and the patches.

    Args:
        model: A classifier built or loaded with `attn_implementation="eager"`.
        pixel_values: Images (B, C, H, W) from the processor.

    Returns:
        Weights (B, layers, heads, 1 + N), which sum to one over the last dimension: the
        class token itself, then the patches row by row.

    Raises:
        ValueError: If the model runs an attention that does not report its weights.
    """
    implementation = model.config._attn_implementation
    if implementation != "eager":
        raise ValueError(f'attn_implementation is "{implementation}", wanted "eager"')
    model.eval()
    with torch.inference_mode():
        attentions = model(pixel_values, output_attentions=True).attentions
    return torch.stack(attentions, dim=1)[:, :, :, 0]  # row 0: what the class token reads


def save_classifier(
    model: Any, processor: Any, folder: str, dataset: str, accuracy: float
) -> list[str]:
    """Write a checkpoint: weights, settings, the processor and a model card.

    Args:
        model: An image classifier of transformers.
        processor: The image processor that made its pixel values.
        folder: Where to, made if it is missing.
        dataset: Id of the data set on the Hub.
        accuracy: Share of the held-out images that the model names right.

    Returns:
        Names of the files.
    """
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    data = ModelCardData(
        license="mit",
        library_name="transformers",
        pipeline_tag="image-classification",
        datasets=[dataset],
        metrics=["accuracy"],
    )
    ModelCard(
        f"---\n{data.to_yaml()}\n---\n\n# {type(model).__name__}, small\n\n"
        f"Trained from scratch on a part of `{dataset}`, to learn from and not for use: "
        f"it names {accuracy:.1%} of the held-out images right.\n"
    ).save(Path(folder, "README.md"))
    return sorted(path.name for path in Path(folder).iterdir())


def load_classifier(checkpoint: str) -> tuple[Any, Any]:
    """Load an image classifier and the processor that prepares its images.

    Args:
        checkpoint: A folder written by `save_pretrained`, or an id on the Hub.

    Returns:
        The processor and the model.
    """
    processor = AutoImageProcessor.from_pretrained(checkpoint)
    model = AutoModelForImageClassification.from_pretrained(
        checkpoint, attn_implementation="eager"
    )
    return processor, model
