import pytest
import torch

from snippets.vision.optimize import minimize


def regression(steps: int, seed: int = 0, clip: float = 1.0):
    torch.manual_seed(0)
    inputs = torch.randn(64, 3)
    targets = inputs @ torch.tensor([1.0, -2.0, 0.5])
    weights = torch.zeros(3, requires_grad=True)
    losses = minimize(
        lambda batch: (inputs[batch] @ weights - targets[batch]).square().mean(),
        [{"params": [weights], "lr": 0.1}],
        count=64,
        steps=steps,
        seed=seed,
        clip=clip,
    )
    return losses, weights.detach()


def test_it_finds_the_weights_of_a_linear_function():
    losses, weights = regression(steps=300, clip=100.0)
    assert len(losses) == 300
    assert losses[-1] < losses[0] / 1000
    torch.testing.assert_close(
        weights, torch.tensor([1.0, -2.0, 0.5]), atol=0.02, rtol=0.02
    )


def test_the_same_seed_takes_the_same_steps_and_another_seed_others():
    assert regression(20)[0] == regression(20)[0]
    assert regression(20)[0] != regression(20, seed=1)[0]


def test_every_example_is_seen_once_before_any_is_seen_again():
    seen: list[int] = []
    weight = torch.zeros(1, requires_grad=True)

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        seen.extend(batch.tolist())
        return weight.square().sum()

    minimize(loss_of, [{"params": [weight], "lr": 0.1}], count=12, steps=6, batch_size=4)
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))
    assert seen[:12] != seen[12:]


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="8 examples, wanted at least batch_size 16"):
        minimize(lambda batch: torch.zeros(1), [], count=8, steps=1)
