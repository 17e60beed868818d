# %% [markdown]
# ---
# description: >-
#   Turn patches of photographs into visual words, train BEiT to guess the hidden ones, see
#   where it looks, and run the same code with microsoft/beit-base-patch16-224-pt22k.
# executor:
#   timeout: 300
#   data: [data/fashion-mnist]
#   saves: [beit]
# ---
# # Guess the hidden words of an image: BEiT
#
# You will turn images into sequences of visual words, train a transformer to guess the words
# that are hidden, compare it with three simple guesses, and see where it looks for clues.
#
# ## The shortest thing that works
#
# A language model such as BERT learns by guessing hidden words. BEiT does the same with
# images. The data are {{ images | thousands }} gray photographs of clothes from
# [Fashion-MNIST](https://arxiv.org/abs/1708.07747), {{ size }} × {{ size }} pixels each,
# with {{ test_images | thousands }} more held out. No label is used on this page.

# %%
#| record:
#|   images: len(train_images)
#|   test_images: len(test_images)
#|   size: train_images.shape[1]
import torch
from transformers import set_seed

from snippets.vision.beit import build_processor, cut_patches
from snippets.vision.data import load_fashion

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
train_images, test_images, _, _ = load_fashion()
processor = build_processor()


def prepare(images):
    arrays = list(images[..., None])  # the processor wants a channel
    return processor(arrays, return_tensors="pt").pixel_values


train_pixels, test_pixels = prepare(train_images), prepare(test_images)
train_patches, test_patches = cut_patches(train_pixels), cut_patches(test_pixels)
print("images, patches, pixels:", tuple(train_patches.shape))

# %% [markdown]
# An image has no words, so we make some. *k-means* finds {{ vocabulary }} typical patches of
# 4 × 4 pixels, the *codebook*. The *visual token* of a patch is the number of the most
# similar one. This replaces a part of the paper: its tokens come from a discrete variational
# autoencoder (dVAE), a network that OpenAI had trained for DALL-E.

# %%
#| record:
#|   vocabulary: len(codebook)
#|   blank_share: (train_tokens == blank).float().mean().item()
from snippets.vision.beit import learn_codebook, tokenize

codebook = learn_codebook(train_patches)
train_tokens = tokenize(train_patches, codebook)
test_tokens = tokenize(test_patches, codebook)
blank = train_tokens.flatten().mode().values  # the most frequent one is the background
print(f"{(train_tokens == blank).float().mean():.1%} of the patches are background")

# %% [markdown]
# A *mask* hides rectangles until {{ hidden }} of {{ patches }} patches are gone. Blocks are
# harder than single patches, whose neighbors give them away. The model is transformers'
# `BeitForMaskedImageModeling` with random weights: it sees the image with one learned *mask
# token* in each hidden place and scores all {{ vocabulary }} tokens there.

# %%
#| record:
#|   parameters: model.num_parameters()
#|   hidden: hidden[0].sum().item()
#|   patches: hidden.shape[1]
#|   steps: len(losses)
#|   batch_size: BATCH_SIZE
#|   epochs: len(losses) * BATCH_SIZE / len(train_images)
from snippets.vision.beit import block_masks, build_beit, token_loss
from snippets.vision.optimize import minimize

BATCH_SIZE = 32
train_masks = block_masks(4000, across=7)
hidden = block_masks(len(test_pixels), across=7, seed=1)
set_seed(0)
model = build_beit(vocab_size=len(codebook))
losses = minimize(
    token_loss(model, train_pixels, train_tokens, train_masks),
    [
        {
            "params": list(model.parameters()),
            "lr": 3e-3,
            "weight_decay": 0.05,
            "betas": (0.9, 0.95),
        }
    ],
    count=len(train_pixels),
    steps=1200,
    batch_size=BATCH_SIZE,
)
print(f"{model.num_parameters():,} parameters")
print(f"{len(losses)} steps of {BATCH_SIZE} images; loss of the first and the last 50:")
print(f"{sum(losses[:50]) / 50:.2f} {sum(losses[-50:]) / 50:.2f}")

# %% [markdown]
# ### Is that good?
#
# Three guesses that need no network: the most frequent token of each place, a vote of the
# {{ k }} training images most similar where something is seen, and the token of the nearest
# seen patch. Many hidden patches are background and easy, so the second column counts the
# others only.

# %%
#| record:
#|   metric: scores["BEiT"][0]
#|   baseline: scores["frequent token"][0]
#|   neighbors: scores["neighbors"][0]
#|   copy: scores["nearest patch"][0]
#|   cloth: scores["BEiT"][1]
#|   cloth_neighbors: scores["neighbors"][1]
#|   cloth_baseline: scores["frequent token"][1]
#|   margin: MARGIN
#|   lead: gap.mean().item()
#|   lead_error: 2 * gap.std().item() / len(gap) ** 0.5
#|   k: 10
from snippets.vision.beit import guess_tokens, neighbor_tokens

MARGIN = 0.05
places = torch.cartesian_prod(torch.arange(7.0), torch.arange(7.0))
distance = torch.cdist(places, places)  # (49, 49)
nearest = (distance + 100 * hidden[:, None, :]).argmin(dim=2)  # of the seen patches
guesses = {
    "frequent token": train_tokens.mode(dim=0).values.expand_as(test_tokens),
    "nearest patch": test_tokens.gather(1, nearest),
    "neighbors": neighbor_tokens(test_patches, hidden, train_patches, train_tokens, k=10),
    "BEiT": guess_tokens(model, test_pixels, hidden),
}
cloth = hidden & (test_tokens != blank)
scores = {}
print("                  all   no background")
for name, guess in guesses.items():
    right = guess == test_tokens
    scores[name] = right[hidden].float().mean().item(), right[cloth].float().mean().item()
    print("{:14} {:6.1%} {:9.1%}".format(name, *scores[name]))
wins = [((guesses[name] == test_tokens) & hidden).sum(dim=1) for name in guesses]
gap = (wins[3] - wins[2]) / hidden[0].sum()  # BEiT and neighbors, for each image
assert scores["BEiT"][0] > scores["frequent token"][0] + MARGIN

# %% [markdown]
# BEiT names {{ metric | percent }} of the hidden tokens, the most frequent token of the place
# {{ baseline | percent }} and the neighbors {{ neighbors | percent }}.
# BEiT less neighbors is {{ lead | percent }} ± {{ lead_error | percent }} (two standard errors
# over images). Off the background it names {{ cloth | percent }}, the neighbors
# {{ cloth_neighbors | percent }}.
#
# ## How it works
#
# [Bao et al.](https://arxiv.org/abs/2106.08254) call it BERT pretraining of image
# transformers. Below, one held-out image and the way of its hidden patches:

# %%
#| alt: >
#|   Four panels from left to right. Image: an ankle boot. Tokens: a 7 by 7 grid with the
#|   number of the token of each patch; the background has one number all over. Hidden:
#|   the image with blocks of 19 patches blank. Guess: the image in which the
#|   hidden patches are replaced by the typical patches of the guessed tokens, blocky but of
#|   the right shape.
import matplotlib.pyplot as plt

from snippets.vision.patches import as_images

drawn = torch.where(hidden[:, :, None], codebook[guesses["BEiT"]], test_patches)
figure, row = plt.subplots(1, 4, figsize=(7.2, 2.1))
for axes, name in zip(row, ["Image", "Tokens", "Hidden", "Guess"], strict=True):
    axes.set(title=name, xticks=range(8), yticks=range(8), xlim=(0, 7), ylim=(7, 0))
    axes.tick_params(labelbottom=False, labelleft=False, length=0)
    axes.grid(color="C0", linewidth=0.6)
    axes.set_axisbelow(False)
    axes.set_aspect("equal")
for axes, image in [
    (row[0], as_images(test_patches[2:3], processor)[0]),
    (row[2], as_images(test_patches[2:3], processor, ~hidden[2:3])[0]),
    (row[3], as_images(drawn[2:3], processor)[0]),
]:
    axes.imshow(image, vmin=0, vmax=1, interpolation="none", extent=(0, 7, 7, 0))
for patch, token in enumerate(test_tokens[2].tolist()):
    row[1].text(
        patch % 7 + 0.5, patch // 7 + 0.55, token, size=6, ha="center", va="center"
    )
plt.show()

# %% [markdown]
# - **Tokenize.** Each patch of the whole image gets its token: the right answers.
# - **Hide.** The model sees the image with mask tokens in the hidden places, plus a learned
#   list of numbers for each place.
# - **Guess.** A Vision Transformer lets all places read each other. One matrix scores the
#   {{ vocabulary }} tokens at each hidden place; the loss is cross-entropy, as for BERT.
#
# Why tokens and not pixels? A guess may be sharp: of two possible edges the model must name
# one, where an average of pixels would be a blur. The whole codebook, in order of frequency:

# %%
#| alt: >
#|   The codebook as a grid of 4 rows and 16 columns of small patches. Frequent ones are
#|   plain, from dark to bright; others have an upright, level or slanted edge.
order = train_tokens.flatten().bincount(minlength=len(codebook)).argsort(descending=True)
gray = codebook[order].view(4, 16, 4, 4)
framed = torch.nn.functional.pad(gray, (0, 1, 0, 1), value=torch.nan)
mosaic = framed.transpose(1, 2).reshape(4 * 5, 16 * 5)
figure, axes = plt.subplots(figsize=(7.2, 2.0))
axes.imshow(mosaic.numpy(), interpolation="none")
axes.set_axis_off()
plt.show()

# %% [markdown]
# ## Read the learning curve
#
# Each point is the mean of 50 steps. Guessing all {{ vocabulary }} tokens with
# equal probability has the loss of the dashed line.

# %%
#| alt: >
#|   Line chart of the loss over the steps of training. It falls from 3.6, under the
#|   dashed line at 4.2, to 2 in the first 300 steps and then slowly to about 1.5.
from math import log

from snippets.vision.curves import show_losses

show_losses(losses, {"equal probabilities": log(len(codebook))}, "BEiT")
plt.ylabel("cross-entropy")
plt.show()

# %% [markdown]
# ## See what it guesses
#
# Above, {{ shown }} test images with hidden blocks; in the middle the guesses of the model,
# painted with the codebook; below the truth, painted alike. The last {{ half }} columns are
# those with the fewest right guesses.

# %%
#| alt: >
#|   Six columns of three images: blocks hidden, guessed, true. In the first three columns
#|   the guessed blocks mostly continue the outlines of a T-shirt, a boot and a skirt. In
#|   the last three, the stripes of a pullover and dark legs in front of bright cloth are
#|   guessed as plain cloth, and the gap between the legs of trousers is closed in part.
#| record:
#|   shown: len(chosen)
#|   half: len(chosen) // 2
from snippets.vision.patches import show_rows

chosen = torch.cat([torch.arange(1, 4), wins[3].argsort()[:3]])
show_rows(
    {
        "hidden": as_images(test_patches[chosen], processor, ~hidden[chosen]),
        "guessed": as_images(drawn[chosen], processor),
        "true": as_images(codebook[test_tokens[chosen]], processor),
    }
)
plt.show()

# %% [markdown]
# ## See where it looks
#
# How much a hidden patch takes from each other place is its *attention*. Below, for one
# hidden patch of four images, the mean over the heads of the last layer.

# %%
#| alt: >
#|   Two rows of four panels. Above, test images with blocks blank and a small cross on
#|   one hidden patch. Below, 7 by 7 maps of the attention of that patch: most of it goes
#|   to seen patches of cloth near what is hidden, in the first map mainly to one, in the
#|   second and the third spread over several.
from snippets.vision.patches import show_attention

with torch.no_grad():
    output = model(test_pixels[:4], bool_masked_pos=hidden[:4], output_attentions=True)
attention = output.attentions[-1].mean(dim=1)  # (4, 50, 50)
attention = attention[:, 1:, 1:]  # (4, 49, 49), without the class token
centers = (distance[24] + 100 * ~(hidden[:4] & (test_tokens[:4] != blank))).argmin(dim=1)
images = as_images(test_patches[:4], processor, ~hidden[:4])
show_attention(images, attention, centers.tolist())
plt.show()

# %% [markdown]
# ## Save it and load it again

# %%
from pathlib import Path

from huggingface_hub import ModelCard
from transformers import BeitForMaskedImageModeling
from transformers.utils import logging

