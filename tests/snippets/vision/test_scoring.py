import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from sklearn.neighbors import KNeighborsClassifier

from snippets.vision.data import make_scenes
from snippets.vision.scoring import (
    average_precision,
    detect_by_rule,
    mean_iou,
    pieces_of_ink,
    shrink,
)


def truth_of(scenes):
    return [
        {
            "boxes": torch.tensor(scene.boxes),
            "labels": torch.tensor(scene.labels),
            "masks": torch.tensor(scene.masks),
        }
        for scene in scenes
    ]


def test_mean_iou_agrees_with_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    answers, labels = torch.randint(5, (2, 3, 9, 9), generator=generator)
    reference = jaccard_score(labels.flatten(), answers.flatten(), average="macro")
    assert mean_iou(answers, labels, 5) == pytest.approx(reference)
    assert mean_iou(labels, labels, 5) == 1
    assert mean_iou(labels, labels, 9) == 1  # labels that never occur do not count


def test_maps_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"answers are \(1, 2, 2\), wanted \(1, 4, 4\)"):
        mean_iou(torch.zeros(1, 2, 2), torch.zeros(1, 4, 4), 2)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_truth_has_a_precision_of_one_and_wrong_labels_have_none(kind):
    targets = truth_of(make_scenes(20, seed=0, split="test", most=2))
    answers = [
        target | {"scores": torch.ones(len(target["labels"]))} for target in targets
    ]
    assert average_precision(answers, targets, kind) == {"ap50": 1.0, "ap": 1.0}
    wrong = [answer | {"labels": (answer["labels"] + 1) % 10} for answer in answers]
    assert average_precision(wrong, targets, kind)["ap50"] < 0.2


def test_shifted_boxes_pass_at_half_overlap_only():
    targets = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}]
    answers = [
        {
            "boxes": torch.tensor([[3.0, 0, 13, 10]]),
            "labels": torch.tensor([1]),
            "scores": torch.tensor([0.9]),
        }
    ]  # IoU is 7 / 13
    values = average_precision(answers, targets)
    assert values["ap50"] == pytest.approx(1)
    assert values["ap"] == pytest.approx(0.1)


def test_pieces_of_ink_are_the_boxes_and_masks_of_whole_digits():
    scene = make_scenes(1, seed=3, most=1)[0]
    pieces = pieces_of_ink(scene.image)
    box, mask = max(pieces, key=lambda piece: piece[1].sum())
    assert np.array_equal(np.any([mask for _, mask in pieces], axis=0), scene.masks[0])
    if len(pieces) == 1:
        assert np.array_equal(box, scene.boxes[0])
        assert np.array_equal(mask, scene.masks[0])


def test_an_image_without_ink_has_no_piece():
    assert pieces_of_ink(np.zeros((8, 8), dtype=np.uint8)) == []


def test_shrink_gives_the_mean_of_each_cell():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    numbers = shrink(image, np.array([0, 0, 16, 16])).reshape(8, 8)
    cells = image.reshape(8, 2, 8, 2).mean(axis=(1, 3))
    assert np.abs(numbers - cells).max() <= 0.5


def test_the_rule_with_a_reader_beats_the_rule_that_cannot_read():
    scenes = make_scenes(60, seed=1, split="test", size=48, most=2)
    singles = make_scenes(500, seed=2, size=48, most=1)
    scans = [shrink(scene.image, scene.boxes[0]) for scene in singles]
    labels = [scene.labels[0] for scene in singles]
    reader = KNeighborsClassifier(n_neighbors=1).fit(scans, labels)
    images, targets = [scene.image for scene in scenes], truth_of(scenes)
    blind = average_precision(detect_by_rule(images, label=1), targets)
    reading = average_precision(detect_by_rule(images, reader=reader), targets)
    assert blind["ap50"] < 0.2
    assert reading["ap50"] > 0.6
