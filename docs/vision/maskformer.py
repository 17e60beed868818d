# %% [markdown]
# ---
# description: >-
#   Train a small MaskFormer to cut scenes into labeled masks, and measure it as a semantic
#   and as an instance segmenter.
# executor:
#   timeout: 180
#   saves: [maskformer]
# ---
# # Segment an image with MaskFormer
#
# You will train one model that answers two questions at once: which label each pixel has,
# and which pixels belong to the same thing.
#
# ## The shortest thing that works
#
# MaskFormer sees an image as a set of *segments*, each a mask with a label. In our
# [scenes](data.py) of {{ size }} × {{ size }} pixels these are one or two handwritten digits
# and the background. The {{ test_scenes }} held-out scenes show other scans than the
# {{ train_scenes | thousands }} training scenes.

# %%
#| record:
#|   train_scenes: len(train_scenes)
#|   test_scenes: len(test_scenes)
#|   size: SIZE
import numpy as np
import torch
from transformers import MaskFormerImageProcessor

from snippets.vision.data import WORDS, make_scenes
from snippets.vision.maskformer import to_segments

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
SIZE = 48
LABELS = ["background", *WORDS]
train_scenes = make_scenes(3000, seed=0, split="train", size=SIZE, most=2)
test_scenes = make_scenes(300, seed=1, split="test", size=SIZE, most=2)
train_images, test_images = (
    [np.stack([scene.image] * 3, axis=-1) for scene in scenes]  # (48, 48, 3), as a photo
    for scenes in (train_scenes, test_scenes)
)
processor = MaskFormerImageProcessor(
    size={"height": SIZE, "width": SIZE},
    size_divisor=16,
    image_mean=[0.5] * 3,
    image_std=[0.5] * 3,
)
pixel_values = processor(train_images, return_tensors="pt").pixel_values
segments = [to_segments(scene.labels, scene.masks) for scene in train_scenes]
print(test_scenes[0].caption, [LABELS[i] for i in segments[0][0]], pixel_values.shape)

# %% [markdown]
# The *backbone*, which makes features out of pixels, first learns to name single digits. The
# paper takes one that was trained on ImageNet.

# %%
from torch.nn import functional as F
from transformers import set_seed

from snippets.vision.maskformer import build_classifier
from snippets.vision.optimize import minimize

singles = make_scenes(3000, seed=2, split="train", size=32, most=1, sides=(0.42, 0.63))
single_pixels = torch.tensor(np.stack([scene.image for scene in singles])) / 127.5 - 1
single_pixels = single_pixels[:, None].expand(-1, 3, -1, -1)  # (3000, 3, 32, 32)
single_labels = torch.tensor([scene.labels[0] for scene in singles])

set_seed(0)
classifier = build_classifier(num_labels=10)
classifier.train()
losses = minimize(
    lambda batch: F.cross_entropy(
        classifier(single_pixels[batch]).logits, single_labels[batch]
    ),
    [{"params": list(classifier.parameters()), "lr": 3e-3}],
    count=len(singles),
    steps=250,
    batch_size=32,
)
print(f"loss {losses[0]:.2f} -> {sum(losses[-20:]) / 20:.2f}")

# %% [markdown]
# Then the whole model learns from masks and labels.

# %%
#| record:
#|   parameters: model.num_parameters()
#|   steps: len(losses)
#|   queries: model.config.decoder_config.num_queries
from snippets.vision.maskformer import build_maskformer, finish

model = build_maskformer(classifier, LABELS)
model.train()
encoder = list(model.model.pixel_level_module.encoder.parameters())
others = [p for name, p in model.named_parameters() if ".encoder." not in name]
losses = minimize(
    lambda batch: (
        model(
            pixel_values[batch],
            class_labels=[segments[i][0] for i in batch],
            mask_labels=[segments[i][1] for i in batch],
            output_hidden_states=True,
        ).loss
    ),
    [{"params": others, "lr": 1e-3}, {"params": encoder, "lr": 5e-4}],
    count=len(segments),
    steps=380,
)
finish(model)
print(f"{model.num_parameters():,} parameters, {len(losses)} steps")

# %% [markdown]
# ### Is that good?
#
# For the map of labels we take the *mean IoU*: for each label, the pixels where answer and
# truth agree, divided by the pixels where either has it, then the mean over the labels. The
# rivals are a map of background only, and a threshold that gives bright pixels the commonest
# digit.

# %%
#| record:
#|   metric: scores["MaskFormer"]
#|   baseline: scores["threshold"]
#|   background: scores["all background"]
#|   margin: MARGIN
from snippets.vision.maskformer import segment
from snippets.vision.scoring import mean_iou

