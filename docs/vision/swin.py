# %% [markdown]
# ---
# description: >-
#   Train a small Swin Transformer on photographs of clothes, cut its shifted windows by hand,
#   and measure how far each token sees.
# executor:
#   timeout: 320
#   data: [data/fashion-mnist]
#   saves: [swin]
# ---
# # Train a Swin Transformer from scratch
#
# You will train a transformer whose attention stays within small windows, see why the windows
# have to shift, and swap it for a large one by changing one string.
#
# ## The shortest thing that works
#
# The pictures are photographs of clothes in ten classes from
# [Fashion-MNIST](https://arxiv.org/abs/1708.07747): {{ train_images | thousands }} to learn
# from, {{ test_images | thousands }} held out. The processor enlarges them from 28 to 32
# pixels, so that whole windows fit. The loop is that of [the page on ViT](vit.py). There is
# no `SwinImageProcessor`; the checkpoints come with a `ViTImageProcessor`.

# %%
#| record:
#|   train_images: len(train_labels)
#|   test_images: len(test_labels)
import torch
from datasets import load_dataset
from transformers import ViTImageProcessor, set_seed

from snippets.vision.clothes import prepare
from snippets.vision.data import load_fashion

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
labels = load_dataset("data/fashion-mnist", split="test").features["label"].names
train_images, test_images, train_labels, test_labels = load_fashion("data/fashion-mnist")
processor = ViTImageProcessor(
    size={"height": 32, "width": 32}, image_mean=[0.5] * 3, image_std=[0.5] * 3
)
train_set = prepare(processor, train_images, train_labels)
test_set = prepare(processor, test_images, test_labels)
print(tuple(train_set[0].shape), tuple(test_set[0].shape))

# %%
#| record:
#|   metric: metric
#|   parameters: model.num_parameters()
#|   steps: len(losses)
#|   epochs: len(losses) * 64 / len(train_labels)
from snippets.vision.optimize import minimize
from snippets.vision.swin import build_swin
from snippets.vision.vit import image_loss, score

set_seed(0)
model = build_swin(labels)
losses = minimize(
    image_loss(model, train_set, strength=0.05, mirror=True),
    [{"params": list(model.parameters()), "lr": 3e-3, "weight_decay": 0.05}],
    count=len(train_labels),
    steps=1100,
    batch_size=64,
)
metric = score(model, test_set)
print(f"{model.num_parameters():,} parameters, {len(losses):,} steps")
print(f"{metric:.1%} of the held-out images are right")

# %% [markdown]
# ### Is that good?
#
# Two old methods on the raw pixels: logistic regression, and a look-up of the most similar
# training image. A gain of less than {{ margin | percent(0) }} over the first, the better of
# the two, would stop the build of this page.

# %%
#| record:
#|   baseline: baseline
#|   nearest: nearest
#|   margin: MARGIN
from snippets.vision.clothes import pixel_baselines

MARGIN = 0.01
fashion = train_images, test_images, train_labels, test_labels
baseline, nearest = pixel_baselines(*fashion).values()
print(f"logistic regression    {baseline:.1%}")
print(f"nearest training image {nearest:.1%}")
print(f"this Swin              {metric:.1%}")
assert metric > baseline + MARGIN

# %% [markdown]
# We measured {{ metric | percent }}, against {{ baseline | percent }} for logistic regression
# and {{ nearest | percent }} for the nearest image. One standard error of such numbers is more
# than a point, so the gain is not large. The [ConvNeXT](convnext.py) of this site got
# {{ vision.convnext.metric | percent }} from the same images. The settings were chosen on a
# fifth of the training images.
#
# ## How it works
#
# In a [ViT](vit.py) every token attends to every token. Twice the side of the picture means
# four times the tokens and sixteen times the pairs.
# [Liu et al.](https://arxiv.org/abs/2103.14030) let a token attend only to its **window**,
# here {{ window }} × {{ window }} tokens. Then the cost grows with the number of tokens, not
# with its square. But nothing crosses the border between windows, so every second block
# **shifts** them by half a window:

# %%
#| alt: >
#|   Two grids of 8 by 8 tokens. Left, plain windows: four squares of 4 by 4 tokens. Right,
#|   shifted windows: one square of 4 by 4 in the middle, with parts of windows along all
#|   four sides and in the corners, nine groups in all. One token is marked in both; its
#|   group holds other tokens left and right.
#| record:
#|   window: window
#|   shift: shift
#|   tokens: side**2
#|   groups: len(groups["shifted windows"].unique())
import matplotlib.pyplot as plt

