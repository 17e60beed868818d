import pytest
import torch
from torch.nn import functional as F
from transformers import ViTModel

from snippets.vision.data import make_scenes
from snippets.vision.optimize import minimize
from snippets.vision.scoring import mean_iou
from snippets.vision.setr import SETR, NaiveDecoder, PUPDecoder, build_encoder


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def norm(values, state, name):
    """Batch normalization by its equation, with the running statistics."""
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    values = (values - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    return (
        values * state[f"{name}.weight"][:, None, None]
        + state[f"{name}.bias"][:, None, None]
    )


def shake(decoder):
    """Give the batch normalizations statistics other than zero and one."""
    torch.manual_seed(1)
    decoder.train()
    for _ in range(3):
        decoder(torch.randn(4, 16, 3, 3) * 2 + 1)
    return decoder.eval()


def test_the_naive_decoder_equals_its_equations():
    decoder = shake(NaiveDecoder(16, num_labels=5, patch_size=4))
    state = decoder.state_dict()
    grid = torch.randn(2, 16, 3, 3)
    hidden = torch.einsum("oi,bihw->bohw", state["0.0.weight"][:, :, 0, 0], grid)
    hidden = norm(hidden, state, "0.1").clamp(min=0)
    scores = torch.einsum("oi,bihw->bohw", state["1.weight"][:, :, 0, 0], hidden)
    scores = scores + state["1.bias"][:, None, None]
    expected = F.interpolate(scores, size=(12, 12), mode="bilinear", align_corners=False)
    torch.testing.assert_close(decoder(grid), expected, atol=1e-5, rtol=1e-5)


def test_the_pup_decoder_equals_its_equations():
    decoder = shake(PUPDecoder(16, num_labels=5, patch_size=4))
    state = decoder.state_dict()
    grid = torch.randn(2, 16, 3, 3)
    hidden = grid
    for layer in (0, 2):
        hidden = F.conv2d(F.pad(hidden, (1, 1, 1, 1)), state[f"{layer}.0.weight"])
        hidden = norm(hidden, state, f"{layer}.1").clamp(min=0)
        double = 2 * hidden.shape[-1]
        hidden = F.interpolate(hidden, size=(double, double), mode="bilinear")
    expected = F.conv2d(hidden, state["4.weight"], state["4.bias"])
    assert expected.shape == (2, 5, 12, 12)
    torch.testing.assert_close(decoder(grid), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("patch_size", [2, 4, 8, 16])
@pytest.mark.parametrize("decoder", ["naive", "pup"])
def test_every_pixel_gets_a_score_for_each_label(patch_size, decoder):
    model = SETR(build_encoder(32, patch_size, width=16), decoder, num_labels=7)
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 7, 32, 32)


def test_pup_has_one_convolution_for_each_doubling():
    def parameters(patch_size):
        decoder = PUPDecoder(16, num_labels=5, patch_size=patch_size)
        return sum(parameter.numel() for parameter in decoder.parameters())

    first, more = 16 * 8 * 9 + 2 * 8, 8 * 8 * 9 + 2 * 8
    assert parameters(2) == first + 8 * 5 + 5
    assert parameters(16) == first + 3 * more + 8 * 5 + 5


def test_tokens_keep_their_places():
    model = SETR(build_encoder(16, 4, width=16), "naive", num_labels=3).eval()
    model.decoder = torch.nn.Identity()
    pixel_values = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        grid = model(pixel_values)
        tokens = model.encoder(pixel_values).last_hidden_state
    assert torch.equal(grid[0, :, 1, 2], tokens[0, 1 + 1 * 4 + 2])


@pytest.mark.parametrize("patch_size", [1, 12])
def test_pup_refuses_patches_that_doubling_cannot_reach(patch_size):
    with pytest.raises(ValueError, match=f"patch_size is {patch_size}, wanted 2, 4, 8"):
        PUPDecoder(16, num_labels=5, patch_size=patch_size)


def test_an_unknown_decoder_is_refused():
    with pytest.raises(ValueError, match='decoder is "mla", wanted "naive" or "pup"'):
        SETR(build_encoder(16, 4, width=16), "mla", num_labels=3)


def test_a_saved_encoder_starts_an_equal_model(tmp_path):
    model = SETR(build_encoder(16, 4, width=16), "pup", num_labels=3).eval()
    model.encoder.save_pretrained(tmp_path)
    encoder = ViTModel.from_pretrained(tmp_path, add_pooling_layer=False)
    again = SETR(encoder, "pup", num_labels=3).eval()
    again.decoder.load_state_dict(model.decoder.state_dict())
    pixel_values = torch.randn(2, 1, 16, 16)
    assert torch.equal(model(pixel_values), again(pixel_values))


def test_a_few_steps_beat_all_background_at_telling_two_digits_apart():
    scenes = [
        scene
        for scene in make_scenes(2000, seed=0, size=32, most=1, sides=(0.5, 0.6))
        if scene.labels[0] in (0, 1)
    ]
    pixel_values = torch.stack(
        [torch.tensor(scene.image)[None] / 127.5 - 1 for scene in scenes]
    )
    maps = torch.stack(
        [torch.tensor(scene.masks[0] * (scene.labels[0] + 1)) for scene in scenes]
    )
    torch.manual_seed(0)
    model = SETR(build_encoder(32, 8, width=32), "pup", num_labels=3)
    minimize(
        lambda batch: F.cross_entropy(model(pixel_values[batch]), maps[batch]),
        [{"params": list(model.parameters()), "lr": 3e-3}],
        count=len(scenes) - 80,
        steps=80,
    )
    model.eval()
    with torch.no_grad():
        answers = model(pixel_values[-80:]).argmax(dim=1)
    truth = maps[-80:]
    background = mean_iou(torch.zeros_like(truth), truth, 3)
    assert mean_iou(answers, truth, 3) > background + 0.2
