"""Pictures from PIL, OpenCV, video files and arrays, in one form for every model.

The form: bytes (H, W, 3), red first, upright, no transparency.
Units: sizes in pixels. Shapes: images of H x W pixels, F frames of a video.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional

CHANNELS = {"RGB": [0, 1, 2, 3], "BGR": [2, 1, 0, 3]}  # the fourth is transparency


def to_rgb(image: Image.Image | np.ndarray, order: str = "RGB") -> np.ndarray:
    """Bring a picture into the form that image processors take without a mistake.

    Args:
        image: A PIL image of any 8-bit mode, or bytes (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4).
        order: Order of the colors in an array: `RGB`, or `BGR` as OpenCV has it.

    Returns:
        Bytes (H, W, 3), red first: turned upright if the file asks for it, and laid on
        white where it is transparent.

    Raises:
        ValueError: If the picture is not made of bytes, if its channels do not come
            last, or if there is no such order.
    """
    if order not in CHANNELS:
        raise ValueError(f'order is "{order}", wanted "RGB" or "BGR"')
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8:
            raise ValueError(f"dtype is {image.dtype}, wanted uint8 from 0 to 255")
        if image.ndim == 3 and image.shape[2] == 1:
            image = image[..., 0]  # (H, W)
        if image.ndim == 3 and image.shape[2] in (3, 4):
            image = image[..., CHANNELS[order][: image.shape[2]]]
        elif image.ndim != 2:
            raise ValueError(
                f"shape is {image.shape}, wanted (H, W) or (H, W, 1, 3 or 4)"
            )
        image = Image.fromarray(image)
    if image.mode == "F" or image.mode.startswith("I"):
        raise ValueError(f'mode is "{image.mode}", wanted a mode with 8 bits a channel')
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))  # (H, W, 3)


def read_frames(path: str | Path, every: int = 1) -> np.ndarray:
    """Read frames of a video with OpenCV.

    Args:
        path: The video file.
        every: Take each frame whose number is a multiple of this.

    Returns:
        Bytes (F, H, W, 3), red first.

    Raises:
        ValueError: If the file cannot be read as a video, or `every` is below 1.
    """
    if every < 1:
        raise ValueError(f"every is {every}, wanted at least 1")
    frames, number = [], 0
    video = cv2.VideoCapture(str(path)) if Path(path).is_file() else None
    while video is not None and video.grab():  # go on to the next frame
        if number % every == 0:
            _, frame = video.retrieve()  # (H, W, 3), blue first
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        number += 1
    if not frames:
        raise ValueError(f"{Path(path).name} has no frames, wanted a video file")
    return np.stack(frames)


def shrink(image: np.ndarray, side: int) -> dict[str, np.ndarray]:
    """Resize a picture as the common libraries do.

    Args:
        image: Bytes (H, W, 3).
        side: Wanted height and width.

    Returns:
        For the name of each method bytes (side, side, 3).
    """
    size, pixels = (side, side), torch.from_numpy(image).permute(2, 0, 1)  # (3, H, W)
    results = {
        "PIL bilinear": np.asarray(
            Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        ),
        "PIL bicubic": np.asarray(
            Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
        ),
    }
    for antialias in (True, False):
        name = f"torchvision, antialias={antialias}"
        small = functional.resize(pixels, list(size), antialias=antialias)
        results[name] = small.permute(1, 2, 0).numpy()
    for name in ("INTER_AREA", "INTER_LINEAR", "INTER_NEAREST"):
        results[f"OpenCV {name}"] = cv2.resize(
            image, size, interpolation=getattr(cv2, name)
        )
    return results
