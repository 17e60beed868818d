# %% [markdown]
# ---
# description: >-
#   Change training images at random with torchvision: what each transform does, boxes that
#   move along, seeds, and a measurement of when it helps and when it harms.
# executor:
#   timeout: 120
# ---
# # Augment images
#
# You will change training images at random so that a model learns from more than it was
# given, and measure whether your choice of changes helps.
#
# ## The shortest thing that works
#
# `torchvision.transforms.v2` has the transforms. `Compose` chains them. Each call draws
# anew; a seed makes the draws the same again.

# %%
import torch
from skimage import data
from torchvision.transforms import v2

torch.set_num_threads(1)
cat = torch.from_numpy(data.chelsea()).permute(2, 0, 1)[
    :, 20:260, 90:330
]  # (3, 240, 240)
augment = v2.Compose(
    [
        v2.RandomResizedCrop(size=(96, 96), scale=(0.4, 1.0)),
        v2.RandomHorizontalFlip(),
        v2.ColorJitter(brightness=0.3, contrast=0.3),
    ]
)
torch.manual_seed(0)
first, second = augment(cat), augment(cat)
torch.manual_seed(0)
again = augment(cat)
print(tuple(cat.shape), cat.dtype, "to", tuple(first.shape), first.dtype)
print("two draws differ:", not torch.equal(first, second))
print("same seed, same picture:", torch.equal(first, again))

# %% [markdown]
# ## What each transform does
#
# The picture is a [photograph](https://scikit-image.org/docs/stable/api/skimage.data.html)
# of a cat from scikit-image (CC0, by Stefan van der Walt). The upper row moves pixels, the
# lower row changes their values, apart from the last picture.

# %%
#| alt: >
#|   Ten pictures of the face of a cat in two rows. Upper row: unchanged, mirrored, a part
#|   enlarged, turned and shifted with black corners, and tilted as if seen from the side.
#|   Lower row: with greenish colors, gray, blurred, with a gray rectangle over a part, and,
#|   by TrivialAugment, moved so that a black bar is left.
import matplotlib.pyplot as plt

small = v2.Resize((64, 64))(cat)
transforms = {
    "unchanged": v2.Identity(),
    "flip": v2.RandomHorizontalFlip(p=1),
    "crop": v2.RandomResizedCrop((64, 64), scale=(0.3, 0.5)),
    "affine": v2.RandomAffine(degrees=25, translate=(0.15, 0.15)),
    "perspective": v2.RandomPerspective(distortion_scale=0.6, p=1),
    "color": v2.ColorJitter(brightness=0.5, contrast=0.5, hue=0.2),
    "gray": v2.RandomGrayscale(p=1),
    "blur": v2.GaussianBlur(kernel_size=9, sigma=2.0),
    "erase": v2.RandomErasing(p=1, value=128),
    "trivial": v2.TrivialAugmentWide(),
}
torch.manual_seed(3)
figure, panels = plt.subplots(2, 5, figsize=(7.2, 3.4), layout="constrained")
for axes, (name, transform) in zip(panels.flat, transforms.items(), strict=True):
    axes.imshow(transform(small).permute(1, 2, 0).numpy(), interpolation="none")
    axes.set_title(name, size=10)
    axes.set_axis_off()
plt.show()

# %% [markdown]
# `TrivialAugmentWide` picks one of many changes with a random strength
# ([arXiv 2103.10158](https://arxiv.org/abs/2103.10158)); a first
# choice for photographs if you do not want to choose.
#
# ## Does it help?
#
# That depends on whether the changed images could occur in reality. We test it where data are
# scarce: {{ train_images }} handwritten digits to learn from, {{ test_images }} held out, a
# network of two convolutions, and {{ seeds }} seeds for each policy. A digit may be a little
# turned, shifted or slanted. It may not be mirrored.

# %%
#| record:
#|   train_images: len(train_set[1])
#|   test_images: len(test_set[1])
import numpy as np

from snippets.vision.data import load_digit_images

train_images, test_images, train_labels, test_labels = load_digit_images()


def prepare(images, labels):
    pixels = torch.from_numpy(images[..., 0])[:, None] / 127.5 - 1  # (N, 1, 8, 8)
    return v2.functional.resize(pixels, [16, 16]), torch.from_numpy(labels)


train_set = prepare(train_images[:100], train_labels[:100])
test_set = prepare(test_images, test_labels)
policies = {
    "none": None,
    "affine": v2.RandomAffine(
        degrees=12, translate=(0.1, 0.1), scale=(0.85, 1.15), shear=10, fill=-1.0
    ),
    "flips": v2.Compose([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]),
}

# %%
#| alt: >
#|   Three rows of six digits. The first row is unchanged. In the second row the same digits
#|   are slightly turned, shifted and slanted. In the third row some are mirrored or stand
#|   on their head.
from snippets.vision.augmentation import augment_each

torch.manual_seed(1)
figure, panels = plt.subplots(3, 6, figsize=(5, 2.7), layout="constrained")
for row, (name, transform) in zip(panels, policies.items(), strict=True):
    images = train_set[0][:6]
    if transform is not None:
        images = augment_each(transform, images)
    for axes, image in zip(row, images, strict=True):
        axes.imshow(image[0].numpy(), interpolation="none")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    row[0].set_ylabel(name)
plt.show()

