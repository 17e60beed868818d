"""SETR: name every pixel with a Vision Transformer, composed from ViTModel.

Source: Zheng et al., "Rethinking Semantic Segmentation from a Sequence-to-Sequence
Perspective with Transformers", arXiv 2012.15840, the decoders "Naive" and "PUP".
Units: sizes in pixels; intersection over union (IoU) as a share from 0 to 1.
Shapes: B images of S x S pixels, patches of P pixels, width D, K classes.
"""

from typing import Any

import torch
from torch import nn
from transformers import ViTConfig, ViTModel


def conv_norm_relu(inputs: int, outputs: int, kernel_size: int) -> nn.Sequential:
    """Stack a convolution that keeps the size, batch normalization and ReLU.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel_size: Side of the kernel in pixels, odd.

    Returns:
        The three layers.
    """
    convolution = nn.Conv2d(
        inputs, outputs, kernel_size, padding=kernel_size // 2, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class NaiveDecoder(nn.Sequential):
    """Classify each patch, then stretch the map of scores to the size of the image."""

    def __init__(self, width: int, num_labels: int, patch_size: int) -> None:
        super().__init__(
            conv_norm_relu(width, width, kernel_size=1),
            nn.Conv2d(width, num_labels, kernel_size=1),
            nn.Upsample(scale_factor=patch_size, mode="bilinear"),
        )


class PUPDecoder(nn.Sequential):
    """Progressive upsampling: double the size and convolve until each pixel has its own.

    Raises:
        ValueError: If doubling does not lead from one patch to its pixels.
    """

    def __init__(self, width: int, num_labels: int, patch_size: int) -> None:
        if patch_size < 2 or patch_size & (patch_size - 1):
            raise ValueError(f"patch_size is {patch_size}, wanted 2, 4, 8, 16, ...")
        layers: list[nn.Module] = []
        channels = width
        for _ in range(patch_size.bit_length() - 1):
            layers += [
                conv_norm_relu(channels, width // 2, kernel_size=3),
                nn.Upsample(scale_factor=2, mode="bilinear"),
            ]
            channels = width // 2
        super().__init__(*layers, nn.Conv2d(channels, num_labels, kernel_size=1))


class SETR(nn.Module):
    """A ViT encoder and a convolutional decoder.

    Args:
        encoder: A `ViTModel`, new or from a checkpoint.
        decoder: `naive` or `pup`.
        num_labels: Number of classes, K, with the background.

    Raises:
        ValueError: If there is no such decoder.
    """

    def __init__(self, encoder: ViTModel, decoder: str, num_labels: int) -> None:
        super().__init__()
        decoders = {"naive": NaiveDecoder, "pup": PUPDecoder}
        if decoder not in decoders:
            raise ValueError(f'decoder is "{decoder}", wanted "naive" or "pup"')
        config: Any = encoder.config
        self.patch_size: int = config.patch_size
        self.encoder = encoder
        self.decoder = decoders[decoder](
            config.hidden_size, num_labels, config.patch_size
        )

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Score each class for each pixel.

        Args:
            pixel_values: Images (B, C, S, S).

        Returns:
            Logits (B, K, S, S).
        """
        tokens = self.encoder(pixel_values).last_hidden_state[:, 1:]  # no class token
        side = pixel_values.shape[-1] // self.patch_size
        grid = tokens.transpose(1, 2).unflatten(2, (side, side))  # (B, D, S/P, S/P)
        logits: torch.Tensor = self.decoder(grid)
        return logits


def build_encoder(image_size: int, patch_size: int, width: int = 64) -> ViTModel:
    """Build a small ViT for gray images, with random weights.

    Args:
        image_size: Side of an image in pixels.
        patch_size: Side of a patch in pixels.
        width: Numbers a token.

    Returns:
        The encoder, without a pooler.
    """
    config = ViTConfig(
        image_size=image_size,
        patch_size=patch_size,
        num_channels=1,
        hidden_size=width,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=2 * width,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
    )
    return ViTModel(config, add_pooling_layer=False)
