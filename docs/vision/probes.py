# %% [markdown]
# ---
# description: >-
#   Compare what BEiT, MAE and MaskFeat learned without labels by linear probes with few
#   labels, next to raw pixels, edge histograms and encoders that learned nothing.
# executor:
#   timeout: 240
#   data: [data/fashion-mnist]
#   checkpoints: [beit, mae, maskfeat]
# ---
# # Compare pretrained encoders with linear probes
#
# You will measure what three encoders learned without labels, with controls that show how
# much of it is theirs, and with intervals that show which differences are real.
#
# ## The shortest thing that works
#
# Freeze an encoder, turn images into *features* (lists of numbers), and fit a linear
# classifier on a few labeled ones. This is a *linear probe*
# ([Alain and Bengio](https://arxiv.org/abs/1610.01644)): the simpler the classifier, the more
# of the work the features must have done. The encoder comes from the page [BEiT](beit.py),
# the images are photographs of ten kinds of clothes.

# %%
#| record:
#|   one: one
#|   features: train_features["BEiT"].shape[1]
#|   test_images: len(test_labels)
#|   train_images: len(train_labels)
import torch
from transformers.utils import logging

from snippets.vision.data import load_fashion
from snippets.vision.probes import draw_labeled, encode, load_encoder, probe

logging.disable_progress_bar()
logging.set_verbosity_error()  # do not list the heads, which are left out on purpose
torch.set_num_threads(1)  # more threads add in another order and change the last decimals
train_images, test_images, train_labels, test_labels = load_fashion()
train_features, test_features = {}, {}


def prepare(processor, images):
    arrays = list(images[..., None])  # the processor wants a channel
    return processor(arrays, return_tensors="pt").pixel_values


processor, encoder = load_encoder("checkpoints/beit")
train_pixels = prepare(processor, train_images)
test_pixels = prepare(processor, test_images)
train_features["BEiT"] = encode(encoder, train_pixels)
test_features["BEiT"] = encode(encoder, test_pixels)

chosen = draw_labeled(train_labels, 100, seed=0)
one = probe(
    train_features["BEiT"][chosen],
    train_labels[chosen],
    test_features["BEiT"],
    test_labels,
)
print(f"{one:.1%} of the test images right, from 100 labels")

# %% [markdown]
# {{ one | percent }}: a number that says nothing yet. Is the encoder good, or are clothes
# easy? Were these 100 images lucky ones? The rest of the page is about that.
#
# ## How it works
#
# - **Encode.** The encoder sees the whole image and gives one token, {{ width }} numbers, for
#   each of 7 × 7 patches. We average them in {{ grid }} × {{ grid }} parts of the image, so
#   that it stays known roughly where something is: {{ features }} features.
# - **Fit.** Ridge regression on the ten classes, on standardized features. A penalty holds
#   the weights small; leaving out one labeled image at a time tells how large it should
#   be. No test image takes part.
# - **Score.** The share of the {{ test_images | thousands }} test images that are right.
#
# ## Add controls
#
# Features must beat what costs nothing:
#
# - **raw pixels**, the images as they are;
# - **edges**, the histograms of oriented gradients that [MaskFeat](maskfeat.py) has as target;
# - **untrained encoders**, the three architectures with random weights. What they reach is
#   owed to the architecture and not to learning.

# %%
#| record:
#|   width: encoder.config.hidden_size
#|   grid: 3
from transformers import set_seed

from snippets.vision.beit import build_beit
from snippets.vision.mae import build_mae
from snippets.vision.maskfeat import build_maskfeat, histograms

for name, checkpoint in {
    "MAE": "checkpoints/mae",
    "MaskFeat": "checkpoints/maskfeat",
}.items():
    _, encoder = load_encoder(checkpoint)
    train_features[name] = encode(encoder, train_pixels)
    test_features[name] = encode(encoder, test_pixels)

set_seed(0)
untrained_mae = build_mae().vit
untrained_mae.config.mask_ratio = 0.0  # hide nothing
untrained = {
    "untrained BEiT": build_beit().beit,
    "untrained MAE": untrained_mae,
    "untrained MaskFeat": build_maskfeat().vit,
}
for name, encoder in untrained.items():
    train_features[name] = encode(encoder.eval(), train_pixels)
    test_features[name] = encode(encoder, test_pixels)

