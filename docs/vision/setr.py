# %% [markdown]
# ---
# description: >-
#   Compose SETR from transformers' ViTModel and two decoders, train it to name every pixel
#   of small scenes, and measure its mean intersection over union.
# executor:
#   timeout: 180
#   saves: [setr]
# ---
# # Name every pixel with SETR
#
# You will compose a segmentation model that transformers does not contain, out of a ViT that
# it does contain, and compare two ways to get from patches back to pixels.
#
# ## The shortest thing that works
#
# *Semantic segmentation* gives each pixel a label. Our [scenes](data.py) have eleven: the
# background, and the ten digits. Training scenes show {{ train_scenes | thousands }}
# arrangements of training scans; the {{ test_scenes }} test scenes show other scans.

# %%
#| record:
#|   train_scenes: len(train_scenes)
#|   test_scenes: len(test_scenes)
#|   size: SIZE
import numpy as np
import torch

from snippets.vision.data import make_scenes

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
SIZE = 48
LABELS = 11  # background 0, then digit + 1
train_scenes = make_scenes(4000, seed=0, split="train", size=SIZE, most=2)
test_scenes = make_scenes(300, seed=1, split="test", size=SIZE, most=2)


def prepare(scenes):
    pixel_values = torch.tensor(np.stack([scene.image for scene in scenes])) / 127.5 - 1
    maps = [(scene.masks * (scene.labels + 1)[:, None, None]).sum(0) for scene in scenes]
    return pixel_values[:, None], torch.tensor(np.stack(maps))  # (B, 1, S, S), (B, S, S)


train_pixels, train_maps = prepare(train_scenes)
test_pixels, test_maps = prepare(test_scenes)
print(train_pixels.shape, train_maps.shape)

# %% [markdown]
# The model is a ViT without its class token, and a decoder. *PUP*, progressive upsampling,
# doubles the size of the map again and again, with a convolution before each step.

# %%
#| record:
#|   parameters: parameters
#|   patch_size: encoder.config.patch_size
from snippets.vision.setr import SETR, build_encoder

torch.manual_seed(0)
encoder = build_encoder(image_size=SIZE, patch_size=8)
model = SETR(encoder, decoder="pup", num_labels=LABELS)
parameters = sum(parameter.numel() for parameter in model.parameters())
print(f"{parameters:,} parameters")
print(tuple(train_pixels[:2].shape), "->", tuple(model(train_pixels[:2]).shape))

# %% [markdown]
# The loss is the cross-entropy of each pixel. Most pixels are background, so they weigh less.

# %%
#| record:
#|   steps: len(losses["pup"])
from torch.nn import functional as F

from snippets.vision.optimize import minimize

STEPS = 600
weights = torch.ones(LABELS)
weights[0] = 0.3


def train(model):
    model.train()
    return minimize(
        lambda batch: F.cross_entropy(
            model(train_pixels[batch]), train_maps[batch], weights
        ),
        [{"params": list(model.parameters()), "lr": 2e-3}],
        count=len(train_maps),
        steps=STEPS,
    )


def answer(model, pixel_values):
    model.eval()
    with torch.no_grad():
        return model(pixel_values).argmax(dim=1)  # (B, S, S)


losses = {"pup": train(model)}
answers = {"pup": answer(model, test_pixels)}
print(f"{(answers['pup'] == test_maps).double().mean():.1%} of the pixels are right")

# %% [markdown]
# ### Is that good?
#
# The share of right pixels flatters: an answer of nothing but background gets
# {{ background_pixels | percent }}. *Mean IoU* does not. For each label it divides the pixels
# where answer and truth agree by the pixels where either has the label, and takes the mean.
# We compare with all background, and with a threshold: bright pixels get the commonest
# digit. A second model has the *naive* decoder, which scores each patch and only stretches
# the map.

# %%
#| record:
#|   metric: scores["SETR, PUP"]
#|   naive: scores["SETR, naive"]
#|   baseline: scores["threshold"]
#|   background: scores["all background"]
#|   background_pixels: (test_maps == 0).double().mean().item()
#|   margin: MARGIN
from snippets.vision.scoring import mean_iou

torch.manual_seed(0)
naive = SETR(build_encoder(SIZE, patch_size=8), decoder="naive", num_labels=LABELS)
losses["naive"] = train(naive)
answers["naive"] = answer(naive, test_pixels)

commonest = train_maps[train_maps > 0].mode().values
candidates = {
    "all background": torch.zeros_like(test_maps),
    "threshold": torch.where(test_pixels[:, 0] > -0.5, commonest, 0),
    "SETR, naive": answers["naive"],
    "SETR, PUP": answers["pup"],
}
scores = {name: mean_iou(maps, test_maps, LABELS) for name, maps in candidates.items()}
for name, score in scores.items():
    print(f"{name:15} {score:.3f}")
