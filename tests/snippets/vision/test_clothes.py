import numpy as np
import pytest
import torch
from transformers import ViTImageProcessor

from snippets.vision.clothes import pixel_baselines, prepare
from snippets.vision.data import load_fashion


def test_gray_images_get_three_equal_channels_from_minus_one_to_one():
    processor = ViTImageProcessor(
        do_resize=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    images = np.arange(128, dtype=np.uint8).reshape(2, 8, 8)
    pixel_values, labels = prepare(processor, images, np.array([3, 1]))
    assert pixel_values.shape == (2, 3, 8, 8)
    by_hand = torch.tensor(images) / 127.5 - 1
    for channel in range(3):
        torch.testing.assert_close(pixel_values[:, channel], by_hand)
    assert labels.tolist() == [3, 1]
    with pytest.raises(ValueError, match="1 labels, wanted one for each of 2"):
        prepare(processor, images, np.array([3]))


def test_both_methods_know_what_they_have_seen_and_beat_guessing_on_the_rest():
    train_images, test_images, train_labels, test_labels = load_fashion()
    few = train_images[:300], train_labels[:300]
    seen = pixel_baselines(few[0], few[0], few[1], few[1])
    assert seen["nearest image"] == 1
    scores = pixel_baselines(few[0], test_images[:200], few[1], test_labels[:200])
    assert list(scores) == ["logistic regression", "nearest image"]
    assert all(0.6 < value < 0.95 for value in scores.values())


def test_color_channels_do_not_change_the_nearest_image():
    train_images, test_images, train_labels, test_labels = load_fashion()
    gray = train_images[:200], test_images[:100]
    colors = [part[..., None].repeat(3, -1) for part in gray]
    labels = train_labels[:200], test_labels[:100]
    plain = pixel_baselines(*gray, *labels)["nearest image"]
    assert plain == pixel_baselines(*colors, *labels)["nearest image"]
