"""A masked autoencoder: see a quarter of an image and draw the rest.

Source: He et al., "Masked Autoencoders Are Scalable Vision Learners", arXiv 2111.06377.
Units: sizes in pixels; errors as mean squared error of normalized pixels.
Shapes: B images of one channel, H x W pixels, cut into N patches of P pixels.
"""

import torch
from transformers import ViTImageProcessor, ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.vit_mae.modeling_vit_mae import (
    build_2d_sinusoidal_position_embedding,
)

BATCH_SIZE = 32
LEARNING_RATE = 6e-3
STEPS = 2000


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


def train(
    model: ViTMAEForPreTraining,
    pixel_values: torch.Tensor,
    steps: int = STEPS,
    seed: int = 0,
) -> list[float]:
    """Train on random masks and mirror images with AdamW; labels are not needed.

    Args:
        model: The autoencoder, changed in place.
        pixel_values: Images (B, 1, H, W) from the processor.
        steps: Batches to learn from.
        seed: Seed of batches, mirrors and masks.

    Returns:
        The loss of each step.
    """
    generator = torch.Generator().manual_seed(seed)
    patches = model.vit.embeddings.patch_embeddings.num_patches
    weights = model.parameters()
    optimizer = torch.optim.AdamW(weights, weight_decay=0.05, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    model.train()
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(pixel_values), (BATCH_SIZE,), generator=generator)
        images = pixel_values[batch]
        mirror = torch.rand(BATCH_SIZE, 1, 1, 1, generator=generator) < 0.5
        images = torch.where(mirror, images.flip(-1), images)
        noise = torch.rand(BATCH_SIZE, patches, generator=generator)
        loss = model(images, noise=noise).loss  # only hidden patches count
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


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