test_segments = [to_segments(scene.labels, scene.masks) for scene in test_scenes]
truth = torch.stack([(i[:, None, None] * m).sum(0).long() for i, m in test_segments])
grays = torch.tensor(np.stack([scene.image for scene in test_scenes]))
answers = segment(model, processor, test_images)
commonest = single_labels.mode().values + 1
candidates = {
    "all background": torch.zeros_like(truth),
    "threshold": torch.where(grays >= 64, commonest, 0),
    "MaskFormer": answers,
}
scores = {name: mean_iou(maps, truth, len(LABELS)) for name, maps in candidates.items()}
for name, score in scores.items():
    print(f"{name:15} {score:.3f}")
MARGIN = 0.3
assert scores["MaskFormer"] > scores["threshold"] + MARGIN

# %% [markdown]
# The same answers, read as single things: *average precision* (AP) of the masks. One is
# right if its label is and if its IoU with the true mask is at least one half. Connected
# pieces of ink are the rival, first all with the commonest label, then with the label of the
# most similar training scan.

# %%
#| record:
#|   mask_ap50: precisions["MaskFormer"]["ap50"]
#|   mask_ap: precisions["MaskFormer"]["ap"]
#|   ink: precisions["ink, one label"]["ap50"]
#|   rule: precisions["ink, look-up"]["ap50"]
from sklearn.neighbors import KNeighborsClassifier

from snippets.vision.maskformer import find_instances
from snippets.vision.scoring import average_precision, detect_by_rule, shrink

targets = [
    {"masks": torch.tensor(scene.masks), "labels": torch.tensor(scene.labels)}
    for scene in test_scenes
]
scans = [shrink(scene.image, scene.boxes[0]) for scene in singles]
reader = KNeighborsClassifier(n_neighbors=1).fit(scans, single_labels)
images = [scene.image for scene in test_scenes]
instances = find_instances(model, processor, test_images)
rivals = {
    "ink, one label": detect_by_rule(images, label=commonest.item() - 1),
    "ink, look-up": detect_by_rule(images, reader=reader),
    "MaskFormer": instances,
}
precisions = {name: average_precision(r, targets, "segm") for name, r in rivals.items()}
for name, values in precisions.items():
    print(f"{name:15} AP50 {values['ap50']:.3f}   AP {values['ap']:.3f}")

# %% [markdown]
# We measured a mean IoU of {{ metric | round(3) }} against {{ baseline | round(3) }} for the
# threshold, and a mask AP of {{ mask_ap50 | round(3) }} at half overlap against
# {{ ink | round(3) }} for ink with one label. Ink with a look-up, a rule made for bright
# digits on black that never touch, gets {{ rule | round(3) }}. It works for nothing else.
#
# ## How it works
#
# Segmentation was mostly done pixel by pixel, as in [SETR](setr.py). [Cheng et
# al.](https://arxiv.org/abs/2107.06278) asked for masks instead. A **pixel decoder** turns
# the backbone's maps into one *embedding*, a list of {{ mask_width }} numbers, for each
# place. A **transformer decoder** turns {{ queries }} learned queries into as many pairs: a
# label, which may be "no object", and a mask embedding. The dot product of a mask embedding
# with the embedding of a place says whether the place belongs to the mask.

# %%
#| alt: >
#|   A diagram: image, then backbone; from there one arrow up to the pixel decoder with 12 by
#|   12 embeddings and one down to the transformer decoder with 8 queries. Both meet in the
#|   dot product, which gives 8 masks. A second arrow from the queries leads to 8 labels.
#| record:
#|   mask_width: model.config.mask_feature_size
import matplotlib.pyplot as plt

parts = {
    "image": (0, 0.55, "image\n48 × 48"),
    "backbone": (1, 0.55, "backbone\n12, 6 and 3\nwide"),
    "pixel": (2, 1.1, "pixel decoder\n12 × 12 × 32"),
    "query": (2, 0, "transformer\ndecoder\n8 queries"),
    "mask": (3, 1.1, "dot product:\n8 masks"),
    "label": (3, 0, "8 labels"),
    "map": (4, 0.55, "map of labels\nor list of\ninstances"),
}
arrows = [
    "image backbone",
    "backbone pixel",
    "backbone query",
    "pixel mask",
    "query mask",
]
arrows += ["query label", "mask map", "label map"]
figure, axes = plt.subplots(figsize=(7.2, 2), layout="constrained")
for place, height, text in parts.values():
    axes.add_patch(
        plt.Rectangle((place, height), 0.8, 0.8, fill=False, edgecolor="C0", lw=1.5)
    )
    axes.text(place + 0.4, height + 0.4, text, ha="center", va="center", size=8)
