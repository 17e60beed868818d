from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import set_seed

from snippets.vision.data import make_clips
from snippets.vision.mvit import TinyMViT, freeze, predict, prepare, pyramid
from snippets.vision.optimize import minimize


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def model() -> TinyMViT:
    set_seed(0)
    return TinyMViT().eval()


@pytest.fixture(scope="module")
def clips() -> torch.Tensor:
    return prepare(make_clips(3, seed=0, split="tune")[0])


def pool(kind, x, places):
    """Pool all tokens but the first with a depthwise convolution, then normalize."""
    heads, channels = x.shape[1], x.shape[-1]
    token, grid = x[:, :, :1], x[:, :, 1:]
    grid = grid.transpose(2, 3).reshape(-1, channels, *places)
    grid = F.conv3d(
        grid, kind.pool.weight, stride=kind.pool.stride, padding=1, groups=channels
    )
    after = tuple(grid.shape[2:])
    grid = grid.flatten(2).transpose(1, 2).unflatten(0, (-1, heads))
    x = torch.cat([token, grid], dim=2)
    norm = kind.norm_act[0]
    return F.layer_norm(x, (channels,), norm.weight, norm.bias, 1e-6), after


def distances(table, queries, keys):
    """Rows of a table of relative positions: (queries, keys, channels)."""
    scale_q, scale_k = max(keys / queries, 1.0), max(queries / keys, 1.0)
    rows = [
        [int(q * scale_q - (k + (1 - keys)) * scale_k) for k in range(keys)]
        for q in range(queries)
    ]
    size = 2 * max(queries, keys) - 1
    if len(table) != size:
        table = F.interpolate(table.T[None], size=size, mode="linear")[0].T
    return table[torch.tensor(rows)]


def attention_by_equation(module, x, places):
    q, k, v = module.qkv(x).unflatten(-1, (3, module.num_heads, -1)).unbind(dim=2)
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))  # (B, heads, tokens, channels)
    q, after = pool(module.pool_q, q, places)
    k, inner = pool(module.pool_k, k, places)
    v, _ = pool(module.pool_v, v, places)
    scores = q @ k.mT / q.shape[-1] ** 0.5
    grid = q[:, :, 1:].unflatten(2, after)
    t, h, w = (
        distances(table, a, b)
        for table, a, b in zip(
            (module.rel_pos_t, module.rel_pos_h, module.rel_pos_w),
            after,
            inner,
            strict=True,
        )
    )
    bias = (
        torch.einsum("bnthwc,tkc->bnthwk", grid, t)[..., :, None, None]
        + torch.einsum("bnthwc,hkc->bnthwk", grid, h)[..., None, :, None]
        + torch.einsum("bnthwc,wkc->bnthwk", grid, w)[..., None, None, :]
    )
    scores[:, :, 1:, 1:] += bias.flatten(2, 4).flatten(3, 5)
    out = scores.softmax(dim=-1) @ v
    out[:, :, 1:] += q[:, :, 1:]
    return module.project(out.transpose(1, 2).flatten(2)), after


@pytest.mark.parametrize(
    ("block", "places"), [(0, (4, 8, 8)), (1, (4, 8, 8)), (2, (4, 4, 4))]
)
def test_pooling_attention_follows_its_equation(model, block, places):
    module = model.mvit.blocks[block].attn
    torch.manual_seed(0)
    x = torch.randn(2, 1 + int(np.prod(places)), module.qkv.in_features)
    with torch.no_grad():
        expected, after = attention_by_equation(module, x, places)
        found, thw = module(x, places)
    assert thw == after
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_pyramid_trades_places_for_channels(model, clips):
    shapes = [tuple(stage.shape[1:]) for stage in pyramid(model, clips)]
    assert shapes == [(4, 8, 8, 16), (4, 8, 8, 16), (4, 4, 4, 32), (4, 2, 2, 64)]
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_the_head_reads_the_class_token_of_the_last_stage(model, clips):
    caught, mvit = [], model.mvit
    hook = mvit.blocks[-1].register_forward_hook(lambda *args: caught.append(args[2][0]))
    logits = predict(model, clips)
    hook.remove()
    with torch.no_grad():
        torch.testing.assert_close(mvit.head(mvit.norm(caught[0][:, 0])), logits)


def test_bytes_become_numbers_around_zero():
    videos = np.zeros((2, 8, 32, 32), np.uint8)
    videos[1] = 255
    clips = prepare(videos)
    assert clips.shape == (2, 1, 8, 32, 32)
    assert (clips[0] == -1).all()
    assert (clips[1] == 1).all()
    with pytest.raises(ValueError, match="videos are float64, wanted uint8"):
        prepare(videos / 255)


def test_a_frozen_clip_repeats_its_middle_frame():
    videos, _ = make_clips(3, seed=0, split="tune")
    assert np.array_equal(freeze(videos), videos[:, [4] * 8])


def test_a_short_training_tells_right_from_left_if_the_clips_move():
    (videos, labels), (others, answers) = (
        make_clips(count, seed=seed, split=split, size=16)
        for count, seed, split in ((160, 0, "fit"), (100, 1, "tune"))
    )
    keep, held = labels < 2, answers < 2  # right and left only: quick to learn
    set_seed(0)
    model = TinyMViT(size=16)
    clips, wanted = prepare(videos[keep]), torch.tensor(labels[keep])
    minimize(
        lambda batch: F.cross_entropy(model(clips[batch]), wanted[batch]),
        [{"params": list(model.parameters()), "lr": 3e-3, "weight_decay": 0.05}],
        count=len(clips),
        steps=90,
    )

    def score(clips: np.ndarray) -> float:
        guess = predict(model, prepare(clips)).argmax(dim=-1)
        return (guess.numpy() == answers[held]).mean()

    usual = max(np.mean(answers[held] == 0), np.mean(answers[held] == 1))
    assert score(others[held]) > max(usual, score(freeze(others[held]))) + 0.2


def test_a_saved_model_reloads_to_equal_logits(model, clips, tmp_path: Path):
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    reloaded = TinyMViT.from_pretrained(tmp_path)
    assert torch.equal(predict(reloaded, clips), predict(model, clips))


def test_the_arguments_are_saved_with_the_weights(tmp_path: Path):
    TinyMViT(num_classes=7, width=8).save_pretrained(tmp_path)
    reloaded = TinyMViT.from_pretrained(tmp_path)
    assert reloaded.mvit.head[1].out_features == 7
    assert reloaded.mvit.conv_proj.out_channels == 8
