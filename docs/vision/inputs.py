# %% [markdown]
# ---
# description: >-
#   Feed pictures from PIL, OpenCV, video files and arrays to a model: color order, bytes and
#   floats, channels, rotation, transparency and resizing, each with numbers.
# ---
# # Feed pictures from PIL and OpenCV to a model
#
# You will bring pictures from files, OpenCV pipelines, video frames and arrays into the one
# form that models expect, and recognize the mistakes that raise no error.
#
# ## The shortest thing that works
#
# Two libraries read the same file, a
# [photograph of a cat](https://scikit-image.org/docs/stable/api/skimage.data.html) from
# scikit-image (CC0, by Stefan van der Walt). Here is one pixel of it:

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image
from skimage import data

folder = TemporaryDirectory()
path = Path(folder.name, "cat.png")
Image.fromarray(data.chelsea()).save(path)

with Image.open(path) as file:
    from_pil = np.array(file)
from_opencv = cv2.imread(path)
print("PIL   ", from_pil.shape, from_pil.dtype, from_pil[100, 200])
print("OpenCV", from_opencv.shape, from_opencv.dtype, from_opencv[100, 200])

# %% [markdown]
# Shape and type agree, and the colors stand in another order: PIL puts **red first (RGB)**,
# OpenCV **blue first (BGR)**. Models want red first. One line mends it:

# %%
rgb = cv2.cvtColor(from_opencv, cv2.COLOR_BGR2RGB)
print("equal to PIL:", np.array_equal(rgb, from_pil))

# %% [markdown]
# The model never complains about the wrong order, since the numbers look as they should.
# The figure shows what it gets to see.

# %%
#| alt: >
#|   The face of a cat twice, and a bar chart. Left, in the right color order, the fur is
#|   ginger. Middle, with red and blue swapped, the same fur is blue. Right, the mean of each
#|   channel: red is the highest in the right order and the lowest in the wrong one; green
#|   does not change.
#| record:
#|   swapped_change: np.abs(from_pil.astype(float) - from_opencv).mean().item()
#|   red: from_pil[..., 0].mean().item()
#|   blue: from_pil[..., 2].mean().item()
import matplotlib.pyplot as plt

figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(7.2, 2.5), layout="constrained", width_ratios=[1, 1, 1.3]
)
head = np.s_[20:260:3, 90:330:3]
left.imshow(from_pil[head], interpolation="none")
middle.imshow(from_opencv[head], interpolation="none")
for axes, title in ((left, "as RGB"), (middle, "BGR taken for RGB")):
    axes.set_title(title)
    axes.set_axis_off()
for offset, (name, image) in enumerate({"RGB": from_pil, "BGR": from_opencv}.items()):
    means = image.mean(axis=(0, 1))  # (3,)
    right.bar(np.arange(3) + 0.4 * offset, means, width=0.36, label=name)
right.set_xticks(np.arange(3) + 0.2, ["first", "second", "third"])
right.set(title="Mean by channel", ylabel="byte", ylim=(0, 200))
right.legend(loc="upper center", ncols=2)
plt.show()

# %% [markdown]
# A channel of this photograph is off by {{ swapped_change | round(0) }} of 255 on average
# when the order is wrong.
#
# ## How a picture becomes numbers
#
# The way from a file to a model has six stations. The image processor of transformers takes
# over after the third: what comes before is yours to get right.

# %%
#| alt: >
#|   Six boxes from left to right, joined by arrows. Yours: decode the file; turn it upright;
#|   red, green, blue as bytes. The processor's: resize; scale and center, from bytes to
#|   about -1 to 1; channels first, as a batch of shape B, 3, H, W.
stations = [
    "decode\nthe file",
    "turn it\nupright",
    "red first,\nas bytes",
    "resize",
    "scale,\ncenter",
    "(B, 3, H, W)",
]
figure, axes = plt.subplots(figsize=(7.2, 1.4), layout="constrained")
for place, station in enumerate(stations):
    color = "C0" if place < 3 else "C1"
    box = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": color}
    axes.text(place, 0, station, ha="center", va="center", size=9, bbox=box)
    if place:
        arrow = {"arrowstyle": "->", "color": "C5"}
        axes.annotate("", (place - 0.42, 0), (place - 0.58, 0), arrowprops=arrow)
axes.text(1, 0.75, "yours", color="C0", ha="center", weight="bold")
axes.text(4, 0.75, "the processor's", color="C1", ha="center", weight="bold")
axes.set(xlim=(-0.6, 5.6), ylim=(-0.6, 1.1))
axes.set_axis_off()
plt.show()

# %% [markdown]
# `to_rgb` does the first three for a PIL image or an array of either order, and refuses what
# it cannot tell. It lays transparent parts on white, as the processors do on request.

# %%
#| record:
#|   inputs: len(pictures)
from snippets.vision.inputs import to_rgb

