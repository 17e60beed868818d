"""Attention in plain steps, one line a formula.

Source: Vaswani et al., "Attention Is All You Need", arXiv 1706.03762.
Shapes: T tokens, D numbers a token, H heads of D / H numbers each.
"""

import math

import torch


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let each token take in a weighted mean of the values of all tokens.

    Args:
        query: What each token looks for (T, D).
        key: What each token offers (T, D).
        value: What each token passes on (T, D).
        causal: Whether a token sees itself and earlier tokens only.

    Returns:
        The mixed values (T, D), and the weights (T, T), which sum to one in each row.
    """
    scores = query @ key.T / math.sqrt(query.shape[-1])  # (T, T)
    if causal:
        future = torch.ones_like(scores, dtype=torch.bool).triu(diagonal=1)
        scores = scores.masked_fill(future, -torch.inf)
    weights = scores.softmax(dim=-1)  # (T, T)
    return weights @ value, weights


def multi_head(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    num_heads: int,
    causal: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut the numbers of each token into equal parts and attend in each part alone.

    Args:
        query: What each token looks for (T, D).
        key: What each token offers (T, D).
        value: What each token passes on (T, D).
        num_heads: Number of parts, H.
        causal: Whether a token sees itself and earlier tokens only.

    Returns:
        The parts side by side (T, D), and the weights of each head (H, T, T).

    Raises:
        ValueError: If the parts cannot be equal.
    """
    width = query.shape[-1]
    if width % num_heads:
        raise ValueError(f"num_heads is {num_heads}, wanted a divisor of {width}")
    outputs, weights = [], []
    for head in range(num_heads):
        part = slice(head * width // num_heads, (head + 1) * width // num_heads)
        output, weight = attention(query[:, part], key[:, part], value[:, part], causal)
        outputs.append(output)  # (T, D / H)
        weights.append(weight)  # (T, T)
    return torch.cat(outputs, dim=-1), torch.stack(weights)


def sinusoidal_positions(length: int, width: int) -> torch.Tensor:
    """Give each position a pattern of sines and cosines.

    Args:
        length: Number of positions, T.
        width: Numbers a position, D, which is even.

    Returns:
        The patterns (T, D): even columns are sines, odd columns cosines, and each pair
        of columns is slower than the one before.

    Raises:
        ValueError: If the width is odd.
    """
    if width % 2:
        raise ValueError(f"width is {width}, wanted an even number")
    position = torch.arange(length)[:, None]  # (T, 1)
    speed = 10_000 ** (-torch.arange(0, width, 2) / width)  # (D / 2,)
    angle = position * speed  # (T, D / 2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(start_dim=1)
