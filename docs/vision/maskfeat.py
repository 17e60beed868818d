# %% [markdown]
# ---
# description: >-
#   Train a Vision Transformer to guess the direction of edges in hidden parts of photographs,
#   as MaskFeat does, composed from parts because transformers has no MaskFeat.
# executor:
#   timeout: 300
#   data: [data/fashion-mnist]
#   saves: [maskfeat]
# ---
# # Guess the edges of what is hidden: MaskFeat
#
# You will describe patches by the direction of their edges, compose a model that guesses this
# for hidden patches, and see which edges it expects where it saw nothing.
#
# ## The shortest thing that works
#
# The data are {{ images | thousands }} gray photographs of clothes from
# [Fashion-MNIST](https://arxiv.org/abs/1708.07747), {{ size }} × {{ size }} pixels each, with
# {{ test_images | thousands }} more held out. No label is used on this page.

# %%
#| record:
#|   images: len(train_images)
#|   test_images: len(test_images)
#|   size: train_images.shape[1]
import torch
from transformers import set_seed

from snippets.vision.data import load_fashion
from snippets.vision.maskfeat import build_processor

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
train_images, test_images, _, _ = load_fashion()
processor = build_processor()


def prepare(images):
    arrays = list(images[..., None])  # the processor wants a channel
    return processor(arrays, return_tensors="pt").pixel_values


train_pixels, test_pixels = prepare(train_images), prepare(test_images)
print("training images", tuple(train_pixels.shape))
print("test images    ", tuple(test_pixels.shape))

# %% [markdown]
# What shall the model guess? Not pixels, but a *histogram of oriented gradients* (HOG): how
# much edge of a patch runs in each of {{ orientations }} directions. Each histogram is scaled
# to length 1, so that light and contrast do not count. Two libraries should agree on it:

# %%
#| record:
#|   orientations: targets.shape[2]
#|   patches: targets.shape[1]
#|   difference: difference
import numpy as np
from skimage.feature import hog

from snippets.vision.maskfeat import histograms

train_targets = histograms(torch.tensor(train_images / 255, dtype=torch.float32))
targets = histograms(torch.tensor(test_images / 255, dtype=torch.float32))
reference = hog(test_images[0] / 255, 9, (4, 4), (1, 1), block_norm="L2")
difference = float(np.abs(targets[0].numpy().ravel() - reference).max())
print("images, patches, directions:", tuple(targets.shape))
print("as scikit-image:", difference < 1e-5)

# %% [markdown]
# transformers 5.23 has no MaskFeat. It needs little: a `ViTModel`, which can put a learned
# *mask token* in hidden places, and one linear layer from each token to
# {{ orientations }} numbers. A *mask* hides rectangles until {{ hidden }} of {{ patches }}
# patches are gone.

# %%
#| record:
#|   parameters: model.num_parameters()
#|   hidden: hidden[0].sum().item()
#|   steps: len(losses)
#|   batch_size: BATCH_SIZE
#|   epochs: len(losses) * BATCH_SIZE / len(train_images)
from snippets.vision.beit import block_masks
from snippets.vision.maskfeat import build_maskfeat, edge_loss
from snippets.vision.optimize import minimize

BATCH_SIZE = 32
train_masks = block_masks(4000, across=7)
hidden = block_masks(len(test_pixels), across=7, seed=1)
set_seed(0)
model = build_maskfeat()
losses = minimize(
    edge_loss(model, train_pixels, train_targets, train_masks),
    [
        {
            "params": list(model.parameters()),
            "lr": 3e-3,
            "weight_decay": 0.05,
            "betas": (0.9, 0.95),
        }
    ],
    count=len(train_pixels),
    steps=1600,
    batch_size=BATCH_SIZE,
)
print(f"{model.num_parameters():,} parameters")
print(f"{len(losses)} steps of {BATCH_SIZE} images; loss of the first and the last 50:")
print(f"{sum(losses[:50]) / 50:.4f} {sum(losses[-50:]) / 50:.4f}")

# %% [markdown]
# ### Is that good?
#
# The error is the mean squared difference on hidden patches. Three guesses that need no
# network: the mean histogram of each place over the training images, the histogram of the
# nearest seen patch, and the mean of the {{ k }} training images most similar where something
# is seen.