scan = data.camera()  # (512, 512), gray
logo = data.logo()  # (500, 500, 4), the fourth channel is opacity
pictures = {
    "color, PIL": to_rgb(Image.fromarray(from_pil)),
    "color, OpenCV": to_rgb(from_opencv, order="BGR"),
    "gray": to_rgb(scan),
    "transparent": to_rgb(logo),
    "palette (as in GIF)": to_rgb(Image.fromarray(from_pil).quantize(16)),
}
for name, picture in pictures.items():
    print(f"{name:20} {picture.shape} {picture.dtype}")

# %% [markdown]
# All {{ inputs }} now fit any processor, also together in one batch:

# %%
#| record:
#|   lowest: pixel_values.min().item()
#|   highest: pixel_values.max().item()
import torch
from transformers import ViTImageProcessor

torch.set_num_threads(1)
processor = ViTImageProcessor()  # the settings of google/vit-base-patch16-224
pixel_values = processor(list(pictures.values()), return_tensors="pt").pixel_values
print(tuple(pixel_values.shape), pixel_values.dtype)
print(f"from {pixel_values.min():.2f} to {pixel_values.max():.2f}")

# %% [markdown]
# ## Frames of a video
#
# OpenCV also reads videos and cameras, frame by frame and blue first. The clip below is
# drawn here: a red square on a gray ground. `read_frames` takes every third frame.

# %%
from snippets.vision.inputs import read_frames

