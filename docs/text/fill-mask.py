# %% [markdown]
# ---
# description: Train a small masked language model on two novels, let it fill in hidden words,
#   and measure it against counting.
# executor:
#   timeout: 180
#   memory_gb: 3
#   data: [data/austen]
# ---
# # Fill in hidden words
#
# On this page you train a *masked language model*, which guesses hidden words from both sides
# of their context, and find out how far it gets in {{ steps }} steps.
#
# !!! note "Which weights"
#     All weights are trained here, on *Pride and Prejudice* and *Persuasion* by Jane Austen
#     (public domain).
#
# ## The shortest thing that works
#
# WordPiece learns a vocabulary from the novels. Their tokens are chained and cut into blocks
# of {{ length }}. The last tenth of each novel's chapters is held out.

# %%
#| record:
#|   blocks: len(train_ids)
#|   length: train_ids.shape[1]
#|   vocabulary: len(tokenizer)
import datasets
import torch

from snippets.text.masked_lm import blocks, hide
from snippets.text.wordpiece import train_wordpiece

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
rows = datasets.load_dataset("data/austen")
tokenizer = train_wordpiece(rows["train"]["text"], vocab_size=1500)
tokenizer.model_input_names = ["input_ids", "attention_mask"]  # ModernBERT reads no more
train_ids = blocks(rows["train"]["text"], tokenizer)  # (B, 32)
test_ids = blocks(rows["test"]["text"], tokenizer)[:200]  # (200, 32)
masked, labels = hide(test_ids, tokenizer, 0.15, torch.Generator().manual_seed(1))
print(tokenizer.decode(masked[3][1:-1]))

# %% [markdown]
# `hide` replaced some tokens by `[MASK]`. The labels hold the hidden token at these places
# and -100 everywhere else, which the loss skips. The model is a small
# [ModernBERT](https://arxiv.org/abs/2412.13663), BERT's successor:

# %%
#| record:
#|   steps: len(losses)
#|   parameters: model.num_parameters()
from snippets.text.loop import train_steps
from snippets.text.masked_lm import build_encoder, counted_vectors, masked_batches

torch.manual_seed(0)
vectors = counted_vectors(train_ids, len(tokenizer))  # (1500, 128)
model = build_encoder(vectors)
batches = masked_batches(train_ids, tokenizer)
losses = train_steps(model, batches, total_steps=260, learning_rate=4e-3)
print(f"{model.num_parameters():,} parameters")
print("loss:", *(f"{sum(losses[i : i + 52]) / 52:.2f}" for i in range(0, 260, 52)))

# %%
#| record:
#|   top1: right.mean().item()
#|   low: low
#|   high: high
#|   places: len(gold)

from snippets.text.masked_lm import fill
from snippets.text.measure import interval

gold = labels[labels != -100]
scores = fill(model, masked, labels)  # (places, 1500)
right = (scores.argmax(dim=-1) == gold).numpy()
low, high = interval(right)
print(f"right in {right.mean():.1%} of {len(gold)} places ({low:.1%} to {high:.1%})")

# %% [markdown]
# The range is a 95% confidence interval by the bootstrap, explained in
# [Classify text](classification.py).
#
# ## How it works
#
# Every token becomes a vector, attention mixes the vectors of the whole block, and at a
# hidden place the result is compared with the vectors of all {{ vocabulary | thousands }}
# tokens. Text needs no labels for this: hiding a part of it makes the question, the hidden
# part is the answer. The figure shows the best answers for three sentences.

# %%
#| alt: >
#|   Three horizontal bar charts with the five most probable tokens for the masked word of
#|   three sentences. The answers are short, frequent words: verbs for the first,
#|   nouns for the second, and for the third mostly words that do not fit.
import matplotlib.pyplot as plt

sentences = [
    "She could not [MASK] it.",
    "He was a [MASK] of good fortune.",
    '"I am [MASK] glad," said Elizabeth.',
]
figure, panels = plt.subplots(1, 3, figsize=(7.2, 2.9), layout="constrained")
for axes, sentence in zip(panels, sentences, strict=True):
    ids = tokenizer(sentence, return_tensors="pt")["input_ids"]
    hidden = torch.where(ids == tokenizer.mask_token_id, 0, -100)
    best = fill(model, ids, hidden)[0].softmax(dim=-1).topk(5)
    axes.barh(range(5), best.values.numpy())
    axes.set_yticks(range(5), tokenizer.convert_ids_to_tokens(best.indices.tolist()))
    axes.set(xlabel="probability", ylim=(4.6, -0.6))
    axes.set_title(sentence, size=7.5, weight="normal")
plt.show()

# %% [markdown]
# ## Is that good?
#
# Two baselines count in the same chapters: how frequent each token is, and how often it stood
# between the token to the left and the token to the right. The second one knows as much of
# the nearest context as one can know.

