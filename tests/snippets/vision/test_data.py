from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import label as connected

from snippets.vision.data import (
    DIRECTIONS,
    INK,
    TEST_IMAGES,
    WORDS,
    digits_of,
    enlarge,
    load_digit_images,
    load_fashion,
    make_clips,
    make_grid_scenes,
    make_scenes,
)

FASHION = Path("data/fashion-mnist")


def test_digits_come_as_color_bytes_with_the_classes_in_equal_shares():
    train_images, test_images, train_labels, test_labels = load_digit_images()
    assert train_images.shape == (1797 - TEST_IMAGES, 8, 8, 3)
    assert test_images.shape == (TEST_IMAGES, 8, 8, 3)
    assert train_images.dtype == np.uint8
    everything = np.bincount(np.concatenate([train_labels, test_labels]))
    share = TEST_IMAGES / 1797
    assert np.abs(np.bincount(test_labels) - share * everything).max() < 1


def test_splits_share_no_digit_and_the_parts_of_train_make_it_up():
    parts = {split: digits_of(split) for split in ("train", "test", "fit", "tune")}
    images = {
        split: {image.tobytes() for image in part[0]} for split, part in parts.items()
    }
    assert not images["train"] & images["test"]
    assert not images["fit"] & images["tune"]
    assert images["fit"] | images["tune"] == images["train"]
    both = np.concatenate([parts["fit"][1], parts["tune"][1]])
    assert np.array_equal(both, parts["train"][1])


@pytest.mark.parametrize("make", [make_scenes, make_grid_scenes, make_clips])
def test_an_unknown_split_is_refused(make):
    with pytest.raises(ValueError, match='split is "all", wanted one of train, test'):
        make(1, seed=0, split="all")


@pytest.mark.parametrize(("size", "most"), [(64, 3), (48, 2), (96, 5)])
def test_boxes_hold_their_masks_tightly_and_masks_hold_all_ink(size, most):
    scenes = make_scenes(60, seed=3, split="test", size=size, most=most)
    assert len(scenes) == 60
    counts = {len(scene.labels) for scene in scenes}
    assert {1, most} <= counts <= set(range(1, most + 1))
    for scene in scenes:
        assert scene.image.shape == (size, size)
        assert scene.image.dtype == np.uint8
        assert np.array_equal(scene.masks.any(axis=0), scene.image >= INK)
        assert scene.masks.sum(axis=0).max() == 1
        for box, mask in zip(scene.boxes, scene.masks, strict=True):
            left, top, right, bottom = box.astype(int)
            inside = mask[top:bottom, left:right]
            assert inside.sum() == mask.sum() > 0
            assert all(edge.any() for edge in (inside[0], inside[-1]))
            assert all(edge.any() for edge in (inside[:, 0], inside[:, -1]))


def test_digits_of_a_scene_stand_from_left_to_right_and_the_caption_names_them():
    for scene in make_scenes(50, seed=1):
        centers = scene.boxes[:, 0] + scene.boxes[:, 2]
        assert (np.diff(centers) >= 0).all()
        words = scene.caption.replace(",", "").replace(" and", "").split()
        assert [WORDS.index(word) for word in words[1::2]] == scene.labels.tolist()
        articles = {"an" if word == "eight" else "a" for word in words[1::2]}
        assert articles == set(words[::2])


def test_pasted_digits_are_those_of_their_split():
    images, labels = digits_of("test")
    for scene in make_scenes(20, seed=5, split="test", most=1):
        (left, top, right, bottom), label = scene.boxes[0].astype(int), scene.labels[0]
        found = scene.image[top:bottom, left:right]
        candidates = set()
        for side in range(18, 28):
            for image in images[labels == label]:
                big = enlarge(image, side)
                rows, columns = np.where(big >= INK)
                cut = big[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                candidates.add((cut.shape, cut.tobytes()))
        assert (found.shape, found.tobytes()) in candidates


def test_digits_too_small_or_too_large_for_the_canvas_are_refused():
    with pytest.raises(ValueError, match="would be 6 to 8 pixels, wanted 8 to 19"):
        make_scenes(1, seed=0, size=20)
    with pytest.raises(ValueError, match="would be 26 to 64 pixels, wanted 8 to 63"):
        make_scenes(1, seed=0, sides=(0.4, 1.0))


def test_a_grid_has_ink_exactly_in_the_cells_that_have_a_digit():
    scenes = make_grid_scenes(200, seed=0)
    for scene in scenes:
        assert scene.image.shape == (48, 48)
        cells = scene.image.reshape(3, 16, 3, 16).max(axis=(1, 3))
        assert np.array_equal(cells >= INK, scene.digits >= 0)
    shares = np.mean([scene.digits >= 0 for scene in scenes], axis=0)
    assert np.abs(shares - 0.5).max() < 0.12
    assert {*np.unique([scene.digits for scene in scenes])} == set(range(-1, 10))


def test_clips_move_steadily_in_the_direction_they_are_labeled_with():
    videos, directions = make_clips(40, seed=0, frames=5, size=24)
    assert videos.shape == (40, 5, 24, 24)
    assert set(directions) == set(range(len(DIRECTIONS)))
    vectors = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}
    for video, direction in zip(videos, directions, strict=True):
        rows, columns = vectors[DIRECTIONS[direction]]
        speeds = [
            speed
            for speed in (1, 2, 3)
            if all(
                np.array_equal(
                    after, np.roll(before, (speed * rows, speed * columns), axis=(0, 1))
                )
                for before, after in pairwise(video)
            )
        ]
        assert len(speeds) == 1


def test_the_first_frame_does_not_tell_the_direction():
    videos, directions = make_clips(2000, seed=0, frames=1, size=16)
    means = np.stack([videos[directions == d, 0].mean(axis=0) for d in range(4)])
    assert np.ptp(means, axis=0).max() < 40  # the same blur for each of them
    assert np.bincount(directions).min() > 400


def test_the_same_seed_gives_the_same_data_and_another_seed_other_data():
    first, again, other = (make_scenes(3, seed=seed) for seed in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        assert np.array_equal(a.image, b.image)
        assert a.caption == b.caption
        assert not np.array_equal(a.image, c.image)
    (first, _), (again, _), (other, _) = (make_clips(3, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    first, again, other = (make_grid_scenes(3, seed=seed) for seed in (0, 0, 1))
    assert all(
        np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True)
    )
    assert not np.array_equal(first[0].image, other[0].image)


def test_most_digits_are_one_connected_piece():
    scenes = make_scenes(200, seed=0, most=1)
    pieces = [connected(scene.masks[0], np.ones((3, 3)))[1] for scene in scenes]
    assert np.mean(np.array(pieces) == 1) > 0.7


@pytest.mark.skipif(not FASHION.is_dir(), reason="the data set is not there")
def test_fashion_has_ten_kinds_in_equal_shares():
    train_images, test_images, train_labels, test_labels = load_fashion(str(FASHION))
    assert train_images.shape == (5000, 28, 28)
    assert test_images.shape == (1000, 28, 28)
    assert train_images.dtype == np.uint8
    assert len(np.unique(train_labels)) == len(np.unique(test_labels)) == 10
