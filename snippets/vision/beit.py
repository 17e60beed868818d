"""BEiT in small: hide blocks of an image and name the visual tokens that were there.

Source: Bao et al., "BEiT: BERT Pre-Training of Image Transformers", arXiv 2106.08254.
The tokens are cluster numbers from k-means here, in place of a discrete autoencoder.
Units: sizes in pixels, accuracy as a share from 0 to 1.
Shapes: B images of one channel, H x W pixels, cut into N patches of P pixels; V tokens.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import BeitConfig, BeitForMaskedImageModeling, BeitImageProcessor

VOCABULARY = 64


def build_processor() -> BeitImageProcessor:
    """Build a processor that keeps the size and gives Fashion-MNIST mean 0 and spread 1.

    Returns:
        The processor. It wants one channel, in arrays (H, W, 1) or in gray PIL images.
    """
    return BeitImageProcessor(
        do_resize=False, do_center_crop=False, image_mean=[0.286], image_std=[0.353]
    )


def cut_patches(pixel_values: torch.Tensor, side: int = 4) -> torch.Tensor:
    """Cut images into square patches, row by row.

    Args:
        pixel_values: Images (B, 1, H, W).
        side: Side of a patch.

    Returns:
        Patches (B, N, P), where P = side * side.
    """
    columns = torch.nn.functional.unfold(pixel_values, side, stride=side)  # (B, P, N)
    return columns.transpose(1, 2)


def learn_codebook(
    patches: torch.Tensor, size: int = VOCABULARY, rounds: int = 25, seed: int = 0
) -> torch.Tensor:
    """Find typical patches with k-means.

    Args:
        patches: Patches (B, N, P).
        size: How many typical patches to find, V.
        rounds: How often to assign patches and to move the means.
        seed: Seed of the sample that is learned from.

    Returns:
        The codebook (V, P). The row number of a patch's nearest row is its token.

    Raises:
        ValueError: If there are fewer different patches than `size`.
    """
    generator = torch.Generator().manual_seed(seed)
    points = patches.flatten(0, 1)
    points = points[torch.randperm(len(points), generator=generator)[:20_000]]
    different = points.unique(dim=0)
    if len(different) < size:
        raise ValueError(f"{len(different)} different patches, wanted at least {size}")
    order = torch.randperm(len(different), generator=generator)
    codebook: torch.Tensor = different[order[:size]]
    for _ in range(rounds):
        nearest = torch.cdist(points, codebook).argmin(dim=1)
        members = torch.nn.functional.one_hot(nearest, size).float()  # (points, V)
        counts = members.sum(dim=0)[:, None]
        means = members.T @ points / counts.clamp(min=1)
        codebook = torch.where(counts > 0, means, codebook)
    return codebook


def tokenize(patches: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """Name each patch by the nearest row of the codebook.

    Args:
        patches: Patches (B, N, P).
        codebook: Typical patches (V, P).

    Returns:
        Tokens (B, N) from 0 to V - 1.
    """
    return torch.cdist(patches.flatten(0, 1), codebook).argmin(1).view(patches.shape[:2])


def block_masks(
    count: int, across: int, share: float = 0.4, seed: int = 0
) -> torch.Tensor:
    """Hide patches in rectangles, each mask the same number of patches.

    Args:
        count: Number of masks.
        across: Patches in a row of the image.
        share: Share of the patches to hide.
        seed: Seed of the rectangles.

    Returns:
        Masks (count, N), true where hidden.

    Raises:
        ValueError: If `share` does not leave something to hide and something to see.
    """
    wanted = int(share * across**2)
    if not 0 < wanted < across**2:
        raise ValueError(
            f"would hide {wanted} of {across**2} patches, wanted some seen, some hidden"
        )
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    masks = torch.zeros(count, across, across, dtype=torch.bool)
    for mask in masks:
        while mask.sum() < wanted:
            height, width = draw(2, 5), draw(2, 5)
            top, left = draw(0, across - height + 1), draw(0, across - width + 1)
            mask[top : top + height, left : left + width] = True
        hidden = mask.flatten().nonzero()[:, 0]
        order = torch.randperm(len(hidden), generator=generator)
        mask.view(-1)[hidden[order[wanted:]]] = False  # uncover what is too much
    return masks.flatten(1)


def build_beit(
    vocab_size: int = VOCABULARY, image_size: int = 28, patch_size: int = 4
) -> BeitForMaskedImageModeling:
    """Build a small BEiT with random weights.

    Args:
        vocab_size: Number of visual tokens, V.
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
    config = BeitConfig(
        vocab_size=vocab_size,
        image_size=image_size,
        patch_size=patch_size,
        num_channels=1,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        use_mask_token=True,
        use_absolute_position_embeddings=True,
        use_mean_pooling=True,  # one last layer norm; two are swapped when loaded
        layer_scale_init_value=0.0,  # no layer scale: it is for deep models
        drop_path_rate=0.0,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
    )
    model = BeitForMaskedImageModeling(config)
    model.set_attn_implementation("eager")  # the kind that can report its weights
    # transformers 5.23 starts them at zero, where all hidden patches look the same
    positions: Any = model.beit.embeddings.position_embeddings
    torch.nn.init.normal_(positions, std=0.5)
    return model


