from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from snippets.vision.beit import cut_patches
from snippets.vision.patches import as_images, show_attention, show_rows

PROCESSOR = SimpleNamespace(image_mean=[0.25], image_std=[0.5])


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture
def gray() -> torch.Tensor:
    return torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def test_patches_become_the_image_that_was_cut(gray):
    images = as_images(cut_patches((gray - 0.25) / 0.5), PROCESSOR)
    assert images.shape == (3, 12, 12)
    assert np.abs(images - gray[:, 0].numpy()).max() <= 0.5 / 15 + 1e-6


def test_patches_that_are_not_kept_are_blank(gray):
    keep = torch.ones(3, 9, dtype=torch.bool)
    keep[1, 5] = False  # second row, third column
    images = as_images(cut_patches(gray), PROCESSOR, keep)
    assert np.isnan(images[1, 4:8, 8:12]).all()
    assert np.isnan(images).sum() == 16


def test_rows_stand_in_one_picture_with_gaps():
    rows = {"above": np.zeros((4, 6, 6)), "below": np.ones((4, 6, 6))}
    (axes,) = show_rows(rows).axes
    picture = axes.images[0].get_array()
    assert picture.shape == (2 * 8, 4 * 8)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["above", "below"]
    assert (np.asarray(picture)[1:7, 1:7] == 0).all()
    assert np.ma.getmaskarray(picture)[0].all() or np.isnan(picture[0]).all()


def test_the_watched_patch_is_marked_and_its_row_is_drawn():
    attention = torch.zeros(2, 9, 9)
    attention[0, 4, 7], attention[1, 2, 0] = 0.5, 0.25
    figure = show_attention(np.zeros((2, 12, 12)), attention, [4, 2])
    maps = [axes.images[0].get_array() for axes in figure.axes[2:4]]
    assert np.argmax(maps[0]) == 7
    assert np.argmax(maps[1]) == 0
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[1.5, 1.5]]
    assert figure.axes[1].lines[0].get_xydata().tolist() == [[2.5, 0.5]]