# %%
#| record:
#|   none: means["none"]
#|   affine: means["affine"]
#|   flips: means["flips"]
#|   gain: gain
#|   gain_low: gain - 2 * error
#|   gain_high: gain + 2 * error
#|   seeds: SEEDS
#|   metric: means["affine"]
#|   baseline: means["none"]
#|   margin: MARGIN
from snippets.vision.augmentation import accuracy_after_training

SEEDS, MARGIN = 5, 0.01
scores = {
    name: [
        accuracy_after_training(train_set, test_set, transform, seed)
        for seed in range(SEEDS)
    ]
    for name, transform in policies.items()
}
means = {name: float(np.mean(values)) for name, values in scores.items()}
for name, values in scores.items():
    print(f"{name:7} {means[name]:.1%}  of", *(f"{value:.1%}" for value in values))
differences = np.array(scores["affine"]) - np.array(scores["none"])
gain = float(differences.mean())
error = float(differences.std(ddof=1)) / SEEDS**0.5
assert gain > MARGIN
assert means["flips"] < means["none"]

# %% [markdown]
# We measured {{ none | percent }} without augmentation, {{ affine | percent }} with small
# turns and shifts, and {{ flips | percent }} with flips. Each seed gives a pair with the same
# start, so the gain can be judged from the differences: {{ gain | percent }} on average, and
# from {{ gain_low | percent }} to {{ gain_high | percent }} within two standard errors of the
# seeds. A mirrored digit teaches the network something that never comes up in the test, and
# takes away what tells digits apart. For photographs of cats the same flip is harmless.
#
# ## Details that matter
#
# **Only while training.** The images that you score stay as they are, apart from resizing.
#
# **Bytes until the end.** The transforms take bytes and are faster on them. Change to floats
# and normalize last, or leave that to the image processor of the model.
#
# **Boxes and masks move along** if they say what they are. `tv_tensors` mark them:

# %%
#| alt: >
#|   The cat with a box around its face, and the same picture mirrored, turned and shifted,
#|   with the box where the face now is.
from torchvision import tv_tensors
from torchvision.utils import draw_bounding_boxes

photo = v2.functional.resize(torch.from_numpy(data.chelsea()).permute(2, 0, 1), [90, 135])
image = tv_tensors.Image(photo)
boxes = tv_tensors.BoundingBoxes(
    [[36, 11, 97, 72]], format="XYXY", canvas_size=image.shape[-2:]
)
move = v2.Compose([v2.RandomHorizontalFlip(p=1), v2.RandomAffine(10, (0.1, 0.1))])
torch.manual_seed(0)
moved_image, moved_boxes = move(image, boxes)
print("box before", boxes[0].tolist(), "after", moved_boxes[0].round().tolist())

figure, panels = plt.subplots(1, 2, figsize=(6, 2.2), layout="constrained")
for axes, picture, box in zip(
    panels, (image, moved_image), (boxes, moved_boxes), strict=True
):
    drawn = draw_bounding_boxes(picture, box, colors="orange", width=2)
    axes.imshow(drawn.permute(1, 2, 0).numpy(), interpolation="none")
    axes.set_axis_off()
plt.show()

# %% [markdown]
# **With a data set.** Put the transform where samples are read, so that every epoch sees new
# changes: in the `__getitem__` of a torch data set, or with
# `dataset.set_transform(function)` of `datasets`. `dataset.map` would change each image once
# and store the result.
#
# **The same with a real checkpoint.** Augment first, then call the processor of the
# checkpoint, such as `google/vit-base-patch16-224`. It takes the tensors as they are:

# %%
from transformers import ViTImageProcessor

processor = ViTImageProcessor()  # the settings of google/vit-base-patch16-224
torch.manual_seed(0)
batch = [augment(cat) for _ in range(4)]
print(tuple(processor(batch, return_tensors="pt").pixel_values.shape))

# %% [markdown]
# ## What goes wrong
#
# **All images of a batch change alike.** Given a batch, a transform draws once. Call it for
# each image, as `augment_each` does:

# %%
four = small[None].expand(4, -1, -1, -1)
torch.manual_seed(0)
together = v2.RandomAffine(25)(four)
apart = augment_each(v2.RandomAffine(25), four)
for name, images in {"batch": together, "each": apart}.items():
    different = len({image.numpy().tobytes() for image in images})
    print(f"{name:5} gives {different} different pictures of {len(images)}")

# %% [markdown]
# **Mean and deviation on bytes.** Normalizing wants floats, and says so:

# %%
import sys

try:
    v2.Normalize(mean=[0.5] * 3, std=[0.5] * 3)(small)
except TypeError as error:
    print(f"TypeError: {error}", file=sys.stderr)

# %% [markdown]
# **Black corners.** Turned and shifted images are filled with 0, which is black for bytes and
# gray for numbers from −1 to 1. Pass `fill`, as the policy for digits does.
#
# **Labels that depend on direction.** "Left shoe", "turn right", text: a flip makes them
# wrong, and nothing reports it.
#
# ## Where to go next
#
# - [Feed pictures from PIL and OpenCV](inputs.py): what has to be right before.
# - [Train a Vision Transformer](vit.py) warps its images in one go with plain PyTorch, which
#   is faster than a loop.
# - [Transforms in the documentation of torchvision](https://docs.pytorch.org/vision/stable/transforms.html).
