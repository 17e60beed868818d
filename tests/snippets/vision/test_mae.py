import pytest
import torch
from transformers import ViTMAEForPreTraining, set_seed

from snippets.vision.data import load_fashion
from snippets.vision.mae import (
    build_mae,
    build_processor,
    decoder_attention,
    drawing_loss,
    linear_fill,
    nearest_fill,
    reconstruct,
)
from snippets.vision.optimize import minimize


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    train_images, test_images, _, _ = load_fashion()
    processor = build_processor()
    parts = (train_images[::5, ..., None], test_images[::5, ..., None])
    return tuple(
        processor(list(part), return_tensors="pt").pixel_values for part in parts
    )


@pytest.fixture
def model() -> ViTMAEForPreTraining:
    set_seed(0)
    return build_mae()


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    return torch.rand(200, 49, generator=torch.Generator().manual_seed(0))


def test_the_processor_gives_mean_zero_and_spread_one(images):
    assert images[0].shape == (1000, 1, 28, 28)
    assert images[0].mean().abs() < 0.05
    assert (images[0].std() - 1).abs() < 0.05


def test_positions_are_not_the_zeros_that_the_library_leaves(model):
    fresh = ViTMAEForPreTraining(model.config)
    assert not fresh.vit.embeddings.position_embeddings.any()  # else drop our repair
    assert not fresh.decoder.decoder_pos_embed.any()
    for table in (
        model.vit.embeddings.position_embeddings,
        model.decoder.decoder_pos_embed,
    ):
        assert len(table[0].unique(dim=0)) == 50
        assert not table.requires_grad


def test_three_quarters_are_hidden_and_the_rest_is_left_as_it_is(model, images, noise):
    drawn, hidden = reconstruct(model, images[1], noise)
    patches = model.patchify(images[1])
    assert drawn.shape == patches.shape == (200, 49, 16)
    assert (hidden.sum(dim=1) == 37).all()
    assert torch.equal(drawn[~hidden], patches[~hidden])
    assert torch.equal(model.unpatchify(patches), images[1])


def test_hidden_pixels_do_not_leak_into_the_drawing(model, images, noise):
    drawn, hidden = reconstruct(model, images[1], noise)
    patches = model.patchify(images[1])
    patches[hidden] = 5.0
    again, _ = reconstruct(model, model.unpatchify(patches), noise)
    torch.testing.assert_close(again, drawn)


def train(model, pixel_values, steps, seed=0):
    return minimize(
        drawing_loss(model, pixel_values, seed),
        [{"params": list(model.parameters()), "lr": 6e-3}],
        len(pixel_values),
        steps,
        batch_size=32,
        seed=seed,
    )


def test_the_attention_of_the_decoder_is_that_of_its_last_layer(model, images, noise):
    first, _ = reconstruct(model, images[1][:3], noise[:3])
    weights = decoder_attention(model, images[1][:3], noise[:3])
    assert weights.shape == (3, 49, 49)
    assert weights.min() >= 0
    assert (weights.sum(dim=-1) < 1).all()  # the rest goes to the class token
    layer = model.decoder.decoder_layers[-1]
    caught = []
    hook = layer.attention.register_forward_pre_hook(
        lambda _, args, kwargs: caught.append(args[0]), with_kwargs=True
    )
    again, _ = reconstruct(model, images[1][:3], noise[:3])
    hook.remove()
    torch.testing.assert_close(again, first)
    query, key = (
        part(caught[0]).unflatten(-1, (4, 16)).transpose(1, 2)
        for part in (layer.attention.q_proj, layer.attention.k_proj)
    )
    by_hand = (query @ key.mT / 4).softmax(dim=-1).mean(dim=1)[:, 1:, 1:]
    torch.testing.assert_close(weights, by_hand)
    assert not layer.attention._forward_hooks


def test_a_failed_look_at_the_attention_leaves_the_model_as_it_was(model, noise):
    attention = model.decoder.decoder_layers[-1].attention
    before = attention.config._attn_implementation
    with pytest.raises(ValueError, match="channel dimension"):
        decoder_attention(model, torch.zeros(1, 3, 28, 28), noise[:1])
    assert attention.config._attn_implementation == before != "eager"
    assert not attention._forward_hooks


def test_a_hundred_steps_beat_the_mean_patch_of_each_place(model, images, noise):
    library, patches = (model.patchify(part) for part in images)
    losses = train(model, images[0], steps=100)
    drawn, hidden = reconstruct(model, images[1], noise)
    error = (drawn - patches)[hidden].square().mean()
    baseline = (library.mean(dim=0) - patches)[hidden].square().mean()
    assert len(losses) == 100
    assert error < 0.95 * baseline


def test_the_same_seed_gives_the_same_weights(images):
    def run(seed: int) -> torch.Tensor:
        set_seed(0)
        model = build_mae()
        train(model, images[0], steps=2, seed=seed)
        return model.decoder.decoder_pred.weight

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_a_saved_model_reloads_to_the_same_drawing(model, images, noise, tmp_path):
    model.save_pretrained(tmp_path)
    reloaded = ViTMAEForPreTraining.from_pretrained(tmp_path)
    first, _ = reconstruct(model, images[1], noise)
    assert torch.equal(first, reconstruct(reloaded, images[1], noise)[0])


def test_an_image_of_the_library_is_filled_with_itself(model, images, noise):
    library = model.patchify(images[0])
    _, hidden = reconstruct(model, images[1], noise)
    filled = nearest_fill(library[:200], hidden, library, k=1)
    torch.testing.assert_close(filled, library[:200])


def test_the_linear_fill_solves_a_linear_world():
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(2, 12, generator=generator)  # two causes, three patches of four
    library = (torch.randn(4000, 2, generator=generator) @ mixing).view(-1, 3, 4)
    hidden = torch.tensor([[False, True, True]]).expand(5, -1)
    filled = linear_fill(library[:5], hidden, library, ridge=1e-4)
    torch.testing.assert_close(filled, library[:5], atol=0.02, rtol=0.02)


def test_both_fills_keep_what_is_seen(model, images, noise):
    library, patches = (model.patchify(part) for part in images)
    patches = patches[:20]
    _, hidden = reconstruct(model, images[1][:20], noise[:20])
    for filled in (
        nearest_fill(patches, hidden, library),
        linear_fill(patches, hidden, library),
    ):
        assert torch.equal(filled[~hidden], patches[~hidden])
        baseline = (library.mean(dim=0) - patches)[hidden].square().mean()
        assert (filled - patches)[hidden].square().mean() < baseline / 2


def test_patches_must_fill_the_image():
    with pytest.raises(ValueError, match="is 28, wanted a multiple of patch_size 5"):
        build_mae(patch_size=5)
