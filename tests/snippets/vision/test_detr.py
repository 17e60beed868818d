import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import DetrImageProcessor, set_seed
from transformers.loss.loss_for_object_detection import HungarianMatcher

from snippets.vision.data import make_scenes
from snippets.vision.detr import (
    build_classifier,
    build_detr,
    detect,
    load_detector,
    match_by_trying,
    matching_costs,
    to_annotations,
)
from snippets.vision.optimize import minimize


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def processor():
    return DetrImageProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


@pytest.fixture
def model():
    set_seed(0)
    return build_detr(build_classifier(num_labels=10), num_queries=5)


def random_case(seed, queries, objects):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(queries, 11, generator=generator)
    boxes = torch.rand(queries, 4, generator=generator) * 0.4 + 0.1
    target = {
        "class_labels": torch.randint(10, (objects,), generator=generator),
        "boxes": torch.rand(objects, 4, generator=generator) * 0.4 + 0.1,
    }
    return logits, boxes, target


@pytest.mark.parametrize(("queries", "objects"), [(3, 1), (4, 3), (5, 5), (7, 4)])
@pytest.mark.parametrize("seed", range(5))
def test_trying_all_assignments_agrees_with_the_hungarian_matcher(seed, queries, objects):
    logits, boxes, target = random_case(seed, queries, objects)
    chosen = match_by_trying(matching_costs(logits, boxes, target))
    matcher = HungarianMatcher(class_cost=1, bbox_cost=5, giou_cost=2)
    outputs = {"logits": logits[None], "pred_boxes": boxes[None]}
    rows, columns = matcher(outputs, [target])[0]
    assert dict(zip(columns.tolist(), rows.tolist(), strict=True)) == dict(
        enumerate(chosen)
    )


def test_the_best_assignment_is_not_the_greedy_one():
    costs = torch.tensor([[0.0, 1.0], [2.0, 9.0], [9.0, 9.0]])
    assert match_by_trying(costs) == [1, 0]  # 2 + 1; greedy pays 0 + 9


def test_more_objects_than_queries_are_refused():
    with pytest.raises(ValueError, match="3 objects, wanted at most the 2 queries"):
        match_by_trying(torch.zeros(2, 3))


def test_the_loss_is_that_of_the_matched_pairs(model, processor):
    scene = make_scenes(1, seed=0, size=32, most=2)[0]
    image = np.stack([scene.image] * 3, axis=-1)
    inputs = processor(
        image, annotations=to_annotations(scene.boxes, scene.labels), return_tensors="pt"
    )
    target = inputs["labels"][0]
    model.eval()
    with torch.no_grad():
        outputs = model(inputs["pixel_values"], labels=[target])
    logits, boxes = outputs.logits[0], outputs.pred_boxes[0]
    chosen = match_by_trying(matching_costs(logits, boxes, target))
    labels = torch.full((5,), 10)
    labels[chosen] = target["class_labels"]
    weights = torch.ones(11)
    weights[10] = model.config.eos_coefficient
    torch.testing.assert_close(
        outputs.loss_dict["loss_ce"], F.cross_entropy(logits, labels, weights)
    )
    distance = (boxes[chosen] - target["boxes"]).abs().sum() / len(chosen)
    torch.testing.assert_close(outputs.loss_dict["loss_bbox"], distance)


def test_annotations_become_centers_and_sizes_as_shares(processor):
    boxes, labels = np.array([[4.0, 8, 12, 24]], dtype=np.float32), np.array([7])
    inputs = processor(
        np.zeros((32, 32, 3), dtype=np.uint8),
        annotations=to_annotations(boxes, labels),
        return_tensors="pt",
    )
    target = inputs["labels"][0]
    assert target["class_labels"].tolist() == [7]
    torch.testing.assert_close(
        target["boxes"], torch.tensor([[8 / 32, 16 / 32, 8 / 32, 16 / 32]])
    )


def test_the_backbone_is_copied_and_learns(model):
    set_seed(0)
    classifier = build_classifier(num_labels=10)
    backbone = model.model.backbone.model
    for name, values in classifier.resnet.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(backbone.state_dict()[name], values)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_detect_gives_a_label_and_a_box_for_each_query(model, processor):
    images = [np.zeros((32, 32, 3), dtype=np.uint8)] * 3
    found = detect(model, processor, images)
    assert len(found) == 3
    assert found[0]["boxes"].shape == (5, 4)
    assert found[0]["labels"].max() < 10
    sure = detect(model, processor, images, threshold=0.99)
    assert all(len(answer["scores"]) == 0 for answer in sure)


def test_a_saved_detector_reloads_to_equal_boxes(model, processor, tmp_path):
    images = [np.full((32, 32, 3), 90, dtype=np.uint8)]
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again_processor, again = load_detector(str(tmp_path))
    first, second = (
        detect(*pair, images)[0]
        for pair in [(model, processor), (again, again_processor)]
    )
    assert torch.equal(first["boxes"], second["boxes"])
    assert torch.equal(first["scores"], second["scores"])


def test_a_few_steps_place_boxes_better_than_the_mean_box(model, processor):
    scenes = make_scenes(500, seed=0, size=32, most=1, sides=(0.5, 0.6))
    images = [np.stack([scene.image] * 3, axis=-1) for scene in scenes]
    annotations = [to_annotations(scene.boxes, scene.labels) for scene in scenes]
    inputs = processor(images, annotations=annotations, return_tensors="pt")
    pixel_values, labels = inputs["pixel_values"], inputs["labels"]
    model.train()
    minimize(
        lambda batch: model(pixel_values[batch], labels=[labels[i] for i in batch]).loss,
        [{"params": list(model.parameters()), "lr": 1e-3}],
        count=400,
        steps=80,
    )
    model.eval()
    with torch.no_grad():
        outputs = model(pixel_values[400:])
    best = outputs.logits[..., :-1].amax(dim=-1).argmax(dim=-1)  # the surest query
    boxes = outputs.pred_boxes[torch.arange(100), best]
    truth = torch.cat([label["boxes"] for label in labels])
    error = (boxes - truth[400:]).abs().mean()
    mean_error = (truth[:400].mean(dim=0) - truth[400:]).abs().mean()
    assert error < 0.8 * mean_error
