# %% [markdown]
# ---
# description: >-
#   Train a small Vision Transformer on real handwritten digits, look inside it, save it,
#   and run the same code with google/vit-base-patch16-224.
# executor:
#   timeout: 180
# ---
# # Train a Vision Transformer from scratch
#
# You will train an image classifier built from a transformer, see what it looks at, save it,
# and swap it for a large one from the Hub by changing one string.
#
# ## The shortest thing that works
#
# The data are scikit-learn's scans of handwritten digits: {{ images | thousands }} images of
# {{ size }} × {{ size }} pixels. We hold {{ test_images }} of them out, an equal share of
# each digit, to tell how well the model reads digits that it has not learned from.

# %%
#| record:
#|   images: len(train_labels) + len(test_labels)
#|   test_images: len(test_labels)
#|   train_images: len(train_labels)
#|   size: train_images.shape[1]
import torch
from transformers import ViTImageProcessor, set_seed

from snippets.vision.vit import load_digit_images

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
train_images, test_images, train_labels, test_labels = load_digit_images()
print("training images", train_images.shape, train_images.dtype)
print("test images    ", test_images.shape, test_images.dtype)

# %% [markdown]
# A network wants small numbers around zero, not bytes. The *processor* resizes each image,
# maps every byte $b$ to $(b / 255 - 0.5) / 0.5$, which lies between −1 and 1, and moves the
# color channels to the front.

# %%
processor = ViTImageProcessor(
    size={"height": 8, "width": 8}, image_mean=[0.5] * 3, image_std=[0.5] * 3
)


def prepare(images, labels):
    pixel_values = processor(list(images), return_tensors="pt").pixel_values
    return pixel_values, torch.tensor(labels)


train_set = prepare(train_images, train_labels)
test_set = prepare(test_images, test_labels)
by_hand = (torch.tensor(test_images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
print(tuple(test_set[0].shape))
print("as by hand:", torch.allclose(test_set[0], by_hand, atol=1e-6))

# %% [markdown]
# The model is transformers' `ViTForImageClassification` with a small `ViTConfig` and random
# weights, so the seed is set first.

# %%
#| record:
#|   parameters: model.num_parameters()
from snippets.vision.vit import build_vit

set_seed(0)
model = build_vit(num_labels=10)
print(f"{model.num_parameters():,} parameters")

# %% [markdown]
# One *step* takes {{ batch_size }} images, scores each class, measures how wrong the scores
# are (the *loss*), and moves every weight a little in the direction that lowers it. One
# *epoch* is a pass over all training images. Each image is warped a little, anew each time,
# because {{ train_images | thousands }} images are few.

# %%
#| record:
#|   accuracy: accuracy
#|   epochs: len(history)
#|   batch_size: BATCH_SIZE
#|   steps_per_epoch: steps // len(history)
#|   steps: steps
from math import ceil

from snippets.vision.vit import BATCH_SIZE, train

history = train(model, train_set, test_set)
steps = len(history) * ceil(len(train_labels) / BATCH_SIZE)
accuracy = history[-1]["accuracy"]
print(f"after {steps} steps, {accuracy:.1%} of the held-out digits are right")

# %% [markdown]
# ### Is that good?
#
# Two old methods on the same split, both done in a moment: a linear model on the raw pixels,
# and a look-up of the most similar training image.

# %%
#| record:
#|   linear: linear
#|   nearest: nearest
#|   standard_error: (accuracy * (1 - accuracy) / len(test_labels)) ** 0.5
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

train_pixels = train_images[..., 0].reshape(-1, 64) / 255
test_pixels = test_images[..., 0].reshape(-1, 64) / 255
linear = LogisticRegression(max_iter=1000).fit(train_pixels, train_labels)
linear = linear.score(test_pixels, test_labels)
nearest = KNeighborsClassifier(n_neighbors=1).fit(train_pixels, train_labels)
nearest = nearest.score(test_pixels, test_labels)
print(f"logistic regression    {linear:.1%}")
print(f"nearest training image {nearest:.1%}")
print(f"this ViT               {accuracy:.1%}")

# %% [markdown]
# We measured {{ accuracy | percent }} for the ViT, {{ linear | percent }} for logistic
# regression and {{ nearest | percent }} for the nearest image. One standard error of the
# first is {{ standard_error | percent }}, so a gap smaller than twice that says little.
# Tiny digits do not need a transformer; they are here because it trains on them while you
# wait.
#
# ## How it works
#
# A transformer reads a sequence, and [Dosovitskiy et al.](https://arxiv.org/abs/2010.11929)
# showed that an image can be one. Below, one held-out digit in the trained model:
#
# - **Patches.** Cut the image into {{ patches }} squares of {{ patch_size }} ×
#   {{ patch_size }} pixels and read them row by row, like words.
# - **Tokens.** Multiply each patch with one learned matrix. The result is its *embedding*,
#   a list of {{ width }} numbers. Add a learned list for the position, so that the order is
#   not lost. Put one extra token in front, the *class token*, which belongs to no patch.
# - **Attention.** In each of {{ layers }} layers every token asks all tokens how much they
#   matter to it, and takes in a weighted mean of what they hold. The weights sum to one.
#   This happens between the last two panels.
#
# In the end only the class token is read. One more matrix turns it into ten *logits*, one
# score a digit, and the largest wins. Which patches are neighbors is learned, too.

# %%
#| alt: >
#|   Four panels from left to right. Image: an 8 by 8 scan of a 4 under a grid that cuts it
#|   into 16 numbered patches. Cut: the 16 patches in a column, below an empty place for the
#|   class token. Embed: a matrix of 17 rows, one a token, and 64 columns of values. Score:
#|   ten horizontal bars, the logits of the digits 0 to 9; the bar of the 4 reaches far to
#|   the right, all others are short or point to the left.
#| record:
#|   patches: patches
#|   patch_size: side
#|   width: model.config.hidden_size
#|   layers: model.config.num_hidden_layers
import matplotlib.pyplot as plt

from snippets.vision.vit import predict

image, pixel_values = test_images[2], test_set[0][2:3]
side = model.config.patch_size
across = model.config.image_size // side
patches = across**2
with torch.no_grad():
    tokens = model.vit.embeddings(pixel_values)[0].numpy()  # (17, 64)
logits = predict(model, pixel_values)[0].numpy()  # (10,)

figure, (left, strip, matrix, scores) = plt.subplots(
    1, 4, figsize=(7.2, 3.9), layout="constrained", width_ratios=[4, 0.7, 4, 2.6]
)
left.imshow(image, interpolation="none", extent=(0, across, across, 0))
left.set(title="Image", xticks=range(across + 1), yticks=range(across + 1))
left.set_axisbelow(False)
left.grid(color="C0", linewidth=1.5)
left.tick_params(labelbottom=False, labelleft=False, length=0)
for patch in range(patches):
    row, column = divmod(patch, across)
    left.text(column + 0.06, row + 0.28, patch + 1, color="C0", weight="bold")
    pixels = image[row * side : (row + 1) * side, column * side : (column + 1) * side]
    place = (0.1, 0.9, patch + 1.4, patch + 0.6)
    strip.imshow(pixels, interpolation="none", extent=place)
strip.set(title="Cut", xlim=(0, 1), ylim=(patches + 0.5, -0.5), xticks=[])
strip.set_yticks(range(patches + 1), ["class", *range(1, patches + 1)], size=9)
strip.tick_params(length=0)
strip.grid(visible=False)
strip.spines[:].set_visible(False)
matrix.imshow(tokens, interpolation="none", aspect="auto")
matrix.set(title="Embed", xlabel="embedding", yticks=[])
matrix.grid(visible=False)
bars = scores.barh(range(10), logits, color="C1")
bars[logits.argmax()].set_color("C0")
scores.set(title="Score", xlabel="logit", ylim=(9.6, -0.6))
scores.set_yticks(range(10))
scores.grid(visible=False)
plt.show()

# %% [markdown]
# ## Read the learning curves
#
# The training loss should fall, the held-out accuracy should rise, and both should level
# off. The learning rate climbs for the first tenth of the steps and then falls to almost
# zero, which calms the end of the curves.

# %%
#| alt: >
#|   Two line charts over the epochs. Left: the mean training loss starts above two and
#|   falls to below 0.1, steeply at first. Right: held-out accuracy climbs steeply for a few
#|   epochs, then slowly, and ends just above the dashed line of logistic regression.
epochs = range(1, len(history) + 1)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3), layout="constrained")
left.plot(epochs, [epoch["loss"] for epoch in history])
left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
right.plot(epochs, [epoch["accuracy"] for epoch in history], color="C1")
right.axhline(linear, color="C2", linestyle="--", label="logistic regression")
right.set(title="Held-out accuracy", xlabel="epoch", ylabel="share right", ylim=(0.5, 1))
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# !!! warning "Do not pick the best epoch from this curve"
#     Then the held-out images choose the model, and the number is no longer fair. We report
#     the last epoch, and chose the settings on a part of the training images.
#
# ## Where it errs
#
# A *confusion matrix* counts each pair of right digit and given answer. What lies off the
# diagonal is a mistake: {{ mistakes }} of {{ test_images }} here. The first are shown below.

