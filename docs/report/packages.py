# %% [markdown]
# ---
# title: The packages
# description: >-
#   Which Hugging Face package does what, which ones need each other, and which you need:
#   a map drawn from the metadata of the installed packages, and a line of code for each.
# executor:
#   timeout: 120
#   memory_gb: 3
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
# ---
# # Know which package does what
#
# After this page you can tell which package a line of code belongs to, install what a
# project needs and nothing more, and read the error when two versions do not fit.
#
# ## The map
#
# Each installed package carries its **metadata**: its version and the packages it needs.
# Python reads them with
# [`importlib.metadata`](https://docs.python.org/3/library/importlib.metadata.html), so
# the map below is drawn by the build from what is installed, not from memory.

# %%
#| record:
#|   shown: len(needs)
#|   absent: len(absent)
from snippets.report.packages import dependencies, offered_by

family = [
    *("sentence-transformers", "transformers", "accelerate", "datasets", "tokenizers"),
    *("huggingface-hub", "safetensors", "hf-xet", "torch", "torchvision"),
    *("peft", "trl", "diffusers", "evaluate", "timm", "optimum", "gradio", "smolagents"),
]
found = dependencies(family)
needs = {name: below for name, below in found.items() if below is not None}
absent = [name for name in family if name not in needs]

print("transformers needs", *needs["transformers"])
print("not installed here:", *absent)

# %% [markdown]
# {{ shown }} of these packages are installed for this site. Of the other {{ absent }} the
# build knows only the names. It draws no arrow for them, because it cannot read one.

# %%
#| alt: >
#|   Grid of dots. Rows are installed packages, from sentence-transformers and transformers
#|   at the top to torch and safetensors at the bottom; columns are what they need. The
#|   column of huggingface-hub holds the most filled dots: transformers, tokenizers,
#|   datasets, accelerate and sentence-transformers. Torch and safetensors have no filled
#|   dot in their rows. Transformers has only a ring, not a dot, at torch.
#| record:
#|   on_hub: sum("huggingface-hub" in below for below in needs.values())
#|   on_torch: sum("torch" in below for below in needs.values())
from snippets.report.packages import draw_map

offers = {name: sorted(offered_by(name) & set(family)) for name in needs}
figure = draw_map(needs, offers)

# %% [markdown]
# A dot means "needs": pip installs it as well. A ring means "can use": the package names
# it in an **extra**, an option such as `pip install "transformers[torch]"`. Three things
# are worth seeing:
#
# - **huggingface-hub is the root.** {{ on_hub }} packages of the map need it. Whatever
#   speaks to the Hub does so through this one.
# - **transformers does not need torch.** It installs without, and then it can read
#   configurations and run tokenizers but no model. {{ on_torch }} packages of the map do
#   insist on torch.
# - **datasets knows nothing of models.** It is useful alone.
#
# ## A line of code for each
#
# ### huggingface_hub
#
# Version {{ v_hub }}. The client of the Hub: download, upload, search, and the `hf`
# command. It started in December 2020 [@huggingface-hub-first; @huggingface-hub-package],
# and `hf-xet` moves the large files for it [@hf-xet-package]. You rarely call it to load
# a model, since everything below calls it for you; you need it to fetch plain files or to
# publish.

# %%
#| record:
#|   v_hub: version("huggingface_hub")
#|   v_tokenizers: version("tokenizers")
#|   v_safetensors: version("safetensors")
#|   v_datasets: version("datasets")
#|   v_transformers: version("transformers")
#|   v_accelerate: version("accelerate")
#|   v_st: version("sentence-transformers")
#|   v_torch: version("torch")
import json
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import snapshot_download

checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
wanted = ["*.json", "*.txt", "*.safetensors"]
folder = snapshot_download(checkpoint, allow_patterns=wanted)
print(checkpoint, json.loads(Path(folder, "config.json").read_text())["architectures"])

# %% [markdown]
# ### tokenizers
#
# Version {{ v_tokenizers }}. Cuts text into pieces and gives each a number, in Rust and
# therefore fast. It dates from December 2019 [@tokenizers-first; @tokenizers-package].
# Use it directly to train a tokenizer of your own; to use an existing one, `transformers`
# wraps it.

# %%
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_pretrained(checkpoint)
tokenizer.no_padding()
tokenizer.encode("A kitten is napping.").tokens

# %% [markdown]
# ### safetensors
#
# Version {{ v_safetensors }}. A file format for weights: eight bytes that say how long
# the header is, the header as JSON, then plain numbers. Loading runs no code. It dates
# from September 2022 [@safetensors-package].

# %%
import torch
from safetensors.torch import load, save

data = save({"weight": torch.tensor([1.0, 2.0])})
print(data[8:].rpartition(b"}")[0].decode() + "}")
load(data)

# %% [markdown]
# ### datasets
#
# Version {{ v_datasets }}. Tables on disk that behave like lists: typed columns, larger
# than memory, from the Hub or from your files. It began as `nlp` in April 2020
# [@nlp-first; @datasets-package]. For a table that fits into memory and needs no Hub,
# pandas will do.

# %%
from datasets import Dataset

reviews = Dataset.from_dict({"text": ["fine", "broken", "great"], "label": [1, 0, 1]})
reviews.with_format("torch")[:2]

# %% [markdown]
# ### transformers
#
# Version {{ v_transformers }}. The models themselves, one way to load them, and a
# `Trainer`. The first release, under another name, is from November 2018
# [@pytorch-pretrained-bert-first].

# %%
from transformers import AutoModel