clip = str(Path(folder.name, "clip.avi"))
writer = cv2.VideoWriter(clip, cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
for step in range(12):
    frame = np.full((64, 96, 3), 128, dtype=np.uint8)
    frame[24:40, 6 * step : 6 * step + 16] = (0, 0, 255)  # red, as OpenCV counts
    writer.write(frame)
writer.release()

frames = read_frames(clip, every=3)
print("frames", frames.shape, frames.dtype)
print("a pixel of the square:", frames[0, 32, 8])
print(
    "for the model:",
    tuple(processor(list(frames), return_tensors="pt")["pixel_values"].shape),
)

# %% [markdown]
# JPEG compression inside the clip keeps the red from being pure. Reading every frame into
# memory is fine for seconds of video; for hours, handle one frame at a time.
#
# ## Resizing is not one operation
#
# Models read a fixed size, so nearly every photo is made smaller. Libraries do it
# differently under the same name. With *antialiasing*, each new pixel is an average over all
# old ones that it covers. Without it, only the nearest few count and fine patterns turn into
# noise. Below, a photograph of {{ photo_side }} pixels
# ([NASA](https://flic.kr/p/r9qvLn), public domain) is shrunk to {{ side }}, and each result
# is compared with PIL's bilinear filter, which the processors reproduce.

# %%
#| record:
#|   photo_side: len(photo)
#|   side: side
#|   linear_difference: differences["OpenCV INTER_LINEAR"]
#|   area_difference: differences["OpenCV INTER_AREA"]
#|   antialias_difference: differences["torchvision, antialias=True"]
#|   plain_difference: differences["torchvision, antialias=False"]
from snippets.vision.inputs import shrink

photo, side = data.astronaut(), 64
small = shrink(photo, side)
differences = {}
print("mean difference to PIL bilinear, in bytes")
for method, result in small.items():
    difference = np.abs(result.astype(float) - small["PIL bilinear"])
    differences[method] = difference.mean().item()
    print(f"{method:29} {differences[method]:5.2f}   largest {difference.max():.0f}")

# %%
#| alt: >
#|   The photograph of an astronaut, shrunk to 64 pixels by four methods. PIL bilinear and
#|   OpenCV area look smooth. OpenCV linear and nearest have jagged edges and specks in the
#|   flag and the patches of the suit.
shown = [
    "PIL bilinear",
    "OpenCV INTER_AREA",
    "OpenCV INTER_LINEAR",
    "OpenCV INTER_NEAREST",
]
figure, panels = plt.subplots(1, 4, figsize=(7.2, 2.1), layout="constrained")
for axes, method in zip(panels, shown, strict=True):
    axes.imshow(small[method], interpolation="none")
    axes.set_title(method.replace(" ", "\n"), size=9)
    axes.set_axis_off()
plt.show()

# %% [markdown]
# torchvision with antialiasing matches PIL ({{ antialias_difference | round(2) }} bytes).
# OpenCV's default, `INTER_LINEAR`, does not antialias: {{ linear_difference | round(1) }}
# bytes off, like torchvision without it ({{ plain_difference | round(1) }}). If you have to
# shrink in OpenCV, take `INTER_AREA` ({{ area_difference | round(1) }}). Better: hand over
# the large picture and let the processor resize as the model was trained.
#
# ## Two backends, the same numbers
#
# A processor has a `backend`: `"torchvision"`, the default where it is installed, and
# `"pil"`. `AutoImageProcessor` takes the choice as an argument.

# %%
#| record:
#|   backend_difference: backend_difference
from transformers import AutoImageProcessor

processor.save_pretrained(folder.name)
backends = {
    name: AutoImageProcessor.from_pretrained(folder.name, backend=name)
    for name in ("torchvision", "pil")
}
outputs = {
    name: backend(photo, return_tensors="pt").pixel_values
    for name, backend in backends.items()
}
for name, backend in backends.items():
    print(f"{name:12} {type(backend).__name__}")
backend_difference = (outputs["torchvision"] - outputs["pil"]).abs().max().item()
print(f"largest difference {backend_difference:.0e}")

# %%
#| volatile: true
#| record:
#|   torchvision_ms: milliseconds["torchvision"]
#|   pil_ms: milliseconds["pil"]
from time import perf_counter

milliseconds = {}
for name, backend in backends.items():
    start = perf_counter()
    for _ in range(5):
        backend([photo] * 8, return_tensors="pt")
    milliseconds[name] = (perf_counter() - start) / 40 * 1000
    print(f"{name:12} {milliseconds[name]:.1f} ms an image, one thread")

# %% [markdown]
# We measured no difference that matters in the numbers. Speed on this machine:
# {{ torchvision_ms | round(1) }} ms an image against {{ pil_ms | round(1) }} ms. The
# torchvision backend can also run on a GPU (`device="cuda"`).
#
# ## The same with a real checkpoint
#
# Size, filter, mean and deviation belong to a checkpoint and are stored beside it. Replace
# `folder.name` above by an id such as `"google/vit-base-patch16-224"`, and the right settings
# come along; nothing else changes. Other families differ: the defaults of
# `ConvNextImageProcessor` shrink with a bicubic filter, and crop below a side of 384.
#
# ## What goes wrong without an error
#
# **Floats from 0 to 1.** The processor divides by 255, whatever it gets. A picture that was
# scaled before is divided twice and arrives nearly black:

# %%
#| record:
#|   float_highest: scaled_twice.max().item()
scaled = (photo / 255).astype(np.float32)
scaled_twice = processor(scaled, return_tensors="pt").pixel_values
right_way = processor(scaled, do_rescale=False, return_tensors="pt").pixel_values
for name, values in {"divided twice": scaled_twice, "right": right_way}.items():
    print(f"{name:14} from {values.min():.3f} to {values.max():.3f}")

# %% [markdown]
# White should be 1 and became {{ float_highest | round(3) }}. Pass bytes, or
# `do_rescale=False`. In the same way a scan with 16 bits leaves the range at the other end.
#
# **Photos lie on their side.** Phones store the picture as the sensor saw it, with a note
# (EXIF orientation) on how to turn it. Libraries disagree on who reads the note:

# %%
turned = str(Path(folder.name, "turned.jpg"))
exif = Image.Exif()
exif[0x0112] = 6  # orientation: turn a quarter to the right
Image.fromarray(np.rot90(from_pil).copy()).save(turned, exif=exif)

with Image.open(turned) as file:
    print("PIL, open            ", file.height, file.width)
    print("to_rgb               ", *to_rgb(file).shape[:2])
print("OpenCV, default      ", *cv2.imread(turned).shape[:2])
print("OpenCV, UNCHANGED    ", *cv2.imread(turned, cv2.IMREAD_UNCHANGED).shape[:2])

# %% [markdown]
# The cat is upright where the second number, the width, is the larger. Pipelines of transformers turn
# pictures upright when they load them; a processor that is handed a PIL image does not.
# (torchvision can decode files, too, but that part is deprecated since release 0.29.)
#
# ## What goes wrong with an error
#
# **A gray or transparent picture.** One or four channels meet three means:

# %%
import sys

for name, image in {"gray": Image.fromarray(scan), "transparent": logo}.items():
    try:
        processor(image, return_tensors="pt")
    except RuntimeError as error:
        print(f"{name}: RuntimeError: {error}", file=sys.stderr)

# %% [markdown]
# Use `to_rgb`, or `do_convert_rgb=True`, which also takes palettes.
#
# **Reversing the channels with a slice.** `[..., ::-1]` makes a view with negative strides,
# which torch refuses. `cv2.cvtColor` copies.

# %%
import textwrap

try:
    processor(from_opencv[..., ::-1], return_tensors="pt")
except ValueError as error:
    print(textwrap.fill(f"ValueError: {error}", 88), file=sys.stderr)

# %% [markdown]
# **A file that OpenCV cannot read.** There is no error at that place: the answer is `None`,
# and the next function fails. Channels in front are not what OpenCV has, either:

# %%
broken = cv2.imdecode(np.zeros(100, dtype=np.uint8), cv2.IMREAD_COLOR)
print("broken file:", broken)
try:
    to_rgb(from_pil.transpose(2, 0, 1))
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %%
folder.cleanup()

# %% [markdown]
# ## Where to go next
#
# - [Augment images](augmentation.py) changes pictures on purpose, while training.
# - [Train a Vision Transformer](vit.py) uses a processor from the first line to the last.
# - [Image processors](https://huggingface.co/docs/transformers/main_classes/image_processor)
#   in the documentation of transformers, and
#   [color conversions](https://docs.opencv.org/4.x/de/d25/imgproc_color_conversions.html) in
#   OpenCV's.