# %%
#| alt: >
#|   A matrix of ten rows, the right digits, and ten columns, the answers. Almost all of
#|   the 450 images lie on the diagonal, about 45 for each digit.
#| record:
#|   mistakes: len(mistakes)
from sklearn.metrics import ConfusionMatrixDisplay

logits = predict(model, test_set[0])  # (450, 10)
answers = logits.argmax(dim=-1).numpy()
mistakes = (answers != test_labels).nonzero()[0]
figure, axes = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
counts = ConfusionMatrixDisplay.from_predictions(
    test_labels, answers, ax=axes, colorbar=False, cmap="cividis"
)
for text in counts.text_.ravel():
    text.set_visible(text.get_text() != "0")
axes.set(xlabel="answer", ylabel="right digit")
axes.grid(visible=False)
plt.show()

# %%
#| alt: >
#|   The first mistakes as images, each titled with the right digit and the answer. At
#|   8 by 8 pixels some are hard to read for a person too.
shown = mistakes[:6]
figure, panels = plt.subplots(1, 6, figsize=(7.2, 1.6), layout="constrained")
for axes in panels:
    axes.set_axis_off()
for axes, index in zip(panels, shown, strict=False):
    axes.imshow(test_images[index], interpolation="none")
    axes.set_title(
        f"{test_labels[index]} read as {answers[index]}", size=9, weight="normal"
    )
plt.show()

# %% [markdown]
# ## See what the class token looks at
#
# The faster default attention never holds its weights in memory. That is why `build_vit`
# sets the implementation to `"eager"`, which computes them in plain steps and can
# report them.

# %%
from snippets.vision.vit import class_attention

examples = [list(test_labels).index(digit) for digit in (0, 3, 4, 7)]
weights = class_attention(model, test_set[0][examples])
print("(images, layers, heads, tokens):", tuple(weights.shape))
print("sums of the weights:", weights.sum(dim=-1).unique().round(decimals=5).unique())

# %% [markdown]
# Below, the last layer, as a mean over its {{ heads }} *heads* (each asks its own question).
# The maps show where the class token reads from, not why the model decides as it does:
# earlier layers have already mixed the patches.

# %%
#| alt: >
#|   Two rows of four panels. Above, scans of the digits 0, 3, 4 and 7. Below each, a 4 by 4
#|   map of the attention of the class token. Some maps have one or two bright patches on
#|   the strokes of the digit, others are nearly even.
#| record:
#|   heads: model.config.num_attention_heads
maps = weights[:, -1].mean(dim=1)[:, 1:].reshape(-1, across, across).numpy()
figure, panels = plt.subplots(2, 4, figsize=(6.6, 3.6), layout="constrained")
for (above, below), index, attention in zip(panels.T, examples, maps, strict=True):
    above.imshow(test_images[index], interpolation="none")
    above.set(title=f"Digit {test_labels[index]}", xticks=[], yticks=[])
    shades = below.imshow(attention, interpolation="none", vmin=0, vmax=maps.max())
    below.set(xticks=[], yticks=[])
figure.colorbar(shades, ax=panels[1], label="attention")
plt.show()

# %% [markdown]
# ## Save it and load it again
#
# `save_pretrained` writes the weights as safetensors, a format that holds numbers and no
# code, next to the configuration and the settings of the processor.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers.utils import logging

from snippets.vision.vit import load_classifier