for arrow in arrows:
    (x, y, _), (to_x, to_y, _) = (parts[name] for name in arrow.split())
    axes.annotate(
        "",
        (to_x, to_y + 0.4),
        (x + 0.8, y + 0.4),
        arrowprops={"arrowstyle": "->", "color": "C2"},
    )
axes.set(xlim=(-0.05, 4.85), ylim=(-0.05, 1.95))
axes.set_axis_off()
plt.show()

# %% [markdown]
# As in [DETR](detr.py), queries and true segments are matched one to one at the least cost,
# each matched query learns its label and mask, and all others learn "no object". For a map
# of labels, each pixel adds up, over the queries, the probability of a label times the
# probability of the mask; the largest sum wins. Here are both steps by hand:

# %%
inputs = processor(test_images[:4], return_tensors="pt")
with torch.no_grad():
    outputs = model(**inputs, output_hidden_states=True)
    queries = outputs.transformer_decoder_last_hidden_state  # (4, 8, 64)
    places = outputs.pixel_decoder_last_hidden_state  # (4, 32, 12, 12)
    masks = torch.einsum("bqc,bchw->bqhw", model.mask_embedder(queries), places)
chances = outputs.class_queries_logits.softmax(dim=-1)[..., :-1]  # without "no object"
votes = torch.einsum("bqk,bqhw->bkhw", chances, masks.sigmoid())
votes = F.interpolate(votes, size=(SIZE, SIZE), mode="bilinear")
print("masks equal:", torch.allclose(masks, outputs.masks_queries_logits, atol=1e-5))
print("maps equal: ", torch.equal(votes.argmax(dim=1), answers[:4]))

# %% [markdown]
# ## Read the learning curve
#
# The loss adds up label and mask, for both decoder layers. It drops while the background and
# the places of the digits are learned, and then goes down with the labels.

# %%
#| alt: >
#|   Line chart of the loss over 380 steps, as means of 10 steps. It falls steeply in the
#|   first hundred steps and then slowly until the end.
smooth = np.array(losses).reshape(-1, 10).mean(axis=1)
figure, axes = plt.subplots(figsize=(5, 2.6), layout="constrained")
axes.plot(np.arange(1, len(smooth) + 1) * 10, smooth)
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
plt.show()

# %% [markdown]
# ## What the queries draw
#
# Two held-out scenes, one with two different digits and one with two alike: the mask of
# every query, titled with its best label and the probability of it. Most queries say
# "nothing", and what they draw does not count.

# %%
#| alt: >
#|   Two rows, each a scene with two digits and eight coarse masks of 12 by 12 cells. In
#|   each row one mask is the background, two have the name of a digit, and five have
#|   "nothing" as title. In the upper row, with different digits, each named mask covers
#|   its own. In the lower row, with two zeros, each named mask covers one of them and
#|   parts of the other.
#| record:
#|   different: precision["different"]
#|   alike: precision["alike"]
#|   alike_scenes: len(groups["alike"])
groups = {"one": [], "different": [], "alike": []}
for index, scene in enumerate(test_scenes):
    kinds, digits = len(set(scene.labels)), len(scene.labels)
    name = "one" if digits == 1 else "different" if kinds == 2 else "alike"
    groups[name].append(index)