for features, images in [(train_features, train_images), (test_features, test_images)]:
    features["raw pixels"] = images.reshape(len(images), -1) / 255
    edges = histograms(torch.tensor(images / 255, dtype=torch.float32))
    features["edges"] = edges.flatten(1).numpy()
for name, values in train_features.items():
    print(f"{name:19} {values.shape[1]:4} features")

# %% [markdown]
# ## Repeat
#
# Which images happen to be labeled changes the result by more than the encoders do. So each
# probe is fitted {{ draws }} times, each time with other labeled images, the same ones for
# all features.

# %%
#| record:
#|   draws: DRAWS
#|   budgets: len(BUDGETS)
#|   most: BUDGETS[-1]
#|   beit: table["BEiT", 100][0]
#|   beit_error: table["BEiT", 100][1]
#|   mae: table["MAE", 100][0]
#|   mae_error: table["MAE", 100][1]
#|   maskfeat: table["MaskFeat", 100][0]
#|   maskfeat_error: table["MaskFeat", 100][1]
#|   pixels: table["raw pixels", 100][0]
#|   pixels_error: table["raw pixels", 100][1]
#|   edges: table["edges", 100][0]
#|   untrained: max(table[name, 100][0] for name in untrained)
#|   metric: max(table[name, 100][0] for name in ["BEiT", "MAE", "MaskFeat"])
#|   baseline: table["raw pixels", 100][0]
from snippets.vision.probes import mean_and_error

BUDGETS = [50, 100, 200, 500]
DRAWS = 10
scores, table = {}, {}
for count in BUDGETS:
    draws = [draw_labeled(train_labels, count, seed) for seed in range(DRAWS)]
    for name in train_features:
        scores[name, count] = [
            probe(
                train_features[name][chosen],
                train_labels[chosen],
                test_features[name],
                test_labels,
            )
            for chosen in draws
        ]
        table[name, count] = mean_and_error(scores[name, count])
print(f"{'labels':19}", *(f"{count:>12}" for count in BUDGETS))
for name in train_features:
    cells = ["{:6.1%} ±{:4.1%}".format(*table[name, count]) for count in BUDGETS]
    print(f"{name:19}", *cells)

# %%
#| alt: >
#|   Line chart with error bars of accuracy over the number of labels, from 50 to 500, on a
#|   logarithmic axis. All lines rise. With few labels MaskFeat is highest, then MAE; BEiT,
#|   raw pixels, edges and two of the untrained encoders lie close together below; the
#|   untrained MAE is lowest. At 500 labels MaskFeat, MAE and edges are nearly equal.
import matplotlib.pyplot as plt

COLORS = {"BEiT": "C0", "MAE": "C1", "MaskFeat": "C2", "raw pixels": "C3", "edges": "C4"}
figure, axes = plt.subplots(figsize=(7.0, 4.2))
for index, name in enumerate(train_features):
    means, errors = zip(*(table[name, count] for count in BUDGETS), strict=True)
    color = "C5" if name in untrained else COLORS[name]
    axes.errorbar(
        [count * (0.94 + 0.02 * index) for count in BUDGETS],  # side by side
        [100 * mean for mean in means],
        yerr=[200 * error for error in errors],
        color=color,
        linestyle="--" if name in untrained else "-",
        label=name,
        capsize=2,
    )
axes.set(xscale="log", xlabel="labeled images", ylabel="right, %")
axes.set_xticks(BUDGETS, BUDGETS)
axes.minorticks_off()
axes.legend(fontsize=8, ncols=2)
plt.show()

# %% [markdown]
# Bars show two standard errors. They count the luck of the labeled images, not that of
# pretraining: each encoder was pretrained once.
#
# ## Compare in pairs
#
# All features saw the same labeled images, so differences can be taken draw by draw,
# which removes the luck that they share. Below, the gain over raw pixels, over edges and
# over the encoder's own untrained twin with 100 labels, and two standard errors:

