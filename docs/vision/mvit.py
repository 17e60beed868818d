# %% [markdown]
# ---
# description: >-
#   Train an MViT on clips of moving digits, look at its pyramid of tokens, share a model
#   that transformers does not know, and meet torchvision's mvit_v2_s.
# executor:
#   timeout: 180
#   saves: [mvit]
# ---
# # Shrink a clip step by step with MViT
#
# You will train a video transformer that trades places for channels, see its pyramid, and
# save a model from torchvision in the way of the Hub.
#
# ## The shortest thing that works
#
# The task is that of [TimeSformer](../vision/timesformer.py): a handwritten digit moves
# {{ directions }} for {{ frames }} frames, and the model names the direction.

# %%
#| record:
#|   directions: f"{', '.join(DIRECTIONS[:-1])} or {DIRECTIONS[-1]}"
#|   frames: train_videos.shape[1]
#|   train_clips: len(train_videos)
#|   test_clips: len(test_videos)
import torch

from snippets.vision.data import DIRECTIONS, make_clips
from snippets.vision.mvit import prepare

torch.set_num_threads(1)
train_videos, train_directions = make_clips(1500, seed=0)
test_videos, test_directions = make_clips(400, seed=1, split="test")
train_clips, test_clips = prepare(train_videos), prepare(test_videos)
train_labels, test_labels = torch.tensor(train_directions), torch.tensor(test_directions)
print("training clips", tuple(train_clips.shape), "held out", len(test_clips))

# %% [markdown]
# torchvision wants the channel in front of the frames. Its class `MViT` takes a plan of
# blocks; `TinyMViT` gives it three.

# %%
#| record:
#|   parameters: parameters
#|   accuracy: accuracy
#|   metric: accuracy
#|   steps: len(losses)
from torch.nn import functional as F
from transformers import set_seed

from snippets.vision.mvit import TinyMViT, predict
from snippets.vision.optimize import minimize


def train(model, clips, steps):
    """Train on clips that carry the training labels; return the loss of each step."""
    return minimize(
        lambda batch: F.cross_entropy(model(clips[batch]), train_labels[batch]),
        [{"params": list(model.parameters()), "lr": 3e-3, "weight_decay": 0.05}],
        count=len(clips),
        steps=steps,
    )


set_seed(0)
model = TinyMViT()
losses = train(model, train_clips, steps=180)
accuracy = (
    (predict(model, test_clips).argmax(dim=-1) == test_labels).double().mean().item()
)
parameters = sum(weights.numel() for weights in model.parameters())
print(f"{parameters:,} parameters, {len(losses)} steps")
print(f"{accuracy:.1%} of the held-out clips are right")

# %% [markdown]
# ### Is that good?
#
# The baseline sees no motion: a second model of the same kind learns from clips that repeat
# their middle frame, for half as many steps. And we show the first model the held-out clips
# backward: then right should become left, and up should become down.

# %%
#| record:
#|   baseline: frozen
#|   backward: backward
from snippets.vision.mvit import freeze

set_seed(0)
still = TinyMViT()
train(still, prepare(freeze(train_videos)), steps=90)
frozen = predict(still, prepare(freeze(test_videos))).argmax(dim=-1)
frozen = (frozen == test_labels).double().mean().item()

opposite = torch.tensor([1, 0, 3, 2])
backward = predict(model, test_clips.flip(2)).argmax(dim=-1)
backward = (backward == opposite[test_labels]).double().mean().item()

print(f"one frame only         {frozen:.1%}")
print(f"MViT                   {accuracy:.1%}")
print(f"backward, as opposite  {backward:.1%}")
assert accuracy > frozen + 0.5

# %% [markdown]
# We measured {{ accuracy | percent }} on {{ test_clips }} held-out clips against
# {{ baseline | percent }} for one frame. Played backward, {{ backward | percent }} of them
# get the opposite name.

# %%
#| alt: >
#|   A line chart of the training loss over the steps. It starts near 1.4, the level of
#|   guessing, and falls to near zero.
import matplotlib.pyplot as plt
import numpy as np

figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
blocks = np.array(losses).reshape(-1, 10)
axes.plot(np.arange(1, len(blocks) + 1) * 10, blocks.mean(axis=1))
axes.axhline(np.log(4), color="C2", linestyle="--", label="guessing")
axes.set(xlabel="step", ylabel="cross-entropy", title="Training loss", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# ## How it works
#
# A ViT keeps the number of its tokens and their width from the first layer to the last.
# Convnets do not: they begin with many places and few channels and end with few places and
# many channels. [MViT](https://arxiv.org/abs/2104.11227) brings that pyramid to transformers
# by **pooling attention**:
#
# - **Queries** are pooled. A small convolution with a stride of two merges neighbors, and as
#   there is one output for each query, fewer tokens leave the block.
# - **Keys and values** are pooled, too, and more strongly in the early blocks. That changes
#   the cost, not the number of tokens that leave.
# - The shortcut around the attention is pooled in the same way, so that both fit.
#
# `pyramid` reads the tokens at each stage.

# %%
#| alt: >
#|   Five panels from left to right, all the same size. The first is a frame with a
#|   handwritten digit. The next two are maps of 8 by 8 tokens, then one of 4 by 4 and one of
#|   2 by 2. Brighter cells have longer token vectors; the digit can be told in the early maps
#|   and no longer in the last.
#| record:
#|   first_tokens: stages[0][0, ..., 0].numel()
#|   last_tokens: stages[-1][0, ..., 0].numel()
#|   first_channels: stages[0].shape[-1]
#|   last_channels: stages[-1].shape[-1]
from snippets.vision.mvit import pyramid

stages = pyramid(model, test_clips[:1])  # each (1, T, H, W, D)
figure, panels = plt.subplots(1, 5, figsize=(7.2, 2.1), layout="constrained")
panels[0].imshow(test_videos[0, 4], interpolation="none", cmap="gray")
panels[0].set_title("frame 4", size=10)
for index, (axes, tokens) in enumerate(zip(panels[1:], stages, strict=True)):
    axes.imshow(tokens[0, 2].norm(dim=-1).numpy(), interpolation="none")
    name = f"after block {index}" if index else "patches"
    axes.set_title(name, size=10)
    axes.set_xlabel("{} × {} × {}\n{} channels".format(*tokens.shape[1:]), size=9)
for axes in panels:
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# From left to right: a frame, and the length of each token's vector in the slice that holds
# it. A token of the first stage covers two frames and {{ patch }} × {{ patch }} pixels, so
# {{ frames }} frames make half as many slices. From {{ first_tokens }} tokens of
# {{ first_channels }} channels the pyramid gets to {{ last_tokens }} tokens of
# {{ last_channels }} channels.
#
# What that saves, block by block, in pairs of tokens that the attention compares:

# %%
#| record:
#|   patch: model.mvit.conv_proj.stride[1]
#|   pairs: int(table["pairs"].sum())
#|   plain_pairs: int(table["without pooling"].sum())
#|   saving: table["without pooling"].sum() / table["pairs"].sum()
import pandas as pd

rows = []
for block, entering, leaving in zip(
    model.mvit.blocks, stages[:-1], stages[1:], strict=True
):
    queries = leaving[0, ..., 0].numel() + 1  # and the class token
    tokens = entering[0, ..., 0].numel()
    keys = tokens // np.prod(block.attn.pool_k.pool.stride) + 1
    rows.append(
        {
            "heads": block.attn.num_heads,
            "queries": queries,
            "keys": keys,
            "pairs": queries * keys,
            "without pooling": (tokens + 1) ** 2,
        }
    )
table = pd.DataFrame(rows, index=pd.RangeIndex(1, 4, name="block"))
table

# %% [markdown]
# In sum {{ pairs | thousands }} pairs a head instead of {{ plain_pairs | thousands }}: the
# pyramid compares {{ saving | round(1) }} times fewer. A network without pooling would also
# keep {{ first_tokens }} tokens in its later blocks and pay more.
#
# Two more details come from [MViTv2](https://arxiv.org/abs/2112.01526), and `TinyMViT` uses
# both: positions enter as learned *relative* distances in time, rows and columns, and the
# pooled queries are added to what the attention returns.
#
# ## Save a model that transformers does not know
#
# MViT is in torchvision, not in transformers, so it has no `save_pretrained`. `TinyMViT`,
# which holds it, inherits one from huggingface_hub: `PyTorchModelHubMixin` writes the weights
# as safetensors and the arguments of `__init__` as JSON.

# %%
from pathlib import Path

from huggingface_hub import ModelCard

folder = Path("checkpoints/mvit")
model.save_pretrained(folder)
card = f"""---
license: mit
pipeline_tag: video-classification
---
# MViT on moving digits

Names the direction of a digit in clips of 8 gray frames of 32 by 32 pixels. Trained from
scratch on 1,500 clips made from scikit-learn's handwritten digits. Top-1 accuracy on 400
held-out clips: {accuracy:.3f}; a model that sees one frame: {frozen:.3f}.
"""
ModelCard(card).save(folder / "README.md")
print(sorted(path.name for path in folder.iterdir()))
reloaded = TinyMViT.from_pretrained(folder)
print(
    "equal logits:",
    torch.equal(predict(reloaded, test_clips), predict(model, test_clips)),
)

# %% [markdown]
# `from_pretrained` takes the id of a repository on the Hub as well.
#
# ## The same with a real checkpoint
#
# torchvision names its trained weights `MViT_V2_S_Weights.KINETICS400_V1`. They do not lie on
# the Hub, and this page runs without a network; their metadata is in the package:


# %%
#| record:
#|   real_accuracy: metadata["_metrics"]["Kinetics-400"]["acc@1"] / 100
#|   real_millions: metadata["num_params"] / 1e6
#|   real_classes: len(metadata["categories"])
from torchvision.models.video import MViT_V2_S_Weights


def classify(model, clip, names):
    best = predict(model, clip).softmax(dim=-1)[0].topk(2)
    return {
        names[i]: round(share, 3)
        for i, share in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    }


metadata = MViT_V2_S_Weights.KINETICS400_V1.meta
print("ours:", classify(reloaded, test_clips[:1], DIRECTIONS))
print(
    f"mvit_v2_s: {metadata['num_params']:,} parameters, {len(metadata['categories'])} classes"
)

# %% [markdown]
# With a network, `mvit_v2_s(weights="KINETICS400_V1")` is the model,
# `MViT_V2_S_Weights.KINETICS400_V1.transforms()` prepares 16 frames in color, and
# `metadata["categories"]` are the names; `classify` stays as it is. The metadata states
# {{ real_accuracy | percent }} top-1 on Kinetics-400 for {{ real_millions | round }} million
# parameters, averaged over five clips of each video. The authors' first model reached 80.4%
# with 32 frames ([model zoo](https://github.com/facebookresearch/SlowFast/blob/main/MODEL_ZOO.md),
# read in November 2026). Kinetics has {{ real_classes }} actions in front of all kinds of
# backgrounds, our clips have four directions and none, so the numbers say nothing about each
# other.
#
# ## What goes wrong
#
# **A clip of another size.** The pyramid is planned for one size, and a token too many has no
# place in it:

# %%
import sys

try:
    predict(model, test_clips[..., :24])
except RuntimeError as error:
    print(f"RuntimeError: {error}", file=sys.stderr)

# %% [markdown]
# **Channels in the wrong place.** transformers puts frames before channels, torchvision
# channels before frames. Our gray clips fail loudly:

# %%
try:
    predict(model, test_clips.transpose(1, 2))
except RuntimeError as error:
    print(f"RuntimeError: {error}", file=sys.stderr)

# %% [markdown]
# A clip of exactly three frames in color would not: it fits either way and gives a wrong
# answer.
#
# ## Where to go next
#
# - [TimeSformer](../vision/timesformer.py), the same task with attention split in two.
# - [Vision on Hugging Face](../report/vision.py) compares the families.
# - [MViT in the documentation of torchvision](https://docs.pytorch.org/vision/stable/models/video_mvit.html).