def token_loss(
    model: BeitForMaskedImageModeling,
    pixel_values: torch.Tensor,
    tokens: torch.Tensor,
    masks: torch.Tensor,
    seed: int = 0,
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make the function that training lowers: how badly hidden tokens are guessed.

    Args:
        model: The model, set to learn.
        pixel_values: Images (M, 1, H, W) from the processor.
        tokens: The token of each patch (M, N).
        masks: Masks (any number, N) to draw from, true where hidden.
        seed: Seed of the choice of masks.

    Returns:
        A function from the indices of a batch (B,) to the mean cross-entropy of its
        hidden patches.
    """
    model.train()
    generator = torch.Generator().manual_seed(seed)

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        hidden = masks[torch.randint(len(masks), (len(batch),), generator=generator)]
        labels = tokens[batch][hidden]  # one label a hidden patch
        output = model(pixel_values[batch], bool_masked_pos=hidden, labels=labels)
        loss: torch.Tensor = output.loss
        return loss

    return loss_of


def guess_tokens(
    model: BeitForMaskedImageModeling, pixel_values: torch.Tensor, hidden: torch.Tensor
) -> torch.Tensor:
    """Name the most likely token of each patch while some are hidden.

    Args:
        model: The model.
        pixel_values: Images (B, 1, H, W) from the processor.
        hidden: Which patches are hidden (B, N).

    Returns:
        Tokens (B, N).
    """
    model.eval()
    with torch.no_grad():
        logits: torch.Tensor = model(pixel_values, bool_masked_pos=hidden).logits
    return logits.argmax(dim=-1)  # (B, N, V) to (B, N)


def neighbor_tokens(
    patches: torch.Tensor,
    hidden: torch.Tensor,
    library: torch.Tensor,
    library_tokens: torch.Tensor,
    k: int = 10,
) -> torch.Tensor:
    """Let the images that look alike where something is seen vote on each token.

    Args:
        patches: Patches of images (B, N, P). Hidden ones are not looked at.
        hidden: Which patches are hidden (B, N).
        library: Patches of other images (M, N, P).
        library_tokens: Their tokens (M, N).
        k: How many of the most similar images vote.

    Returns:
        Tokens (B, N).
    """
    seen = (~hidden[:, :, None]).float().expand_as(patches)  # (B, N, P)
    distance = (seen.flatten(1) @ library.flatten(1).T.square()) - 2 * (
        (seen * patches).flatten(1) @ library.flatten(1).T
    )  # (B, M), up to a term that is the same for all of the library
    nearest = distance.topk(k, largest=False).indices  # (B, k)
    return library_tokens[nearest].mode(dim=1).values
