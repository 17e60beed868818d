# %% [markdown]
# ---
# description: >-
#   Run a model on many inputs: what padding costs, why to sort by length, how the batch
#   size changes the throughput, and what to choose on a CPU and on a GPU.
# executor:
#   timeout: 120
#   weights: [sentence-transformers/all-MiniLM-L6-v2, HuggingFaceTB/SmolLM2-135M-Instruct]
#   data: [data/austen]
# ---
# # Run a model on many inputs
#
# On this page you run a model on many texts without paying for padding, and choose a batch
# size by measuring instead of by rumor.
#
# ## The shortest thing that works
#
# A **batch** is several inputs that go through the model at once. `pipeline` makes them:

# %%
import torch
from datasets import load_dataset
from transformers import pipeline

from snippets.use.batching import split_sentences

torch.set_num_threads(1)
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
paragraphs = load_dataset("data/austen", split="test")["text"]
sentences = split_sentences(paragraphs)
extractor = pipeline("feature-extraction", model=checkpoint, device="cpu")

vectors = extractor(sentences[:8], batch_size=4)
print(len(vectors), "texts; tokens of each:", [len(text[0]) for text in vectors])

# %% [markdown]
# The default is `batch_size=1`, and on a CPU that is often not bad. Read on before you
# raise it.
#
# ## How it works
#
# The rows of a tensor have one length, so short texts are filled up with padding to the
# longest one of their batch. The model computes the padding like any token. How much that
# is depends on who shares a batch with whom, so the cure is to **sort by length** first.
# The texts here are {{ count | thousands }} sentences of Jane Austen.

# %%
#| alt: >
#|   Histogram of the lengths. Most sentences have between 5 and 40 tokens; a thin tail
#|   reaches beyond 100.
#| record:
#|   count: len(sentences)
#|   mean_length: sum(lengths) / len(lengths)
#|   longest: max(lengths)
import matplotlib.pyplot as plt
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(checkpoint)
lengths = [len(ids) for ids in tokenizer(sentences, verbose=False)["input_ids"]]
figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
axes.hist(lengths, bins=range(0, 151, 5))
axes.set(xlabel="tokens in the sentence", ylabel="sentences")
axes.grid(axis="y")
plt.show()

# %% [markdown]
# The mean is {{ mean_length | round(0) }} tokens, the longest sentence has {{ longest }}: the
# histogram has a long tail, as texts usually do. One long sentence makes the whole batch
# long.

# %%
#| alt: >
#|   Line chart. Share of padding against the batch size from 1 to 64. In the order of the
#|   book it climbs at once and passes one half at 8. Sorted by length it stays below a tenth
#|   up to 16 and reaches a quarter at 64.
#| record:
#|   wasted: waste[False][sizes.index(32)]
#|   wasted_sorted: waste[True][sizes.index(32)]
from snippets.use.batching import make_batches, padding_share

sizes = [1, 2, 4, 8, 16, 32, 64]
waste = {
    by_length: [
        padding_share(lengths, make_batches(lengths, size, by_length)) for size in sizes
    ]
    for by_length in (False, True)
}
figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
axes.plot(sizes, waste[False], marker="o", label="in the order of the book")
axes.plot(sizes, waste[True], marker="s", label="sorted by length")
axes.set(xlabel="batch size", ylabel="share of padding", ylim=(0, 1))
axes.set_xscale("log", base=2)
axes.set_xticks(sizes, sizes)
axes.grid(axis="y")
axes.legend()
plt.show()

# %% [markdown]
# At a batch size of 32, {{ wasted | percent(0) }} of what the model computes is padding.
# Sorted by length it is {{ wasted_sorted | percent }}. Nothing else here costs as little
# and saves as much.
#
# The results must go back into the order of the texts. This function does both:

# %%
#| record:
#|   difference: difference
from transformers import AutoModel

from snippets.use.batching import embed_in_batches

model = AutoModel.from_pretrained(checkpoint)
some = sentences[:6]
together = embed_in_batches(some, model, tokenizer, batch_size=6)
alone = torch.cat(
    [embed_in_batches([text], model, tokenizer, batch_size=1) for text in some]
)
difference = (together - alone).abs().max().item()
print(tuple(together.shape), "close:", torch.allclose(together, alone, atol=1e-5))
print("equal bit for bit:", torch.equal(together, alone))

# %% [markdown]
# A batch changes the last decimals, because sums are taken in another order. Compare with
# a tolerance, and keep the batch size fixed where you need equal bits.
#
# ## How large a batch?
#
# We measured texts per second on {{ timed_texts }} sentences, cut at 64 tokens, on one
# core of the machine that built this page. We count processor time, since other programs
# ran beside:

