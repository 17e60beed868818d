from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTImageProcessor

from snippets.vision.inputs import read_frames, shrink, to_rgb

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (6, 8), dtype=np.uint8)


def test_both_orders_of_colors_end_as_red_first():
    blue_first = cv2.cvtColor(COLOR, cv2.COLOR_RGB2BGR)
    assert np.array_equal(to_rgb(blue_first, order="BGR"), COLOR)
    assert np.array_equal(to_rgb(COLOR), COLOR)
    assert np.array_equal(to_rgb(Image.fromarray(COLOR)), COLOR)


@pytest.mark.parametrize("image", [GRAY, GRAY[..., None], Image.fromarray(GRAY)])
def test_gray_becomes_three_equal_channels(image):
    assert np.array_equal(to_rgb(image), np.stack([GRAY] * 3, axis=-1))


def test_transparent_places_become_white_and_opaque_ones_stay():
    image = np.dstack([COLOR, np.full((6, 8), 255, np.uint8)])
    image[0, 0, 3] = 0
    result = to_rgb(image)
    assert result[0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(result[1:], COLOR[1:])
    blue_first = image[..., [2, 1, 0, 3]]
    assert np.array_equal(to_rgb(blue_first, order="BGR"), result)


def test_palettes_are_resolved():
    image = Image.fromarray(COLOR).quantize(4)
    assert np.array_equal(to_rgb(image), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("note", "shape"), [(1, (6, 8, 3)), (6, (8, 6, 3))])
def test_a_photo_is_turned_as_its_note_says(tmp_path: Path, note, shape):
    exif = Image.Exif()
    exif[0x0112] = note
    path = tmp_path / "photo.png"
    Image.fromarray(COLOR).save(path, exif=exif)
    with Image.open(path) as image:
        assert to_rgb(image).shape == shape


def test_the_result_can_be_written_to_and_suits_torch_and_processors():
    result = to_rgb(Image.fromarray(COLOR))
    assert torch.from_numpy(result).shape == (6, 8, 3)
    batch = [result, to_rgb(GRAY)]
    processor = ViTImageProcessor(size={"height": 4, "width": 4})
    pixel_values = processor(batch, return_tensors="pt").pixel_values
    assert pixel_values.shape == (2, 3, 4, 4)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (COLOR / 255, "dtype is float64, wanted uint8"),
        (COLOR.astype(np.uint16), "dtype is uint16, wanted uint8"),
        (COLOR.transpose(2, 0, 1), r"shape is \(3, 6, 8\), wanted"),
        (COLOR[None], r"shape is \(1, 6, 8, 3\), wanted"),
        (Image.fromarray(GRAY.astype(np.int32)), 'mode is "I", wanted'),
        (Image.fromarray(GRAY.astype(np.float32)), 'mode is "F", wanted'),
    ],
)
def test_what_is_not_plain_bytes_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        to_rgb(image)


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match='order is "GBR", wanted "RGB" or "BGR"'):
        to_rgb(COLOR, order="GBR")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 16))
    for step in range(10):
        writer.write(np.full((16, 32, 3), (0, 0, 20 * step), dtype=np.uint8))
    writer.release()
    return path


def test_frames_come_in_order_red_first_and_thinned_out(clip: Path):
    frames = read_frames(clip, every=3)
    assert frames.shape == (4, 16, 32, 3)
    assert frames.dtype == np.uint8
    expected = np.array([0, 60, 120, 180])
    assert np.abs(frames[:, :, :, 0].mean(axis=(1, 2)) - expected).max() < 6
    assert frames[..., 2].max() < 12
    assert len(read_frames(clip)) == 10


def test_a_file_that_is_no_video_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"gone\.avi has no frames, wanted a video file"):
        read_frames(tmp_path / "gone.avi")
    with pytest.raises(ValueError, match="every is 0, wanted at least 1"):
        read_frames(tmp_path / "gone.avi", every=0)


def test_only_filters_that_average_agree_with_pil():
    image = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    small = shrink(image, 16)
    assert {result.shape for result in small.values()} == {(16, 16, 3)}
    difference = {
        name: np.abs(result.astype(float) - small["PIL bilinear"]).mean()
        for name, result in small.items()
    }
    assert difference["torchvision, antialias=True"] < 0.5
    assert difference["OpenCV INTER_LINEAR"] > 4 * difference["OpenCV INTER_AREA"] / 2
    assert difference["OpenCV INTER_NEAREST"] > difference["OpenCV INTER_AREA"]
