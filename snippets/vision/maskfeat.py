"""MaskFeat in small: hide blocks of an image and tell which way their edges run.

Source: Wei et al., "Masked Feature Prediction for Self-Supervised Visual Pre-Training",
arXiv 2112.09133. transformers 5.23 has no MaskFeat: here it is a ViT and a linear layer.
Units: sizes in pixels; errors as mean squared error of histograms of length 1 or 0.
Shapes: B images of one channel, H x W pixels, cut into N patches; O orientations.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from transformers import ViTConfig, ViTImageProcessor, ViTModel, ViTPreTrainedModel

ORIENTATIONS = 9


def build_processor() -> ViTImageProcessor:
    """Build a processor that keeps the size and gives Fashion-MNIST mean 0 and spread 1.

    Returns:
        The processor. It wants one channel, in arrays (H, W, 1) or in gray PIL images.
    """
    return ViTImageProcessor(do_resize=False, image_mean=[0.286], image_std=[0.353])


def histograms(gray: torch.Tensor, cell: int = 4) -> torch.Tensor:
    """Compute histograms of oriented gradients (HOG), one a cell, scaled to length 1.

    Args:
        gray: Gray images (B, H, W).
        cell: Side of the square cells.

    Returns:
        Histograms (B, N, O): how much edge runs in each direction from 0 to 180 degrees.
        A flat cell has zeros.

    Raises:
        ValueError: If whole cells do not fill the image.
    """
    if gray.shape[1] % cell or gray.shape[2] % cell:
        raise ValueError(
            f"images are {tuple(gray.shape[1:])}, wanted multiples of the cell, {cell}"
        )
    down = F.pad(gray[:, 2:] - gray[:, :-2], (0, 0, 1, 1))  # (B, H, W), 0 at the border
    right = F.pad(gray[:, :, 2:] - gray[:, :, :-2], (1, 1))
    strength = torch.hypot(down, right)
    degrees = torch.rad2deg(torch.atan2(down, right)) % 180
    bins = (degrees * ORIENTATIONS / 180).long().clamp(max=ORIENTATIONS - 1)
    votes = F.one_hot(bins, ORIENTATIONS) * strength[..., None]  # (B, H, W, O)
    sums = F.avg_pool2d(votes.permute(0, 3, 1, 2), cell).flatten(2).transpose(1, 2)
    return sums / (sums.square().sum(dim=-1, keepdim=True) + 1e-10).sqrt()


class MaskFeat(ViTPreTrainedModel):
    """A Vision Transformer that guesses the histograms of hidden patches."""

    def __init__(self, config: ViTConfig) -> None:
        """Make the layers with random weights.

        Args:
            config: Sizes of the transformer.
        """
        super().__init__(config)
        self.vit = ViTModel(config, add_pooling_layer=False, use_mask_token=True)
        self.head = nn.Linear(config.hidden_size, ORIENTATIONS)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, pixel_values: torch.Tensor, bool_masked_pos: torch.Tensor
    ) -> torch.Tensor:
        """Guess the histogram of each patch while some are hidden.

        Args:
            pixel_values: Images (B, 1, H, W) from the processor.
            bool_masked_pos: Which patches are hidden (B, N).

        Returns:
            Histograms (B, N, O).
        """
        states = self.vit(pixel_values, bool_masked_pos=bool_masked_pos).last_hidden_state
        guesses: torch.Tensor = self.head(states[:, 1:])  # without the class token
        return guesses


def build_maskfeat(image_size: int = 28, patch_size: int = 4) -> MaskFeat:
    """Build a small MaskFeat with random weights.

    Args:
        image_size: Side of the square images.
        patch_size: Side of the square patches, which are the cells of the histograms.

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
        num_channels=1,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
    )
    model = MaskFeat(config)
    model.vit.set_attn_implementation("eager")  # the kind that can report its weights
    nn.init.normal_(model.vit.embeddings.position_embeddings, std=0.5)
    return model


def edge_loss(
    model: MaskFeat,
    pixel_values: torch.Tensor,
    targets: torch.Tensor,
    masks: torch.Tensor,
    seed: int = 0,
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make the function that training lowers: the error of hidden histograms.

    Args:
        model: The model, set to learn.
        pixel_values: Images (M, 1, H, W) from the processor.
        targets: Their histograms (M, N, O).
        masks: Masks (any number, N) to draw from, true where hidden.
        seed: Seed of the choice of masks.

    Returns:
        A function from the indices of a batch (B,) to the mean squared error of its
        hidden patches.
    """
    model.train()
    generator = torch.Generator().manual_seed(seed)

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        hidden = masks[torch.randint(len(masks), (len(batch),), generator=generator)]
        guesses = model(pixel_values[batch], bool_masked_pos=hidden)
        return F.mse_loss(guesses[hidden], targets[batch][hidden])

    return loss_of


def neighbor_histograms(
    pixel_values: torch.Tensor,
    hidden: torch.Tensor,
    library: torch.Tensor,
    targets: torch.Tensor,
    k: int = 10,
) -> torch.Tensor:
    """Average the histograms of the images that look alike where something is seen.

    Args:
        pixel_values: Images (B, 1, H, W). Hidden patches are not looked at.
        hidden: Which patches are hidden (B, N).
        library: Other images (M, 1, H, W).
        targets: Their histograms (M, N, O).
        k: How many of the most similar images to average.

    Returns:
        Histograms (B, N, O).
    """
    across = round(hidden.shape[1] ** 0.5)
    grid = (~hidden).float().view(-1, 1, across, across)
    seen = F.interpolate(grid, pixel_values.shape[2:]).flatten(1)  # (B, H * W)
    images, others = pixel_values.flatten(1), library.flatten(1)
    distance = seen @ others.T.square() - 2 * (seen * images) @ others.T  # (B, M)
    return targets[distance.topk(k, largest=False).indices].mean(dim=1)
