"""One training loop for all losses: AdamW with a learning rate that rises, then falls."""

from collections.abc import Callable
from typing import Any

import torch


def minimize(
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    groups: list[dict[str, Any]],
    count: int,
    steps: int,
    batch_size: int = 16,
    clip: float = 1.0,
    seed: int = 0,
) -> list[float]:
    """Take a number of steps, each on the next examples of a shuffled list.

    Args:
        loss_of: Gives the loss of the examples with these indices (B,).
        groups: Parameters and their highest learning rate: `{"params": ..., "lr": ...}`.
        count: Number of examples.
        steps: Number of steps.
        batch_size: Examples of a step, B.
        clip: Longest gradient; a longer one is scaled down.
        seed: Seed of the order of the examples.

    Returns:
        The loss of each step.

    Raises:
        ValueError: If there are fewer examples than one step takes.
    """
    if count < batch_size:
        raise ValueError(f"{count} examples, wanted at least batch_size {batch_size}")
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        pct_start=0.1,
    )
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    order = torch.randperm(count, generator=generator)
    losses = []
    for _ in range(steps):
        if len(order) < batch_size:
            order = torch.randperm(count, generator=generator)
        batch, order = order[:batch_size], order[batch_size:]
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses
