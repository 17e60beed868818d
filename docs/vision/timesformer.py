# %% [markdown]
# ---
# description: >-
#   Train a TimeSformer on clips of moving digits, see which frames it compares, and run the
#   same code with facebook/timesformer-base-finetuned-k400.
# executor:
#   timeout: 180
#   saves: [timesformer]
# ---
# # Tell how a digit moves with TimeSformer
#
# You will train a transformer that classifies short clips, prove that it uses the motion and
# not a single picture, and see which frames it compares.
#
# ## The shortest thing that works
#
# Each clip shows one handwritten digit that moves {{ directions }} for {{ frames }} frames,
# one to three pixels a frame, and comes back on the other side. The model shall name the
# direction. The {{ test_clips }} clips held out show digits that no training clip shows.

# %%
#| record:
#|   directions: f"{', '.join(DIRECTIONS[:-1])} or {DIRECTIONS[-1]}"
#|   frames: train_videos.shape[1]
#|   train_clips: len(train_videos)
#|   test_clips: len(test_videos)
import torch

from snippets.vision.data import DIRECTIONS, make_clips

torch.set_num_threads(1)
train_videos, train_directions = make_clips(1500, seed=0)
test_videos, test_directions = make_clips(400, seed=1, split="test")
print("training clips", train_videos.shape, train_videos.dtype)
print("held-out clips", test_videos.shape)

# %%
#| alt: >
#|   Eight frames in a row, each 32 by 32 pixels. A handwritten digit stands a little farther
#|   along in each frame.
import matplotlib.pyplot as plt

figure, panels = plt.subplots(1, 8, figsize=(7.2, 1.4), layout="constrained")
for time, (axes, frame) in enumerate(zip(panels, test_videos[0], strict=True)):
    axes.imshow(frame, interpolation="none")
    axes.set_title(f"{time}", size=10, weight="normal")
    axes.set(xticks=[], yticks=[])
print("this one moves", DIRECTIONS[test_directions[0]])
plt.show()

# %% [markdown]
# The *video processor* turns bytes into small numbers around zero and moves the colors in
# front of rows and columns. It wants three colors, so we repeat our gray one.

# %%
import numpy as np

from snippets.vision.timesformer import build_processor

processor = build_processor()


def prepare(videos):
    colors = np.repeat(videos[..., None], 3, axis=-1)  # (N, F, S, S, 3)
    return processor(list(colors), return_tensors="pt").pixel_values


train_clips, test_clips = prepare(train_videos), prepare(test_videos)
train_labels, test_labels = (
    torch.tensor(part) for part in (train_directions, test_directions)
)
print(tuple(test_clips.shape), f"from {test_clips.min():.0f} to {test_clips.max():.0f}")

# %% [markdown]
# Now the model, `TimesformerForVideoClassification` with a small configuration and random
# weights.

# %%
#| record:
#|   parameters: model.num_parameters()
#|   accuracy: accuracy
#|   metric: accuracy
#|   steps: len(losses)
from transformers import set_seed

from snippets.vision.optimize import minimize
from snippets.vision.timesformer import build_timesformer, predict


def train(model, clips, steps):
    """Train on clips that carry the training labels; return the loss of each step."""
    return minimize(
        lambda batch: model(clips[batch], labels=train_labels[batch]).loss,
        [{"params": list(model.parameters()), "lr": 2e-3, "weight_decay": 0.05}],
        count=len(clips),
        steps=steps,
    )


set_seed(0)
model = build_timesformer(DIRECTIONS)
losses = train(model, train_clips, steps=320)
answers = predict(model, test_clips).argmax(dim=-1)
accuracy = (answers == test_labels).double().mean().item()
print(f"{model.num_parameters():,} parameters, {len(losses)} steps")
print(f"{accuracy:.1%} of the held-out clips are right")

# %% [markdown]
# ### Is that good?
#
# A clip can betray its label without motion, by the place of the digit or by its shape. Two
# checks without motion, and one without a transformer:
#
# - **frozen clips**: a second model of the same kind learns from clips that repeat their
#   middle frame, for half as many steps, and is tested on such clips;
# - **frames shuffled**: our model gets the held-out clips with their frames in random order;
# - **linear**: logistic regression on each second pixel of each second frame.

# %%
#| record:
#|   baseline: frozen
#|   shuffled: shuffled
#|   linear: linear
#|   chance: 1 / len(DIRECTIONS)
from sklearn.linear_model import LogisticRegression

from snippets.vision.timesformer import freeze


def score(classifier, clips):
    return (
        (predict(classifier, clips).argmax(dim=-1) == test_labels).double().mean().item()
    )


set_seed(0)
still = build_timesformer(DIRECTIONS)
train(still, prepare(freeze(train_videos)), steps=160)
frozen = score(still, prepare(freeze(test_videos)))

order = np.random.default_rng(0).permuted(
    np.tile(np.arange(8), (len(test_videos), 1)), axis=1
)
shuffled = score(
    model, prepare(np.take_along_axis(test_videos, order[..., None, None], axis=1))
)

pixels, test_pixels = (
    v[:, ::2, ::2, ::2].reshape(len(v), -1) / 255 for v in (train_videos, test_videos)
)
linear = (
    LogisticRegression(max_iter=200)
    .fit(pixels, train_directions)
    .score(test_pixels, test_directions)
)

print(f"guessing        {1 / len(DIRECTIONS):.1%}")
print(f"frozen clips    {frozen:.1%}")
print(f"frames shuffled {shuffled:.1%}")
print(f"linear          {linear:.1%}")
print(f"TimeSformer     {accuracy:.1%}")
assert accuracy > frozen + 0.5

# %% [markdown]
# We measured {{ accuracy | percent }} against {{ baseline | percent }} for the model that
# sees one frame, which is guessing. The order of the frames carries the answer: shuffled, it
# is {{ shuffled | percent }}. And played backward, a clip should get the opposite name:

# %%
#| record:
#|   backward: backward
opposite = torch.tensor([1, 0, 3, 2])  # right and left, down and up
backward = predict(model, test_clips.flip(1)).argmax(dim=-1)
backward = (backward == opposite[test_labels]).double().mean().item()
print(f"played backward, {backward:.1%} are named as the opposite direction")

# %% [markdown]
# ## How it works
#
# As in [ViT](../vision/vit.py), each frame is cut into patches, and each patch becomes a
# *token*. Here {{ frames }} frames of {{ patches }} patches are {{ tokens }} tokens and one
# class token. If every token looked at every other one, the cost would grow with the square
# of frames times patches. [TimeSformer](https://arxiv.org/abs/2102.05095) divides the work
# in each layer:
#
# 1. **Attention over time.** A token looks at the same place in all frames.
# 2. **Attention over space.** Then it looks at all places of its own frame.
#
# Two steps reach everything: what happens elsewhere, at another time, arrives through the
# token at the crossing.

# %%
#| alt: >
#|   Two rows of four frames of a clip, each under a grid of 4 by 4 patches. In both rows the
#|   same patch of the second frame is framed in amber. Above, over time, the patch at the
#|   same place is shaded in all four frames. Below, over space, all sixteen patches of the
#|   second frame are shaded and none of the others.
#| record:
#|   patches: patches
#|   tokens: 8 * patches
#|   joint: joint
#|   divided: divided
side = model.config.patch_size
across = model.config.image_size // side
patches = across**2
joint = 8 * patches + 1
divided = 8 + patches + 1

figure, rows = plt.subplots(2, 4, figsize=(6.4, 3.6), layout="constrained")
for kind, panels in zip(("time", "space"), rows, strict=True):
    for time, axes in enumerate(panels):
        axes.imshow(
            test_videos[0, 2 * time],
            interpolation="none",
            cmap="gray",
            alpha=0.6,
            extent=(0, across, across, 0),
        )
        axes.set(xticks=range(across + 1), yticks=range(across + 1))
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
        axes.grid(color="C5", linewidth=0.8)
        axes.set_axisbelow(False)
        if kind == "time":
            axes.add_patch(plt.Rectangle((1, 2), 1, 1, color="C1", alpha=0.7))
            axes.set_title(f"frame {2 * time}", size=10, weight="normal")
        elif time == 1:
            axes.add_patch(plt.Rectangle((0, 0), across, across, color="C1", alpha=0.7))
        if time == 1:
            axes.add_patch(
                plt.Rectangle(
                    (1, 2), 1, 1, fill=False, edgecolor="C0", linewidth=3, zorder=5
                )
            )
    panels[0].set_ylabel(f"over {kind}")
plt.show()

# %% [markdown]
# In the figure the token framed in amber reads the shaded ones: {{ divided }} of them
# instead of {{ joint }}, counted for our clips with the class token. The class token takes
# part in the attention over space only, once in each frame, and the results are averaged.
#
# `attention_type` switches between `"divided_space_time"`, `"joint_space_time"` and
# `"space_only"`.
#
# ## Read the learning curve

# %%
#| alt: >
#|   A line chart of the training loss over the steps. It starts a little above 1.4, the
#|   level of guessing, reaches that level after 40 steps, then falls to near zero by step 200.
figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
blocks = np.array(losses).reshape(-1, 20)
axes.plot(np.arange(1, len(blocks) + 1) * 20, blocks.mean(axis=1))
axes.axhline(np.log(4), color="C2", linestyle="--", label="guessing")
axes.set(xlabel="step", ylabel="cross-entropy", title="Training loss", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# At first the loss gets no lower than guessing: a difference between frames means nothing
# until the model has learned what to look for.
#
# ## See which frames it compares
#
# `output_attentions=True` reports the attention over space only. `time_attention` puts a
# hook into each layer and asks for the other kind, too.

# %%
#| alt: >
#|   Two matrices, one for each layer. Rows are the frame of a token, columns the frame
#|   that it reads. In layer 1 the columns of frames 0 and 7 are brightest, that of frame
#|   7 above all in the lower rows. In layer 2 the column of frame 5 is brightest in most
#|   rows.
#| record:
#|   elsewhere: elsewhere
#|   even_elsewhere: 1 - 1 / len(maps[0])
#|   ends: maps[0][:, [0, -1]].sum(axis=1).mean().item()
#|   even_ends: 2 / len(maps[0])
#|   favorite: maps[1].mean(axis=0).argmax().item()
from snippets.vision.timesformer import time_attention

weights = time_attention(model, test_clips[:64])  # (64, layers, patches, heads, 8, 8)
maps = weights.mean(dim=(0, 2, 3)).numpy()  # (layers, 8, 8)
elsewhere = 1 - maps.diagonal(axis1=1, axis2=2).mean().item()
figure, panels = plt.subplots(1, 2, figsize=(6.4, 3), layout="constrained")
for layer, (axes, attention) in enumerate(zip(panels, maps, strict=True)):
    shades = axes.imshow(attention, interpolation="none", vmin=0, vmax=maps.max())
    axes.set(
        title=f"Layer {layer + 1}",
        xlabel="frame that is read",
        ylabel="frame of the token",
    )
figure.colorbar(shades, ax=panels, label="attention")
print(f"{elsewhere:.0%} of the attention goes to other frames")
plt.show()

# %% [markdown]
# Over 64 clips and all places, {{ elsewhere | percent }} of the attention goes to other
# frames than the token's own; spread evenly, it would be {{ even_elsewhere | percent }}. But
# it is not even: layer 1 gives {{ ends | percent(0) }} to the two ends of the clip, which
# would get {{ even_ends | percent(0) }}, and layer 2 reads frame {{ favorite }} most. The maps
# show where tokens read from; they do not prove how the answer comes about. The shuffled and
# the backward clips above do more.
#
# ## Save it with a card

# %%
from pathlib import Path

from huggingface_hub import ModelCard
from transformers.utils import logging

logging.disable_progress_bar()
folder = Path("checkpoints/timesformer")
model.save_pretrained(folder)
processor.save_pretrained(folder)
card = f"""---
license: mit
pipeline_tag: video-classification
---
# TimeSformer on moving digits

Names the direction of a digit in clips of 8 gray frames of 32 by 32 pixels. Trained from
scratch on 1,500 clips made from scikit-learn's handwritten digits. Top-1 accuracy on 400
held-out clips: {accuracy:.3f}; a model that sees one frame: {frozen:.3f}.
"""
ModelCard(card).save(folder / "README.md")
print(sorted(path.name for path in folder.iterdir()))

# %% [markdown]
# ## The same with a real checkpoint
#
# This function takes a folder or an id on the Hub.

# %%
from snippets.vision.timesformer import load_video_classifier


def classify(checkpoint, frames):
    processor, model = load_video_classifier(checkpoint)
    clip = processor(frames, return_tensors="pt").pixel_values
    best = predict(model, clip).softmax(dim=-1)[0].topk(2)
    labels = [model.config.id2label[index] for index in best.indices.tolist()]
    shares = [round(share, 3) for share in best.values.tolist()]
    return dict(zip(labels, shares, strict=True))


classify("checkpoints/timesformer", np.repeat(test_videos[0][..., None], 3, axis=-1))

# %% [markdown]
# Pass [`"facebook/timesformer-base-finetuned-k400"`](https://huggingface.co/facebook/timesformer-base-finetuned-k400)
# and eight frames of a video in color, and the answer is one of 400 human actions. This page
# runs without a network, so the output above comes from the weights just trained. The
# authors report 77.9% top-1 on Kinetics-400 for that size and 80.6% for their largest
# ([model zoo](https://github.com/facebookresearch/TimeSformer), read in November 2026). Our
# number is no rival to it: four directions on an empty background against 400 actions that
# people filmed, and {{ parameters | thousands }} parameters against
# {{ base_millions | round }} million:

# %%
#| record:
#|   base_millions: base.num_parameters() / 1e6
from transformers import TimesformerConfig, TimesformerForVideoClassification

with torch.device("meta"):  # shapes without memory
    base = TimesformerForVideoClassification(TimesformerConfig(num_labels=400))
print(f"TimeSformer-Base: {base.num_parameters():,} parameters")

# %% [markdown]
# ## What goes wrong
#
# **One frame instead of a clip.** The model wants five dimensions: clips, frames, colors,
# rows, columns.

# %%
import sys

try:
    predict(model, test_clips[:1, 0])
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Another number of frames.** No error: the layers take the number of frames from the
# configuration and sort the tokens by it, so places and times get mixed up. Here each second
# frame is left out; then each frame that is left is shown twice.

# %%
#| record:
#|   mixed: mixed
#|   repeated: repeated
halved = test_clips[:, ::2]  # four frames
mixed = score(model, halved)
repeated = score(model, halved.repeat_interleave(2, dim=1))  # eight again
print(f"four frames           {mixed:.1%}")
print(f"four frames, repeated {repeated:.1%}")

# %% [markdown]
# We measured {{ mixed | percent }} and {{ repeated | percent }}. Always hand over as many
# frames as `model.config.num_frames` says.
#
# **It does not learn time.** In transformers the embeddings of time start at zero, and a
# model from scratch must first grow them. `build_timesformer` starts them at random. A
# checkpoint brings its own.
#
# ## Where to go next
#
# - [MViT](../vision/mvit.py) solves the same task with a pyramid.
# - [The documentation of transformers](https://huggingface.co/docs/transformers/model_doc/timesformer).
