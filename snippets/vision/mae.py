"""A masked autoencoder: see a quarter of an image and draw the rest.

Source: He et al., "Masked Autoencoders Are Scalable Vision Learners", arXiv 2111.06377.
Units: sizes in pixels; errors as mean squared error of normalized pixels.
Shapes: B images of one channel, H x W pixels, cut into N patches of P pixels.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import ViTImageProcessor, ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.vit_mae.modeling_vit_mae import (
    build_2d_sinusoidal_position_embedding,
)


def build_processor() -> ViTImageProcessor:
    """Build a processor that keeps the size and gives Fashion-MNIST mean 0 and spread 1.

    Returns:
        The processor. It wants one channel, in arrays (H, W, 1) or in gray PIL images.
    """
    return ViTImageProcessor(do_resize=False, image_mean=[0.286], image_std=[0.353])


def build_mae(image_size: int = 28, patch_size: int = 4) -> ViTMAEForPreTraining:
    """Build a small masked autoencoder with random weights and fixed positions.

    Args:
        image_size: Side of the square images.
        patch_size: Side of the square patches.

    Returns:
        The model: an encoder in `model.vit` and a smaller decoder in `model.decoder`.

    Raises:
        ValueError: If whole patches do not fill the image.
    """
    if image_size % patch_size:
        raise ValueError(
            f"image_size is {image_size}, wanted a multiple of patch_size {patch_size}"
        )
    config = ViTMAEConfig(
        image_size=image_size,
        patch_size=patch_size,
        num_channels=1,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        decoder_hidden_size=64,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=4,
        decoder_intermediate_size=128,
        mask_ratio=0.75,
    )
    model = ViTMAEForPreTraining(config)
    for weight in model.parameters():
        if weight.ndim == 2:
            torch.nn.init.xavier_uniform_(weight)
    embedding = model.vit.embeddings.patch_embeddings.projection.weight
    torch.nn.init.xavier_uniform_(embedding.data.flatten(1))  # as a matrix, not a filter
    # transformers 5.23 leaves both tables of positions at zero, and they never learn
    across = image_size // patch_size
    table = build_2d_sinusoidal_position_embedding(
        across, across, embed_dim=64, temperature=10.0, cls_token=True
    )
    model.vit.embeddings.position_embeddings.data.copy_(table[None])
    model.decoder.decoder_pos_embed.data.copy_(table[None])
    return model


def drawing_loss(
    model: ViTMAEForPreTraining, pixel_values: torch.Tensor, seed: int = 0
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make the function that training lowers: the error of hidden pixels.

    Args:
        model: The autoencoder, set to learn.
        pixel_values: Images (M, 1, H, W) from the processor.
        seed: Seed of masks and mirrors.

    Returns:
        A function from the indices of a batch (B,) to the mean squared error where its
        images were hidden. Half of the images are mirrored, others each time.
    """
    model.train()
    generator = torch.Generator().manual_seed(seed)
    patches = model.vit.embeddings.patch_embeddings.num_patches

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        images = pixel_values[batch]  # (B, 1, H, W)
        mirror = torch.rand(len(batch), 1, 1, 1, generator=generator) < 0.5
        images = torch.where(mirror, images.flip(-1), images)
        noise = torch.rand(len(batch), patches, generator=generator)
        loss: torch.Tensor = model(images, noise=noise).loss  # hidden patches count
        return loss

    return loss_of


def reconstruct(
    model: ViTMAEForPreTraining, pixel_values: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide patches and let the model draw them.

    Args:
        model: The autoencoder.
        pixel_values: Images (B, 1, H, W) from the processor.
        noise: A number for each patch (B, N): the quarter with the smallest is seen.

    Returns:
        Patches (B, N, P), drawn where hidden and given elsewhere, and the mask (B, N),
        true where hidden.
    """
    model.eval()
    with torch.no_grad():
        output = model(pixel_values, noise=noise)
    hidden = output.mask.bool()
    patches = model.patchify(pixel_values)
    return torch.where(hidden[:, :, None], output.logits, patches), hidden


def decoder_attention(
    model: ViTMAEForPreTraining, pixel_values: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Read how much each patch takes from each other one, last in the decoder.

    Args:
        model: The autoencoder.
        pixel_values: Images (B, 1, H, W) from the processor.
        noise: A number for each patch (B, N): the quarter with the smallest is seen.

    Returns:
        Weights (B, N, N), a mean over the heads, without the class token.
    """
    found = []

    def keep(_: Any, __: Any, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        found.append(output[1])  # (B, heads, 1 + N, 1 + N)

    layer: Any = model.decoder.decoder_layers[-1]
    settings = layer.attention.config
    before = settings._attn_implementation
    settings._attn_implementation = "eager"  # the kind that can report its weights
    hook = layer.attention.register_forward_hook(keep)
    try:
        reconstruct(model, pixel_values, noise)
    finally:
        hook.remove()
        settings._attn_implementation = before
    return found[0].mean(dim=1)[:, 1:, 1:]


def nearest_fill(
    patches: torch.Tensor, hidden: torch.Tensor, library: torch.Tensor, k: int = 10
) -> torch.Tensor:
    """Fill hidden patches from the images that look alike where something is seen.

    Args:
        patches: Patches of images (B, N, P). Hidden ones are not looked at.
        hidden: Which patches are hidden (B, N).
        library: Patches of other images (M, N, P).
        k: How many of the most similar images to average.

    Returns:
        Patches (B, N, P), filled where hidden.
    """
    seen = (~hidden[:, :, None]).float().expand_as(patches)  # (B, N, P)
    distance = (seen.flatten(1) @ library.flatten(1).T.square()) - 2 * (
        (seen * patches).flatten(1) @ library.flatten(1).T
    )  # (B, M), up to a term that is the same for all of the library
    nearest = distance.topk(k, largest=False).indices  # (B, k)
    return torch.where(hidden[:, :, None], library[nearest].mean(dim=1), patches)


def linear_fill(
    patches: torch.Tensor, hidden: torch.Tensor, library: torch.Tensor, ridge: float = 0.1
) -> torch.Tensor:
    """Fill hidden patches with the best linear guess from the seen pixels.

    Args:
        patches: Patches of images (B, N, P). Hidden ones are not looked at.
        hidden: Which patches are hidden (B, N).
        library: Patches of other images (M, N, P), for means and covariances.
        ridge: Added to the variances, against guesses from noise.

    Returns:
        Patches (B, N, P), filled where hidden.
    """
    means = library.flatten(1).mean(dim=0)
    covariance = library.flatten(1).T.cov()
    filled = patches.clone()
    for image, mask in zip(filled.flatten(1), hidden, strict=True):  # rows share memory
        unseen = mask.repeat_interleave(patches.shape[2])
        own = covariance[~unseen][:, ~unseen] + ridge * torch.eye(int((~unseen).sum()))
        weights = torch.linalg.solve(own, image[~unseen] - means[~unseen])
        image[unseen] = means[unseen] + covariance[unseen][:, ~unseen] @ weights
    return filled
