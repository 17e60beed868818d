"""Augment images with torchvision, and measure whether it helps to learn from few.

Units: accuracy as a share from 0 to 1. Shapes: N or B images of C channels and H x W
pixels, K classes.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

Transform = Callable[[torch.Tensor], torch.Tensor]


def augment_each(transform: Transform, images: torch.Tensor) -> torch.Tensor:
    """Apply a random transform to each image by itself.

    Given a batch, a transform of torchvision draws once and treats all images alike.

    Args:
        transform: A transform of `torchvision.transforms.v2`.
        images: Images (B, C, H, W).

    Returns:
        Images (B, C, H, W), of another size if the transform resizes.
    """
    return torch.stack([transform(image) for image in images])


def small_convnet(classes: int = 10) -> nn.Sequential:
    """Build a network of two convolutions for gray images of 16 x 16 pixels.

    Args:
        classes: Number of classes, K.

    Returns:
        The network, from (B, 1, 16, 16) to logits (B, K).
    """
    return nn.Sequential(
        nn.Conv2d(1, 12, kernel_size=3, stride=2, padding=1),  # (B, 12, 8, 8)
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 24, kernel_size=3, stride=2, padding=1),  # (B, 24, 4, 4)
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24 * 4 * 4, classes),
    )


def accuracy_after_training(
    train_set: tuple[torch.Tensor, torch.Tensor],
    test_set: tuple[torch.Tensor, torch.Tensor],
    transform: Transform | None,
    seed: int,
    steps: int = 200,
) -> float:
    """Train a small network with or without augmentation and score it.

    Args:
        train_set: Images (N, 1, 16, 16) and labels (N,) to learn from.
        test_set: The same, held out.
        transform: What is done to each training image each time, or `None`.
        seed: Seed of the weights, the order and the transform.
        steps: Number of steps of 32 images.

    Returns:
        Share of the held-out images that are named right.

    Raises:
        ValueError: If there is nothing to learn from.
    """
    images, labels = train_set
    if not len(images):
        raise ValueError("0 training images, wanted at least 1")
    torch.manual_seed(seed)
    model = small_convnet()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=3e-3, weight_decay=0.05, fused=True
    )
    for _ in range(steps):
        batch = torch.randint(len(images), (32,))
        chosen = images[batch]  # (32, 1, 16, 16)
        if transform is not None:
            chosen = augment_each(transform, chosen)
        loss = F.cross_entropy(model(chosen), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        answers = model(test_set[0]).argmax(dim=-1)  # (N,)
    return float((answers == test_set[1]).double().mean())
