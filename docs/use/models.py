# %% [markdown]
# ---
# description: >-
#   Load a model with an Auto class: what the configuration decides, which heads fit on one
#   body, how dtype and device change memory and results.
# executor:
#   timeout: 120
#   weights: [sentence-transformers/all-MiniLM-L6-v2, HuggingFaceTB/SmolLM2-135M-Instruct]
# ---
# # Load a model
#
# On this page you load a model from its id, choose what it computes, how exact and where,
# and recognize a model that loaded but has learned nothing.
#
# ## The shortest thing that works

# %%
#| record:
#|   parameters: model.num_parameters()
import torch
from transformers import AutoModel

torch.set_num_threads(1)
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
model = AutoModel.from_pretrained(checkpoint)
print(checkpoint, type(model).__name__, f"{model.num_parameters():,} parameters")
print(model.dtype, model.device, "training mode:", model.training)

# %% [markdown]
# You did not say which model that is. The checkpoint did.
#
# ## How it works
#
# ```mermaid
# flowchart LR
#   C["config.json<br/>model_type: bert"] --> A{"Auto class"}
#   A -->|AutoModel| B["BertModel"]
#   A -->|AutoModelFor…| H["BertFor…"]
#   W["model.safetensors"] --> L["weights by name"]
#   B --> L
#   H --> L
# ```
#
# A checkpoint is a **configuration**, a small JSON file with all sizes, and **weights**,
# numbers with names. The field `model_type` of the configuration and the Auto class that
# you call decide, as in the diagram, which Python class is built. Then the weights are put
# in by name.

# %%
#| record:
#|   layers: config.num_hidden_layers
#|   width: config.hidden_size
#|   types: len(CONFIG_MAPPING_NAMES)
from transformers import AutoConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

config = AutoConfig.from_pretrained(checkpoint)
print(type(config).__name__, config.model_type)
print("layers", config.num_hidden_layers, "width", config.hidden_size, end=" ")
print("vocabulary", config.vocab_size, "positions", config.max_position_embeddings)
print(len(CONFIG_MAPPING_NAMES), "values of model_type are known")

# %% [markdown]
# The same configuration without weights gives the same model, untrained:
# `from_pretrained` loads, `from_config` rolls the dice. The difference is easy to see in
# what they find similar.

# %%
#| record:
#|   trained_gap: (trained[0, 1] - trained[0, 2]).item()
#|   random_gap: (untrained[0, 1] - untrained[0, 2]).item()
from transformers import AutoTokenizer, set_seed

from snippets.use.models import cosines

texts = ["A cat sleeps.", "A kitten is napping.", "The stock market fell."]
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
set_seed(0)
random_model = AutoModel.from_config(config).eval()
trained = cosines(model, tokenizer, texts)
untrained = cosines(random_model, tokenizer, texts)
for name, table in (("trained", trained), ("random", untrained)):
    print(f"{name:8} cat, kitten {table[0, 1]:.2f}   cat, market {table[0, 2]:.2f}")

# %% [markdown]
# We measured a gap of {{ trained_gap | round(2) }} between the right pair and the wrong
# one for the trained model, and {{ random_gap | round(2) }} for the random one. Note
# `eval()`: `from_config` returns a model in training mode, in which dropout changes every
# result; `from_pretrained` switches that off.
#
# ### A body and its heads
#
# `AutoModel` builds the body, which turns tokens into vectors. `AutoModelFor...` adds a
# **head**, a small last part that makes an answer of one form from them: a class for a
# text, a class for each token, the next token. For a BERT there are these:

# %%
#| record:
#|   heads: len(choices)
from snippets.use.models import heads_of

choices = heads_of("bert")
for auto_class, built in choices.items():
    print(f"{auto_class:34} {built}")

# %% [markdown]
# A head is small. This figure shows where the parameters are:

# %%
#| alt: >
#|   Horizontal bars of parameters in millions. The embeddings have about 12 million, the
#|   encoder about 11 million, the pooler a sliver. The bar of the classifier with three
#|   classes cannot be seen.
#| record:
#|   share: 100 * sizes["classifier"] / sum(sizes.values())
#|   head_size: sizes["classifier"]
import matplotlib.pyplot as plt
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from snippets.use.models import parts

logging.set_verbosity_error()  # the missing head is shown below
classifier, report = AutoModelForSequenceClassification.from_pretrained(
    checkpoint, num_labels=3, output_loading_info=True
)
sizes = parts(classifier.bert) | {"classifier": parts(classifier)["classifier"]}
figure, axes = plt.subplots(figsize=(6, 2.2), layout="constrained")
axes.barh(list(sizes), [size / 1e6 for size in sizes.values()])
axes.invert_yaxis()
axes.set(xlabel="million parameters")
plt.show()

