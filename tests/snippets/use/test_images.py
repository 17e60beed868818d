import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from transformers import (
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTImageProcessorPil,
    set_seed,
)

from snippets.use.images import best_classes, check_pixels, normalize_by_hand, to_rgb

CAT = Image.fromarray(data.chelsea())


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    CAT.save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as opened:
        assert opened.size == CAT.size
        assert to_rgb(opened).size == CAT.size[::-1]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "RGB"])
def test_every_picture_gets_three_channels(mode):
    assert to_rgb(Image.new(mode, (4, 3))).mode == "RGB"


def test_the_processor_is_three_lines_of_arithmetic():
    processor = ViTImageProcessorPil()
    mean, std = processor.image_mean, processor.image_std
    theirs = processor(CAT, return_tensors="pt").pixel_values
    torch.testing.assert_close(normalize_by_hand(CAT, 224, mean, std), theirs)


def test_both_backends_agree_but_for_rounding():
    tensors, pil = (
        processor(CAT, return_tensors="pt").pixel_values
        for processor in (ViTImageProcessor(), ViTImageProcessorPil())
    )
    assert (tensors - pil).abs().max() < 3 * 2 / 255


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"shape is \(4, 4\)"),
        (np.zeros((3, 4, 4), np.uint8), r"wanted \(height, width, 3\)"),
        (np.zeros((4, 4, 3)), "dtype is float64, wanted uint8"),
    ],
)
def test_pixels_in_another_form_are_refused(pixels, message):
    with pytest.raises(ValueError, match=message):
        check_pixels(pixels)


def test_good_pixels_pass_unchanged():
    pixels = data.chelsea()
    assert check_pixels(pixels) is pixels


def test_the_best_classes_are_sorted_and_short_of_all():
    set_seed(0)
    config = ViTConfig(
        image_size=32,
        patch_size=16,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        id2label={0: "cat, kitty", 1: "dog", 2: "cup"},
    )
    model = ViTForImageClassification(config).eval()
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    best = best_classes(model, processor, CAT, k=2)
    assert len(best) == 2
    assert best[0][1] >= best[1][1]
    names = dict(best_classes(model, processor, CAT, k=3))
    assert set(names) == {"cat", "dog", "cup"}
    assert sum(names.values()) == pytest.approx(1, abs=1e-5)
