"""A Vision Transformer in plain PyTorch, short enough to read in one go.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929.
Shapes: B images of C channels and H x W pixels, N patches, T = 1 + N tokens of width D,
h heads, K classes.
"""

from typing import Any

import torch
from torch import nn
from transformers import ViTForImageClassification


class Attention(nn.Module):
    """Every token takes in a weighted mean of what all tokens hold."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the tokens (B, T, D)."""
        B, T, D = x.shape
        x = self.query_key_value(x).view(B, T, 3, self.heads, D // self.heads)
        query, key, value = x.permute(2, 0, 3, 1, 4)  # each (B, h, T, D / h)
        scores = query @ key.transpose(2, 3) * (D // self.heads) ** -0.5  # (B, h, T, T)
        mixed = scores.softmax(dim=-1) @ value  # (B, h, T, D / h)
        out: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(B, T, D))
        return out  # (B, T, D)


class Block(nn.Module):
    """Attention mixes the tokens; then two linear layers work on each token alone."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, eps=1e-12)
        self.attention = Attention(width, heads)
        self.norm_2 = nn.LayerNorm(width, eps=1e-12)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Refine the tokens (B, T, D)."""
        x = x + self.attention(self.norm_1(x))
        change: torch.Tensor = self.mlp(self.norm_2(x))
        return x + change  # (B, T, D)


class ViT(nn.Module):
    """Patches to tokens, blocks, and a score for each class from the class token.

    Args:
        image_size: Side of the square images.
        patch_size: Side of the square patches.
        channels: Channels of the images, C.
        width: Numbers in a token, D.
        layers: Number of blocks.
        heads: Attention heads in each block, h.
        hidden: Width between the two linear layers of a block.
        classes: Number of classes, K.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        channels: int,
        width: int,
        layers: int,
        heads: int,
        hidden: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        patches = (image_size // patch_size) ** 2
        self.embed = nn.Linear(channels * patch_size**2, width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + patches, width))
        self.blocks = nn.Sequential(*(Block(width, heads, hidden) for _ in range(layers)))
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.classify = nn.Linear(width, classes)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Score each class (B, K) for each image (B, C, H, W)."""
        size = self.patch_size
        x = pixel_values.unfold(2, size, size).unfold(3, size, size)  # (B, C, r, c, p, p)
        x = x.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)  # (B, N, C * p * p)
        x = self.embed(x)  # (B, N, D)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)  # (B, T, D)
        x = self.blocks(x + self.positions)
        logits: torch.Tensor = self.classify(self.norm(x[:, 0]))
        return logits  # (B, K)


def from_transformers(theirs: ViTForImageClassification) -> ViT:
    """Build the same network in our code and copy its weights.

    Args:
        theirs: A classifier of transformers.

    Returns:
        Ours, in evaluation mode. It gives the same logits.

    Raises:
        ValueError: If the model uses another activation than GELU.
    """
    config: Any = theirs.config
    vit: Any = theirs.vit
    if config.hidden_act != "gelu":
        raise ValueError(f'hidden_act is "{config.hidden_act}", wanted "gelu"')
    ours = ViT(
        image_size=config.image_size,
        patch_size=config.patch_size,
        channels=config.num_channels,
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        hidden=config.intermediate_size,
        classes=config.num_labels,
    )
    kernel = vit.embeddings.patch_embeddings.projection
    weights = {
        "class_token": vit.embeddings.cls_token,
        "positions": vit.embeddings.position_embeddings,
        "embed.weight": kernel.weight.flatten(1),  # (D, C, p, p) to (D, C * p * p)
        "embed.bias": kernel.bias,
    }
    pairs: dict[str, Any] = {"norm": vit.layernorm, "classify": theirs.classifier}
    for index, layer in enumerate(vit.layers):
        pairs |= {
            f"blocks.{index}.norm_1": layer.layernorm_before,
            f"blocks.{index}.norm_2": layer.layernorm_after,
            f"blocks.{index}.attention.out": layer.attention.o_proj,
            f"blocks.{index}.mlp.0": layer.mlp.fc1,
            f"blocks.{index}.mlp.2": layer.mlp.fc2,
        }
        attention = layer.attention
        three = [attention.q_proj, attention.k_proj, attention.v_proj]
        name = f"blocks.{index}.attention.query_key_value"
        weights[f"{name}.weight"] = torch.cat([part.weight for part in three])
        weights[f"{name}.bias"] = torch.cat([part.bias for part in three])
    for name, layer in pairs.items():
        weights |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    ours.load_state_dict(weights)  # strict: no weight may be missing or left over
    return ours.eval()
