import numpy as np
import pytest
import torch
from transformers import (
    BeitConfig,
    BeitModel,
    ViTConfig,
    ViTImageProcessor,
    ViTMAEConfig,
    ViTMAEForPreTraining,
    ViTModel,
    set_seed,
)

from snippets.vision.probes import (
    draw_labeled,
    encode,
    load_encoder,
    mean_and_error,
    probe,
)

SIZES = {
    "image_size": 8,
    "patch_size": 2,
    "num_channels": 1,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
DECODER = {
    "decoder_hidden_size": 8,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 16,
}


@pytest.fixture(params=["beit", "vit", "vit_mae"])
def checkpoint(request, tmp_path) -> str:
    set_seed(0)
    if request.param == "beit":
        model = BeitModel(BeitConfig(**SIZES), add_pooling_layer=False)
    elif request.param == "vit":
        model = ViTModel(ViTConfig(**SIZES), add_pooling_layer=False)
    else:
        model = ViTMAEForPreTraining(ViTMAEConfig(**SIZES, **DECODER))
    model.save_pretrained(tmp_path)
    ViTImageProcessor(do_resize=False).save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize("grid", [1, 2])
def test_an_image_gives_a_mean_token_for_each_part(checkpoint, grid):
    _, encoder = load_encoder(checkpoint)
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    features = encode(encoder, images, grid=grid)
    assert features.shape == (5, grid * grid * 8)
    np.testing.assert_array_equal(features, encode(encoder, images, grid=grid))
    assert len(np.unique(features, axis=0)) == 5


def test_parts_keep_their_place(checkpoint):
    _, encoder = load_encoder(checkpoint)
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    whole, parts = (encode(encoder, images, grid=grid) for grid in (1, 2))
    mean = parts.reshape(3, 8, 4).mean(axis=2)
    np.testing.assert_allclose(mean, whole, atol=1e-5)


def test_labels_are_drawn_in_equal_shares_and_anew_for_each_seed():
    labels = np.repeat(np.arange(10), 50)
    chosen = draw_labeled(labels, 40, seed=0)
    assert len(set(chosen)) == 40
    assert (np.bincount(labels[chosen]) == 4).all()
    np.testing.assert_array_equal(chosen, draw_labeled(labels, 40, seed=0))
    assert set(chosen) != set(draw_labeled(labels, 40, seed=1))


@pytest.mark.parametrize("count", [0, 5, 41])
def test_unequal_shares_are_refused(count):
    with pytest.raises(ValueError, match=f"count is {count}, wanted a multiple of 10"):
        draw_labeled(np.repeat(np.arange(10), 50), count, seed=0)


def test_a_probe_tells_separate_clouds_apart_and_not_noise():
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(4), 100)
    centers = rng.normal(size=(4, 20)) * 3
    clouds = centers[labels] + rng.normal(size=(400, 20))
    assert probe(clouds[:200], labels[:200], clouds[200:], labels[200:]) > 0.95
    noise = rng.normal(size=(400, 20))
    assert probe(noise[:200], labels[:200], noise[200:], labels[200:]) < 0.4


def test_mean_and_standard_error():
    mean, error = mean_and_error([1.0, 2.0, 3.0])
    assert mean == 2
    assert error == pytest.approx(1 / 3**0.5)
    with pytest.raises(ValueError, match="got 1 values, wanted two or more"):
        mean_and_error([1.0])