# %% [markdown]
# The head for three classes has {{ head_size | thousands }} parameters,
# {{ share | round(3) }} percent of all. That is why one body serves many tasks, and
# fine-tuning needs so few examples.
#
# ## Details that matter
#
# ### A head that has learned nothing
#
# MiniLM comes without a classifier, so the one above is random. Transformers logs a
# warning, which scrolls away; `output_loading_info=True` gives it as data:

# %%
for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
    print(f"{kind:16}", sorted(report[kind]))

# %% [markdown]
# Missing weights are random: train them before you believe an answer. Unexpected ones were
# in the file and are not used, for instance the head of another task.
#
# ### dtype: how exact
#
# The **dtype** is the number format of the weights. `from_pretrained` takes that of the
# checkpoint (`dtype="auto"`); you can ask for another. Half the bytes, fewer digits:

# %%
#| record:
#|   megabytes: errors
#|   bfloat_error: errors["bfloat16"][1]
#|   half_error: errors["float16"][1]
errors = {}
for name in ("float32", "float16", "bfloat16"):
    copy = AutoModel.from_pretrained(checkpoint, dtype=name)
    error = (cosines(copy, tokenizer, texts) - trained).abs().max().item()
    errors[name] = [copy.get_memory_footprint() / 1e6, error]
    print(f"{name:9} {errors[name][0]:5.1f} MB, cosines off by at most {error:.4f}")

# %% [markdown]
# `float16` has more digits, `bfloat16` the range of `float32` and hence no overflow. On a
# GPU either is faster than `float32`. Many processors compute neither quickly, so on a CPU
# `float32` is the safe choice for small models; measure before you change it.
#
# ### device: where
#
# A model and its inputs must be in the same place. This line finds an accelerator if there
# is one, and the rest of the code stays the same:

# %%
from snippets.use.models import best_device

device = best_device()
model.to(device)
print("built on", device.type)

# %% [markdown]
# `model.to(device)` moves the model itself, `inputs.to(device)` returns a moved copy. For a
# model larger than one GPU pass `device_map="auto"` to `from_pretrained`; the package
# `accelerate` then spreads the layers.
#
# ### Size before download
#
# On the device `meta`, tensors have a shape and no content. That tells what a model will
# need from its configuration alone:

# %%
with torch.device("meta"):
    planned = AutoModel.from_config(config)
bytes_needed = sum(
    weight.numel() * weight.element_size() for weight in planned.parameters()
)
print(f"{planned.num_parameters():,} parameters, {bytes_needed / 1e6:.1f} MB")

# %% [markdown]
# ## The same with another checkpoint
#
# Another id and the class of another head, nothing else.
# [`HuggingFaceTB/SmolLM2-135M-Instruct`](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct)
# (Apache-2.0) continues texts:

# %%
#| record:
#|   language_parameters: language_model.num_parameters()
from transformers import AutoModelForCausalLM

other = "HuggingFaceTB/SmolLM2-135M-Instruct"
language_model = AutoModelForCausalLM.from_pretrained(other)
print(other, type(language_model).__name__, language_model.config.model_type)
print({part: f"{size:,}" for part, size in parts(language_model).items()})
print(f"{language_model.num_parameters():,} in all")

# %% [markdown]
# The two parts add up to more than the {{ language_parameters | thousands }} parameters of
# the whole: this head uses the table of embeddings a second time, the weights are **tied**.
#
# ## What goes wrong
#
# **The wrong Auto class.** A text model has no head for images:

# %%
import sys

from transformers import AutoModelForImageClassification

try:
    AutoModelForImageClassification.from_pretrained(checkpoint)
except ValueError as error:
    print("ValueError:", str(error)[:183], "...", file=sys.stderr)

# %% [markdown]
# **A misspelled id.** Without a network the error speaks of the connection; with one it
# says that the repository does not exist or that you may not see it.

# %%
try:
    AutoModel.from_pretrained("sentence-transformers/all-MiniLM-L6-v3")
except OSError as error:
    print("OSError:", error, file=sys.stderr)

# %% [markdown]
# **Inputs elsewhere.** With `model` on a GPU and `inputs` left behind, PyTorch says
# `Expected all tensors to be on the same device`. Write `tokenizer(...).to(model.device)`.
#
# **Another size asked for.** What you pass to `from_pretrained` overwrites the
# configuration, and then the weights do not fit:

# %%
try:
    AutoModel.from_pretrained(checkpoint, vocab_size=1000)
except RuntimeError as error:
    print("RuntimeError:", str(error).splitlines()[0], file=sys.stderr)

# %% [markdown]
# ## Where to go next
#
# - [Save and load](save-and-load.py): the files behind `from_pretrained`.
# - [Batched inference](batching.py): using the model on many inputs.
# - [The Transformer](../report/transformer.py): what the body computes.
# - [Auto classes](https://huggingface.co/docs/transformers/model_doc/auto) in the
#   documentation.