# %%
#| volatile: true
#| alt: >
#|   Line chart of texts per second against the batch size, 1 to 40, on one core. The two
#|   lines start and end close together, since a batch of one and a batch of all hold the
#|   same texts in either order. In between, the line sorted by length runs higher.
#| record:
#|   sorted_gain: rates[True][2] / rates[False][2]
#|   middle_size: tried[2]
#|   batch_gain: max(rates[True]) / rates[True][0]
#|   best_size: tried[rates[True].index(max(rates[True]))]
#|   timed_texts: len(texts)
from time import process_time

texts = sentences[100:140]
tried = [1, 4, 10, 40]
rates = {False: [], True: []}
embed_in_batches(texts[:4], model, tokenizer, batch_size=4)  # warm up
for by_length, measured in rates.items():
    for size in tried:
        start = process_time()
        embed_in_batches(texts, model, tokenizer, size, by_length)
        measured.append(len(texts) / (process_time() - start))

figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
axes.plot(tried, rates[False], marker="o", label="in the order of the book")
axes.plot(tried, rates[True], marker="s", label="sorted by length")
axes.set(xlabel="batch size", ylabel="texts per second", ylim=(0, None))
axes.set_xscale("log", base=2)
axes.set_xticks(tried, tried)
axes.grid(axis="y")
axes.legend()
plt.show()

# %% [markdown]
# In this run the best batch size, sorted, was {{ best_size }}, and it gave
# {{ batch_gain | round(1) }} times the throughput of one text at a time. At
# {{ middle_size }} texts sorting gave {{ sorted_gain | round(1) }} times the throughput of
# the order of the book. Expect others on yours.
#
# A small batch spreads the fixed cost of a call over several texts. After that one core is
# busy, and a larger batch only adds padding. A GPU has thousands of small cores, and a few
# texts leave most of them idle.
#
# | You have | Start with | Then |
# | --- | --- | --- |
# | A CPU, answers one at a time | `batch_size=1` | Fewer threads per process, more processes |
# | A CPU, many texts | Sorted by length, 4 to 16 | Raise it only if measuring says so |
# | A GPU | Sorted by length, 32 | Double it until it gets no faster or memory ends |
# | A language model that generates | A server with continuous batching | Such as [vLLM](https://docs.vllm.ai/) |
#
# The first two rows follow from what we measured. The last two are common practice; this
# site is built without a GPU.
#
# ## The same with a real checkpoint that generates
#
# A model that continues a text reads from the last place of each row. If padding stands
# there, it continues the padding. So pad on the left. The model is
# `HuggingFaceTB/SmolLM2-135M-Instruct` (Apache-2.0):

# %%
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()  # it warns about the right side, which we try on purpose
other = "HuggingFaceTB/SmolLM2-135M-Instruct"
writer = AutoModelForCausalLM.from_pretrained(other)
prompts = [
    "The capital of France is",
    "Water boils at a temperature of one hundred degrees",
]
print(other)
for side in ("left", "right"):
    reader = AutoTokenizer.from_pretrained(other, padding_side=side)
    inputs = reader(prompts, padding=True, return_tensors="pt")
    output = writer.generate(**inputs, max_new_tokens=6, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    print(f"{side:5} {prompts[0]} ... {reader.decode(new)!r}")

# %% [markdown]
# No error tells you. Check one answer of a batch against the same prompt alone.
#
# ## What goes wrong
#
# **Texts of different length, no padding**: `ValueError`, as on
# [the page about tokenizers](tokenizer.py). **Memory ends**: `torch.OutOfMemoryError` on a
# GPU; on a CPU the system may end your program without a word. Memory grows with batch size
# times the longest text, so put the longest texts first, as `make_batches` does: then it
# fails at once or not at all.
#
# **A pipeline that is given a loop.** Calling it once for each text makes batches of one.
# Give it the list, or a generator for data that do not fit into memory:

# %%
import sys

print(len(list(extractor((text for text in sentences[:4]), batch_size=2))), "results")
try:
    make_batches([3, 5], batch_size=0, by_length=True)
except ValueError as error:
    print("ValueError:", error, file=sys.stderr)

# %% [markdown]
# ## Where to go next
#
# - [Turn text into tokens](tokenizer.py): padding and truncation in detail.
# - [Search text by meaning](semantic-search.py): what these vectors are for.
# - [Batching in pipelines](https://huggingface.co/docs/transformers/pipeline_tutorial) in
#   the documentation.
