# %% [markdown]
# ---
# description: >-
#   Turn the regions of an image into tokens of T5, so that counting, yes or no, captions and
#   pointing are one task, writing. With a majority baseline for each kind of question.
# executor:
#   timeout: 180
#   saves: [vl_t5]
# ---
# # Answer, describe and point in words
#
# You will teach one T5, in the way of VL-T5, to count, to answer yes or no, to describe a scene
# and to point at a region, all as text, and measure each against the most frequent answer.
#
# ## The shortest thing that works
#
# A scene shows one to three handwritten digits. We know where they are, so we cut each out as
# a *region*, and add pieces of empty background until there are {{ regions }}, in random
# order. So neither the number of the regions nor their order tells the answer.

# %%
#| record:
#|   regions: crops.shape[1]
#|   train_scenes: len(scenes)
#|   test_scenes: len(test_scenes)
import numpy as np
import torch

from snippets.vision.data import make_scenes
from snippets.vision.vl_t5 import find_regions

torch.set_num_threads(1)


def look(scenes, seed):
    images = np.stack([scene.image for scene in scenes])
    return find_regions(images, [scene.boxes for scene in scenes], seed)


scenes = make_scenes(4000, seed=0, size=48)
test_scenes = make_scenes(300, seed=1, split="test", size=48)
crops, boxes, order = look(scenes, seed=0)
test_crops, test_boxes, test_order = look(test_scenes, seed=1)
print("regions", tuple(crops.shape), "boxes", tuple(boxes.shape))

# %% [markdown]
# Each scene gets questions of four kinds. Each begins with the name of its task, as in
# [T5](https://arxiv.org/abs/1910.10683), and each answer is a text: even a region has a name,
# `<vis_0>` to `<vis_3>`.

# %%
#| record:
#|   questions: len(examples)
#|   test_questions: len(test_examples)
from snippets.vision.vl_t5 import write_examples

examples = write_examples([scene.labels for scene in scenes], order, seed=0)
test_examples = write_examples(
    [scene.labels for scene in test_scenes], test_order, seed=1
)
for example in test_examples[:4]:
    print(f"{example.kind:8} {example.question:32} -> {example.answer}")

# %%
#| alt: >
#|   A scene with handwritten digits on the left, with four numbered boxes: some hold a digit,
#|   the others empty background. To the right the four regions, cut out and scaled to one
#|   size, with their names vis_0 to vis_3.
import matplotlib.pyplot as plt

figure, panels = plt.subplots(
    1, 5, figsize=(7.2, 1.9), layout="constrained", width_ratios=[1.4, 1, 1, 1, 1]
)
panels[0].imshow(
    test_scenes[0].image, interpolation="none", cmap="gray", extent=(0, 1, 1, 0)
)
for number, (left, top, right, bottom) in enumerate(test_boxes[0].tolist()):
    panels[0].add_patch(
        plt.Rectangle(
            (left, top),
            right - left,
            bottom - top,
            fill=False,
            edgecolor="C0",
            linewidth=1.5,
        )
    )
    panels[0].text(
        left + 0.02,
        top + 0.02,
        number,
        color="C0",
        weight="bold",
        size=9,
        verticalalignment="top",
    )
    panels[number + 1].imshow(
        test_crops[0, number].numpy(), interpolation="none", cmap="gray", vmin=-1, vmax=1
    )
    panels[number + 1].set_title(f"vis_{number}", size=9, weight="normal")
panels[0].set_title("scene", size=9)
for axes in panels:
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# In the paper a trained detector, Faster R-CNN, finds the regions and describes each by a list
# of numbers, its *features*. Here the boxes are given, and a small convnet stands for the
# rest: it first learns to name what a region shows, then it stays as it is.

# %%
#| record:
#|   look_accuracy: look_accuracy
#|   features: model.see(crops[:1]).shape[-1]
from transformers import set_seed

from snippets.vision.optimize import minimize
from snippets.vision.vl_t5 import VLT5, look_loss


def name_regions(scenes, order):
    kinds = torch.full((len(scenes), 4), 10)  # 10 is background
    for kind, scene, where in zip(kinds, scenes, order, strict=True):
        kind[where] = torch.tensor(scene.labels)
    return kinds


