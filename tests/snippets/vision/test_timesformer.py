from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import TimesformerForVideoClassification, set_seed

from snippets.vision.data import DIRECTIONS, make_clips
from snippets.vision.optimize import minimize
from snippets.vision.timesformer import (
    build_processor,
    build_timesformer,
    freeze,
    load_video_classifier,
    predict,
    time_attention,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def prepare(videos: np.ndarray) -> torch.Tensor:
    colors = np.repeat(videos[..., None], 3, axis=-1)
    return build_processor()(list(colors), return_tensors="pt").pixel_values


@pytest.fixture(scope="module")
def clips() -> torch.Tensor:
    return prepare(make_clips(4, seed=0, split="tune")[0])


@pytest.fixture
def model() -> TimesformerForVideoClassification:
    set_seed(0)
    return build_timesformer(DIRECTIONS).eval()


def train(
    model: TimesformerForVideoClassification,
    clips: torch.Tensor,
    labels: torch.Tensor,
    steps: int,
    batch_size: int = 16,
) -> None:
    minimize(
        lambda batch: model(clips[batch], labels=labels[batch]).loss,
        [{"params": list(model.parameters()), "lr": 2e-3, "weight_decay": 0.05}],
        count=len(labels),
        steps=steps,
        batch_size=batch_size,
    )


def attend(module: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Multi-head attention by its equation: x is (groups, tokens, channels)."""
    heads, width = module.attention.num_heads, x.shape[-1]
    q, k, v = (
        part.unflatten(-1, (heads, -1)).transpose(1, 2)
        for part in module.attention.qkv(x).chunk(3, dim=-1)
    )
    weights = torch.softmax(q @ k.mT / (width / heads) ** 0.5, dim=-1)
    return module.output.dense((weights @ v).transpose(1, 2).flatten(2)), weights


def test_a_layer_is_attention_over_time_then_over_space(model):
    layer = model.timesformer.encoder.layer[0]
    torch.manual_seed(0)
    frames, patches, width = 8, 16, 64
    x = torch.randn(2, 1 + patches * frames, width)
    # (clips, patches, frames, channels): the frames of one patch lie side by side
    token, grid = x[:, :1], x[:, 1:].unflatten(1, (patches, frames))
    moved, _ = attend(
        layer.temporal_attention, layer.temporal_layernorm(grid.flatten(0, 1))
    )
    grid = grid + layer.temporal_dense(moved).unflatten(0, (2, patches))
    each = torch.cat(
        [token[:, None].expand(-1, frames, -1, -1), grid.transpose(1, 2)], dim=2
    )  # (clips, frames, 1 + patches, channels)
    seen, _ = attend(layer.attention, layer.layernorm_before(each.flatten(0, 1)))
    seen = seen.unflatten(0, (2, frames))
    token = token + seen[:, :, 0].mean(dim=1, keepdim=True)
    grid = grid + seen[:, :, 1:].transpose(1, 2)
    y = torch.cat([token, grid.flatten(1, 2)], dim=1)
    inner = F.gelu(layer.intermediate.dense(layer.layernorm_after(y)))
    expected = y + layer.output.dense(inner)
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[0], expected, atol=1e-4, rtol=1e-4)


def test_the_processor_maps_bytes_from_minus_one_to_one():
    videos, _ = make_clips(2, seed=0, split="tune")
    by_hand = torch.tensor(videos)[:, :, None].expand(-1, -1, 3, -1, -1) / 127.5 - 1
    torch.testing.assert_close(prepare(videos), by_hand)


def test_attention_over_time_is_that_of_the_equation(model, clips):
    weights = time_attention(model, clips)
    assert weights.shape == (4, 2, 16, 4, 8, 8)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(4, 2, 16, 4, 8))
    layer = model.timesformer.encoder.layer[0]
    with torch.no_grad():
        tokens = model.timesformer.embeddings(clips)[:, 1:]  # (4, 16 * 8, 64)
        grid = layer.temporal_layernorm(tokens).reshape(4 * 16, 8, 64)
        _, expected = attend(layer.temporal_attention, grid)
    torch.testing.assert_close(weights[:, 0].flatten(0, 1), expected)


def test_it_leaves_no_hook_behind(model, clips):
    time_attention(model, clips)
    modules = model.modules()
    assert not any(module._forward_hooks for module in modules)


def test_attention_over_time_is_asked_of_a_model_that_has_it(model, clips):
    model.config.attention_type = "space_only"
    with pytest.raises(ValueError, match='"space_only", wanted "divided_space_time"'):
        time_attention(model, clips)


def test_a_frozen_clip_repeats_its_middle_frame():
    videos, _ = make_clips(3, seed=0, split="tune")
    frozen = freeze(videos)
    assert frozen.shape == videos.shape
    for time in range(8):
        assert np.array_equal(frozen[:, time], videos[:, 4])


def test_a_short_training_tells_right_from_left_if_the_clips_move():
    (videos, labels), (others, answers) = (
        make_clips(count, seed=seed, split=split, size=16)
        for count, seed, split in ((400, 0, "fit"), (240, 1, "tune"))
    )
    keep, held = labels < 2, answers < 2  # right and left only: quick to learn
    set_seed(0)
    model = build_timesformer(DIRECTIONS, size=16)
    train(model, prepare(videos[keep]), torch.tensor(labels[keep]), steps=250)

    def score(clips: np.ndarray) -> float:
        guess = predict(model, prepare(clips)).argmax(dim=-1)
        return (guess.numpy() == answers[held]).mean()

    usual = max(np.mean(answers[held] == 0), np.mean(answers[held] == 1))
    assert score(others[held]) > max(usual, score(freeze(others[held]))) + 0.2


def test_the_same_seed_gives_the_same_logits(clips):
    def run() -> torch.Tensor:
        set_seed(0)
        model = build_timesformer(DIRECTIONS)
        train(model, clips, torch.tensor([0, 1, 2, 3]), steps=2, batch_size=4)
        return predict(model, clips)

    assert torch.equal(run(), run())


def test_a_saved_model_reloads_to_equal_logits(model, clips, tmp_path: Path):
    model.save_pretrained(tmp_path)
    build_processor().save_pretrained(tmp_path)
    processor, reloaded = load_video_classifier(str(tmp_path))
    assert torch.equal(predict(reloaded, clips), predict(model, clips))
    assert reloaded.config.id2label[3] == "up"
    again = processor(
        np.zeros((8, 32, 32, 3), np.uint8), return_tensors="pt"
    ).pixel_values
    assert again.shape == (1, 8, 3, 32, 32)
    assert (again == -1).all()


def test_patches_must_fill_the_frame():
    with pytest.raises(ValueError, match="size is 32, wanted a multiple of patch_size 5"):
        build_timesformer(DIRECTIONS, patch_size=5)
