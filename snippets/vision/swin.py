"""A small Swin Transformer, its shifted windows in plain PyTorch, and how far it sees.

Source: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
Windows", arXiv 2103.14030.
Shapes: B images of C channels and H x W pixels; a grid of S x S tokens of width D, cut
into windows of w x w tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import SwinConfig, SwinForImageClassification


def build_swin(
    labels: Sequence[str], image_size: int = 32, window: int = 4
) -> SwinForImageClassification:
    """Build a small Swin Transformer with random weights.

    Args:
        labels: Names of the classes.
        image_size: Side of the square images.
        window: Side of the square windows, in tokens.

    Returns:
        The model, with eager attention.

    Raises:
        ValueError: If whole windows do not fill the grid of tokens.
    """
    if image_size % (4 * window):
        raise ValueError(
            f"image_size is {image_size}, wanted a multiple of 4 * window = {4 * window}"
        )
    config = SwinConfig(
        image_size=image_size,
        patch_size=4,
        embed_dim=32,
        depths=[2, 2],  # pairs: a block with plain windows, then one with shifted windows
        num_heads=[2, 4],
        window_size=window,
        mlp_ratio=2,
        drop_path_rate=0.0,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
        id2label=dict(enumerate(labels)),
    )
    model = SwinForImageClassification(config)
    model.set_attn_implementation("eager")
    return model


def window_groups(side: int, window: int, shift: int) -> torch.Tensor:
    """Tell which tokens of a grid may attend to each other.

    Args:
        side: Side of the grid of tokens, S, a multiple of `window`.
        window: Side of a window, w.
        shift: How far the windows are moved to the right and down.

    Returns:
        A number for each token, (S, S). Tokens with the same number attend to each other.
    """
    line = torch.arange(side)
    band = (line - shift).div(window, rounding_mode="floor")  # -1: cut off at the border
    band = band - band.min()  # (S,) from 0
    return band[:, None] * (band.max() + 1) + band[None, :]  # (S, S)


def cut_windows(x: torch.Tensor, window: int, shift: int) -> torch.Tensor:
    """Cut a grid of tokens into windows, after moving it to the left and up.

    Args:
        x: Tokens (B, S, S, D).
        window: Side of a window, w.
        shift: How far the grid is moved; what leaves it comes in on the other side.

    Returns:
        Windows (N, w * w, D), where N is B times the windows of an image.
    """
    B, S, _, D = x.shape
    x = x.roll((-shift, -shift), dims=(1, 2))
    x = x.view(B, S // window, window, S // window, window, D).transpose(2, 3)
    return x.reshape(-1, window * window, D)


def window_mask(side: int, window: int, shift: int) -> torch.Tensor:
    """Forbid attention between tokens that meet in a window only because of the roll.

    Args:
        side: Side of the grid of tokens, S.
        window: Side of a window, w.
        shift: How far the grid is moved.

    Returns:
        What is added to the attention scores (windows, w * w, w * w): 0 where tokens
        may attend to each other, -100 where they may not.
    """
    groups = window_groups(side, window, shift)[None, :, :, None]  # (1, S, S, 1)
    groups = cut_windows(groups, window, shift)[..., 0]  # (windows, w * w)
    return -100.0 * (groups[:, :, None] != groups[:, None, :])


def reach(
    model: SwinForImageClassification, pixel_values: torch.Tensor, token: tuple[int, int]
) -> torch.Tensor:
    """Measure which tokens act on one token after each block of the first stage.

    Args:
        model: The classifier.
        pixel_values: One image (1, C, H, W) from the processor.
        token: Row and column of the token that is watched.

    Returns:
        For each block the size of the gradient of the watched token with respect to each
        token at the beginning, (blocks, S, S). It is 0 where nothing arrives.
    """
    model.eval()
    with torch.no_grad():
        start, (rows, columns) = model.swin.embeddings(pixel_values)  # (1, S * S, D)
    start.requires_grad_()
    state, maps = start, []
    stage: Any = model.swin.encoder.layers[0]
    for block in stage.blocks:
        state, _ = block(state, (rows, columns))
        watched = state[0, token[0] * columns + token[1]]  # (D,)
        (gradient,) = torch.autograd.grad(watched.abs().sum(), start, retain_graph=True)
        maps.append(gradient[0].norm(dim=-1).view(rows, columns))
    return torch.stack(maps)
