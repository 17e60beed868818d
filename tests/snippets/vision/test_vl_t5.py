from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration, set_seed

from snippets.vision.data import Scene, make_scenes
from snippets.vision.optimize import minimize
from snippets.vision.vl_t5 import (
    NAMES,
    REGIONS,
    SIGHTS,
    VLT5,
    VOCABULARY,
    answer_loss,
    find_regions,
    look_loss,
    tokenize,
    write_examples,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def look(scenes: list[Scene]) -> tuple[torch.Tensor, torch.Tensor, list[list[int]]]:
    images = np.stack([scene.image for scene in scenes])
    return find_regions(images, [scene.boxes for scene in scenes], seed=0)


def learn(part, loss_of, count, steps, batch_size, decay=0.01):
    groups = [{"params": part, "lr": 3e-3, "weight_decay": decay}]
    return minimize(loss_of, groups, count, steps, batch_size)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return make_scenes(40, seed=0, split="tune", size=48)


@pytest.fixture(scope="module")
def regions(scenes) -> tuple[torch.Tensor, torch.Tensor, list[list[int]]]:
    return look(scenes)


@pytest.fixture
def model() -> VLT5:
    set_seed(0)
    return VLT5().eval()


def test_every_scene_has_as_many_regions_and_the_digits_are_among_them(scenes, regions):
    crops, boxes, orders = regions
    assert crops.shape == (40, REGIONS, 16, 16)
    assert boxes.shape == (40, REGIONS, 4)
    for scene, mine, order in zip(scenes, boxes, orders, strict=True):
        assert len(order) == len(scene.labels)
        np.testing.assert_allclose(mine[order] * 48, scene.boxes, atol=1e-4)
    places = [order[0] for order in orders]
    assert len(set(places)) == REGIONS  # the first digit may be any region


def test_a_region_shows_its_box():
    image = np.zeros((1, 48, 48), np.uint8)
    image[0, 8:24, 16:32] = np.arange(256).reshape(16, 16)
    box = np.array([[16, 8, 32, 24]], dtype=np.float32)
    crops, _, orders = find_regions(image, [box], seed=0)
    assert crops.min() >= -1
    assert crops.max() <= 1
    # A box of 16 by 16 pixels needs no scaling: the cut-out is the pixels themselves,
    # up to the samples between neighbors that RoIAlign averages.
    cut = torch.tensor(image[0, 8:24, 16:32]) / 127.5 - 1
    assert (crops[0, orders[0][0]] - cut).abs()[1:-1, 1:-1].max() < 0.1


def test_too_many_objects_are_refused():
    boxes = np.tile(np.array([[0, 0, 9, 9]], dtype=np.float32), (5, 1))
    with pytest.raises(ValueError, match="a scene has 5 objects, wanted at most 4"):
        find_regions(np.zeros((1, 48, 48), np.uint8), [boxes], seed=0)


def test_the_answers_are_true(scenes, regions):
    orders = regions[2]
    examples = write_examples([scene.labels for scene in scenes], orders, seed=0)
    kinds = {"count": 0, "exists": 0, "caption": 0, "where": 0}
    for example in examples:
        kinds[example.kind] += 1
        names = [NAMES[label] for label in scenes[example.scene].labels]
        last = example.question.split()[-1]
        if example.kind == "count":
            assert example.answer == NAMES[len(names)]
        elif example.kind == "exists":
            assert example.answer == ("yes" if last in names else "no")
        elif example.kind == "caption":
            assert example.answer == " ".join(names)
        else:
            index = orders[example.scene].index(SIGHTS.index(example.answer))
            assert names[index] == last
            assert names.count(last) == 1
    assert kinds["count"] == kinds["exists"] == kinds["caption"] == 40
    assert 30 <= kinds["where"] <= 40


def test_words_become_numbers_and_back():
    input_ids = tokenize(["caption:", "vqa: how many digits"])
    assert input_ids.shape == (2, 5)
    assert input_ids[0].tolist() == [VOCABULARY.index("caption:"), 1, 0, 0, 0]
    with pytest.raises(ValueError, match='has the word "color"'):
        tokenize(["vqa: what color".replace("what ", "")])


def tokens_by_equation(model, input_ids, crops, boxes):
    """Words, then regions: norm(features + box + name), without the modules."""
    weights = model.state_dict()
    shared = weights["t5.shared.weight"]
    x = crops.reshape(-1, 1, 16, 16)
    x = F.gelu(F.conv2d(x, weights["look.0.weight"], weights["look.0.bias"], 2, 1))
    x = F.gelu(F.conv2d(x, weights["look.2.weight"], weights["look.2.bias"], 2, 1))
    x = F.gelu(x.flatten(1) @ weights["look.5.weight"].T + weights["look.5.bias"])
    seen = x @ weights["feature.weight"].T + weights["feature.bias"]
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    place = torch.cat([boxes, area[..., None]], dim=-1) @ weights["place.weight"].T
    name = shared[[VOCABULARY.index(sight) for sight in SIGHTS]]
    total = seen.view(*crops.shape[:2], -1) + place + weights["place.bias"] + name
    total = (total - total.mean(-1, keepdim=True)) / (
        total.var(-1, unbiased=False, keepdim=True) + 1e-5
    ) ** 0.5
    total = total * weights["norm.weight"] + weights["norm.bias"]
    return torch.cat([shared[input_ids], total], dim=1)


def test_it_is_t5_on_these_tokens(model, scenes, regions):
    crops, boxes, orders = regions
    examples = write_examples([scene.labels for scene in scenes], orders, seed=0)[:12]
    where = torch.tensor([example.scene for example in examples])
    input_ids = tokenize([example.question for example in examples])
    labels = tokenize([example.answer for example in examples])
    plain = T5ForConditionalGeneration(model.t5.config).eval()
    plain.load_state_dict(model.t5.state_dict())
    with torch.no_grad():
        tokens = tokens_by_equation(model, input_ids, crops[where], boxes[where])
        mask = torch.cat(
            [input_ids != 0, torch.ones(12, REGIONS, dtype=torch.bool)], dim=1
        )
        shifted = torch.cat([torch.zeros(12, 1, dtype=torch.long), labels[:, :-1]], dim=1)
        expected = plain(
            inputs_embeds=tokens, attention_mask=mask.long(), decoder_input_ids=shifted
        ).logits
        found = model(input_ids, model.see(crops[where]), boxes[where], labels)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_padding_of_a_question_does_not_change_its_scores(model, regions):
    features, boxes = model.see(regions[0]), regions[1]
    short, long = "caption:", "vqa: how many digits"
    labels = tokenize(["one", "two"])
    with torch.no_grad():
        together = model(tokenize([short, long]), features[:2], boxes[:2], labels)
        alone = model(tokenize([long]), features[1:2], boxes[1:2], labels[1:])
    torch.testing.assert_close(together[1:], alone, atol=1e-4, rtol=1e-4)


def test_a_short_training_counts_better_than_the_most_frequent_answer():
    scenes, others = (
        make_scenes(count, seed=seed, split=split, size=48)
        for count, seed, split in ((200, 0, "fit"), (60, 1, "tune"))
    )
    set_seed(0)
    model = VLT5(layers=1)
    (crops, boxes, order), (new_crops, new_boxes, _) = look(scenes), look(others)
    examples = [
        example
        for example in write_examples([scene.labels for scene in scenes], order, seed=0)
        if example.kind == "count"
    ]
    kinds = torch.full((200, REGIONS), 10)
    for scene, (mine, where) in enumerate(zip(scenes, order, strict=True)):
        kinds[scene, where] = torch.tensor(mine.labels)
    eyes = [*model.look.parameters(), *model.classify.parameters()]
    looks = learn(eyes, look_loss(model, crops, kinds), kinds.numel(), 60, 128)
    assert looks[-1] < looks[0] / 2
    rest = [weights for weights in model.parameters() if weights not in set(eyes)]
    lesson = answer_loss(model, model.see(crops), boxes, examples)
    losses = learn(rest, lesson, len(examples), 60, 32)
    assert losses[-1] < losses[0] / 2
    question = tokenize(["vqa: how many digits"] * 60)
    answers = model.answer(question, model.see(new_crops), new_boxes)
    counts = [NAMES[len(scene.labels)] for scene in others]
    right = np.mean([a == b for a, b in zip(answers, counts, strict=True)])
    usual = max(np.mean([name == count for count in counts]) for name in NAMES)
    assert right > usual + 0.2


def test_the_features_are_not_touched_when_t5_learns(model, scenes, regions):
    crops, boxes, order = regions
    before = model.see(crops)
    examples = write_examples([scene.labels for scene in scenes], order, seed=0)
    lesson = answer_loss(model, before, boxes, examples)
    learn(list(model.parameters()), lesson, len(examples), 2, 4, decay=0.0)
    assert torch.equal(model.see(crops), before)


def test_a_saved_model_reloads_to_equal_scores(model, regions, tmp_path: Path):
    model.save_pretrained(tmp_path)
    reloaded = VLT5.from_pretrained(tmp_path).eval()
    question, answer = tokenize(["vqa: how many digits"]), tokenize(["two"])
    inputs = (question, model.see(regions[0][:1]), regions[1][:1], answer)
    with torch.no_grad():
        assert torch.equal(reloaded(*inputs), model(*inputs))
