import pytest
import torch
from transformers import set_seed

from snippets.vision.data import load_fashion
from snippets.vision.optimize import minimize
from snippets.vision.swin import (
    build_swin,
    cut_windows,
    reach,
    window_groups,
    window_mask,
)
from snippets.vision.vit import image_loss, predict, score


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def model():
    set_seed(0)
    return build_swin("0123456789")


@pytest.mark.parametrize(("side", "window", "shift"), [(8, 4, 2), (12, 4, 2), (14, 7, 3)])
def test_the_mask_is_that_of_transformers(model, side, window, shift):
    block = model.swin.encoder.layers[0].blocks[1]
    block.window_size, block.shift_size = window, shift
    theirs = block.get_attn_mask(side, side, torch.float32, torch.device("cpu"))
    assert torch.equal(window_mask(side, window, shift), theirs)


def test_plain_windows_are_squares_and_forbid_nothing():
    groups = window_groups(4, 2, 0)
    assert groups.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    assert not window_mask(8, 4, 0).any()


def test_shifted_windows_join_what_was_apart():
    plain, shifted = window_groups(8, 4, 0), window_groups(8, 4, 2)
    assert plain[3, 3] != plain[4, 4]
    assert shifted[3, 3] == shifted[4, 4]
    assert len(shifted.unique()) == 9


def test_windows_hold_each_token_once():
    x = torch.arange(64.0).view(1, 8, 8, 1)
    windows = cut_windows(x, window=4, shift=2)
    assert windows.shape == (4, 16, 1)
    assert windows.flatten().sort().values.equal(x.flatten())
    assert windows[0, 0] == x[0, 2, 2]


def test_a_token_sees_its_window_and_then_more(model):
    maps = reach(model, torch.randn(1, 3, 32, 32), token=(3, 3))
    assert maps.shape == (2, 8, 8)
    plain = window_groups(8, 4, 0)
    assert torch.equal(maps[0] > 0, plain == plain[3, 3])
    assert (maps[1] > 0).sum() > (maps[0] > 0).sum()


def test_a_few_steps_of_training_beat_guessing_by_far(model):
    train_images, test_images, train_labels, test_labels = load_fashion()

    def prepare(images, labels, count):
        pixels = torch.from_numpy(images[:count])[:, None].float() / 127.5 - 1
        pixels = torch.nn.functional.pad(pixels, (2, 2, 2, 2), value=-1.0)
        return pixels.expand(-1, 3, -1, -1), torch.from_numpy(labels[:count])

    train_set = prepare(train_images, train_labels, 1000)
    test_set = prepare(test_images, test_labels, 300)
    baseline = test_set[1].bincount().max().item() / 300  # always the commonest class
    losses = minimize(
        image_loss(model, train_set, strength=0),
        [{"params": list(model.parameters()), "lr": 3e-3}],
        count=1000,
        steps=90,
        batch_size=32,
    )
    assert losses[-1] < losses[0]
    assert score(model, test_set) > baseline + 0.3


def test_a_saved_model_reloads_to_equal_logits(tmp_path, model):
    model.save_pretrained(tmp_path)
    reloaded = type(model).from_pretrained(tmp_path, attn_implementation="eager")
    pixel_values = torch.randn(3, 3, 32, 32)
    assert torch.equal(predict(reloaded, pixel_values), predict(model, pixel_values))


def test_windows_must_fill_the_grid():
    message = r"image_size is 28, wanted a multiple of 4 \* window = 16"
    with pytest.raises(ValueError, match=message):
        build_swin("ab", image_size=28)
