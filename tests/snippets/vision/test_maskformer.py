import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import MaskFormerImageProcessor, set_seed

from snippets.vision.data import make_scenes
from snippets.vision.maskformer import (
    build_classifier,
    build_maskformer,
    find_instances,
    finish,
    load_segmenter,
    segment,
    to_segments,
)
from snippets.vision.optimize import minimize
from snippets.vision.scoring import mean_iou

LABELS = ["background", "zero", "one"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def processor():
    return MaskFormerImageProcessor(
        size={"height": 32, "width": 32},
        size_divisor=16,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


@pytest.fixture
def model():
    set_seed(0)
    return build_maskformer(build_classifier(num_labels=10), LABELS, num_queries=4)


def color(scenes):
    return [np.stack([scene.image] * 3, axis=-1) for scene in scenes]


def test_segments_cover_each_pixel_once_and_start_with_the_background():
    for scene in make_scenes(10, seed=0):
        labels, masks = to_segments(scene.labels, scene.masks)
        assert labels.tolist() == [0, *(scene.labels + 1)]
        assert torch.equal(masks.sum(dim=0), torch.ones(64, 64))


def test_masks_that_share_pixels_are_refused():
    with pytest.raises(ValueError, match="16 pixels in more than one mask, wanted none"):
        to_segments(np.array([1, 2]), np.ones((2, 4, 4)))


def test_the_plain_call_works_after_finish_only(model, processor):
    inputs = processor(color(make_scenes(1, seed=0, size=32)), return_tensors="pt")
    with pytest.raises(TypeError):
        model(**inputs)
    finish(model)
    assert model(**inputs).class_queries_logits.shape == (1, 4, 4)


def test_masks_are_dot_products_and_maps_their_votes(model, processor):
    finish(model)
    images = color(make_scenes(3, seed=0, size=32))
    inputs = processor(images, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs, output_hidden_states=True)
        embeddings = model.mask_embedder(outputs.transformer_decoder_last_hidden_state)
    pixels = outputs.pixel_decoder_last_hidden_state
    masks = (embeddings[:, :, :, None, None] * pixels[:, None]).sum(dim=2)
    torch.testing.assert_close(masks, outputs.masks_queries_logits, atol=1e-4, rtol=1e-4)
    chances = outputs.class_queries_logits.softmax(dim=-1)[..., :-1]
    votes = (chances[..., None, None] * masks.sigmoid()[:, :, None]).sum(dim=1)
    votes = F.interpolate(votes, size=(32, 32), mode="bilinear")
    agree = segment(model, processor, images) == votes.argmax(dim=1)
    assert agree.double().mean() > 0.999


def test_instances_leave_the_background_out(model, processor):
    finish(model)
    found = find_instances(model, processor, color(make_scenes(2, seed=0, size=32)))
    assert found[0]["masks"].shape == (4, 32, 32)
    assert set(found[0]["labels"].tolist()) <= {0, 1}
    assert found[0]["scores"].min() >= 0
    assert found[0]["scores"].max() <= 1


def test_a_saved_segmenter_reloads_to_equal_maps(model, processor, tmp_path):
    finish(model)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again_processor, again = load_segmenter(str(tmp_path))
    images = color(make_scenes(2, seed=0, size=32))
    first = segment(model, processor, images)
    assert first.shape == (2, 32, 32)
    assert torch.equal(first, segment(again, again_processor, images))
    assert again.config.id2label[2] == "one"


def test_a_few_steps_beat_all_background(model, processor):
    every = make_scenes(1500, seed=0, size=32, most=1, sides=(0.5, 0.6))
    scenes = [scene for scene in every if scene.labels[0] < 2]
    segments = [to_segments(scene.labels, scene.masks) for scene in scenes]
    pixel_values = processor(color(scenes), return_tensors="pt").pixel_values
    count = len(scenes) - 60
    model.train()
    minimize(
        lambda batch: (
            model(
                pixel_values[batch],
                class_labels=[segments[i][0] for i in batch],
                mask_labels=[segments[i][1] for i in batch],
                output_hidden_states=True,
            ).loss
        ),
        [{"params": list(model.parameters()), "lr": 1e-3}],
        count=count,
        steps=60,
    )
    finish(model)
    truth = torch.stack(
        [(labels[:, None, None] * masks).sum(0).long() for labels, masks in segments]
    )[count:]
    answers = segment(model, processor, color(scenes[count:]))
    background = mean_iou(torch.zeros_like(truth), truth, 3)
    assert mean_iou(answers, truth, 3) > background + 0.1