MARGIN = 0.2
assert scores["SETR, PUP"] > scores["threshold"] + MARGIN

# %% [markdown]
# We measured a mean IoU of {{ metric | round(3) }} with PUP and {{ naive | round(3) }} with
# the naive decoder after the same {{ steps }} steps. All background gets
# {{ background | round(3) }}, the threshold {{ baseline | round(3) }}.
#
# ## How it works
#
# A convolutional network for segmentation shrinks the image step by step and sees far only
# late. [Zheng et al.](https://arxiv.org/abs/2012.15840) let a ViT do the seeing. Every layer
# keeps the same {{ tokens }} tokens, and each token can look at the whole image at once.
# What remains is to turn {{ side }} × {{ side }} tokens into {{ size }} × {{ size }} labels.

# %%
#| alt: >
#|   Two chains of boxes that start from the same encoder of 6 by 6 tokens. The naive chain:
#|   scores of 6 by 6, then stretched by eight to 48 by 48. The PUP chain: convolution and
#|   doubling to 12, to 24 and to 48, then scores of 48 by 48.
#| record:
#|   side: side
#|   tokens: side**2
import matplotlib.pyplot as plt

side = SIZE // encoder.config.patch_size
chains = {
    "naive": [
        (f"scores\n{side} × {side}", 1),
        ("stretch × 8", 2),
        (f"{SIZE} × {SIZE}", 3),
    ],
    "PUP": [
        *((f"convolve,\ndouble: {side * 2**step}", step) for step in (1, 2, 3)),
        (f"scores\n{SIZE} × {SIZE}", 4),
    ],
}
figure, axes = plt.subplots(figsize=(7.2, 2), layout="constrained")
style = {"ha": "center", "va": "center", "size": 8}
axes.add_patch(plt.Rectangle((0, 0.2), 0.8, 1.6, fill=False, edgecolor="C0", lw=1.5))
axes.text(0.4, 1, f"ViT encoder\n{side} × {side}\ntokens", **style)
for height, (name, chain) in zip((1.1, 0), chains.items(), strict=True):
    for text, place in chain:
        axes.add_patch(
            plt.Rectangle((place, height), 0.8, 0.8, fill=False, edgecolor="C1", lw=1.5)
        )
        axes.text(place + 0.4, height + 0.4, text, **style)
        axes.annotate(
            "",
            (place, height + 0.4),
            (place - 0.2, height + 0.4),
            arrowprops={"arrowstyle": "->", "color": "C2"},
        )
    axes.text(place + 0.9, height + 0.4, name, size=10, weight="bold", va="center")
axes.set(xlim=(-0.05, 5.5), ylim=(-0.05, 2))
axes.set_axis_off()
plt.show()

# %% [markdown]
# In code, the bridge between the two halves is one reshape: a list of tokens becomes an
# image with {{ width }} channels.

# %%
#| record:
#|   width: tokens.shape[2]
with torch.no_grad():
    tokens = model.encoder(test_pixels[:1]).last_hidden_state[:, 1:]  # no class token
    grid = tokens.transpose(1, 2).unflatten(2, (side, side))
    same = torch.equal(model.decoder(grid), model(test_pixels[:1]))
print(tuple(tokens.shape), "->", tuple(grid.shape), "same logits:", same)

# %% [markdown]
# ## Read the learning curves
#
# For a hundred steps both models learn the same thing: where ink is. Then PUP goes on to
# learn which digit it is, and the naive one hardly does. Its loss can pull at one map of
# {{ side }} × {{ side }} scores only, blurred by the stretching.

# %%
#| alt: >
#|   Line chart of two losses over 600 steps, as means of 20 steps. Both fall from 2.5 to 0.7
#|   in the first hundred steps. Then that of the naive decoder stays near 0.6, and that of
#|   PUP falls to below 0.3.
figure, axes = plt.subplots(figsize=(5.4, 2.8), layout="constrained")
for name, values in losses.items():
    smooth = np.array(values).reshape(-1, 20).mean(axis=1)
    axes.plot(np.arange(1, len(smooth) + 1) * 20, smooth, label=name)
