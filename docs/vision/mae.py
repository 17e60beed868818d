# %% [markdown]
# ---
# description: >-
#   Train a masked autoencoder on photographs of clothes, see what it draws where it saw
#   nothing, and run the same code with facebook/vit-mae-base.
# executor:
#   timeout: 300
#   data: [data/fashion-mnist]
#   saves: [mae]
# ---
# # Learn from images without labels: MAE
#
# You will train a transformer to draw the three quarters of an image that it cannot see,
# compare its drawings with three simple guesses, and keep its encoder for later.
#
# ## The shortest thing that works
#
# A label costs someone's time; an image is its own teacher. Hide a part and ask for it. The
# data are {{ images | thousands }} gray photographs of clothes from
# [Fashion-MNIST](https://arxiv.org/abs/1708.07747), {{ size }} × {{ size }} pixels each,
# and we hold out {{ test_images | thousands }} more. Their labels stay unused on this page.

# %%
#| record:
#|   images: len(train_images)
#|   test_images: len(test_images)
#|   size: train_images.shape[1]
import torch
from transformers import set_seed

from snippets.vision.data import load_fashion
from snippets.vision.mae import build_processor

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
# The model is transformers' `ViTMAEForPreTraining` with random weights. It cuts an image into
# {{ patches }} *patches* of {{ patch_size }} × {{ patch_size }} pixels. A patch is hidden or
# seen by a random number: the {{ seen }} patches with the smallest are seen.

# %%
#| record:
#|   parameters: model.num_parameters()
#|   patches: patches
#|   patch_size: model.config.patch_size
#|   seen: patches - hidden[0].sum().item()
#|   hidden: hidden[0].sum().item()
from snippets.vision.mae import build_mae, reconstruct

set_seed(0)
model = build_mae()
patches = model.vit.embeddings.patch_embeddings.num_patches
noise = torch.rand(len(test_pixels), patches, generator=torch.Generator().manual_seed(1))
_, hidden = reconstruct(model, test_pixels, noise)
print(f"{model.num_parameters():,} parameters")
print(f"{hidden[0].sum()} of {patches} patches hidden")

# %% [markdown]
# One *step* takes {{ batch_size }} images, mirrors half of them, hides other patches each
# time, and moves every weight a little so that the drawn pixels come nearer to the true ones.

# %%
#| record:
#|   steps: len(losses)
#|   batch_size: BATCH_SIZE
#|   epochs: len(losses) * BATCH_SIZE / len(train_images)
from snippets.vision.mae import drawing_loss
from snippets.vision.optimize import minimize

BATCH_SIZE = 32
losses = minimize(
    drawing_loss(model, train_pixels),
    [
        {
            "params": list(model.parameters()),
            "lr": 6e-3,
            "weight_decay": 0.05,
            "betas": (0.9, 0.95),
        }
    ],
    count=len(train_pixels),
    steps=2000,
    batch_size=BATCH_SIZE,
)
print(f"{len(losses)} steps of {BATCH_SIZE} images; loss of the first and the last 50:")
print(f"{sum(losses[:50]) / 50:.3f} {sum(losses[-50:]) / 50:.3f}")

# %% [markdown]
# ### Is that good?
#
# The error is the mean squared difference on hidden pixels. To read it, compare with guesses
# that need no network:
#
# - **the mean patch** of each place over the training images,
# - **the best linear guess** from the seen pixels (the mean of a normal distribution with the
#   covariance of the training images, given what is seen),
# - **the neighbors**: the {{ k }} training images most similar where something is seen,
#   averaged. Clothes are centered and alike, so this is a strong guess.

# %%
#| record:
#|   mse: errors["MAE"]
#|   mean_mse: errors["mean patch"]
#|   linear: explained["linear guess"]
#|   neighbors: explained["neighbors"]
#|   metric: explained["MAE"]
#|   baseline: explained["mean patch"]
#|   margin: MARGIN
#|   lead: explained["MAE"] - explained["neighbors"]
#|   lead_error: 2 * gap.std().item() / len(gap) ** 0.5 / errors["mean patch"]
#|   k: 10
from snippets.vision.mae import linear_fill, nearest_fill