# %%
#| record:
#|   mse: errors["MaskFeat"]
#|   mean_mse: errors["mean histogram"]
#|   metric: explained["MaskFeat"]
#|   baseline: explained["mean histogram"]
#|   neighbors: explained["neighbors"]
#|   copy: explained["nearest patch"]
#|   margin: MARGIN
#|   lead: explained["MaskFeat"] - explained["neighbors"]
#|   lead_error: 2 * gap.std().item() / len(gap) ** 0.5 / errors["mean histogram"]
#|   k: 10
from snippets.vision.maskfeat import neighbor_histograms

MARGIN = 0.2
model.eval()
with torch.no_grad():
    drawn = model(test_pixels, bool_masked_pos=hidden)  # (1000, 49, 9)
places = torch.cartesian_prod(torch.arange(7.0), torch.arange(7.0))
distance = torch.cdist(places, places)  # (49, 49)
nearest = (distance + 100 * hidden[:, None, :]).argmin(dim=2)  # of the seen patches
rows = torch.arange(len(targets))[:, None]
guesses = {
    "mean histogram": train_targets.mean(dim=0).expand_as(targets),
    "nearest patch": targets[rows, nearest],
    "neighbors": neighbor_histograms(
        test_pixels, hidden, train_pixels, train_targets, k=10
    ),
    "MaskFeat": drawn,
}
image_errors = {  # the error of each test image
    name: ((guess - targets).square().mean(dim=2) * hidden).sum(dim=1) / hidden.sum(dim=1)
    for name, guess in guesses.items()
}
errors = {name: values.mean().item() for name, values in image_errors.items()}
explained = {name: 1 - error / errors["mean histogram"] for name, error in errors.items()}
print("                  error  explained")
for name in guesses:
    print(f"{name:14} {errors[name]:8.4f} {explained[name]:10.1%}")
gap = (
    image_errors["MaskFeat"] - image_errors["neighbors"]
)  # below zero: MaskFeat is better
assert explained["MaskFeat"] > explained["mean histogram"] + MARGIN

# %% [markdown]
# *Explained* is the share of the mean histogram's error that is gone. We measured
# {{ metric | percent }} for MaskFeat and {{ neighbors | percent }} for the neighbors.
# MaskFeat less neighbors is {{ lead | percent }} ± {{ lead_error | percent }} (two standard
# errors over images; below zero the neighbors win). The nearest patch is worse than the mean:
# edges turn from patch to patch.
#
# ## How it works
#
# The method is from [Wei et al.](https://arxiv.org/abs/2112.09133), made for video and shown
# on images too. Below, one held-out image. A histogram is drawn as strokes along the edges,
# stronger where there is more edge.

# %%
#| alt: >
#|   Four panels from left to right, each of 7 by 7 patches. Image: an ankle boot. Edges: in
#|   each patch strokes that follow the outline of the boot. Hidden: the boot with 19
#|   patches blank. Guess: the strokes that the model expects in the blank patches, which
#|   continue the outline of shaft and sole.
import matplotlib.pyplot as plt
from matplotlib.collections import LineCollection

from snippets.vision.beit import cut_patches
from snippets.vision.patches import as_images


