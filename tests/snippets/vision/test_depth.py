import numpy as np
import pytest
import torch
from transformers import set_seed

from snippets.vision.data import make_scenes
from snippets.vision.depth import WALL, build_glpn, distances, log_loss, mean_error


def test_a_digit_of_half_the_height_is_twice_as_far_away():
    masks = np.zeros((2, 64, 64), dtype=bool)
    masks[0, 0:32, 0:16] = True
    masks[1, 0:16, 32:40] = True
    boxes = np.array([[0, 0, 16, 32], [32, 0, 40, 16]])
    meters = distances(boxes, masks)
    assert meters[0, 0] == pytest.approx(0.6)
    assert meters[0, 32] == pytest.approx(1.2)
    assert meters[40, 40] == WALL


def test_all_digits_stand_before_the_wall():
    for scene in make_scenes(20, seed=0, sides=(0.15, 0.5)):
        meters = distances(scene.boxes, scene.masks)
        assert np.array_equal(meters < WALL, scene.masks.any(axis=0))


def test_the_model_predicts_a_distance_for_each_pixel():
    set_seed(0)
    model = build_glpn().eval()
    with torch.no_grad():
        meters = model(torch.zeros(2, 3, 64, 64)).predicted_depth
    assert meters.shape == (2, 64, 64)
    assert meters.min() >= 0
    assert meters.max() <= 5


def test_the_error_leaves_the_wall_out():
    meters = torch.full((1, 4, 4), WALL)
    meters[0, 0, 0] = 1.0
    assert mean_error(torch.full((1, 4, 4), 1.5), meters) == pytest.approx(0.5)


def test_the_loss_weighs_digits_and_wall_alike():
    meters = torch.full((1, 4, 4), WALL)
    meters[0, 0, 0] = 1.0
    assert log_loss(meters, meters) == 0
    twice = meters.clone()
    twice[0, 0, 0] = 2.0
    assert log_loss(twice, meters).item() == pytest.approx(np.log(2))
    assert log_loss(2 * meters, meters).item() == pytest.approx(2 * np.log(2))


def test_nothing_but_wall_is_refused():
    with pytest.raises(ValueError, match=r"all distances are 3\.0, wanted some digits"):
        mean_error(torch.zeros(1, 4, 4), torch.full((1, 4, 4), WALL))