MARGIN = 0.5
library, truth = model.patchify(train_pixels), model.patchify(test_pixels)
drawings, hidden = reconstruct(model, test_pixels, noise)
fills = {
    "mean patch": library.mean(dim=0).expand_as(truth),
    "linear guess": linear_fill(truth, hidden, library),
    "neighbors": nearest_fill(truth, hidden, library, k=10),
    "MAE": drawings,
}
image_errors = {  # the error of each test image
    name: ((fill - truth).square().mean(dim=2) * hidden).sum(dim=1) / hidden.sum(dim=1)
    for name, fill in fills.items()
}
errors = {name: values.mean().item() for name, values in image_errors.items()}
explained = {name: 1 - error / errors["mean patch"] for name, error in errors.items()}
print("                 error  explained")
for name in fills:
    print(f"{name:14} {errors[name]:7.3f} {explained[name]:10.1%}")
gap = image_errors["MAE"] - image_errors["neighbors"]  # below zero: MAE is better
assert explained["MAE"] > explained["mean patch"] + MARGIN

# %% [markdown]
# *Explained* is the share of the mean patch's error that is gone: 0% for the mean patch,
# 100% for a perfect drawing. We measured {{ metric | percent }} for MAE,
# {{ linear | percent }} for the linear guess and {{ neighbors | percent }} for the
# neighbors. MAE less neighbors is {{ lead | percent }} ± {{ lead_error | percent }} (two
# standard errors over images; below zero the neighbors win). So the model has learned to
# draw, from {{ images | thousands }} images and in about a minute, but on pictures so
# alike a look-up is hard to beat, and we claim no more than the margin that the code
# asserts.
#
# ## How it works
#
# The recipe is from [He et al.](https://arxiv.org/abs/2111.06377). Below, one held-out image
# on its way through the trained model:
#
# - **See.** Only the {{ seen }} seen patches go on. Each becomes a *token*, a list of
#   {{ width }} numbers, plus numbers for its position.
# - **Encode.** A Vision Transformer lets the tokens, and one class token, read each other.
#   Hidden patches cost nothing here: that is what makes MAE cheap.
# - **Draw.** A smaller *decoder* gets the encoded tokens and, at each hidden place, the same
#   learned *mask token*. One matrix turns each token into {{ patch_size }} × {{ patch_size }}
#   pixels. After training, the decoder is thrown away and the encoder is kept.

# %%
#| alt: >
#|   Four panels from left to right. Image: an ankle boot under a grid of 7 by 7 patches. See:
#|   the same image with all but 12 patches blank. Encode: a matrix of 13 rows, the class token
#|   and 12 seen patches, and 64 columns of values. Draw: a blurred image of the whole,
#|   drawn from the 12 seen patches.
#| record:
#|   width: model.config.hidden_size
import matplotlib.pyplot as plt

from snippets.vision.patches import as_images

with torch.no_grad():
    encoded = model.vit(test_pixels[2:3], noise=noise[2:3]).last_hidden_state[0]
panels = {
    "Image": as_images(truth[2:3], processor)[0],
    "See": as_images(truth[2:3], processor, ~hidden[2:3])[0],
    "Encode": encoded.numpy(),  # (13, 64)
    "Draw": as_images(drawings[2:3], processor)[0],
}
figure, row = plt.subplots(1, 4, figsize=(7.2, 2.1))
for axes, (name, panel) in zip(row, panels.items(), strict=True):
    axes.set(title=name, xticks=[], yticks=[])
    if name == "Encode":
        axes.imshow(panel, interpolation="none", aspect="auto")
        axes.set(xlabel="embedding", ylabel="token")
    else:
        axes.imshow(panel, vmin=0, vmax=1, interpolation="none", extent=(0, 7, 7, 0))
        axes.set(xticks=range(8), yticks=range(8))
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
        axes.grid(color="C0", linewidth=0.6)
        axes.set_axisbelow(False)
plt.show()

# %% [markdown]
# ## Read the learning curve
#
# Each point is the mean of 50 steps. The loss counts hidden pixels of training
# images; the lines are the errors of the guesses on the test images.