figure, rows = plt.subplots(2, 9, figsize=(7.2, 2.5), layout="constrained")
for panels, name in zip(rows, ("different", "alike"), strict=True):
    shown = groups[name][0]
    inputs = processor(test_images[shown], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    best = outputs.class_queries_logits[0].softmax(dim=-1).max(dim=-1)
    panels[0].imshow(test_images[shown], interpolation="none")
    panels[0].set_title(name, size=8, weight="normal")
    for query, axes in enumerate(panels[1:]):
        mask = outputs.masks_queries_logits[0, query].sigmoid().numpy()
        axes.imshow(mask, interpolation="none", vmin=0, vmax=1)
        label = [*LABELS, "nothing"][best.indices[query]].replace("back", "")
        axes.set_title(f"{label}\n{best.values[query]:.2f}", size=8, weight="normal")
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
plt.show()

precision = {}
for name, indices in groups.items():
    part = [instances[i] for i in indices], [targets[i] for i in indices]
    precision[name] = average_precision(*part, "segm")["ap50"]
    print(f"{name:10} {len(indices):4} scenes, mask AP50 {precision[name]:.3f}")

# %% [markdown]
# We measured a mask AP of {{ different | round(3) }} at half overlap for two different
# digits and of {{ alike | round(3) }} for two alike, in {{ alike_scenes }} scenes. All
# masks come from the same embeddings of the places. These tell ink from background and
# one digit from another. The less they tell one zero from the next zero, the less a query
# can draw the two apart. The map of labels does not suffer, because there the two count
# as one.
#
# ## What it answers, and where it errs
#
# Held-out scenes above, the true maps in the middle, the answers below; each color is one
# label. The masks come from a grid of 12 × 12 places, so strokes are rounded and thin gaps
# close.

# %%
#| alt: >
#|   Three rows of seven panels: scenes, true maps, answers. The answers have the places and
#|   the colors of the truth, but rough outlines; the holes of an 8 and of a 6 are filled.
figure, panels = plt.subplots(3, 7, figsize=(7.2, 3.2), layout="constrained")
for column, (above, middle, below) in enumerate(panels.T):
    above.imshow(test_images[column], interpolation="none")
    for axes, labels in ((middle, truth), (below, answers)):
        axes.imshow(
            labels[column].numpy(), interpolation="none", cmap="tab20", vmin=0, vmax=19
        )
    for axes in (above, middle, below):
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
for axes, name in zip(panels[:, 0], ["image", "truth", "answer"], strict=True):
    axes.set_ylabel(name)
plt.show()

# %% [markdown]
# ## Save it
#
# [Vision pipelines](pipelines.py) loads this folder.

# %%
from pathlib import Path

from huggingface_hub import ModelCard
from transformers.utils import logging

from snippets.vision.maskformer import load_segmenter

logging.disable_progress_bar()
folder = Path("checkpoints/maskformer")
model.save_pretrained(folder)
processor.save_pretrained(folder)
ModelCard(
    f"""---
license: mit
pipeline_tag: image-segmentation
---
# A small MaskFormer for scenes of handwritten digits

Trained on scenes of {SIZE} x {SIZE} pixels with scans from scikit-learn's load_digits.
On held-out scenes: mean IoU {scores["MaskFormer"]:.3f}.
"""
).save(folder / "README.md")
saved_processor, saved = load_segmenter(str(folder))
again = segment(saved, saved_processor, test_images[:20])
print("same maps:", torch.equal(again, answers[:20]))

# %% [markdown]
# ## The same with a real checkpoint
#
# This function takes a folder or an id on the Hub:


# %%
def name_pixels(checkpoint, image):
    processor, model = load_segmenter(checkpoint)
    labels, counts = segment(model, processor, [image]).unique(return_counts=True)
    names = [model.config.id2label[label] for label in labels.tolist()]
    return dict(zip(names, counts.tolist(), strict=True))


name_pixels(str(folder), test_images[shown])

# %% [markdown]
# Pass `"facebook/maskformer-swin-base-ade"` and a photo to get the 150 kinds of things of
# ADE20K, from "wall" to "flag". This page has no network, so we only count, on PyTorch's
# `meta` device, where tensors have a shape and no memory. The defaults of the configuration
# are those of that checkpoint's family:

# %%
#| record:
#|   real_parameters: real.num_parameters()
#|   ratio: round(real.num_parameters() / model.num_parameters())
from transformers import MaskFormerConfig, MaskFormerForInstanceSegmentation, ResNetConfig
from transformers.models.maskformer.configuration_maskformer import MaskFormerDetrConfig

decoder = MaskFormerDetrConfig(backbone_config=ResNetConfig())
with torch.device("meta"):
    real = MaskFormerForInstanceSegmentation(MaskFormerConfig(decoder_config=decoder))
print(f"{real.num_parameters():,} parameters")

# %% [markdown]
# That is {{ ratio }} times ours. The abstract reports a mean IoU of 55.6 percent on ADE20K
# for the best MaskFormer ([quoted by
# MMDetection](https://github.com/open-mmlab/mmdetection/blob/main/configs/maskformer/README.md)).
# Ours has eleven labels and clean scenes, theirs 150 labels and photos.
#
# ## What goes wrong
#
# **Overlapping masks.** A pixel has one label, so segments must not share pixels:

# %%
import sys

try:
    to_segments(np.array([3, 5]), np.ones((2, 4, 4)))
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **The auxiliary loss.** A configuration with `use_auxiliary_loss=True`, which helps training,
# fails in a plain call in transformers 5.23, and so in a pipeline:

# %%
model.config.use_auxiliary_loss = True
try:
    model(**inputs)
except TypeError as error:
    print(f"TypeError: {error}", file=sys.stderr)
model.config.use_auxiliary_loss = False

# %% [markdown]
# Pass `output_hidden_states=True` while you train, and switch it off before you save, as
# `finish` does.
#
# ## Where to go next
#
# - [SETR](setr.py) labels the pixels of the same scenes one by one.
# - [Mask R-CNN](mask-rcnn.py) finds boxes first, then masks.
# - [MaskFormer in the documentation](https://huggingface.co/docs/transformers/model_doc/maskformer)
#   and its successor, Mask2Former.
