import pytest
import torch
from torchvision.transforms import v2

from snippets.vision.augmentation import (
    accuracy_after_training,
    augment_each,
    small_convnet,
)
from snippets.vision.data import load_digit_images


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
        pixels = torch.from_numpy(images[..., 0])[:, None] / 127.5 - 1
        return v2.functional.resize(pixels, [16, 16]), torch.from_numpy(labels)

    train_set = prepare(train_images[:100], train_labels[:100])
    return train_set, prepare(test_images, test_labels)


def test_each_image_gets_its_own_draw_and_a_batch_only_one():
    images = torch.rand(1, 3, 12, 12).expand(6, -1, -1, -1)
    torch.manual_seed(0)
    apart = augment_each(v2.RandomAffine(30), images)
    together = v2.RandomAffine(30)(images)
    assert apart.shape == together.shape == images.shape
    assert len({image.numpy().tobytes() for image in apart}) == 6
    assert len({image.numpy().tobytes() for image in together}) == 1


def test_the_network_scores_each_class():
    assert small_convnet(classes=7)(torch.zeros(2, 1, 16, 16)).shape == (2, 7)


def test_turns_help_and_flips_harm(splits):
    affine = v2.RandomAffine(12, (0.1, 0.1), (0.85, 1.15), shear=10, fill=-1.0)
    flips = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()])
    none, turned, flipped = (
        accuracy_after_training(*splits, transform, seed=1)
        for transform in (None, affine, flips)
    )
    assert flipped + 0.05 < none < turned


def test_the_same_seed_gives_the_same_accuracy(splits):
    transform = v2.RandomHorizontalFlip()
    runs = [accuracy_after_training(*splits, transform, 3, steps=5) for _ in range(2)]
    assert runs[0] == runs[1]


def test_nothing_to_learn_from_is_refused(splits):
    nothing = (torch.zeros(0, 1, 16, 16), torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="0 training images, wanted at least 1"):
        accuracy_after_training(nothing, splits[1], None, seed=0)