# %%
#| record:
#|   gain_beit: gains["BEiT", "raw pixels"][0]
#|   gain_mae: gains["MAE", "raw pixels"][0]
#|   gain_maskfeat: gains["MaskFeat", "raw pixels"][0]
#|   gain_beit_error: 2 * gains["BEiT", "raw pixels"][1]
#|   gain_mae_error: 2 * gains["MAE", "raw pixels"][1]
#|   gain_maskfeat_error: 2 * gains["MaskFeat", "raw pixels"][1]
pretrained = ["BEiT", "MAE", "MaskFeat"]
gains = {}
for name in pretrained:
    for control in ["raw pixels", "edges", f"untrained {name}"]:
        pairs = zip(scores[name, 100], scores[control, 100], strict=True)
        gains[name, control] = mean_and_error([ours - theirs for ours, theirs in pairs])
        mean, error = gains[name, control]
        print(f"{name:8} - {control:19} {mean:+6.1%} ± {2 * error:.1%}")

# %% [markdown]
# With 100 labels we measured {{ beit | percent }} for BEiT, {{ mae | percent }} for MAE and
# {{ maskfeat | percent }} for MaskFeat; {{ pixels | percent }} for raw pixels,
# {{ edges | percent }} for edges, and {{ untrained | percent }} for the best of the untrained
# encoders. The gain over raw pixels is {{ gain_beit | percent }} ±
# {{ gain_beit_error | percent }} for BEiT, {{ gain_mae | percent }} ±
# {{ gain_mae_error | percent }} for MAE and {{ gain_maskfeat | percent }} ±
# {{ gain_maskfeat_error | percent }} for MaskFeat. An interval that includes zero is no gain,
# and we claim none for it. The order differs from that of the tasks: [BEiT](beit.py) beat its
# neighbors at guessing, [MaskFeat](maskfeat.py) did not. Being good at filling in and having
# features that a linear classifier can use are two things.
#
# Two of the three untrained encoders are nearly as good as the pixels: a random mixture
# of patches can lose little. Without that control, most of what an encoder reaches would
# look like learning.
#
# ## What the papers report
#
# Linear probes on ImageNet-1k, all labels: MMSelfSup measured 67.1% for a MAE of ViT-B size
# after 1,600 epochs of pretraining
# ([README of its MAE](https://github.com/open-mmlab/mmselfsup)). The papers stress
# *fine-tuning*, where the encoder is trained on as well: 87.8% with ViT-Huge for
# [MAE](https://arxiv.org/abs/2111.06377), 86.3% with the large size for
# [BEiT](https://arxiv.org/abs/2106.08254). What an encoder knows need not be there in a
# linear form. Ours are hundreds of times smaller and saw {{ train_images | thousands }} images
# of 28 × 28 pixels, centered and alike. Raw pixels of such images are good features, which is
# not so for photographs.
#
# ## What goes wrong
#
# **Classes with unequal shares.** A probe on few labels must not depend on how many of each
# class it got:

# %%
import sys

try:
    draw_labeled(train_labels, 55, seed=0)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **One draw.** From draw to draw the same probe differs by several percent. With BEiT and 100
# labels:

# %%
#| record:
#|   lowest: min(scores["BEiT", 100])
#|   highest: max(scores["BEiT", 100])
print(*(f"{score:.1%}" for score in sorted(scores["BEiT", 100])))

# %% [markdown]
# From {{ lowest | percent }} to {{ highest | percent }}: whoever may choose the draw may
# choose the winner.
#
# **One mean over all patches.** The mean token of the whole image forgets where things are:

# %%
#| record:
#|   pooled: pooled
_, encoder = load_encoder("checkpoints/beit")
whole = [encode(encoder, pixels, grid=1) for pixels in (train_pixels, test_pixels)]
pooled, _ = mean_and_error(
    [
        probe(whole[0][chosen], train_labels[chosen], whole[1], test_labels)
        for chosen in (draw_labeled(train_labels, 100, seed) for seed in range(DRAWS))
    ]
)
print(f"BEiT, 100 labels, one mean token: {pooled:.1%}")

# %% [markdown]
# {{ pooled | percent }} instead of {{ beit | percent }}. Try the pooling on training images,
# not on test images, before you compare encoders.
#
# ## Where to go next
#
# - [BEiT](beit.py), [MAE](mae.py) and [MaskFeat](maskfeat.py), where the encoders come from.
# - [Vision Transformer](vit.py), which learns from all the labels.
# - [Understanding intermediate layers using linear classifier probes](https://arxiv.org/abs/1610.01644), the paper.