from snippets.vision.swin import window_groups

plain, shifted = model.swin.encoder.layers[0].blocks
window, shift = shifted.window_size, shifted.shift_size
side = model.config.image_size // model.config.patch_size
groups = {
    "plain windows": window_groups(side, window, plain.shift_size),
    "shifted windows": window_groups(side, window, shift),
}
row, column = 3, 3
figure, panels = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
for axes, (name, group) in zip(panels, groups.items(), strict=True):
    axes.imshow(group.numpy(), interpolation="none", cmap="tab10", vmax=9, alpha=0.6)
    axes.plot(column, row, marker="*", markersize=12, color="C4")
    axes.set(title=name, xticks=[], yticks=[])
plt.show()

# %% [markdown]
# Tokens of one color attend to each other. The token with the star meets other neighbors on
# the right than on the left, and after both blocks it has heard from all of them.
#
# The {{ groups }} groups on the right would be {{ groups }} windows of unequal size.
# **The trick** is to roll the grid to the left and up: what falls off on one side comes in on
# the other. Then four full windows are enough, and a **mask** forbids attention between
# tokens that were not neighbors before. In plain PyTorch, and compared with the library's:

# %%
#| record:
#|   forbidden: (mask != 0).double().mean().item()
from snippets.vision.swin import window_mask

mask = window_mask(side, window, shift)  # (4 windows, 16, 16)
theirs = shifted.get_attn_mask(side, side, torch.float32, mask.device)
print(tuple(mask.shape), "equal to transformers:", torch.equal(mask, theirs))
print(f"{(mask != 0).double().mean():.0%} of the pairs are forbidden")

# %% [markdown]
# After a stage of such blocks, *patch merging* joins 2 × 2 tokens into one of twice the
# width. So the model sees fine detail first and the whole picture last, like a convolutional
# network. Ours has two stages: {{ tokens }} tokens of width {{ width }}, then
# {{ merged_tokens }} of width {{ merged_width }}. There is no class token; all tokens are
# averaged at the end.

# %%
#| record:
#|   width: model.config.embed_dim
#|   merged_width: model.config.hidden_size
#|   merged_tokens: merged.shape[1]
with torch.no_grad():
    states = model(test_set[0][:1], output_hidden_states=True).hidden_states
merged = states[-1]
for name, state in zip(
    ("patches", "after stage 1", "after stage 2"), states, strict=True
):
    print(f"{name:14}", tuple(state.shape))

# %% [markdown]
# Positions are not added to the tokens. Instead, each head learns one number for each offset
# between two tokens of a window, and adds it to the attention score: the **relative position
# bias**. The same table serves all windows.
#
# ## How far a token sees
#
# Now measured in the trained model: how much does the token with the star change when
# another token changes a little (the gradient)? After the plain block only its own window
# acts on it, after the shifted block more.

# %%
#| alt: >
#|   Three panels. Left, a pullover with a grid of 8 by 8 tokens. Middle, after the plain
#|   block, only the 16 tokens of the upper left window act on the marked token. Right, after
#|   the shifted block, tokens of all four windows do.
#| record:
#|   seen_before: seen[0]
#|   seen_after: seen[1]
from snippets.vision.swin import reach

index = test_labels.tolist().index(labels.index("Pullover"))
maps = reach(model, test_set[0][index : index + 1], (row, column))  # (2, 8, 8)
seen = [int((each > 0).sum()) for each in maps]
print("tokens that act on the marked one:", seen)
figure, panels = plt.subplots(1, 3, figsize=(7.2, 2.6), layout="constrained")
panels[0].imshow(test_images[index], interpolation="none", extent=(-0.5, 7.5, 7.5, -0.5))
panels[0].set(title="Pullover", xticks=[], yticks=[])
for axes, name, each in zip(panels[1:], ("plain", "then shifted"), maps, strict=True):
    axes.imshow((each + 1e-9).log10().numpy(), interpolation="none", vmin=-3)
    axes.set(title=name, xticks=[], yticks=[])
for axes in panels:
    axes.plot(column, row, marker="*", markersize=12, color="C0")
plt.show()