# %%
#| alt: >
#|   Line chart of the loss over the steps of training. It starts near 1, falls below the
#|   dashed line of the mean patch within a hundred steps and then slowly to a little above
#|   the lines of the linear guess and the neighbors, which lie close together at 0.2.
from snippets.vision.curves import show_losses

levels = {name: errors[name] for name in ("mean patch", "linear guess", "neighbors")}
show_losses(losses, levels, "MAE")
plt.ylabel("error of hidden pixels")
plt.ylim(0, 1.3)
plt.show()

# %% [markdown]
# ## See what it draws
#
# The first {{ shown }} test images, what the model saw of them, what it drew, and what the
# neighbors gave. Drawings are soft: where several outcomes fit, their mean has the smallest
# squared error.

# %%
#| alt: >
#|   Six columns of four images: the true photograph, the same with three quarters blank,
#|   the drawing of the model, and the average of the neighbors. The drawings have the right
#|   outline and shade and hardly any texture or print.
#| record:
#|   shown: shown
from snippets.vision.patches import show_rows

shown = 6
rows = {
    "true": as_images(truth[:shown], processor),
    "seen": as_images(truth[:shown], processor, ~hidden[:shown]),
    "MAE": as_images(drawings[:shown], processor),
    "neighbors": as_images(fills["neighbors"][:shown], processor),
}
show_rows(rows)
plt.show()

# %% [markdown]
# And the {{ shown }} test images with the largest error, bright things, of whose outline
# the seen patches show little.

# %%
#| alt: >
#|   Six columns of three images: true photograph, seen patches, drawing. The photographs
#|   are two boots, two sandals with high heels and two bright pullovers, one with print.
#|   The drawings are blurs around the few patches that were seen: the first boot looks
#|   like a shirt, the sandals can hardly be told, the pullovers are too narrow, and the
#|   print shows only where it was seen.
worst = image_errors["MAE"].argsort(descending=True)[:shown]
show_rows(
    {
        "true": as_images(truth[worst], processor),
        "seen": as_images(truth[worst], processor, ~hidden[worst]),
        "MAE": as_images(drawings[worst], processor),
    }
)
plt.show()

# %% [markdown]
# ## See where it looks
#
# How much a hidden patch takes from each other place is its *attention*. Below, for one
# hidden patch of four images, that of the decoder's last layer, as a mean over its heads.
# The model does not report it, so `decoder_attention` listens in on that layer.

# %%
#| alt: >
#|   Two rows of four panels. Above, test images with three quarters blank and a cross on
#|   one hidden patch near the middle. Below, 7 by 7 maps of the attention of that patch.
#|   In three of them most of it goes to a few seen patches around it: about half to one
#|   of cloth in the first, three tenths in the last. In the third it spreads over seen
#|   cloth, seen background and hidden patches.
#| record:
#|   toward_seen: toward_seen
#|   seen_share: (~hidden).float().mean().item()
from snippets.vision.mae import decoder_attention
from snippets.vision.patches import show_attention

attention = decoder_attention(model, test_pixels, noise)  # (1000, 49, 49)
toward_seen = (attention * ~hidden[:, None]).sum(dim=2)[hidden].mean().item()
print(f"{toward_seen:.1%} of the attention of hidden patches goes to seen ones")
cloth = hidden[:4] & (truth[:4].mean(dim=2) > 0)  # hidden, and not background
places = torch.cartesian_prod(torch.arange(7.0), torch.arange(7.0))
away = (places - 3).norm(dim=1)  # from the middle of the image
centers = (away + 100 * ~cloth).argmin(dim=1)
images = as_images(truth[:4], processor, ~hidden[:4])
show_attention(images, attention[:4], centers.tolist())
plt.show()

# %% [markdown]
# Over all test images, hidden patches give {{ toward_seen | percent }} of their attention to
# the seen ones, which are {{ seen_share | percent }} of the patches. The rest goes to hidden
# patches and to the class token.
#
# ## Save the encoder and load it again

# %%
from pathlib import Path