def strokes(histogram, shown, **options):
    """Draw the two strongest directions of each shown patch, in units of patches."""
    lines, strengths = [], []
    for patch in shown.nonzero()[:, 0].tolist():
        for bin_ in histogram[patch].topk(2).indices.tolist():
            strength = histogram[patch, bin_].clamp(0, 1).item()
            if strength > 0.2:
                angle = np.pi * (bin_ + 0.5) / histogram.shape[1] + np.pi / 2
                step = 0.45 * np.array([np.cos(angle), np.sin(angle)])
                center = np.array([patch % 7 + 0.5, patch // 7 + 0.5])
                lines.append([center - step, center + step])
                strengths.append(2.5 * strength)
    return LineCollection(lines, linewidths=strengths, **options)


def show(axes, image=None, lines=None, title=""):
    """Fill one panel of 7 by 7 patches."""
    if image is not None:
        axes.imshow(image, vmin=0, vmax=1, interpolation="none", extent=(0, 7, 7, 0))
    if lines is not None:
        axes.add_collection(lines)
    axes.set(title=title, xticks=[], yticks=[], xlim=(0, 7), ylim=(7, 0), aspect="equal")


patches = cut_patches(test_pixels)  # (1000, 49, 16)
whole = as_images(patches[:4], processor)
seen = as_images(patches[:4], processor, ~hidden[:4])
everything = torch.ones(49, dtype=torch.bool)
figure, row = plt.subplots(1, 4, figsize=(7.2, 2.1))
show(row[0], whole[2], title="Image")
show(row[1], lines=strokes(targets[2], everything, colors="C1"), title="Edges")
show(row[2], seen[2], title="Hidden")
show(row[3], lines=strokes(drawn[2], hidden[2], colors="C0"), title="Guess")
plt.show()

# %% [markdown]
# - **Describe.** The gradient of each pixel has a direction and a strength. Each pixel of a
#   patch votes for its direction with its strength; the {{ orientations }} sums, scaled to
#   length 1, are the target. Nothing is learned here.
# - **Hide.** The transformer sees the image with mask tokens in the hidden places.
# - **Guess.** A linear layer turns the token of each hidden place into {{ orientations }}
#   numbers; the loss is their squared error.
#
# No decoder as in [MAE](mae.py) and no learned tokens as in [BEiT](beit.py): HOG was made by
# hand for [finding people](https://doi.org/10.1109/CVPR.2005.177) in 2005.
#
# ## Read the learning curve
#
# Each point is the mean of 50 steps; the lines are errors on the test images.

# %%
#| alt: >
#|   Line chart of the loss over the steps of training. It falls below the dashed line of
#|   the mean histogram within a hundred steps and ends a little above the dotted line of
#|   the neighbors.
from snippets.vision.curves import show_losses

levels = {name: errors[name] for name in ("mean histogram", "neighbors")}
show_losses(losses, levels, "MaskFeat")
plt.ylabel("error of hidden patches")
plt.ylim(0.03, 0.08)
plt.show()

# %% [markdown]
# ## See what it expects
#
# Above, three test images and the three with the largest error, blocks hidden; in the middle
# the guessed edges, below the true ones.

# %%
#| alt: >
#|   Six columns of three panels: blocks hidden, guessed strokes, true strokes. In the first
#|   three columns guessed and true strokes mostly agree along outlines. The last three are a
#|   garment with level stripes, a bright top with a dark neck and a sandal: many guessed
#|   strokes are thin, level and upright, the true ones thick and level or slanted.
chosen = torch.cat(
    [torch.arange(1, 4), image_errors["MaskFeat"].argsort(descending=True)[:3]]
)
figure, grid = plt.subplots(3, len(chosen), figsize=(7.2, 2.9))
images = as_images(patches[chosen], processor, ~hidden[chosen])
for column, image, index in zip(grid.T, images, chosen.tolist(), strict=True):
    show(column[0], image)
    show(column[1], lines=strokes(drawn[index], hidden[index], colors="C0"))
    show(column[2], lines=strokes(targets[index], hidden[index], colors="C1"))
for axes, name in zip(grid[:, 0], ["hidden", "guessed", "true"], strict=True):
    axes.set_ylabel(name)
plt.show()

# %% [markdown]
# Scaling each histogram to length 1 makes the direction of faint noise as important as that
# of a strong edge. On plain cloth there is nothing to know, and the loss counts it anyway.
#
# ## See where it looks
#
# How much a hidden patch takes from each other place is its *attention*. Below, for one
# hidden patch of four images, the mean over the heads of the last layer.

# %%
#| alt: >
#|   Two rows of four panels. Above, test images with blocks blank and a cross on one hidden
#|   patch. Below, 7 by 7 maps of the attention of that patch, brightest on a few seen places,
#|   often at or beside the upper or the lower end of the garment.
from snippets.vision.patches import show_attention

with torch.no_grad():
    output = model.vit(
        test_pixels[:4], bool_masked_pos=hidden[:4], output_attentions=True
    )
attention = output.attentions[-1].mean(dim=1)  # (4, 50, 50)
attention = attention[:, 1:, 1:]  # (4, 49, 49), without the class token
edges = hidden[:4] & (targets[:4].sum(dim=2) > 0)  # hidden, and not flat
centers = (distance[24] + 100 * ~edges).argmin(dim=1)
show_attention(seen, attention, centers.tolist())
plt.show()

# %% [markdown]
# ## Save it and load it again
#
# `MaskFeat` is a `PreTrainedModel`, so that saving works as for every model. The encoder also
# loads as a plain `ViTModel`.

# %%
from pathlib import Path

from huggingface_hub import ModelCard
from transformers import ViTModel
from transformers.utils import logging

from snippets.vision.maskfeat import MaskFeat

logging.disable_progress_bar()
folder = Path("checkpoints/maskfeat")
model.save_pretrained(folder)
processor.save_pretrained(folder)
card = f"""---
license: mit
library_name: transformers
---
# A small MaskFeat for Fashion-MNIST

Guesses histograms of oriented gradients where blocks of gray images of 28 by 28 pixels are
hidden. Trained from scratch, without labels, on 5,000 images of Fashion-MNIST (MIT). On
1,000 held-out images its mean squared error is {errors["MaskFeat"]:.4f}; the mean histogram:
{errors["mean histogram"]:.4f}, the average of similar images: {errors["neighbors"]:.4f}.
The encoder loads as a ViTModel; the linear head needs the class MaskFeat.
"""
ModelCard(card).save(folder / "README.md")
reloaded = MaskFeat.from_pretrained(folder, attn_implementation="eager").eval()
with torch.no_grad():
    again = reloaded(test_pixels, bool_masked_pos=hidden)
print(sorted(path.name for path in folder.iterdir()))
print("equal guesses:", torch.equal(again, drawn))

# %% [markdown]
# ## The same with a real checkpoint
#
# We know of no MaskFeat weights for transformers; the authors' code is in
# [SlowFast](https://github.com/facebookresearch/SlowFast) (November 2026). But the encoder is
# a ViT, and `ViTModel.from_pretrained` takes this folder or the id of any ViT on the Hub, such
# as [`google/vit-base-patch16-224-in21k`](https://huggingface.co/google/vit-base-patch16-224-in21k).
# The id is the switch. The output below is from the weights written above:

# %%
logging.set_verbosity_error()  # do not list the layers of the file that it leaves out
encoder_only = ViTModel.from_pretrained(folder, add_pooling_layer=False)
states = encoder_only(test_pixels[:2]).last_hidden_state
print("tokens of the encoder alone:", tuple(states.shape))

# %% [markdown]
# For photos, [MMPretrain](https://github.com/open-mmlab/mmpretrain) sets nine directions and
# cells of 8 pixels, four in a patch of 16 and for each of three colors: 108 numbers a patch.
#
# **What the paper reports.** MaskFeat with MViT-L reaches 86.7% top-1 on the videos of
# Kinetics-400 ([abstract](https://arxiv.org/abs/2112.09133)), after training on with labels.
# Ours guesses edges of tiny photographs with {{ parameters | thousands }} parameters, after
# {{ epochs | round(1) }} passes over {{ images | thousands }} of them. The idea is the same;
# no accuracy follows from it.
#
# ## What goes wrong
#
# **Cells that do not fill the image.** scikit-image drops the rest of the image silently.
# `histograms` refuses:

# %%
import sys

try:
    histograms(torch.zeros(1, 28, 28), cell=8)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **A model without a mask token.** `ViTModel` has one only if you ask for it with
# `use_mask_token=True`:

# %%
try:
    encoder_only(test_pixels[:1], bool_masked_pos=hidden[:1])
except AttributeError as error:
    print(f"AttributeError: {error}", file=sys.stderr)

# %% [markdown]
# ## Where to go next
#
# - [MAE](mae.py) draws hidden pixels, [BEiT](beit.py) guesses visual tokens;
#   [linear probes](probes.py) compare the three.
# - [Masked Feature Prediction for Self-Supervised Visual Pre-Training](https://arxiv.org/abs/2112.09133), the paper.
# - [HOG in scikit-image](https://scikit-image.org/docs/stable/auto_examples/features_detection/plot_hog.html).