model = AutoModel.from_pretrained(checkpoint)
print(checkpoint, type(model).__name__, f"{model.num_parameters():,} weights")

# %% [markdown]
# ### accelerate
#
# Version {{ v_accelerate }}. The same training loop on one processor or on many machines,
# and models larger than one device. It dates from October 2020 [@accelerate-package].
# `Trainer` uses it for you. Here it builds a model of {{ billions }} billion weights
# without memory for a single one: tensors on the device `meta` have a shape and no
# content.

# %%
#| record:
#|   billions: round(planned.num_parameters() / 1e9)
from accelerate import init_empty_weights
from transformers import AutoConfig, AutoModelForCausalLM

config = AutoConfig.for_model(
    "llama", num_hidden_layers=80, hidden_size=8192, intermediate_size=28672
)
with init_empty_weights():
    planned = AutoModelForCausalLM.from_config(config)
print(f"{planned.num_parameters():,} weights on device {planned.device}")

# %% [markdown]
# ### sentence-transformers
#
# Version {{ v_st }}. One vector for each text, and training for that purpose. It dates
# from July 2019 [@sentence-transformers-package]. It is two lines here; what happens
# inside them is on [Search text by meaning](../use/semantic-search.py), which does
# without it.

# %%
from sentence_transformers import SentenceTransformer

embedder = SentenceTransformer(folder)
vectors = embedder.encode(["A kitten is napping.", "The cat sleeps."])
print(checkpoint, vectors.shape, f"{embedder.similarity(*vectors).item():.2f}")

# %% [markdown]
# ### torch
#
# Version {{ v_torch }}. Not from Hugging Face, but under all of it: arrays that know
# their derivatives. The slope of the square function at 3:

# %%
torch.func.grad(torch.square)(torch.tensor(3.0))

# %% [markdown]
# ## Not installed here
#
# No code for these, since no code of theirs ran. The versions are the newest we found.
#
# | Package | Version, since | Take it when | Leave it when |
# | --- | --- | --- | --- |
# | `peft` | 0.21.2, January 2023 [@peft-package] | A model is too large to train all of its weights | The model is small: train it whole |
# | `trl` | 1.16.0, March 2020 [@trl-package] | You train a language model on instructions or preferences | You classify texts: `Trainer` is enough |
# | `diffusers` | 0.42.1, May 2022 [@diffusers-package] | You generate images, video or audio | You read images: `transformers` or `timm` |
# | `timm` | 1.0.31, June 2019 [@timm-package] | You want an image model that `transformers` lacks, or its features | You need a processor and a `Trainer` around it |
# | `evaluate` | 0.4.6, May 2022 [@evaluate-package; @evaluate-lighteval-age] | Old code of yours calls it | You start now: scikit-learn has the metrics, and its own README points to LightEval for language models [@evaluate-package] |
# | `gradio` | 6.31.0, February 2019 [@gradio-package] | People should try your model in a browser | Programs call it: a plain web service |
# | `optimum` | 2.3.0, September 2021 [@optimum-package]; ONNX is in `optimum-onnx` [@optimum-2-0] | A model must run fast on one kind of hardware | PyTorch is fast enough |
# | `smolagents` | 1.26.0, December 2024 [@smolagents-package] | A language model should call your functions | A fixed order of steps solves it |
# | Transformers.js | 4.3.1, February 2023 [@transformers-js-package; @transformers-js-v4] | The model should run in the reader's browser | You write Python |
#
# What these need, according to the metadata in their released files: `peft` builds on
# `transformers` and `accelerate` [@peft-requires], `trl` also on `datasets`
# [@trl-requires], `optimum` on `transformers` and torch [@optimum-requires], `timm` on
# torch and torchvision but not on `transformers` [@timm-requires], and `evaluate` on
# `datasets` [@evaluate-requires]. `diffusers` needs only the client and `safetensors`
# [@diffusers-requires], `gradio` [@gradio-requires] and `smolagents`
# [@smolagents-requires] only the client. Transformers.js is no Python package and needs
# none of them.
#
# Smaller ones, by need: `lighteval` scores language models [@lighteval-package],
# `trackio` records experiments on your own machine [@trackio-package; @trackio-features],
# `kernels` fetches compiled code for graphics cards [@kernels-package], `lerobot` drives
# robots [@lerobot-package]. Text Generation Inference, a server for language models
# [@tgi-package], is missing on purpose. It has received only fixes since December 2025
# and points to vLLM and others [@tgi-maintenance]; later it was archived [@tgi-archived].
#
# ## When versions do not fit
#
# A missing package and a wrong version look different. `transformers` compares the
# versions it found with those it needs and says both:

# %%
import sys
from importlib.metadata import PackageNotFoundError

from transformers.utils.versions import require_version

try:
    version("peft")
except PackageNotFoundError as error:
    print(f"PackageNotFoundError: {error}", file=sys.stderr)

try:
    require_version("tokenizers>=1.0")
except ImportError as error:
    print(f"ImportError: {error}", file=sys.stderr)

# %% [markdown]
# Install everything in one command, such as `pip install transformers datasets`, so that
# pip looks for versions that fit together; `pip check` finds those that do not. It is
# also why `gradio` is missing here: its newest version refuses Pillow 13
# [@gradio-requires], which this site uses.
#
# ## Where to go next
#
# - [What changed between versions](changes.py), line by line.
# - [Future frameworks](frameworks.md): what else builds on torch, and what replaces it.
# - [Search text by meaning](../use/semantic-search.py) uses three of these packages.
