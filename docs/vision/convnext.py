# %% [markdown]
# ---
# description: >-
#   Train a small ConvNeXT on photographs of clothes, read its block in plain PyTorch, and
#   find out by occlusion what it looks at.
# executor:
#   timeout: 180
#   data: [data/fashion-mnist]
#   saves: [convnext]
# ---
# # Train a ConvNeXT from scratch
#
# You will train a modern convolutional network, read its one building block, see which parts
# of a picture its answers hang on, and swap it for a large one by changing one string.
#
# ## The shortest thing that works
#
# The pictures are photographs of clothes in ten classes, 28 × 28 pixels in gray, from
# [Fashion-MNIST](https://arxiv.org/abs/1708.07747): {{ train_images | thousands }} to learn
# from and {{ test_images | thousands }} held out. The loop and the small changes to the
# images are those of [the page on ViT](vit.py).

# %%
#| record:
#|   train_images: len(train_labels)
#|   test_images: len(test_labels)
import torch
from datasets import load_dataset
from transformers import ConvNextImageProcessor, set_seed

from snippets.vision.clothes import prepare
from snippets.vision.data import load_fashion

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
labels = load_dataset("data/fashion-mnist", split="test").features["label"].names
train_images, test_images, train_labels, test_labels = load_fashion("data/fashion-mnist")
processor = ConvNextImageProcessor(
    size={"shortest_edge": 28}, crop_pct=1.0, image_mean=[0.5] * 3, image_std=[0.5] * 3
)
train_set = prepare(processor, train_images, train_labels)
test_set = prepare(processor, test_images, test_labels)
print(tuple(train_set[0].shape), tuple(test_set[0].shape))

# %%
#| record:
#|   metric: metric
#|   parameters: model.num_parameters()
#|   steps: len(losses)
#|   epochs: len(losses) * 32 / len(train_labels)
from snippets.vision.convnext import build_convnext
from snippets.vision.optimize import minimize
from snippets.vision.vit import image_loss, score

