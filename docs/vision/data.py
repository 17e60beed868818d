# %% [markdown]
# ---
# description: The small data sets of the vision pages, with a picture of each - digits,
#   clothes, scenes with boxes and masks, grids, and clips of motion.
# executor:
#   timeout: 60
#   data: [data/fashion-mnist]
# ---
# # The data of this chapter
#
# You will make or load every set of images that the vision pages use, and see what each
# one holds.
#
# Large models learn from millions of photos. A page that trains while it is built needs
# images that are small, real where possible, and annotated exactly. Ours come from two
# sources: scans of handwritten digits and photographs of clothes.
#
# ## Digits
#
# [`load_digits`](https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html)
# of scikit-learn holds {{ digits | thousands }} scans of 8 × 8 pixels. We hold
# {{ test_digits }} of them out, an equal share of each digit.

# %%
#| record:
#|   digits: len(train_digits) + len(test_digits)
#|   test_digits: len(test_digits)
#|   train_digits: len(train_digits)
from snippets.vision.data import load_digit_images

train_digits, test_digits, train_labels, test_labels = load_digit_images()
print(train_digits.shape, train_digits.dtype, test_digits.shape)

# %%
#| alt: >
#|   Ten scans in a row, one of each digit from 0 to 9, coarse and in shades of gray.
import matplotlib.pyplot as plt


def show(images, titles, shape, height, **options):
    _, panels = plt.subplots(*shape, figsize=(7.2, height), layout="constrained")
    for axes, image, title in zip(panels.flat, images, titles, strict=True):
        axes.imshow(image, interpolation="none", cmap="gray", **options)
        axes.set_title(title, size=8, weight="normal")
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
    plt.show()


first = [list(train_labels).index(digit) for digit in range(10)]
show(train_digits[first], range(10), shape=(1, 10), height=1.1)

# %% [markdown]
# The row above shows the first scan of each digit.
#
# ## Clothes
#
# [Fashion-MNIST](https://arxiv.org/abs/1708.07747) holds photographs of clothes, 28 × 28
# pixels. We keep {{ train_clothes | thousands }} images to learn from and
# {{ test_clothes | thousands }} to test, as Parquet files that `datasets` reads.

# %%
#| record:
#|   train_clothes: len(train_clothes)
#|   test_clothes: len(test_clothes)
#| alt: >
#|   Ten gray photographs in a row, one of each kind, from T-shirt to ankle boot.
from snippets.vision.data import load_fashion

train_clothes, test_clothes, train_kinds, test_kinds = load_fashion("data/fashion-mnist")
names = ["T-shirt", "trouser", "pullover", "dress", "coat"]
names += ["sandal", "shirt", "sneaker", "bag", "ankle boot"]
first = [list(train_kinds).index(kind) for kind in range(10)]
show(train_clothes[first], names, shape=(1, 10), height=1.2)

# %% [markdown]
# Clothes are harder than digits: a shirt, a coat and a pullover have the same outline.
#
# ## Scenes
#
# Detection and segmentation need objects with places. `make_scenes` enlarges one to three
# digits and puts them on a black canvas, without overlap. Since it knows where the ink goes,
# boxes and masks are exact, and it can write a caption.

# %%
from snippets.vision.data import make_scenes

scenes = make_scenes(6, seed=0)
scene = scenes[0]
print(scene.caption)
print("image ", scene.image.shape, scene.image.dtype)
print("boxes ", scene.boxes.tolist())
print("labels", scene.labels.tolist())
print("masks ", scene.masks.shape, scene.masks.dtype)

# %% [markdown]
# A box is left, top, right, bottom in pixels. Right and bottom are the first pixels after the
# ink, so width is right minus left. Below, boxes and masks of six scenes:

# %%
#| alt: >
#|   Two rows of six panels. Above, scenes with one to three digits, each in a tight box, and
#|   the caption as title. Below, their masks, one color for each object.
figure, panels = plt.subplots(2, 6, figsize=(7.2, 3), layout="constrained")
for (above, below), scene in zip(panels.T, scenes, strict=True):
    above.imshow(scene.image, interpolation="none", cmap="gray")
    for left, top, right, bottom in scene.boxes - 0.5:  # pixel centers lie at integers
        width, height = right - left, bottom - top
        above.add_patch(
            plt.Rectangle((left, top), width, height, fill=False, edgecolor="C1", lw=1.5)
        )
    above.set_title(scene.caption.replace(", ", ",\n").replace(" and", "\nand"), size=8)
    objects = sum(number * mask for number, mask in enumerate(scene.masks, start=1))
    below.imshow(objects, interpolation="none", cmap="viridis", vmin=0, vmax=3)
    for axes in (above, below):
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
plt.show()

