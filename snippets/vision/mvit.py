"""MViT for short clips: fewer and wider tokens from block to block.

Source: Fan et al., "Multiscale Vision Transformers", arXiv 2104.11227, with the relative
positions and pooled shortcuts of MViTv2, arXiv 2112.01526; the blocks are torchvision's.
Shapes: B clips of F frames with S x S pixels; T x H x W tokens of D channels.
"""

from typing import Any

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torchvision.models.video.mvit import MSBlockConfig, MViT


class TinyMViT(torch.nn.Module, PyTorchModelHubMixin):
    """Three blocks; the second and the third pool their queries.

    Args:
        num_classes: Number of classes.
        frames: Frames of a clip, F.
        size: Side of the square frames, S.
        width: Channels of the first block, D.
    """

    def __init__(
        self, num_classes: int = 4, frames: int = 8, size: int = 32, width: int = 16
    ) -> None:
        whole, half = [1, 1, 1], [1, 2, 2]  # strides over time, rows and columns
        plan = [  # heads, channels in and out, strides of queries and of keys
            (1, width, width, whole, [1, 4, 4]),
            (2, width, 2 * width, half, half),
            (4, 2 * width, 4 * width, half, whole),
        ]
        kernel = [3, 3, 3]
        super().__init__()
        self.mvit = MViT(
            spatial_size=(size, size),
            temporal_size=frames,
            block_setting=[
                MSBlockConfig(heads, inside, out, kernel, kernel, queries, keys)
                for heads, inside, out, queries, keys in plan
            ],
            residual_pool=True,
            residual_with_cls_embed=False,
            rel_pos_embed=True,
            proj_after_attn=True,
            dropout=0.0,
            num_classes=num_classes,
        )
        # One gray channel instead of three colors. As in the original, neighboring
        # patches overlap, and two frames make one slice of tokens.
        self.mvit.conv_proj = torch.nn.Conv3d(1, width, (3, 7, 7), (2, 4, 4), (1, 3, 3))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Score each class for each clip.

        Args:
            pixel_values: Clips (B, 1, F, S, S).

        Returns:
            Logits, one row a clip.
        """
        logits: torch.Tensor = self.mvit(pixel_values)
        return logits


def prepare(videos: np.ndarray) -> torch.Tensor:
    """Map bytes to -1 to 1 and put the channel where torchvision wants it.

    Args:
        videos: Clips (B, F, S, S) as bytes.

    Returns:
        Clips (B, 1, F, S, S).

    Raises:
        ValueError: If the clips do not consist of bytes.
    """
    if videos.dtype != np.uint8:
        raise ValueError(f"videos are {videos.dtype}, wanted uint8")
    return torch.tensor(videos)[:, None] / 127.5 - 1


def freeze(videos: np.ndarray) -> np.ndarray:
    """Repeat the middle frame of each clip, so that nothing moves.

    Args:
        videos: Clips (B, F, S, S).

    Returns:
        Clips of the same shape.
    """
    frames = videos.shape[1]
    return np.repeat(videos[:, frames // 2, None], frames, axis=1)


def predict(model: TinyMViT, pixel_values: torch.Tensor) -> torch.Tensor:
    """Score each class for each clip, without learning.

    Args:
        model: The classifier.
        pixel_values: Clips (B, 1, F, S, S).

    Returns:
        Logits, one row a clip: the largest one names the class.
    """
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part) for part in pixel_values.split(128)])


def pyramid(model: TinyMViT, pixel_values: torch.Tensor) -> list[torch.Tensor]:
    """Read the tokens that enter the first block and those that leave each block.

    Args:
        model: The classifier.
        pixel_values: Clips (B, 1, F, S, S).

    Returns:
        Features (B, T, H, W, D), without the class token: fewer places from one to the
        next, and more channels.
    """
    found = []

    def enter(_: Any, inputs: tuple[Any, ...]) -> None:
        tokens, places = inputs
        found.append(tokens[:, 1:].unflatten(1, places))

    def leave(_: Any, __: Any, output: tuple[Any, ...]) -> None:
        tokens, places = output
        found.append(tokens[:, 1:].unflatten(1, places))

    hooks = [model.mvit.blocks[0].register_forward_pre_hook(enter)]
    hooks += [block.register_forward_hook(leave) for block in model.mvit.blocks]
    model.eval()
    with torch.no_grad():
        model(pixel_values)
    for hook in hooks:
        hook.remove()
    return found