set_seed(0)
model = build_convnext(labels)
losses = minimize(
    image_loss(model, train_set, strength=0.03),
    [{"params": list(model.parameters()), "lr": 3e-3, "weight_decay": 0.05}],
    count=len(train_labels),
    steps=950,
    batch_size=32,
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
print(f"this ConvNeXT          {metric:.1%}")
assert metric > baseline + MARGIN

# %% [markdown]
# We measured {{ metric | percent }} against {{ baseline | percent }} and
# {{ nearest | percent }}.
#
# ## How it works
#
# A convolution slides a small window of weights, the *kernel*, over the picture. So a
# pattern that was learned in one corner is known in all others, which a
# [ViT](vit.py) has to learn place by place.
# [Liu et al.](https://arxiv.org/abs/2201.03545) took an old convolutional network and
# changed it step by step in the manner of transformers. What came out is built from one
# block:

# %%
#| alt: >
#|   The block as a row of boxes. A depthwise convolution of 7 by 7 looks around in each of
#|   the D channels. Then a layer norm, a linear layer from D to 4 D, the curve GELU and a
#|   linear layer from 4 D to D, all at each place alone. An arc leads from the input around
#|   the boxes to a plus sign before the output.
import matplotlib.pyplot as plt

parts = ["depthwise\n7 × 7", "layer\nnorm", "linear\nD → 4 D", "GELU", "linear\n4 D → D"]
figure, axes = plt.subplots(figsize=(7.2, 1.9), layout="constrained")
for place, part in enumerate(["x", *parts, "+"]):
    color = "C0" if place == 1 else "C1"
    box = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": color}
    axes.text(place, 0, part, ha="center", va="center", size=9, bbox=box)
    if place:
        arrow = {"arrowstyle": "->", "color": "C5"}
        axes.annotate("", (place - 0.4, 0), (place - 0.6, 0), arrowprops=arrow)
around = {"arrowstyle": "->", "color": "C5", "connectionstyle": "arc3,rad=-0.25"}
axes.annotate("", (6, 0.3), (0, 0.3), arrowprops=around)
axes.text(1, -0.75, "looks around,\nin each channel", color="C0", ha="center", size=9)
axes.text(
    3.5, -0.75, "mixes the channels,\nat each place", color="C1", ha="center", size=9
)
axes.set(xlim=(-0.4, 6.4), ylim=(-0.9, 1.6))
axes.set_axis_off()
plt.show()

# %% [markdown]
# - **Depthwise.** Each channel has a kernel of its own and sees no other channel. That is
#   cheap, so the kernel can be large: 7 × 7. It plays the part of attention.
# - **Linear layers** at each place mix the channels, as the MLP of a transformer does.
# - **The sum.** The block adds its result to what came in and can start from doing little.
#
# A *stem* cuts the picture into patches of 4 × 4 pixels, and between two *stages* of blocks
# the grid is halved. In the end all places are averaged and one matrix scores the classes.
# Here is the block in plain PyTorch. With the weights of the trained model copied into it,
# it gives the same numbers:

# %%
#| record:
#|   dense: dense
#|   depthwise: depthwise
from snippets.vision.convnext import copy_block

theirs = model.convnext.encoder.stages[0].layers[0].eval()
ours = copy_block(theirs)
features = torch.randn(8, 48, 7, 7)  # (B, D, H, W)
with torch.no_grad():
    print("same output:", torch.allclose(ours(features), theirs(features), atol=1e-5))
depthwise = ours.look.weight.numel()
dense = torch.nn.Conv2d(48, 48, 7).weight.numel()
print(
    f"{depthwise:,} weights in the depthwise kernels, {dense:,} if each saw all channels"
)

# %% [markdown]
# ## Read the curve, and the kernels
#
# Each point of the loss is the mean of 50 steps. On the right are the first 16 kernels of the
# first block. They have hardly left their random start: on a training this short, most of the
# learning happens in the layers that mix the channels.

# %%
#| alt: >
#|   Left, the training loss falls steeply and then slowly. Right, 16 kernels of 7 by 7
#|   weights that look like noise.
import numpy as np

figure = plt.figure(figsize=(7.2, 2.8), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1.6, 1])
axes = left.subplots()
points = np.reshape(losses[: len(losses) // 50 * 50], (-1, 50)).mean(axis=1)
axes.plot(50 * (np.arange(len(points)) + 0.5), points)
axes.set(title="Training loss", xlabel="step", ylim=(0, None))
for axes, kernel in zip(right.subplots(4, 4).flat, ours.look.weight[:16, 0], strict=True):
    axes.imshow(kernel.detach().numpy(), interpolation="none")
    axes.set_axis_off()
plt.show()

# %% [markdown]
# ## What it looks at
#
# A network without attention has no attention maps. *Occlusion* asks in another way: cover a
# square of 8 × 8 pixels with background and see how far the probability of the answer
# falls. Where it falls a lot, the answer hung on that part.

# %%
#| alt: >
#|   Two rows of five panels. Above, a trouser, a dress, a coat, a bag and an ankle boot.
#|   Below each, a map of 6 by 6 places, bright where covering the picture lowers the
#|   probability of the answer.
from snippets.vision.convnext import occlusion
from snippets.vision.vit import predict

logits = predict(model, test_set[0])  # (1000, 10)
answers = logits.argmax(dim=-1).numpy()
names = ["Trouser", "Dress", "Coat", "Bag", "Ankle boot"]
correct = answers == test_labels
examples = [
    (correct & (test_labels == labels.index(name))).nonzero()[0][0] for name in names
]
falls = occlusion(model, test_set[0][examples])  # (5, 6, 6)
figure, panels = plt.subplots(2, 5, figsize=(7.2, 3.2), layout="constrained")
for (above, below), name, index, fall in zip(
    panels.T, names, examples, falls.numpy(), strict=True
):
    above.imshow(test_images[index], interpolation="none")
    above.set(title=name, xticks=[], yticks=[])
    shades = below.imshow(fall, interpolation="none", vmin=0, vmax=1)
    below.set(xticks=[], yticks=[])
figure.colorbar(shades, ax=panels[1], label="fall")
plt.show()

# %%
for name, fall in zip(names, falls, strict=True):
    print(f"{name:11} falls by {fall.max():.2f} at most, {fall.mean():.2f} on average")

# %% [markdown]
# Dark maps mean that no single square is needed: the rest of the outline is enough.
#
# ## Where it errs
#
# The panels show the mistakes of which the model was surest. {{ mistakes }} of
# {{ test_images | thousands }} images are wrong.

# %%
#| alt: >
#|   Six pictures that the model named wrongly with high probability, each with the right
#|   class and the answer. Most are taken for something similar, such as one shoe for
#|   another.
#| record:
#|   mistakes: len(mistakes)
#|   sure: probabilities[mistakes[0]].item()
probabilities = logits.softmax(dim=-1).max(dim=-1).values.numpy()
mistakes = (answers != test_labels).nonzero()[0]
mistakes = mistakes[(-probabilities[mistakes]).argsort(kind="stable")]
figure, panels = plt.subplots(1, 6, figsize=(7.2, 1.9), layout="constrained")
for axes, index in zip(panels, mistakes, strict=False):
    axes.imshow(test_images[index], interpolation="none")
    truth, answer = labels[test_labels[index]], labels[answers[index]]
    axes.set_title(f"{truth}\nas {answer}", size=8, weight="normal")
    axes.set_axis_off()
plt.show()

# %% [markdown]
# The surest of them has a probability of {{ sure | percent }}: a high probability is not a
# promise.
#
# ## Save it, and the same with a real checkpoint
#
# The folder holds weights, settings, the processor and a model card. A pipeline takes it, or
# an id on the Hub.

# %%
from PIL import Image
from transformers import pipeline
from transformers.utils import logging

from snippets.vision.vit import save_classifier

logging.disable_progress_bar()
checkpoint = "checkpoints/convnext"
save_classifier(model, processor, checkpoint, "zalando-datasets/fashion_mnist", metric)

classifier = pipeline("image-classification", model=checkpoint)
boot = Image.fromarray(test_images[examples[4]])
for answer in classifier(boot, top_k=3):
    print(f"{answer['label']:12} {answer['score']:.3f}")

# %% [markdown]
# Put `"facebook/convnext-tiny-224"` in place of the folder and pass a photograph: it answers
# with one of ImageNet's 1,000 classes. This page runs without a network. The defaults of
# `ConvNextConfig` are the architecture of that checkpoint, so that its size can be measured:

# %%
#| record:
#|   tiny_parameters: tiny.num_parameters()
#|   ratio: round(tiny.num_parameters() / model.num_parameters())
from transformers import ConvNextConfig, ConvNextForImageClassification

with torch.device("meta"):  # shapes without memory
    tiny = ConvNextForImageClassification(ConvNextConfig(num_labels=1000))
print(f"{tiny.num_parameters():,} parameters, stages {list(tiny.config.hidden_sizes)}")

# %% [markdown]
# That is {{ ratio }} times as many as ours. The paper's abstract reports 87.8% of ImageNet's
# images right ([arXiv 2201.03545](https://arxiv.org/abs/2201.03545), January 2022). Ours differs in everything but the block: {{ train_images | thousands }}
# small gray images, ten classes, {{ epochs | round }} epochs.
#
# ## What goes wrong
#
# **Small pictures, many stages.** The stem and three halvings divide the side by 32. A
# picture of 16 pixels has nothing left to halve:

# %%
import sys

small = ConvNextForImageClassification(ConvNextConfig(hidden_sizes=[8, 8, 8, 8]))
try:
    predict(small, torch.zeros(1, 3, 16, 16))
except RuntimeError as error:
    print(f"RuntimeError: {error}", file=sys.stderr)

# %% [markdown]
# `build_convnext` checks this before it builds. Larger pictures than in training run without
# an error, unlike in a ViT. That does not mean that the answers are good.
#
# **It learns slowly.** `layer_scale_init_value` multiplies what each block adds and is one
# millionth by default, which suits training for days. For short training raise it to 1, as
# `build_convnext` does.
#
# ## Where to go next
#
# - [DeiT](deit.py) uses this network as a teacher. [Swin](swin.py) comes from the other side:
#   a transformer that borrows from convolutional networks.
# - [ConvNeXT in the documentation of transformers](https://huggingface.co/docs/transformers/model_doc/convnext).
# - [facebook/convnext-tiny-224](https://huggingface.co/facebook/convnext-tiny-224), the model card.