set_seed(0)
model = VLT5()
eyes = [*model.look.parameters(), *model.classify.parameters()]
minimize(
    look_loss(model, crops, name_regions(scenes, order)),
    [{"params": eyes, "lr": 3e-3, "weight_decay": 0.01}],
    count=crops.shape[0] * crops.shape[1],
    steps=300,
    batch_size=128,
)
features, test_features = model.see(crops), model.see(test_crops)  # (N, 4, 64)
with torch.no_grad():
    named = model.classify(test_features).argmax(dim=-1)
look_accuracy = (named == name_regions(test_scenes, test_order)).double().mean().item()
print(f"{look_accuracy:.1%} of the held-out regions are named right")

# %% [markdown]
# Now T5 learns to write the answers from the question and the features of the four regions.

# %%
#| record:
#|   parameters: parameters
#|   steps: len(losses)
from snippets.vision.vl_t5 import answer_loss

rest = [weights for weights in model.parameters() if weights not in set(eyes)]
losses = minimize(
    answer_loss(model, features, boxes, examples),
    [{"params": rest, "lr": 3e-3, "weight_decay": 0.01}],
    count=len(examples),
    steps=450,
    batch_size=96,
)
parameters = sum(weights.numel() for weights in model.parameters())
print(
    f"{parameters:,} parameters, {len(losses)} steps, last loss {np.mean(losses[-20:]):.2f}"
)

# %%
from snippets.vision.vl_t5 import tokenize


def answer(model, examples, features, boxes):
    where = torch.tensor([example.scene for example in examples])
    input_ids = tokenize([example.question for example in examples])
    return model.answer(input_ids, features[where], boxes[where])


answers = answer(model, test_examples, test_features, test_boxes)
for example, text in zip(test_examples[:4], answers, strict=False):
    print(f"{example.question:32} -> {text}")

# %% [markdown]
# ### Is that good?
#
# For each kind we count the answers that are right word for word. The baseline does not look:
# it gives the most frequent answer to the same question in training, or, for a caption, the
# most frequent caption.

# %%
#| record:
#|   accuracy: float(right.mean())
#|   metric: float(right.mean())
#|   baseline: float(usual_right.mean())
#|   count: table["VL-T5"]["count"]
#|   exists: table["VL-T5"]["exists"]
#|   caption: table["VL-T5"]["caption"]
#|   where: table["VL-T5"]["where"]
#|   caption_baseline: table["most frequent"]["caption"]
import pandas as pd

seen = pd.DataFrame(examples)
asked = pd.DataFrame(test_examples)
usual = seen.groupby("question")["answer"].agg(lambda texts: texts.mode()[0])
right = np.array(answers) == asked["answer"]
usual_right = asked["question"].map(usual) == asked["answer"]
table = pd.DataFrame(
    {
        "questions": asked.groupby("kind").size(),
        "VL-T5": right.groupby(asked["kind"]).mean(),
        "most frequent": usual_right.groupby(asked["kind"]).mean(),
    }
)
assert right.mean() > usual_right.mean() + 0.3
table.round(3)

# %% [markdown]
# Over all {{ test_questions | thousands }} questions we measured {{ accuracy | percent }}
# against {{ baseline | percent }} for the most frequent answer. Counting gets
# {{ count | percent }}, yes or no {{ exists | percent }}, pointing {{ where | percent }}. A
# caption is right only if all its digits are, in the order from left to right:
# {{ caption | percent }}.
#
# ## How it works
#
# [T5](https://arxiv.org/abs/1910.10683) reads a text with its encoder and writes another with
# its decoder. [VL-T5](https://arxiv.org/abs/2102.02779) adds regions to what the encoder
# reads. Each becomes one more token, a sum of three parts:
#
# - **what it shows**: its {{ features }} features, times a matrix;
# - **where it is**: the four sides of its box and its area, times a matrix;
# - **its name**: the embedding of the word `<vis_2>`. The decoder writes with the same
#   embeddings, and so it can point.

