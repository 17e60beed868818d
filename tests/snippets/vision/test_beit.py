import pytest
import torch
from sklearn.cluster import KMeans
from transformers import BeitConfig, BeitForMaskedImageModeling, set_seed

from snippets.vision.beit import (
    VOCABULARY,
    block_masks,
    build_beit,
    build_processor,
    cut_patches,
    guess_tokens,
    learn_codebook,
    neighbor_tokens,
    token_loss,
    tokenize,
)
from snippets.vision.data import load_fashion
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


@pytest.fixture(scope="module")
def codebook(images) -> torch.Tensor:
    return learn_codebook(cut_patches(images[0]))


@pytest.fixture
def model() -> BeitForMaskedImageModeling:
    set_seed(0)
    return build_beit()


def test_patches_are_read_row_by_row():
    image = torch.arange(64.0).view(1, 1, 8, 8)
    patches = cut_patches(image)
    assert patches.shape == (1, 4, 16)
    assert torch.equal(patches[0, 1].view(4, 4), image[0, 0, :4, 4:])
    assert torch.equal(patches[0, 2].view(4, 4), image[0, 0, 4:, :4])


def test_the_codebook_is_about_as_good_as_that_of_scikit_learn(images, codebook):
    points = cut_patches(images[0]).flatten(0, 1)

    def error(centers: torch.Tensor) -> float:
        return torch.cdist(points, centers).amin(dim=1).square().mean().item()

    reference = KMeans(VOCABULARY, n_init=1, random_state=0).fit(points.numpy())
    assert codebook.shape == (VOCABULARY, 16)
    assert error(codebook) < 1.15 * error(torch.tensor(reference.cluster_centers_))


def test_a_row_of_the_codebook_has_its_own_number(codebook):
    tokens = tokenize(codebook[None], codebook)
    assert torch.equal(tokens, torch.arange(VOCABULARY)[None])


def test_too_few_patches_are_refused():
    with pytest.raises(ValueError, match="1 different patches, wanted at least 64"):
        learn_codebook(torch.zeros(2, 49, 16))


def test_masks_hide_the_same_number_in_blocks():
    masks = block_masks(200, across=7)
    assert masks.shape == (200, 49)
    assert (masks.sum(dim=1) == 19).all()
    assert len(masks.unique(dim=0)) > 190
    grid = masks.view(-1, 7, 7).float()
    pairs = grid[:, :, 1:] * grid[:, :, :-1]  # both neighbors hidden
    assert pairs.mean() > 1.3 * 0.4**2  # single patches at random would give 0.4 ** 2
    assert torch.equal(masks, block_masks(200, across=7))


@pytest.mark.parametrize(("share", "hidden"), [(0.0, 0), (1.0, 49)])
def test_a_mask_must_leave_something_to_see_and_to_guess(share, hidden):
    with pytest.raises(ValueError, match=f"would hide {hidden} of 49 patches"):
        block_masks(1, across=7, share=share)


def test_positions_are_not_the_zeros_that_the_library_leaves(model):
    fresh = BeitForMaskedImageModeling(model.config)
    assert not fresh.beit.embeddings.position_embeddings.any()  # else drop our repair
    assert len(model.beit.embeddings.position_embeddings[0].unique(dim=0)) == 50


def test_hidden_pixels_do_not_leak_into_the_guess(model, images):
    hidden = block_masks(200, across=7)
    covered = images[1].clone()
    covered[torch.nn.functional.interpolate(hidden.view(-1, 1, 7, 7).float(), 28) > 0] = (
        3.0
    )
    first = guess_tokens(model, images[1], hidden)
    assert first.shape == (200, 49)
    assert torch.equal(first, guess_tokens(model, covered, hidden))


def test_a_few_steps_beat_the_most_frequent_token_of_each_place(model, images, codebook):
    library, tokens = (tokenize(cut_patches(part), codebook) for part in images)
    hidden = block_masks(200, across=7, seed=1)
    losses = minimize(
        token_loss(model, images[0], library, block_masks(200, across=7)),
        [{"params": list(model.parameters()), "lr": 3e-3}],
        len(library),
        steps=80,
        batch_size=32,
    )
    accuracy = (guess_tokens(model, images[1], hidden) == tokens)[hidden].float().mean()
    mode = library.mode(dim=0).values
    assert len(losses) == 80
    assert accuracy > (mode == tokens)[hidden].float().mean() + 0.02


def test_an_image_of_the_library_gets_its_own_tokens(images, codebook):
    patches = cut_patches(images[0])
    tokens = tokenize(patches, codebook)
    hidden = block_masks(50, across=7)
    guesses = neighbor_tokens(patches[:50], hidden, patches, tokens, k=1)
    assert (guesses == tokens[:50]).float().mean() > 0.99


def test_a_saved_model_reloads_to_the_same_guesses(model, images, tmp_path):
    model.save_pretrained(tmp_path)
    reloaded = BeitForMaskedImageModeling.from_pretrained(
        tmp_path, attn_implementation="eager"
    )
    hidden = block_masks(200, across=7)
    first = guess_tokens(model, images[1], hidden)
    assert torch.equal(first, guess_tokens(reloaded, images[1], hidden))


def test_the_library_swaps_two_layer_norms_and_we_have_one(model, tmp_path):
    settings = {**model.config.to_dict(), "use_mean_pooling": False}
    two = BeitForMaskedImageModeling(BeitConfig(**settings))
    torch.nn.init.ones_(two.layernorm.bias)
    two.save_pretrained(tmp_path)
    loaded = BeitForMaskedImageModeling.from_pretrained(tmp_path)
    assert not loaded.layernorm.bias.any()  # else tell the page that it is repaired
    assert isinstance(model.beit.layernorm, torch.nn.Identity)


def test_patches_must_fill_the_image():
    with pytest.raises(ValueError, match="is 28, wanted a multiple of patch_size 5"):
        build_beit(patch_size=5)
