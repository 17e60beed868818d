import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForImageClassification, set_seed

from snippets.vision.data import load_digit_images
from snippets.vision.deit import (
    build_deit,
    distillation_loss,
    lesson_loss,
    paired_interval,
    token_attention,
)
from snippets.vision.optimize import minimize

DIGITS = "0123456789"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def splits():
    train_images, test_images, train_labels, test_labels = load_digit_images()

    def prepare(images, labels):
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
        return pixels, torch.from_numpy(labels)

    return prepare(train_images, train_labels), prepare(test_images, test_labels)


def small_student():
    set_seed(0)
    return build_deit(DIGITS, image_size=8, patch_size=2)


def accuracy(model, test_set):
    model.eval()
    with torch.inference_mode():
        answers = model(test_set[0]).logits.argmax(dim=-1)
    return (answers == test_set[1]).double().mean().item()


def test_the_loss_is_the_mean_of_both_heads():
    model = small_student().eval()
    labels, teacher_labels = torch.tensor([1, 2, 3]), torch.tensor([1, 5, 3])
    outputs = model(torch.randn(3, 3, 8, 8))
    first = F.cross_entropy(outputs.cls_logits, labels)
    second = F.cross_entropy(outputs.distillation_logits, teacher_labels)
    loss = distillation_loss(outputs, labels, teacher_labels)
    torch.testing.assert_close(loss, (first + second) / 2)
    torch.testing.assert_close(
        outputs.logits, (outputs.cls_logits + outputs.distillation_logits) / 2
    )


def test_images_without_a_label_count_for_the_teacher_only():
    model = small_student().eval()
    labels, teacher_labels = torch.tensor([1, -100, -100]), torch.tensor([1, 5, 3])
    outputs = model(torch.randn(3, 3, 8, 8))
    first = F.cross_entropy(outputs.cls_logits[:1], labels[:1])
    second = F.cross_entropy(outputs.distillation_logits, teacher_labels)
    loss = distillation_loss(outputs, labels, teacher_labels)
    torch.testing.assert_close(loss, (first + second) / 2)
    nobody = distillation_loss(outputs, torch.full((3,), -100), teacher_labels)
    torch.testing.assert_close(nobody, second / 2)


def distill(model, images, labels, second, steps, seed=0, batch_size=32):
    return minimize(
        lesson_loss(model, images, labels, second),
        [{"params": list(model.parameters()), "lr": 2e-3}],
        len(images),
        steps,
        batch_size,
        seed=seed,
    )


def test_the_three_zero_embeddings_of_the_library_are_replaced():
    embeddings = small_student().deit.embeddings
    for weight in (
        embeddings.cls_token,
        embeddings.distillation_token,
        embeddings.position_embeddings,
    ):
        assert 0.05 < weight.std() < 0.15


def test_a_good_teacher_mends_wrong_labels(splits):
    (images, labels), test_set = splits
    generator = torch.Generator().manual_seed(0)
    wrong = torch.rand(len(labels), generator=generator) < 0.6
    noise = torch.randint(10, (len(labels),), generator=generator)
    noisy = torch.where(wrong, noise, labels)
    scores = []
    for second in (labels, noisy):  # a teacher who knows, and none
        model = small_student()
        distill(model, images, noisy, second, steps=160)
        scores.append(accuracy(model, test_set))
    assert scores[0] > scores[1] + 0.03
    assert scores[1] > 0.2


def test_a_teacher_makes_images_without_labels_useful(splits):
    (images, labels), test_set = splits
    known = labels.clone()
    known[60:] = -100
    scores = []
    for part, second in ((slice(None), labels), (slice(60), known)):
        model = small_student()
        distill(model, images[part], known[part], second[part], steps=160)
        scores.append(accuracy(model, test_set))
    assert scores[0] > scores[1] + 0.1


def test_the_same_seed_gives_the_same_losses(splits):
    (images, labels), _ = splits
    runs = [
        distill(small_student(), images, labels, labels, steps=3, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_answers_of_the_teacher_for_other_images_are_refused(splits):
    (images, labels), _ = splits
    message = "4 images, 4 labels and 3 teacher labels, wanted as many of each"
    with pytest.raises(ValueError, match=message):
        lesson_loss(small_student(), images[:4], labels[:4], labels[:3])


def test_the_interval_of_pairs_ignores_what_the_pairs_share():
    mean, low, high = paired_interval([0.72, 0.82, 0.93], [0.7, 0.8, 0.9])
    assert mean == pytest.approx(0.07 / 3)
    assert low < mean < high
    assert high - low < 0.02
    with pytest.raises(ValueError, match="1 and 1 scores, wanted at least 2 pairs"):
        paired_interval([0.5], [0.4])
    with pytest.raises(ValueError, match="3 and 2 scores"):
        paired_interval([0.5, 0.5, 0.5], [0.4, 0.4])


def test_both_tokens_attend_to_the_patches(splits):
    model = small_student()
    maps = token_attention(model, splits[1][0][:3])
    assert maps.shape == (3, 2, 4, 4)
    assert maps.min() >= 0
    sums = maps.flatten(2).sum(dim=-1)
    assert (sums < 1).all()  # the rest goes to the two tokens themselves
    assert not torch.allclose(maps[:, 0], maps[:, 1])


def test_a_saved_student_reloads_as_itself(tmp_path, splits):
    model = small_student().eval()
    model.save_pretrained(tmp_path)
    reloaded = AutoModelForImageClassification.from_pretrained(tmp_path)
    assert type(reloaded) is type(model)
    reloaded.set_attn_implementation("eager")
    with torch.inference_mode():
        pixel_values = splits[1][0][:5]
        assert torch.equal(reloaded(pixel_values).logits, model(pixel_values).logits)


def test_patches_must_fill_the_image():
    with pytest.raises(ValueError, match="image_size is 28, wanted a multiple of patch"):
        build_deit(DIGITS, patch_size=5)
