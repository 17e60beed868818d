from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from transformers import ViTForImageClassification, ViTImageProcessor, set_seed

from snippets.vision.data import load_digit_images
from snippets.vision.optimize import minimize
from snippets.vision.vit import (
    build_vit,
    class_attention,
    image_loss,
    load_classifier,
    predict,
    save_classifier,
    score,
    warp,
)

Split = tuple[torch.Tensor, torch.Tensor]

SIDE = 8
TOKENS = (SIDE // 2) ** 2 + 1
DIGITS = "0123456789"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def processor() -> ViTImageProcessor:
    return ViTImageProcessor(size={"height": SIDE, "width": SIDE})


@pytest.fixture(scope="module")
def splits(processor: ViTImageProcessor) -> tuple[Split, Split]:
    train_images, test_images, train_labels, test_labels = load_digit_images()

    def prepare(images: np.ndarray, labels: np.ndarray) -> Split:
        pixel_values = processor(list(images), return_tensors="pt").pixel_values
        return pixel_values, torch.tensor(labels)

    return prepare(train_images, train_labels), prepare(test_images, test_labels)


@pytest.fixture
def model() -> ViTForImageClassification:
    set_seed(0)
    return build_vit(DIGITS, image_size=SIDE, patch_size=2)


def test_the_processor_maps_bytes_from_minus_one_to_one(splits):
    _, test_images, _, _ = load_digit_images()
    by_hand = (torch.tensor(test_images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    torch.testing.assert_close(splits[1][0], by_hand)


def test_an_image_becomes_one_token_a_patch_and_a_class_token(model):
    pixel_values = torch.zeros(5, 3, SIDE, SIDE)
    assert model.vit.embeddings(pixel_values).shape == (5, TOKENS, 64)
    assert predict(model, pixel_values).shape == (5, 10)


def test_large_sets_are_scored_in_parts_with_the_same_result(model):
    pixel_values = torch.randn(260, 3, SIDE, SIDE)
    with torch.no_grad():
        at_once = model.eval()(pixel_values).logits
    torch.testing.assert_close(predict(model, pixel_values), at_once)


def test_warped_images_differ_from_each_other_and_keep_their_range(splits):
    image = splits[0][0][:1]
    warped = warp(image.expand(8, -1, -1, -1), 0.15, torch.Generator().manual_seed(0))
    assert warped.shape == (8, 3, SIDE, SIDE)
    assert warped.min() >= -1
    assert warped.max() <= 1 + 1e-6
    assert len({one.numpy().tobytes() for one in warped}) == 8
    assert (warped - image).abs().mean() < 0.5


def test_no_strength_leaves_the_images_as_they_are(splits):
    images = splits[0][0][:8]
    same = warp(images, 0.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_an_empty_background_stays_background():
    background = torch.full((4, 3, SIDE, SIDE), -1.0)
    warped = warp(background, 0.15, torch.Generator().manual_seed(0))
    torch.testing.assert_close(warped, background)


def train(model, train_set, steps, seed=0):
    return minimize(
        image_loss(model, train_set, strength=0.05, seed=seed),
        [{"params": list(model.parameters()), "lr": 1.5e-3}],
        len(train_set[1]),
        steps,
        batch_size=32,
        seed=seed,
    )


def test_mirrored_images_are_learned_from_only_if_asked_for(model, splits):
    images, labels = splits[0]
    seen = []
    model.vit.register_forward_pre_hook(
        lambda _, args, kwargs: seen.extend((*args, *kwargs.values())[:1]),
        with_kwargs=True,
    )
    batch = torch.arange(64)
    for mirror in (False, True):
        image_loss(model, (images, labels), strength=0.0, mirror=mirror)(batch)
    plain, mirrored = (part.round(decimals=4) for part in seen)
    swapped = (mirrored != plain).flatten(1).any(dim=1)
    torch.testing.assert_close(plain, images[:64], atol=1e-4, rtol=0)
    assert 16 < swapped.sum() < 48
    assert torch.equal(mirrored[swapped], plain[swapped].flip(-1))


def test_a_few_hundred_steps_beat_the_mean_image_of_each_digit(model, splits):
    train_set, test_set = splits
    pixels, test_pixels = (part[0][:, 0].flatten(1) for part in splits)  # (B, 64)
    means = torch.stack(
        [pixels[train_set[1] == digit].mean(dim=0) for digit in range(10)]
    )
    nearest = torch.cdist(test_pixels, means).argmin(dim=-1)  # (B,)
    baseline = (nearest == test_set[1]).double().mean().item()
    losses = train(model, train_set, steps=300)
    assert baseline > 0.85
    assert sum(losses[-10:]) < sum(losses[:10]) / 4
    assert score(model, test_set) > baseline


def test_the_score_is_the_share_of_right_answers(model, splits):
    images, _ = splits[1]
    labels = predict(model, images).argmax(dim=-1)
    labels[::2] += 1
    assert score(model, (images, labels)) == 0.5


def test_the_same_seed_gives_the_same_logits_and_another_seed_others(splits):
    (pixel_values, labels), test_set = splits

    def run(seed: int) -> torch.Tensor:
        set_seed(0)
        model = build_vit(DIGITS, image_size=SIDE, patch_size=2)
        train(model, (pixel_values[:128], labels[:128]), steps=4, seed=seed)
        return predict(model, test_set[0])

    first = run(seed=0)
    assert torch.equal(first, run(seed=0))
    assert not torch.equal(first, run(seed=1))


def test_a_saved_model_reloads_to_equal_logits(model, processor, splits, tmp_path: Path):
    folder = str(tmp_path / "checkpoints" / "vit")
    files = save_classifier(model, processor, folder, "someone/digits", accuracy=0.5)
    assert {"README.md", "config.json", "model.safetensors"} <= set(files)
    reloaded_processor, reloaded = load_classifier(folder)
    _, test_images, _, _ = load_digit_images()
    pixel_values = reloaded_processor(list(test_images), return_tensors="pt").pixel_values
    assert torch.equal(predict(reloaded, pixel_values), predict(model, splits[1][0]))
    assert reloaded.config.id2label[7] == "7"
    assert class_attention(reloaded, pixel_values[:2]).shape == (2, 3, 4, TOKENS)


def test_the_card_says_what_it_is_and_how_good(model, processor, tmp_path: Path):
    save_classifier(model, processor, str(tmp_path), "someone/digits", accuracy=0.5)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.license == "mit"
    assert card.data.datasets == ["someone/digits"]
    assert card.data.pipeline_tag == "image-classification"
    assert "50.0% of the held-out images" in card.text


def test_attention_rows_sum_to_one_and_are_those_of_the_class_token(model, splits):
    pixel_values = splits[1][0][:6]
    weights = class_attention(model, pixel_values)
    assert weights.shape == (6, 3, 4, TOKENS)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(6, 3, 4))
    with torch.no_grad():
        last = model(pixel_values, output_attentions=True).attentions[-1]
    assert torch.equal(weights[:, -1], last[:, :, 0, :])


def test_attention_that_keeps_no_weights_is_refused(model, splits):
    model.set_attn_implementation("sdpa")
    with pytest.raises(ValueError, match='is "sdpa", wanted "eager"'):
        class_attention(model, splits[1][0][:1])


def test_patches_must_fill_the_image():
    message = "image_size is 28, wanted a multiple of patch_size 3"
    with pytest.raises(ValueError, match=message):
        build_vit(DIGITS, patch_size=3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 16, 16), r"Input image size \(16\*16\) doesn't match model \(8\*8\)"),
        ((1, 1, 8, 8), "Expected 3 but got 1"),
    ],
)
def test_images_of_another_shape_are_refused(model, shape, message):
    with pytest.raises(ValueError, match=message):
        predict(model, torch.zeros(shape))
