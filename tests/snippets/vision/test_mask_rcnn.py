import numpy as np
import pytest
import torch

from snippets.vision.data import make_scenes
from snippets.vision.mask_rcnn import (
    Backbone,
    build_mask_rcnn,
    load,
    propose,
    save,
    segment,
    to_target,
    to_tensor,
)
from snippets.vision.optimize import minimize
from snippets.vision.scoring import average_precision, detect_by_rule


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def scenes():
    """Only the digits 0 and 1, which differ enough to be learned in a few steps."""
    every = make_scenes(1200, seed=0, size=32, most=1, sides=(0.5, 0.6))
    return [scene for scene in every if scene.labels[0] < 2]


@pytest.fixture(scope="module")
def trained(scenes):
    torch.manual_seed(0)
    model = build_mask_rcnn(Backbone(), num_labels=2, size=32)
    images = [to_tensor(scene.image) for scene in scenes[:160]]
    targets = [
        to_target(scene.boxes, scene.labels, scene.masks) for scene in scenes[:160]
    ]
    model.train()
    minimize(
        lambda batch: sum(
            model([images[i] for i in batch], [targets[i] for i in batch]).values()
        ),
        [{"params": list(model.parameters()), "lr": 2e-3}],
        count=160,
        steps=60,
        batch_size=4,
        clip=5.0,
    )
    return model


def test_the_backbone_makes_one_feature_for_each_four_by_four_pixels():
    assert Backbone()(torch.zeros(2, 1, 32, 32)).shape == (2, 48, 8, 8)


def test_in_training_it_returns_the_five_losses_of_the_paper(scenes):
    model = build_mask_rcnn(Backbone(), num_labels=10, size=32)
    scene = scenes[0]
    losses = model.train()(
        [to_tensor(scene.image)], [to_target(scene.boxes, scene.labels, scene.masks)]
    )
    assert set(losses) == {
        "loss_classifier",
        "loss_box_reg",
        "loss_mask",
        "loss_objectness",
        "loss_rpn_box_reg",
    }
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_images_are_neither_resized_nor_padded():
    model = build_mask_rcnn(Backbone(), num_labels=10, size=48)
    images, _ = model.transform([torch.zeros(1, 48, 48)])
    assert images.tensors.shape == (1, 1, 48, 48)


def test_targets_count_labels_from_one():
    scene = make_scenes(1, seed=0)[0]
    target = to_target(scene.boxes, scene.labels, scene.masks)
    assert (target["labels"] - 1).tolist() == scene.labels.tolist()
    assert target["masks"].dtype == torch.uint8


def test_a_box_without_area_is_refused():
    with pytest.raises(ValueError, match="wanted left < right, top < bottom"):
        to_target(np.array([[3.0, 5, 9, 5]]), np.array([1]), np.zeros((1, 8, 8)))


def test_a_few_steps_beat_ink_with_one_label(trained, scenes):
    held_out = scenes[160:]
    targets = [
        {
            "boxes": torch.tensor(scene.boxes),
            "labels": torch.tensor(scene.labels),
            "masks": torch.tensor(scene.masks),
        }
        for scene in held_out
    ]
    images = [scene.image for scene in held_out]
    found = segment(trained, images)
    blind = detect_by_rule(images, label=1)
    boxes = average_precision(found, targets)["ap50"]
    assert boxes > average_precision(blind, targets)["ap50"] + 0.1
    masks = average_precision(found, targets, kind="segm")["ap50"]
    assert masks > average_precision(blind, targets, kind="segm")["ap50"] + 0.1


def test_answers_have_masks_of_the_size_of_the_image(trained, scenes):
    answer = segment(trained, [scenes[0].image])[0]
    count = len(answer["scores"])
    assert answer["masks"].shape == (count, 32, 32)
    assert answer["masks"].dtype == torch.bool
    assert answer["boxes"].shape == (count, 4)
    assert set(answer["labels"].tolist()) <= {0, 1}
    assert torch.equal(answer["scores"], answer["scores"].sort(descending=True).values)


def test_proposals_are_boxes_inside_the_image(trained, scenes):
    boxes = propose(trained, scenes[0].image, count=5)
    assert boxes.shape == (5, 4)
    assert boxes.min() >= 0
    assert boxes.max() <= 32
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_saved_weights_give_equal_answers(trained, scenes, tmp_path):
    save(trained, tmp_path / "model")
    again = build_mask_rcnn(Backbone(), num_labels=2, size=32)
    load(again, tmp_path / "model")
    first, second = (segment(m, [scenes[0].image])[0] for m in (trained, again))
    assert torch.equal(first["boxes"], second["boxes"])
    assert torch.equal(first["masks"], second["masks"])
