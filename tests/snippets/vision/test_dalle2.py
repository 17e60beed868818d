from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.svm import SVC
from torch.nn import functional as F
from transformers import set_seed

from snippets.vision.dalle2 import (
    DIGITS,
    NOISE_STEPS,
    SAMPLING_STEPS,
    E,
    UnCLIP,
    tokenize,
    write_captions,
)
from snippets.vision.data import load_digit_images
from snippets.vision.optimize import minimize


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    images, _, labels, _ = load_digit_images()
    pixels = torch.tensor(images[..., :1]).permute(0, 3, 1, 2) / 127.5 - 1
    return pixels, tokenize(write_captions(images, labels)), labels


@pytest.fixture
def model() -> UnCLIP:
    set_seed(0)
    return UnCLIP()


def cosine_schedule() -> torch.Tensor:
    """The share of the signal after each noise step (Nichol and Dhariwal 2021)."""

    def alpha(t: float) -> float:
        return np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2

    n = NOISE_STEPS
    betas = [min(1 - alpha((i + 1) / n) / alpha(i / n), 0.999) for i in range(n)]
    return torch.tensor(np.cumprod(1 - np.array(betas)), dtype=torch.float32)


def test_half_of_the_captions_of_a_digit_say_bold():
    images, _, labels, _ = load_digit_images()
    captions = write_captions(images, labels)
    assert all(c.endswith(DIGITS[k]) for c, k in zip(captions, labels, strict=True))
    for digit in range(10):
        mine = [c for c, k in zip(captions, labels, strict=True) if k == digit]
        ink = images[labels == digit].mean(axis=(1, 2, 3))
        bold = np.array(["bold" in caption for caption in mine])
        assert 0.4 < bold.mean() <= 0.5
        assert ink[bold].min() > ink[~bold].max()


def test_words_that_have_no_number_are_refused():
    assert tokenize(["a bold one"]).tolist() == [[0, 2, 4, 6, 1]]
    with pytest.raises(ValueError, match='the caption has "golden", wanted words of'):
        tokenize(["a golden one"])


def test_the_embeddings_are_those_that_clip_compares(model, digits):
    pixels, input_ids = digits[0][:6], digits[1][:6]
    with torch.no_grad():
        output = model.clip(input_ids, pixels)
        text, tokens = model.embed_text(input_ids)
        image = model.embed_image(pixels)
    torch.testing.assert_close(text / E**0.5, output.text_embeds)
    torch.testing.assert_close(image / E**0.5, output.image_embeds)
    torch.testing.assert_close(tokens[:, -1], text)  # the end mark stands for the text
    torch.testing.assert_close((image**2).mean(dim=1), torch.ones(6))


def test_without_equal_captions_the_loss_is_clips_own(model, digits):
    pixels, input_ids, labels = digits
    first = [list(labels).index(digit) for digit in range(10)]
    ours = model.clip_loss(pixels[first], input_ids[first])
    theirs = model.clip(input_ids[first], pixels[first], return_loss=True).loss
    torch.testing.assert_close(ours, theirs)


def test_equal_captions_share_the_credit(model, digits):
    pixels, input_ids, _ = digits
    same = [i for i in range(200) if torch.equal(input_ids[i], input_ids[0])][:3]
    # All captions are equal, so the best possible scores are all equal: a loss of ln 3.
    loss = model.clip_loss(pixels[same], input_ids[same])
    assert loss.item() >= np.log(3) - 1e-5