# %%
#| record:
#|   plain: shares["frequency"]
#|   between: shares["both neighbors"]
#|   between_low: bounds["both neighbors"][0]
#|   between_high: bounds["both neighbors"][1]
from snippets.text.masked_lm import neighbor_scores

plain, between = neighbor_scores(
    train_ids, masked, labels, len(tokenizer), tokenizer.mask_token_id
)
shares, bounds = {}, {}
print("                    right   interval       among the best five")
for name, table in (("frequency", plain), ("both neighbors", between), ("model", scores)):
    hits = (table.argmax(dim=-1) == gold).numpy()
    five = (table.topk(5).indices == gold[:, None]).any(dim=-1).double().mean()
    shares[name], bounds[name] = hits.mean().item(), interval(hits)
    start, end = bounds[name]
    print(f"{name:16} {shares[name]:8.1%}   {start:.1%}-{end:.1%} {five:12.1%}")

# %% [markdown]
# We measured {{ top1 | percent }} ({{ low | percent }} to {{ high | percent }}) for the model,
# {{ plain | percent }} for the most frequent token and {{ between | percent }}
# ({{ between_low | percent }} to {{ between_high | percent }}) for both neighbors. After
# {{ steps }} steps the model has left plain frequency behind and **not reached counting**.
# That is the honest state of a language model after seconds of training: the counts are
# exact at once, attention has to be learned. BERT was trained for a million steps on billions of
# words; then the wide context wins, because no table can hold it.
#
# ## The start matters
#
# Our model did not start from nothing: its token vectors come from a table of neighbors, so
# that tokens used alike begin alike. The same training from random vectors shows what that is
# worth:

# %%
#| record:
#|   random_loss: sum(random_losses[-20:]) / 20
#|   counted_loss: sum(losses[60:80]) / 20
torch.manual_seed(0)
other = build_encoder(torch.randn(len(tokenizer), 128) * 0.05)
batches = masked_batches(train_ids, tokenizer)
random_losses = train_steps(other, batches, total_steps=80, learning_rate=4e-3)
print(f"loss after 80 steps, random vectors:  {sum(random_losses[-20:]) / 20:.2f}")
print(f"loss around step 80, counted vectors: {sum(losses[60:80]) / 20:.2f}")

# %% [markdown]
# The random start ends at {{ random_loss | round(2) }}, about the loss of knowing frequencies
# only, a plateau on which masked models stay for long. (Its shorter schedule has already
# calmed down at step 80, which is in its favor.)
#
# ## Look at the answers
#
# Five right and five wrong, drawn at random, with up to three tokens on each side:

# %%
from snippets.text.measure import sample

rows_at, columns_at = (labels != -100).nonzero(as_tuple=True)
answers = scores.argmax(dim=-1)
for kind, indices in zip(("right", "wrong"), sample(right), strict=True):
    for index in indices:
        row, column = int(rows_at[index]), int(columns_at[index])
        around = masked[row, max(column - 3, 0) : column + 4]
        context = " ".join(tokenizer.convert_ids_to_tokens(around.tolist()))
        word, guess = tokenizer.convert_ids_to_tokens(
            [int(gold[index]), int(answers[index])]
        )
        print(
            f"{kind}: {context} | {guess}" + ("" if kind == "right" else f", is {word}")
        )

# %% [markdown]
# ## The same with a real checkpoint
#
# `pipeline("fill-mask", model=id)` does the steps above. It takes our model and would take
# [`answerdotai/ModernBERT-base`](https://huggingface.co/answerdotai/ModernBERT-base) or
# [`google-bert/bert-base-uncased`](https://huggingface.co/google-bert/bert-base-uncased); no
# masked language model for English is in the packages that this build may read.

# %%
from transformers import pipeline

guess = pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=3)
for answer in guess("It is a truth universally [MASK] by all."):
    print(f"{answer['score']:.3f} {answer['token_str']}")

# %% [markdown]
# ## What goes wrong
#
# **No mask in the text.** Each tokenizer has its own mark, `[MASK]` here, `<mask>` for
# RoBERTa. Use `tokenizer.mask_token`.

# %%
import sys

from transformers.pipelines import PipelineException

try:
    guess("It is a truth universally <mask> by all.")
except PipelineException as error:
    print(f"PipelineException: {error}", file=sys.stderr)

# %% [markdown]
# **Nothing hidden.** Without a single label the loss is not a number. `hide` refuses shares
# of zero:

# %%
try:
    hide(test_ids, tokenizer, 0.0, torch.Generator())
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **One mask, many tokens.** A word that the vocabulary cuts into three pieces needs three
# masks, and the model does not know that they belong together.
#
# ## Where to go next
#
# - [Generate text](generation.py) guesses from the left side only.
# - [BERT](https://arxiv.org/abs/1810.04805), the paper that made masking popular.
# - [The Transformer](../report/transformer.py) shows what a layer does.