# %%
#| alt: >
#|   A diagram from left to right. Words of the question enter an embedding table. Regions enter
#|   a small convnet, their boxes a matrix, their names the same embedding table; the three are
#|   added. Word tokens and region tokens form one row that enters the T5 encoder, an arrow
#|   leads to the T5 decoder, and from there to the answer, vis_2.
figure, axes = plt.subplots(figsize=(7.2, 2.9), layout="constrained")
boxes_drawn = [
    (0, 2.2, "question", "C1"), (0, 1.2, "region", "C1"), (0, 0.6, "its box", "C1"), (0, 0, "its name", "C1"),
    (2, 2.2, "embed", "C0"), (2, 1.2, "convnet", "C0"), (2, 0.6, "matrix", "C0"), (2, 0, "embed", "C0"),
    (3.6, 0.6, "add", "C0"), (5.2, 1.4, "T5 encoder", "C0"), (7.2, 1.4, "T5 decoder", "C0"), (9.2, 1.4, "<vis_2>", "C1"),
]  # fmt: skip
for x, y, text, color in boxes_drawn:
    axes.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        size=9,
        bbox={"boxstyle": "round,pad=0.4", "facecolor": "none", "edgecolor": color},
    )
arrows = [
    (0.6, 2.2, 1.5, 2.2), (0.5, 1.2, 1.4, 1.2), (0.5, 0.6, 1.5, 0.6), (0.6, 0, 1.5, 0),
    (2.6, 1.2, 3.3, 0.7), (2.5, 0.6, 3.3, 0.6), (2.5, 0, 3.3, 0.5),
    (2.5, 2.2, 4.5, 1.5), (3.9, 0.7, 4.5, 1.3), (5.95, 1.4, 6.4, 1.4), (7.95, 1.4, 8.65, 1.4),
]  # fmt: skip
for x, y, to_x, to_y in arrows:
    axes.annotate(
        "", (to_x, to_y), (x, y), arrowprops={"arrowstyle": "->", "color": "C5"}
    )
axes.set(xlim=(-0.7, 9.9), ylim=(-0.5, 2.7))
axes.set_axis_off()
plt.show()

# %% [markdown]
# `T5ForConditionalGeneration` takes the row of tokens as `inputs_embeds` in place of
# `input_ids`; nothing in T5 itself changes:

# %%
model.t5.set_attn_implementation("eager")  # the kind that can report its weights
example = test_examples[3]
input_ids = tokenize([example.question])
scene = [example.scene]
with torch.no_grad():
    tokens = model.embed(input_ids, test_features[scene], test_boxes[scene])
    output = model.t5(
        inputs_embeds=tokens, labels=tokenize([example.answer]), output_attentions=True
    )
print(
    "words",
    input_ids.shape[1],
    "+ regions",
    test_crops.shape[1],
    "= tokens",
    tokens.shape[1],
)

# %% [markdown]
# One detail differs: T5 adds a learned weight for the distance of two tokens in the row. The
# authors' code leaves it out wherever a region takes part, because regions have no order. Ours
# keeps T5 as it is, and shuffles the regions instead.
#
# ## Read the learning curve

# %%
#| alt: >
#|   A line chart of the training loss over the steps. It falls from above three, steeply at
#|   first, then slowly, to below 0.2.
figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
blocks = np.array(losses).reshape(-1, 10).mean(axis=1)
axes.plot(np.arange(1, len(blocks) + 1) * 10, blocks)
axes.set(
    xlabel="step", ylabel="cross-entropy a word", title="Training loss", ylim=(0, None)
)
plt.show()

# %% [markdown]
# ## See which region it reads
#
# While the decoder writes a word, its *cross-attention* weighs all tokens of the encoder.
# Below, for the question above, the last layer as a mean over its heads.

# %%
#| alt: >
#|   A bar chart of attention: one bar for each word of the question, then four bars for the
#|   regions vis_0 to vis_3.
from snippets.vision.vl_t5 import VOCABULARY

weights = (
    output.cross_attentions[-1][0, :, 0].mean(dim=0).numpy()
)  # what the first word reads
names = [VOCABULARY[index] for index in input_ids[0]] + [
    f"vis_{number}" for number in range(4)
]
names = [name.strip("<>") for name in names]
figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
colors = ["C1"] * input_ids.shape[1] + ["C0"] * 4
axes.bar(range(len(names)), weights, color=colors)
axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
axes.set(ylabel="attention", title=f"{example.question}")
print("right answer:", example.answer)
plt.show()

# %% [markdown]
# The encoder has already mixed words and regions, so a bar tells where the decoder reads, not
# what was in that region at first.
#
# Where does it err? Captions are the hardest, since every digit must be right and in its
# place. Among these errors, it is mostly the order that is wrong:

# %%
errors = [
    (example.answer, text)
    for example, text in zip(test_examples, answers, strict=True)
    if example.kind == "caption" and text != example.answer
]
for wanted, text in errors[:4]:
    print(f"{wanted:20} described as {text}")

# %% [markdown]
# ## Save it with a card

# %%
from huggingface_hub import ModelCard

model.save_pretrained("checkpoints/vl_t5")
card = f"""---
license: mit
pipeline_tag: visual-question-answering
---
# VL-T5 on scenes of handwritten digits

Answers four kinds of questions on scenes of one to three digits with given boxes. Trained
from scratch on 4,000 scenes made from scikit-learn's digits. Share of answers on 300 held-out
scenes that are right word for word: {right.mean():.3f}; most frequent answer:
{usual_right.mean():.3f}.
"""
ModelCard(card).save("checkpoints/vl_t5/README.md")
reloaded = VLT5.from_pretrained("checkpoints/vl_t5").eval()
again = answer(reloaded, test_examples, reloaded.see(test_crops), test_boxes)
print("same answers:", again == answers)

# %% [markdown]
# ## The same with a real checkpoint
#
# VL-T5 is not in transformers, and no checkpoint on the Hub loads into it; the authors share
# theirs in [their repository](https://github.com/j-min/VL-T5). The text half has one, and it
# takes `inputs_embeds` in the same way: `T5ForConditionalGeneration.from_pretrained("google-t5/t5-base")`
# in place of the small T5 above, and a matrix from the features of a detector to its
# {{ base_width }} channels. That is how the authors began.

# %%
#| record:
#|   base_width: base.config.d_model
#|   base_millions: base.num_parameters() / 1e6
from transformers import T5Config, T5ForConditionalGeneration

with torch.device("meta"):  # shapes without memory
    base = T5ForConditionalGeneration(
        T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12)
    )
    logits = base(
        inputs_embeds=torch.empty(1, 20 + 36, 768),  # 20 words and 36 regions
        decoder_input_ids=torch.ones(1, 3, dtype=torch.long),
    ).logits
print(f"T5-base: {base.num_parameters():,} parameters, logits {tuple(logits.shape)}")

# %% [markdown]
# The paper's model reaches 75.3 on the answers of [VCR](https://paperswithcode.com/paper/unifying-vision-and-language-tasks-via-text),
# questions on scenes from films. It was pretrained on pairs of images and texts; ours saw
# {{ train_scenes | thousands }} scenes of ten kinds of things with the boxes given, so the
# numbers do not compare.
#
# ## What goes wrong
#
# **A word that is not in the vocabulary.** Ours is a short list:

# %%
import sys
import textwrap

try:
    tokenize(["vqa: what color is the seven"])
except ValueError as error:
    print(textwrap.fill(f"ValueError: {error}", 88), file=sys.stderr)

# %% [markdown]
# **Words and embeddings at once.** T5 takes one of them:

# %%
try:
    model.t5(input_ids=input_ids, inputs_embeds=tokens, labels=input_ids)
except ValueError as error:
    print(textwrap.fill(f"ValueError: {error}", 88), file=sys.stderr)

# %% [markdown]
# **Padding that counts.** If scenes with one digit had one region and the rest were masked,
# the mask alone would give away the count. No error is raised; the number looks too good.
# That is why we fill up with background.
#
# ## Where to go next
#
# - [ViLT](../vision/vilt.py) needs no regions at all.
# - [Unifying Vision-and-Language Tasks via Text Generation](https://arxiv.org/abs/2102.02779), the paper.
# - [T5 in the documentation of transformers](https://huggingface.co/docs/transformers/model_doc/t5).
