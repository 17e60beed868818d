import pytest
import torch
from transformers import set_seed

from snippets.vision.convnext import build_convnext, copy_block, occlusion
from snippets.vision.data import load_fashion
from snippets.vision.optimize import minimize
from snippets.vision.vit import image_loss, predict, score


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def splits():
    train_images, test_images, train_labels, test_labels = load_fashion()

    def prepare(images, labels, count):
        pixels = torch.from_numpy(images[:count])[:, None].expand(-1, 3, -1, -1)
        return pixels / 127.5 - 1, torch.from_numpy(labels[:count])

    train_set = prepare(train_images, train_labels, 1200)
    return train_set, prepare(test_images, test_labels, 400)


def test_a_short_training_beats_the_mean_image_of_each_class(splits):
    train_set, test_set = splits
    pixels, test_pixels = (part[0][:, 0].flatten(1) for part in splits)
    means = torch.stack([pixels[train_set[1] == k].mean(dim=0) for k in range(10)])
    nearest = torch.cdist(test_pixels, means).argmin(dim=-1)
    baseline = (nearest == test_set[1]).double().mean().item()
    set_seed(0)
    model = build_convnext("0123456789", hidden_sizes=(32, 64), depths=(1, 1))
    losses = minimize(
        image_loss(model, train_set, strength=0),
        [{"params": list(model.parameters()), "lr": 4e-3}],
        count=1200,
        steps=150,
        batch_size=32,
    )
    assert baseline > 0.6
    assert sum(losses[-10:]) < sum(losses[:10]) / 2
    assert score(model, test_set) > baseline


def test_our_block_gives_the_output_of_transformers():
    set_seed(0)
    model = build_convnext("ab", hidden_sizes=(8, 16), depths=(1, 1)).eval()
    for stage in model.convnext.encoder.stages:
        theirs = stage.layers[0]
        theirs.layer_scale_parameter.data.uniform_(0.5, 2)
        features = torch.randn(2, len(theirs.layer_scale_parameter), 7, 7)
        with torch.no_grad():
            torch.testing.assert_close(copy_block(theirs)(features), theirs(features))


def test_occlusion_finds_the_only_place_that_counts():
    class Model(torch.nn.Module):
        def forward(self, pixel_values):
            spot = pixel_values[:, 0, 2, 10]  # (B,)
            logits = torch.stack([4 * spot, torch.zeros_like(spot)], dim=-1)
            return type("Output", (), {"logits": logits})

    image = torch.ones(1, 3, 16, 16)
    falls = occlusion(Model(), image, side=4, stride=4)[0]
    assert falls.shape == (4, 4)
    assert falls.argmax() == 2
    assert falls[0, 2] > 0.9
    assert falls.abs().sum() - falls[0, 2] < 1e-6


def test_a_square_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="side is 9, wanted at most 8"):
        occlusion(torch.nn.Identity(), torch.zeros(1, 3, 8, 8), side=9)


def test_a_saved_model_reloads_to_equal_logits(tmp_path, splits):
    set_seed(0)
    model = build_convnext("0123456789", hidden_sizes=(8, 16), depths=(1, 1))
    model.save_pretrained(tmp_path)
    reloaded = type(model).from_pretrained(tmp_path)
    pixel_values = splits[1][0][:20]
    assert torch.equal(predict(reloaded, pixel_values), predict(model, pixel_values))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 6}, "image_size is 6, wanted at least 8"),
        ({"depths": (1,)}, "depths has 1 stages, wanted 2"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build_convnext("ab", **settings)