axes.set(xlabel="step", ylabel="cross-entropy", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# ## What it answers
#
# Held-out scenes, the true map, and both answers; each color is one label. PUP follows
# the outline roughly and fills the holes: a patch of 8 × 8 pixels is coarse for strokes
# of three. Where it errs, a part of a digit has another label, or two digits run
# together. The naive answers are blobs, often wrong.

# %%
#| alt: >
#|   Four rows of six panels: scenes, true maps, answers of the naive decoder and answers of
#|   PUP. The naive answers are smooth blobs at the right places, many in wrong colors. Those
#|   of PUP have a rough outline of the digits and mostly the right color, without their
#|   holes; two zeros run together.
rows = {
    "image": test_pixels[:6, 0].numpy(),
    "truth": test_maps[:6].numpy(),
    "naive": answers["naive"][:6].numpy(),
    "PUP": answers["pup"][:6].numpy(),
}
figure, panels = plt.subplots(4, 6, figsize=(7.2, 4.8), layout="constrained")
for line, (name, images) in zip(panels, rows.items(), strict=True):
    line[0].set_ylabel(name)
    for axes, image in zip(line, images, strict=True):
        if name == "image":
            axes.imshow(image, interpolation="none", cmap="gray")
        else:
            axes.imshow(image, interpolation="none", cmap="tab20", vmin=0, vmax=19)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
plt.show()

# %% [markdown]
# Which digits are hard? The IoU of each label:

# %%
#| alt: >
#|   Bar chart of the IoU of PUP for the ten digits. The bars differ widely: about half of
#|   them are above 0.5, and that of the 5 is the lowest.
ious = []
for label in range(1, LABELS):
    mine, true = answers["pup"] == label, test_maps == label
    ious.append(((mine & true).sum() / (mine | true).sum()).item())
figure, axes = plt.subplots(figsize=(5, 2.4), layout="constrained")
axes.bar(range(10), ious)
axes.set(xlabel="digit", ylabel="IoU", xticks=range(10), ylim=(0, 1))
plt.show()

# %% [markdown]
# ## Save it
#
# A plain `nn.Module` has no `save_pretrained`. The encoder has, and the decoder's weights go
# into a second file. The card says what the folder holds.

# %%
from pathlib import Path

from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import ViTModel
from transformers.utils import logging

logging.disable_progress_bar()
folder = Path("checkpoints/setr")
model.encoder.save_pretrained(folder)
save_file(model.decoder.state_dict(), folder / "decoder.safetensors")
ModelCard(
    f"""---
license: mit
pipeline_tag: image-segmentation
---
# A small SETR-PUP for scenes of handwritten digits

Trained on scenes of {SIZE} x {SIZE} pixels with scans from scikit-learn's load_digits.
Mean IoU on held-out scenes: {scores["SETR, PUP"]:.3f}.
"""
).save(folder / "README.md")

# %% [markdown]
# ## The same with a real checkpoint
#
# The Hub has no SETR that transformers could load (none that we found, November 2026). But
# the encoder is an ordinary ViT, so any ViT checkpoint can be the start:


# %%
def start_from(checkpoint, num_labels):
    encoder = ViTModel.from_pretrained(checkpoint, add_pooling_layer=False)
    return SETR(encoder, decoder="pup", num_labels=num_labels)


again = start_from(str(folder), num_labels=LABELS)
again.decoder.load_state_dict(load_file(folder / "decoder.safetensors"))
print("same answers:", torch.equal(answer(again, test_pixels), answers["pup"]))

# %% [markdown]
# Pass `"google/vit-large-patch16-224-in21k"` for a ViT-Large like the paper's. The decoder
# then starts with random weights and has to be trained. This page has no network, so we
# count on PyTorch's `meta` device, where tensors have a shape and no memory:

# %%
#| record:
#|   large_parameters: large_parameters
#|   ratio: round(large_parameters / parameters)
from transformers import ViTConfig

config = ViTConfig(
    hidden_size=1024,
    num_hidden_layers=24,
    num_attention_heads=16,
    intermediate_size=4096,
)
with torch.device("meta"):
    large = SETR(ViTModel(config, add_pooling_layer=False), "pup", num_labels=150)
large_parameters = sum(parameter.numel() for parameter in large.parameters())
print(f"{large_parameters:,} parameters")

# %% [markdown]
# That is {{ ratio | thousands }} times ours. The paper reports a mean IoU of 50.28
# percent on ADE20K, with 150 kinds of things in photos ([MMSegmentation's page on
# SETR](https://github.com/open-mmlab/mmsegmentation/tree/main/configs/setr) quotes it).
# The two figures measure different tasks and cannot be compared.
#
# ## What goes wrong
#
# **Patches that doubling cannot reach.** PUP needs a patch size that is a power of two:

# %%
import sys

try:
    SETR(build_encoder(SIZE, patch_size=12), decoder="pup", num_labels=LABELS)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **An image of another size.** The encoder has one position embedding for each patch:

# %%
try:
    model(torch.zeros(1, 1, 64, 64))
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **All background.** Early in training the best single answer is background everywhere,
# and a model with large patches, few steps or equal weights may stay there. Look at the
# mean IoU, not at the share of right pixels.
#
# ## Where to go next
#
# - [MaskFormer](maskformer.py) names whole masks instead of pixels.
# - [Train a Vision Transformer](vit.py) shows the encoder from inside.
# - [The paper](https://arxiv.org/abs/2012.15840) has a third decoder, MLA, which reads
#   several layers of the encoder.