from huggingface_hub import ModelCard
from transformers import ViTMAEForPreTraining
from transformers.utils import logging

logging.disable_progress_bar()
folder = Path("checkpoints/mae")
model.save_pretrained(folder)
processor.save_pretrained(folder)
card = f"""---
license: mit
library_name: transformers
---
# A masked autoencoder for Fashion-MNIST

Draws the hidden three quarters of gray images of 28 by 28 pixels. Trained from scratch,
without labels, on 5,000 images of Fashion-MNIST (MIT). On 1,000 held-out images its mean
squared error on hidden pixels is {errors["MAE"]:.3f}; the mean patch: \
{errors["mean patch"]:.3f}, the average of similar images: {errors["neighbors"]:.3f}.
"""
ModelCard(card).save(folder / "README.md")
reloaded = ViTMAEForPreTraining.from_pretrained(folder)
again, _ = reconstruct(reloaded, test_pixels, noise)
print(sorted(path.name for path in folder.iterdir()))
print("equal drawings:", torch.equal(again, drawings))

# %% [markdown]
# [Compare linear probes](probes.py) asks what this encoder knows about kinds of clothes.
#
# ## The same with a real checkpoint
#
# `reconstruct` takes any `ViTMAEForPreTraining`. With
# [`facebook/vit-mae-base`](https://huggingface.co/facebook/vit-mae-base) and a photo in
# color, load model and processor with `from_pretrained` and that id; nothing else changes.
# This page runs without a network, but the defaults of `ViTMAEConfig` are that model's
# architecture, and on PyTorch's `meta` device tensors have a shape and no memory:

# %%
#| record:
#|   base_parameters: base.vit.num_parameters()
#|   base_decoder: base.decoder.decoder_pred.weight.shape[1]
#|   base_patches: base_hidden.shape[1]
from transformers import ViTMAEConfig

with torch.device("meta"):
    base = ViTMAEForPreTraining(ViTMAEConfig())
    photo, base_noise = torch.empty(1, 3, 224, 224), torch.empty(1, 196)
    _, base_hidden = reconstruct(base, photo, base_noise)
print("patches:", tuple(base_hidden.shape))
print(f"{base.vit.num_parameters():,} parameters in the encoder")

# %% [markdown]
# **What the paper reports.** [He et al.](https://arxiv.org/abs/2111.06377) pretrain on the
# 1.28 million images of ImageNet-1k and then train on with its labels: 87.8% top-1 accuracy
# with ViT-Huge, at the time the best with no other data (abstract). Our
# {{ parameters | thousands }} parameters saw {{ images | thousands }} images
# {{ epochs | round }} times. Nothing about accuracy on photos follows from this page.
#
# ## What goes wrong
#
# **Positions that are all zero.** A model built from a configuration in transformers 5.23
# has no idea where a patch was, and never learns it, because these weights are frozen.
# Loaded checkpoints are not affected.

# %%
from_config = ViTMAEForPreTraining(model.config)
positions = from_config.vit.embeddings.position_embeddings
print(
    "any position not zero:",
    positions.any().item(),
    from_config.decoder.decoder_pos_embed.any().item(),
)
print("will be learned:", positions.requires_grad)

# %% [markdown]
# No error is raised: the model learns one average patch. `build_mae` copies waves of
# different lengths in, as the paper has them.
#
# **A color image in a gray model**, or the reverse:

# %%
import sys

try:
    reconstruct(model, torch.zeros(1, 3, 28, 28), noise[:1])
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Masks when you want none.** An encoder loaded for features still hides three quarters.
# Load it with `mask_ratio=0.0`, and mind that it shuffles the patches by `noise`.
#
# ## Where to go next
#
# - [BEiT](beit.py) guesses visual tokens instead of pixels, [MaskFeat](maskfeat.py) the
#   direction of edges; [linear probes](probes.py) compare the three.
# - [Masked Autoencoders Are Scalable Vision Learners](https://arxiv.org/abs/2111.06377), the paper.
# - [ViTMAE in the documentation of transformers](https://huggingface.co/docs/transformers/model_doc/vit_mae).