# %% [markdown]
# ## Grids
#
# Questions such as "what is on the top left?" need less freedom. `make_grid_scenes` puts a
# digit or nothing into each cell of a 3 × 3 grid.

# %%
#| alt: >
#|   Six panels with grids of three by three cells; about half of the cells hold a digit.
from snippets.vision.data import make_grid_scenes

grids = make_grid_scenes(6, seed=0)
print(grids[0].digits)
show([grid.image for grid in grids], [""] * 6, shape=(1, 6), height=1.4)

# %% [markdown]
# The print shows the first grid of the figure; −1 stands for an empty cell.
#
# ## Clips
#
# Video models have to see motion. In a clip of `make_clips` a digit moves steadily in one of
# four directions, and what leaves on one side comes back on the other. So any single frame
# may belong to any direction.

# %%
#| alt: >
#|   Four rows, one a direction, of eight frames each. In every row the same digit moves by
#|   one to three pixels a frame: right, left, down or up.
import numpy as np

from snippets.vision.data import DIRECTIONS, make_clips

videos, directions = make_clips(40, seed=0)
print(videos.shape, videos.dtype, DIRECTIONS)
figure, panels = plt.subplots(4, 1, figsize=(7.2, 3.9), layout="constrained")
for direction, axes in enumerate(panels):
    clip = videos[list(directions).index(direction)]
    strip = np.pad(clip, ((0, 0), (0, 0), (0, 2)), constant_values=128)
    axes.imshow(np.concatenate(list(strip), axis=1), interpolation="none", cmap="gray")
    axes.set_ylabel(DIRECTIONS[direction])
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
plt.show()

# %% [markdown]
# ## Fair tests
#
# Training scenes and clips show training scans only, and test scenes test scans only. So a
# good score means reading new handwriting, not remembering it. Settings are not chosen on
# the test scans either: `split="fit"` and `split="tune"` are two parts of the training scans.

# %%
#| record:
#|   shared: shared
from snippets.vision.data import digits_of

parts = {split: digits_of(split)[0] for split in ("train", "test", "fit", "tune")}
for split, images in parts.items():
    print(f"{split:5} {len(images):5}")
seen = {image.tobytes() for image in parts["train"]}
shared = sum(image.tobytes() in seen for image in parts["test"])
print("scans in both train and test:", shared)

# %% [markdown]
# ## How easy is it?
#
# Simple tools do well here, so every page names what it must beat. A look-up of the most
# similar training image:

# %%
#| record:
#|   digit_lookup: digit_lookup
#|   clothes_lookup: clothes_lookup
from sklearn.neighbors import KNeighborsClassifier


def look_up(train_images, train_labels, test_images, test_labels):
    nearest = KNeighborsClassifier(n_neighbors=1)
    nearest.fit(train_images.reshape(len(train_images), -1).astype(float), train_labels)
    flat = test_images.reshape(len(test_images), -1).astype(float)
    return nearest.score(flat, test_labels)


digit_lookup = look_up(train_digits, train_labels, test_digits, test_labels)
clothes_lookup = look_up(train_clothes, train_kinds, test_clothes, test_kinds)
print(f"digits {digit_lookup:.1%}, clothes {clothes_lookup:.1%}")

# %% [markdown]
# We measured {{ digit_lookup | percent }} for digits and {{ clothes_lookup | percent }} for
# clothes. On scenes, cutting out connected ink and looking it up is strong too; the pages on
# [DETR](detr.py) and [Mask R-CNN](mask-rcnn.py) measure that.
#
# ## What goes wrong
#
# A scan enlarged to less than its own size would lose strokes, so a canvas can be too small:

# %%
import sys

try:
    make_scenes(1, seed=0, size=20)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# ## Where to go next
#
# - [Train a Vision Transformer](vit.py) on the digits.
# - [Detect objects with DETR](detr.py) in the scenes.
# - [TimeSformer](timesformer.py) watches the clips, [ViLT](vilt.py) answers questions about
#   the grids.
# - [Load your own data](../use/dataset.py) with `datasets`.
