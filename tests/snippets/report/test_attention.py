"""What readers of the page on the Transformer rely on."""

import pytest
import torch
from torch.nn import functional as F

from snippets.report.attention import attention, multi_head, sinusoidal_positions


@pytest.fixture
def qkv() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(5, 8, generator=generator) for _ in range(3))


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_that_of_torch(qkv: tuple[torch.Tensor, ...], causal: bool) -> None:
    output, weights = attention(*qkv, causal=causal)
    wanted = F.scaled_dot_product_attention(*qkv, is_causal=causal)
    torch.testing.assert_close(output, wanted)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(5))
    assert bool(weights.triu(diagonal=1).any()) is not causal


@pytest.mark.parametrize("causal", [False, True])
def test_heads_in_a_loop_are_heads_at_once(
    qkv: tuple[torch.Tensor, ...], causal: bool
) -> None:
    output, weights = multi_head(*qkv, num_heads=4, causal=causal)
    parts = [t.view(5, 4, 2).transpose(0, 1) for t in qkv]
    wanted = F.scaled_dot_product_attention(*parts, is_causal=causal)
    torch.testing.assert_close(output, wanted.transpose(0, 1).reshape(5, 8))
    assert weights.shape == (4, 5, 5)


def test_one_head_is_plain_attention(qkv: tuple[torch.Tensor, ...]) -> None:
    torch.testing.assert_close(multi_head(*qkv, num_heads=1)[0], attention(*qkv)[0])


def test_heads_must_divide_the_width(qkv: tuple[torch.Tensor, ...]) -> None:
    with pytest.raises(ValueError, match="num_heads is 3, wanted a divisor of 8"):
        multi_head(*qkv, num_heads=3)


def test_positions_differ_and_start_with_sine_zero_cosine_one() -> None:
    positions = sinusoidal_positions(100, 16)
    assert positions.shape == (100, 16)
    assert positions[0].tolist() == [0, 1] * 8
    assert positions.abs().max() <= 1
    distances = torch.cdist(positions, positions) + torch.eye(100)
    assert distances.min() > 0.1


def test_an_odd_width_has_no_pairs() -> None:
    with pytest.raises(ValueError, match="width is 5, wanted an even number"):
        sinusoidal_positions(3, 5)