logging.disable_progress_bar()
folder = TemporaryDirectory()
model.save_pretrained(folder.name)
processor.save_pretrained(folder.name)
print(sorted(path.name for path in Path(folder.name).iterdir()))
_, reloaded = load_classifier(folder.name)
print("equal logits:", torch.equal(predict(reloaded, test_set[0]), logits))

# %% [markdown]
# ## The same with a real checkpoint
#
# This function takes a folder or an id on the Hub.


# %%
def classify(checkpoint, image):
    processor, model = load_classifier(checkpoint)
    pixel_values = processor(image, return_tensors="pt").pixel_values
    best = predict(model, pixel_values).softmax(dim=-1)[0].topk(3)
    labels = [model.config.id2label[index] for index in best.indices.tolist()]
    return dict(zip(labels, best.values.round(decimals=3).tolist(), strict=True))


classify(folder.name, test_images[2])

# %% [markdown]
# Pass `"google/vit-base-patch16-224"` instead of the folder, and a photo in RGB instead of
# the digit, and the answer is one of {{ base_classes | thousands }} ImageNet classes. The id is the switch and
# nothing else changes: the checkpoint brings its own configuration, processor and label
# names. This page runs without a network, so the output above comes from the weights just
# trained. We can still measure the big model: the defaults of `ViTConfig` are its
# architecture, and on PyTorch's `meta` device tensors have a shape and no memory.

# %%
#| record:
#|   base_parameters: vit_base.num_parameters()
#|   ratio: round(vit_base.num_parameters() / model.num_parameters())
#|   base_classes: vit_base.config.num_labels
#|   base_width: vit_base.config.hidden_size
#|   base_tokens: (vit_base.config.image_size // vit_base.config.patch_size) ** 2 + 1
#|   tokens: patches + 1
from transformers import ViTConfig, ViTForImageClassification

with torch.device("meta"):
    vit_base = ViTForImageClassification(ViTConfig(num_labels=1000))
    logits_base = vit_base(torch.empty(1, 3, 224, 224)).logits
print("logits of ViT-Base:", tuple(logits_base.shape))
for name, vit in {"ours": model, "ViT-Base": vit_base}.items():
    config = vit.config
    print(
        f"{name:8}  image {config.image_size}, patch {config.patch_size}, "
        f"width {config.hidden_size}, layers {config.num_hidden_layers}, "
        f"{vit.num_parameters():,} parameters"
    )

# %% [markdown]
# **What it costs.** Ours has {{ parameters | thousands }} parameters and took
# {{ steps | thousands }} steps ({{ epochs }} epochs of {{ steps_per_epoch }} steps) on one
# CPU thread; the foot of the page says how many seconds. ViT-Base has
# {{ base_parameters | thousands }} parameters, {{ ratio }} times as many, and reads
# {{ base_tokens }} tokens instead of {{ tokens }}. Attention compares every token with every
# token, so its cost grows with the square of that number. Start from its weights.
#
# ## What goes wrong
#
# **An image of the wrong size.** The model has one position embedding for each patch, so
# pixels that bypass the processor must have the right size.

# %%
import sys

try:
    predict(model, torch.zeros(1, 3, 16, 16))
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# Send images through the processor, which resizes. Or stretch the position embeddings: it
# runs, but the model has not learned from such images.

# %%
large = torch.zeros(1, 3, 16, 16)
tuple(model(large, interpolate_pos_encoding=True).logits.shape)

# %% [markdown]
# **A gray image.** Our scans have three equal channels, in the form of a photo. One channel
# is refused; give a PIL image `.convert("RGB")` first.

# %%
try:
    predict(model, torch.zeros(1, 1, 8, 8))
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **It learns badly.** The default `initializer_range` of `ViTConfig` suits a width of
# {{ base_width }}; for narrow layers raise it, as `build_vit` does. And without the warps
# the model learns its few images by heart.

# %%
folder.cleanup()

# %% [markdown]
# ## Where to go next
#
# - [An Image is Worth 16x16 Words](https://arxiv.org/abs/2010.11929), the paper.
# - [ViT in the documentation of transformers](https://huggingface.co/docs/transformers/model_doc/vit).
# - [google/vit-base-patch16-224](https://huggingface.co/google/vit-base-patch16-224), the model card.
