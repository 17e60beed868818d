import numpy as np
import pytest
import torch
from skimage.feature import hog
from transformers import ViTModel, set_seed

from snippets.vision.data import load_fashion
from snippets.vision.maskfeat import (
    ORIENTATIONS,
    MaskFeat,
    build_maskfeat,
    build_processor,
    edge_loss,
    histograms,
    neighbor_histograms,
)
from snippets.vision.optimize import minimize


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def gray() -> tuple[torch.Tensor, torch.Tensor]:
    train_images, test_images, _, _ = load_fashion()
    return torch.tensor(train_images[::5] / 255.0), torch.tensor(test_images[::5] / 255.0)


@pytest.fixture(scope="module")
def images(gray) -> tuple[torch.Tensor, torch.Tensor]:
    processor = build_processor()
    bytes_ = [(part * 255).round().byte().numpy()[..., None] for part in gray]
    return tuple(
        processor(list(part), return_tensors="pt").pixel_values for part in bytes_
    )


@pytest.fixture(scope="module")
def masks() -> torch.Tensor:
    noise = torch.rand(200, 49, generator=torch.Generator().manual_seed(0))
    return noise.argsort(dim=1) < 19


@pytest.fixture
def model() -> MaskFeat:
    set_seed(0)
    return build_maskfeat()


@pytest.mark.parametrize("cell", [4, 7])
def test_the_histograms_are_those_of_scikit_image(gray, cell):
    ours = histograms(gray[1], cell).view(200, -1).numpy()
    theirs = [
        hog(image, ORIENTATIONS, (cell, cell), (1, 1), block_norm="L2")
        for image in gray[1].numpy()
    ]
    np.testing.assert_allclose(ours, np.stack(theirs), atol=2e-6)


def test_stripes_fill_one_bin():
    ramp = torch.arange(8.0).repeat(8, 1)[None]  # brighter to the right: angle 0
    assert torch.allclose(histograms(ramp).sum(dim=1)[0, 0], torch.tensor(4.0))
    assert not histograms(ramp)[..., 1:].any()
    upright = histograms(ramp.transpose(1, 2))
    assert (upright.argmax(dim=-1) == 4).all()  # 90 degrees, in the middle bin


def test_a_flat_image_has_no_direction():
    assert not histograms(torch.full((1, 28, 28), 0.7)).any()


def test_a_histogram_does_not_change_with_light(gray):
    brighter = histograms(gray[1] * 0.5 + 0.2)
    torch.testing.assert_close(brighter, histograms(gray[1]), atol=0.01, rtol=0)


def test_cells_must_fill_the_image():
    with pytest.raises(ValueError, match="multiples of the cell, 5"):
        histograms(torch.zeros(1, 28, 28), cell=5)


def test_a_guess_for_each_patch_without_a_leak(model, images, masks):
    model.eval()
    covered = images[1].clone()
    covered[torch.nn.functional.interpolate(masks.view(-1, 1, 7, 7).float(), 28) > 0] = (
        3.0
    )
    with torch.no_grad():
        first = model(images[1], bool_masked_pos=masks)
        again = model(covered, bool_masked_pos=masks)
    assert first.shape == (200, 49, ORIENTATIONS)
    torch.testing.assert_close(first, again)


def test_a_few_steps_beat_the_mean_histogram_of_each_place(model, gray, images, masks):
    library, targets = (histograms(part.float()) for part in gray)
    losses = minimize(
        edge_loss(model, images[0], library, masks),
        [{"params": list(model.parameters()), "lr": 3e-3, "betas": (0.9, 0.95)}],
        len(library),
        steps=100,
        batch_size=32,
    )
    model.eval()
    with torch.no_grad():
        guesses = model(images[1], bool_masked_pos=masks)
    baseline = (library.mean(dim=0) - targets)[masks].square().mean()
    assert len(losses) == 100
    assert (guesses - targets)[masks].square().mean() < 0.95 * baseline


def test_an_image_of_the_library_gets_its_own_histograms(gray, images, masks):
    targets = histograms(gray[0].float())
    guesses = neighbor_histograms(images[0][:200], masks, images[0], targets, k=1)
    torch.testing.assert_close(guesses, targets[:200])


def test_a_saved_model_reloads_whole_and_as_a_plain_vit(model, images, masks, tmp_path):
    model.eval().save_pretrained(tmp_path)
    eager = {"attn_implementation": "eager"}
    reloaded = MaskFeat.from_pretrained(tmp_path, **eager).eval()
    encoder = ViTModel.from_pretrained(tmp_path, add_pooling_layer=False, **eager)
    with torch.no_grad():
        first = model(images[1], bool_masked_pos=masks)
        assert torch.equal(first, reloaded(images[1], bool_masked_pos=masks))
        states = model.vit(images[1]).last_hidden_state
        torch.testing.assert_close(states, encoder.eval()(images[1]).last_hidden_state)


def test_patches_must_fill_the_image():
    with pytest.raises(ValueError, match="is 28, wanted a multiple of patch_size 5"):
        build_maskfeat(patch_size=5)