# %% [markdown]
# {{ seen_before }} tokens became {{ seen_after }}. The colors are logarithmic; the token
# itself acts most.
#
# ## Read the learning curve

# %%
#| alt: >
#|   A line chart of the training loss over the steps, which falls steeply, then slowly.
from snippets.vision.curves import show_losses

show_losses(losses, {}, "Swin")
plt.ylabel("cross-entropy")
plt.show()

# %% [markdown]
# Each point is the mean of 50 steps. The learning rate falls to almost zero in the end, which
# levels the curve.
#
# ## Where it errs

# %%
#| alt: >
#|   Horizontal bars, the share of right answers in each of the ten classes. Shirt is the
#|   lowest, then pullover, coat and T-shirt; trouser, bag and ankle boot are highest.
#| record:
#|   worst: min(by_class)
import numpy as np

from snippets.vision.vit import predict

logits = predict(model, test_set[0])
answers = logits.argmax(dim=-1).numpy()
by_class = [float((answers[test_labels == k] == k).mean()) for k in range(10)]
order = np.argsort(by_class)
figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
axes.barh([labels[k] for k in order], [by_class[k] for k in order])
axes.axvline(metric, color="C2", linestyle="--", label="all classes")
axes.set(xlabel="share right", xlim=(0, 1))
axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# The worst class, shirts, has {{ worst | percent(0) }}: at this size its outline is that of a
# coat or a T-shirt.
#
# ## Save it, and the same with a real checkpoint

# %%
from PIL import Image
from transformers import pipeline
from transformers.utils import logging

from snippets.vision.vit import save_classifier

logging.disable_progress_bar()
checkpoint = "checkpoints/swin"
save_classifier(model, processor, checkpoint, "zalando-datasets/fashion_mnist", metric)

classifier = pipeline("image-classification", model=checkpoint)
for answer in classifier(Image.fromarray(test_images[index]), top_k=3):
    print(f"{answer['label']:12} {answer['score']:.3f}")

# %% [markdown]
# Put `"microsoft/swin-tiny-patch4-window7-224"` in place of the folder and pass a photograph:
# it answers with one of ImageNet's 1,000 classes. This page runs without a network. The
# defaults of `SwinConfig` are the architecture of that checkpoint:

# %%
#| record:
#|   tiny_parameters: tiny.num_parameters()
#|   tiny_tokens: tiny_tokens
#|   tiny_pairs: tiny_tokens**2
#|   window_pairs: tiny_tokens * tiny.config.window_size**2
from transformers import SwinConfig, SwinForImageClassification

with torch.device("meta"):  # shapes without memory
    tiny = SwinForImageClassification(SwinConfig(num_labels=1000))
tiny_tokens = (tiny.config.image_size // tiny.config.patch_size) ** 2
print(f"{tiny.num_parameters():,} parameters, {tiny_tokens:,} tokens at the start")
print(f"pairs in a window attention: {tiny_tokens * tiny.config.window_size**2:,}")
print(f"pairs if all attended to all: {tiny_tokens**2:,}")

# %% [markdown]
# The abstract of the paper reports 87.3% of ImageNet's images right, and 58.7 box AP for
# detection on COCO, where the fine grid at the start counts
# ([arXiv 2103.14030](https://arxiv.org/abs/2103.14030), 2021). Our ten classes of small gray
# clothes, {{ train_images | thousands }} images and {{ epochs | round }} epochs cannot be compared
# with that.
#
# ## What goes wrong
#
# **Windows that do not fit.** The library fills up the grid with zeros and goes on, without a
# word. `build_swin` refuses instead:

# %%
import sys

try:
    build_swin(labels, image_size=28)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **A window as large as the grid.** Then there is nothing to shift, and the library sets the
# shift to zero. In our second stage this is so, and it is meant:

# %%
for number, stage in enumerate(model.swin.encoder.layers, start=1):
    print("stage", number, "shifts", [int(block.shift_size) for block in stage.blocks])

# %% [markdown]
# ## Where to go next
#
# - [MaskFormer](maskformer.py) and many detectors use Swin as a backbone.
# - [Swin in the documentation of transformers](https://huggingface.co/docs/transformers/model_doc/swin).
# - [microsoft/swin-tiny-patch4-window7-224](https://huggingface.co/microsoft/swin-tiny-patch4-window7-224), the model card.
