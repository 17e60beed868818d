"""A small ConvNeXT, its block in plain PyTorch, and what it sees by occlusion.

Source: Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545; occlusion as in Zeiler
and Fergus, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901.
Shapes: B images of C channels and H x W pixels; D channels inside; K classes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import ConvNextConfig, ConvNextForImageClassification


def build_convnext(
    labels: Sequence[str],
    image_size: int = 28,
    hidden_sizes: Sequence[int] = (48, 96),
    depths: Sequence[int] = (2, 2),
) -> ConvNextForImageClassification:
    """Build a small ConvNeXT with random weights.

    Args:
        labels: Names of the classes.
        image_size: Side of the square images.
        hidden_sizes: Channels of each stage; each stage but the first halves the side.
        depths: Blocks of each stage.

    Returns:
        The model.

    Raises:
        ValueError: If a stage would have less than one place left, or if the lists differ
            in length.
    """
    if len(hidden_sizes) != len(depths):
        raise ValueError(f"depths has {len(depths)} stages, wanted {len(hidden_sizes)}")
    smallest = 4 * 2 ** (len(depths) - 1)
    if image_size < smallest:
        raise ValueError(f"image_size is {image_size}, wanted at least {smallest}")
    config = ConvNextConfig(
        image_size=image_size,
        patch_size=4,
        num_stages=len(depths),
        hidden_sizes=list(hidden_sizes),
        depths=list(depths),
        layer_scale_init_value=1.0,  # the default of 1e-6 wants long training
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
        id2label=dict(enumerate(labels)),
    )
    return ConvNextForImageClassification(config)


class Block(nn.Module):
    """One ConvNeXT block: look around in each channel, then mix the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mix = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Refine a map of features (B, D, H, W)."""
        y: torch.Tensor = self.look(x)  # (B, D, H, W), each channel for itself
        y = self.norm(y.permute(0, 2, 3, 1))  # (B, H, W, D)
        y = self.scale * self.mix(y)  # (B, H, W, D), each place for itself
        return x + y.permute(0, 3, 1, 2)  # (B, D, H, W)


def copy_block(theirs: Any) -> Block:
    """Copy a block of transformers into ours.

    Args:
        theirs: A `ConvNextLayer`, e.g. `model.convnext.encoder.stages[0].layers[0]`.

    Returns:
        Our block, which gives the same output.
    """
    ours = Block(len(theirs.layer_scale_parameter))
    ours.look.load_state_dict(theirs.dwconv.state_dict())
    ours.norm.load_state_dict(theirs.layernorm.state_dict())
    ours.mix[0].load_state_dict(theirs.pwconv1.state_dict())
    ours.mix[2].load_state_dict(theirs.pwconv2.state_dict())
    ours.scale.data = theirs.layer_scale_parameter.data.clone()
    return ours.eval()


def occlusion(
    model: Any, pixel_values: torch.Tensor, side: int = 8, stride: int = 4
) -> torch.Tensor:
    """Cover a part of the image and see how much the answer suffers, part by part.

    Args:
        model: An image classifier of transformers.
        pixel_values: Images (B, C, H, W) from -1, the background, to 1.
        side: Side of the square that is covered.
        stride: Pixels from one place of the square to the next.

    Returns:
        How much the probability of the model's own answer falls, (B, rows, columns);
        below zero where covering helps.

    Raises:
        ValueError: If the square is larger than the image.
    """
    height, width = pixel_values.shape[2:]
    if side > min(height, width):
        raise ValueError(f"side is {side}, wanted at most {min(height, width)}")
    model.eval()
    with torch.inference_mode():
        whole = model(pixel_values).logits.softmax(dim=-1)  # (B, K)
        answer = whole.argmax(dim=-1, keepdim=True)  # (B, 1)
        rows = []
        for top in range(0, height - side + 1, stride):
            row = []
            for left in range(0, width - side + 1, stride):
                covered = pixel_values.clone()
                covered[:, :, top : top + side, left : left + side] = -1
                part = model(covered).logits.softmax(dim=-1)  # (B, K)
                row.append((whole - part).gather(1, answer))  # (B, 1)
            rows.append(torch.cat(row, dim=1))  # (B, columns)
    return torch.stack(rows, dim=1)
