"""TimeSformer for short clips: attention over time, then attention over space.

Source: Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?",
arXiv 2102.05095. Units: sizes in pixels, accuracy as a share from 0 to 1.
Shapes: B clips of F frames, S x S pixels and C channels; N patches a frame.
"""

from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    TimesformerConfig,
    TimesformerForVideoClassification,
    TimesformerVideoProcessor,
)


def build_processor() -> TimesformerVideoProcessor:
    """Build a processor that keeps the size of a clip and maps bytes to -1 to 1.

    Returns:
        The processor. It wants three channels, as the clips of a camera have.
    """
    return TimesformerVideoProcessor(
        do_resize=False, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


def build_timesformer(
    labels: list[str], frames: int = 8, size: int = 32, patch_size: int = 8
) -> TimesformerForVideoClassification:
    """Build a small TimeSformer with random weights.

    Args:
        labels: Names of the classes.
        frames: Frames of a clip, F.
        size: Side of the square frames, S.
        patch_size: Side of the square patches.

    Returns:
        The model, with divided attention.

    Raises:
        ValueError: If whole patches do not fill a frame.
    """
    if size % patch_size:
        raise ValueError(f"size is {size}, wanted a multiple of patch_size {patch_size}")
    config = TimesformerConfig(
        image_size=size,
        patch_size=patch_size,
        num_frames=frames,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
        attention_type="divided_space_time",
        id2label=dict(enumerate(labels)),
    )
    model = TimesformerForVideoClassification(config)
    # Embeddings of time start at zero, and a model from scratch must first find them.
    torch.nn.init.normal_(model.timesformer.embeddings.time_embeddings, std=1.0)
    return model


def freeze(videos: np.ndarray) -> np.ndarray:
    """Repeat the middle frame of each clip, so that nothing moves.

    Args:
        videos: Clips (B, F, S, S).

    Returns:
        Clips of the same shape.
    """
    frames = videos.shape[1]
    return np.repeat(videos[:, frames // 2, None], frames, axis=1)


def predict(
    model: TimesformerForVideoClassification, pixel_values: torch.Tensor
) -> torch.Tensor:
    """Score each class for each clip, without learning.

    Args:
        model: The classifier.
        pixel_values: Clips (B, F, C, S, S) from the processor.

    Returns:
        Logits, one row a clip: the largest one names the class.
    """
    model.eval()
    with torch.no_grad():
        parts = [model(part).logits for part in pixel_values.split(128)]
    return torch.cat(parts)


def time_attention(
    model: TimesformerForVideoClassification, pixel_values: torch.Tensor
) -> torch.Tensor:
    """Read how each patch spreads its attention over the frames.

    `output_attentions` reports the attention over space only, so a hook in each layer
    catches what goes into the attention over time and asks that module again.

    Args:
        model: A TimeSformer with divided attention.
        pixel_values: Clips (B, F, C, S, S) from the processor.

    Returns:
        Weights (B, layers, N, heads, F, F), which sum to one over the last dimension: for
        a patch in one frame, the frames that it reads.

    Raises:
        ValueError: If the model has no attention over time.
    """
    kind = model.config.attention_type
    if kind != "divided_space_time":
        raise ValueError(f'attention_type is "{kind}", wanted "divided_space_time"')
    found = []

    def keep(module: Any, inputs: tuple[torch.Tensor], _: Any) -> None:
        _, weights = module.forward(inputs[0], output_attentions=True)
        found.append(weights.unflatten(0, (len(pixel_values), -1)))  # (B, N, heads, F, F)

    layers: Any = model.timesformer.encoder.layer
    hooks = [
        layer.temporal_attention.attention.register_forward_hook(keep) for layer in layers
    ]
    predict(model, pixel_values)
    for hook in hooks:
        hook.remove()
    return torch.stack(found, dim=1)


def load_video_classifier(checkpoint: str) -> tuple[Any, Any]:
    """Load a video classifier and the processor that prepares its clips.

    Args:
        checkpoint: A folder written by `save_pretrained`, or an id on the Hub.

    Returns:
        The processor and the model.
    """
    processor = AutoVideoProcessor.from_pretrained(checkpoint)
    return processor, AutoModelForVideoClassification.from_pretrained(checkpoint)