def test_drawing_follows_the_equation_of_ddim(model, digits):
    torch.nn.init.normal_(model.decoder.conv_out.weight, std=0.02)
    with torch.no_grad():
        embedding = model.embed_image(digits[0][:2])
        torch.manual_seed(0)
        found = model.draw(embedding, guidance=1.5)
        assert found.shape == (SAMPLING_STEPS + 1, 2, 1, 8, 8)
        share = cosine_schedule()
        jump = NOISE_STEPS // SAMPLING_STEPS
        torch.manual_seed(0)
        x = torch.randn(2, 1, 8, 8)
        for step in range(SAMPLING_STEPS):
            time = (SAMPLING_STEPS - 1 - step) * jump
            given = model.decoder(x, time, model.condition(embedding)).sample
            plain = model.decoder(x, time, model.condition(torch.zeros(2, E))).sample
            noise = plain + 1.5 * (given - plain)
            now = share[time]
            after = share[time - jump] if time >= jump else torch.tensor(1.0)
            image = ((x - (1 - now) ** 0.5 * noise) / now**0.5).clamp(-1, 1)
            x = after**0.5 * image + (1 - after) ** 0.5 * noise
            torch.testing.assert_close(found[step + 1], x, atol=1e-3, rtol=1e-3)


def test_noise_is_mixed_in_by_the_cosine_schedule(model):
    clean, noise = torch.randn(4, E), torch.randn(4, E)
    time = torch.tensor([0, 50, 120, 199])
    share = cosine_schedule()[time][:, None]
    expected = share**0.5 * clean + (1 - share) ** 0.5 * noise
    torch.testing.assert_close(
        model.prior_schedule.add_noise(clean, noise, time), expected, atol=1e-4, rtol=1e-4
    )


def test_the_prior_sees_the_caption_and_the_decoder_does_not(model, digits):
    pixels, input_ids, _ = digits
    torch.manual_seed(0)
    first = model.imagine(input_ids[:1])
    torch.manual_seed(0)
    assert not torch.equal(first, model.imagine(tokenize(["a bold nine"])))
    torch.manual_seed(0)
    loss = model.decoder_loss(pixels[:4], input_ids[:4])
    torch.manual_seed(0)
    assert torch.equal(loss, model.decoder_loss(pixels[:4], input_ids[4:8]))


def train(part, loss_of, pixels, input_ids, steps):
    minimize(
        lambda batch: loss_of(pixels[batch], input_ids[batch]),
        [{"params": list(part), "lr": 2e-3, "weight_decay": 0.01}],
        len(pixels),
        steps,
        64,
    )


def test_only_the_part_in_training_changes(model, digits):
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train(model.prior.parameters(), model.prior_loss, *digits[:2], steps=2)
    changed = {
        name.split(".")[0]
        for name, weight in model.state_dict().items()
        if not torch.equal(weight, before[name])
    }
    assert changed == {"prior"}


def test_a_short_training_draws_what_the_caption_says(model, digits):
    pixels, input_ids, labels = digits
    few = (labels == 0) | (labels == 1)  # two digits, to be quick
    pixels, input_ids = pixels[few], input_ids[few]
    decoder = [*model.decoder.parameters(), *model.condition.parameters()]
    train(model.clip.parameters(), model.clip_loss, pixels, input_ids, steps=30)
    train(model.prior.parameters(), model.prior_loss, pixels, input_ids, steps=40)
    train(decoder, model.decoder_loss, pixels, input_ids, steps=50)
    judge = SVC().fit(pixels.flatten(1).numpy(), labels[few])
    queries = tokenize(["a thin zero", "a thin one"]).repeat_interleave(20, 0)
    torch.manual_seed(0)
    embedding = model.imagine(queries)
    wanted = np.repeat([0, 1], 20)
    right = judge.score(model.draw(embedding)[-1].flatten(1).numpy(), wanted)
    shuffled = embedding[torch.randperm(40)]
    wrong = judge.score(model.draw(shuffled)[-1].flatten(1).numpy(), wanted)
    assert right > wrong + 0.2


def test_a_saved_model_draws_the_same(model, tmp_path: Path):
    model.save_pretrained(tmp_path)
    reloaded = UnCLIP.from_pretrained(tmp_path)
    queries = tokenize(["a bold four"])
    pictures = []
    for one in (model, reloaded):
        torch.manual_seed(0)
        pictures.append(one.draw(one.imagine(queries))[-1])
    assert torch.equal(*pictures)
    assert F.mse_loss(*pictures) == 0