logging.disable_progress_bar()
folder = Path("checkpoints/beit")
model.save_pretrained(folder)
processor.save_pretrained(folder)
card = f"""---
license: mit
library_name: transformers
---
# A small BEiT for Fashion-MNIST

Guesses visual tokens, the numbers of {len(codebook)} clusters of patches, where blocks of
gray images of 28 by 28 pixels are hidden. Trained from scratch, without labels, on 5,000
images of Fashion-MNIST (MIT). It names {scores["BEiT"][0]:.1%} of the hidden tokens of 1,000
held-out images; the most frequent token of each place: {scores["frequent token"][0]:.1%}.
"""
ModelCard(card).save(folder / "README.md")
reloaded = BeitForMaskedImageModeling.from_pretrained(folder, attn_implementation="eager")
again = guess_tokens(reloaded, test_pixels, hidden)
print(sorted(path.name for path in folder.iterdir()))
print("equal guesses:", torch.equal(again, guesses["BEiT"]))

# %% [markdown]
# [Compare linear probes](probes.py) asks what this encoder knows about kinds of clothes.
#
# ## The same with a real checkpoint
#
# `guess_tokens` takes any `BeitForMaskedImageModeling`. Load model and processor of
# [`microsoft/beit-base-patch16-224-pt22k`](https://huggingface.co/microsoft/beit-base-patch16-224-pt22k)
# with `from_pretrained`, and a photo in color gets tokens of the dVAE; nothing else changes.
# This page runs without a network, but on PyTorch's `meta` device tensors have a shape and
# no memory, so the size of that model can be told:

# %%
#| record:
#|   base_parameters: base.num_parameters()
#|   base_vocabulary: base.config.vocab_size
from transformers import BeitConfig

with torch.device("meta"):
    base = BeitForMaskedImageModeling(BeitConfig(use_mask_token=True))
    photo = torch.empty(1, 3, 224, 224)
    tokens = guess_tokens(base, photo, torch.empty(1, 196, dtype=torch.bool))
print("tokens:", tuple(tokens.shape), "of", base.config.vocab_size)
print(f"{base.num_parameters():,} parameters")

# %% [markdown]
# **What the paper reports.** Pretrained and then trained on with labels, both on ImageNet-1k
# alone, the base size reaches 83.2% and the large one 86.3% top-1 accuracy
# ([abstract](https://arxiv.org/abs/2106.08254)). That is accuracy on classes of photos; ours
# counts tokens of tiny ones. {{ parameters | thousands }} parameters saw
# {{ images | thousands }} images {{ epochs | round(1) }} times, with tokens from k-means in
# place of a dVAE: a sketch of the method, not of its results.
#
# ## What goes wrong
#
# **Positions that are all zero.** With `use_absolute_position_embeddings=True`, transformers
# 5.23 starts them at zero, and hidden patches cannot be told apart until they have learned a
# little. `build_beit` draws them at random.

# %%
from_config = BeitForMaskedImageModeling(model.config)
positions = from_config.beit.embeddings.position_embeddings
print("any position not zero:", positions.any().item())

# %% [markdown]
# **Whole numbers where the configuration wants fractions.** Configurations check their types:

# %%
import sys

from huggingface_hub.errors import StrictDataclassFieldValidationError

try:
    BeitConfig(layer_scale_init_value=0)
except StrictDataclassFieldValidationError as error:
    print(f"StrictDataclassFieldValidationError: {error}", file=sys.stderr)

# %% [markdown]
# **Layers that change places.** With `use_mean_pooling=False` a model has two last layer
# norms, `beit.layernorm` and `layernorm`. transformers 5.23 swaps them when it loads what it
# saved, without a warning. `build_beit` leaves the first one out.

# %%
from tempfile import TemporaryDirectory

settings = {**model.config.to_dict(), "use_mean_pooling": False}
two_norms = BeitForMaskedImageModeling(BeitConfig(**settings))
torch.nn.init.ones_(two_norms.layernorm.bias)
with TemporaryDirectory() as place:
    two_norms.save_pretrained(place)
    loaded = BeitForMaskedImageModeling.from_pretrained(place)
for name, one in {"saved": two_norms, "loaded": loaded}.items():
    print(f"{name:7}", one.beit.layernorm.bias[0].item(), one.layernorm.bias[0].item())

# %% [markdown]
# ## Where to go next
#
# - [MAE](mae.py) draws hidden pixels, [MaskFeat](maskfeat.py) guesses the direction of edges;
#   [linear probes](probes.py) compare the three.
# - [BEiT: BERT Pre-Training of Image Transformers](https://arxiv.org/abs/2106.08254), the paper.
# - [BEiT in the documentation of transformers](https://huggingface.co/docs/transformers/model_doc/beit).
