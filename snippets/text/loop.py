"""A training loop that fits every model of transformers that computes its own loss.

Shapes are those of the model. Units: learning rates a step.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel


def train_steps(
    model: PreTrainedModel,
    batches: Iterable[Mapping[str, Tensor]],
    total_steps: int,
    learning_rate: float,
) -> list[float]:
    """Take one step for each batch, with AdamW and a rate that rises, then falls.

    Args:
        model: A model whose output has a `loss`, changed in place.
        batches: Named tensors with labels among them; may be endless.
        total_steps: How many batches to use.
        learning_rate: The highest one, reached after a tenth of the steps.

    Returns:
        The loss of each step.

    Raises:
        ValueError: If the model returns no loss, because a batch has no labels.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=total_steps, pct_start=0.1
    )
    losses: list[float] = []
    model.train()
    for _, batch in zip(range(total_steps), batches, strict=False):
        loss = model(**batch).loss
        if loss is None:
            raise ValueError(f"no loss from {sorted(batch)}, wanted labels in the batch")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    model.eval()
    return losses
