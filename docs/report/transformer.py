# %% [markdown]
# ---
# description: >-
#   The Transformer from zero: one attention head by hand with numbers you can follow, the
#   parts around it, the family tree since 2017, and the same parts in a real model.
# executor:
#   timeout: 120
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
# ---
# # The Transformer for the uninitiated
#
# After this page you can compute attention on paper, name every part of a Transformer, and
# point at that part in a model from the Hub.
#
# In 2017 eight authors described a network for translation, "Attention Is All You Need"
# [@attention-paper]. It drops the two building blocks of its time, recurrence and
# convolution, so that all words of a sentence are worked on at once [@attention-idea].
# Nearly every model on the Hub that reads or writes text descends from it.
#
# ## The shortest thing that works
#
# Attention is a lookup with soft answers. Every word asks a question, every word holds up a
# label, and each gets a mixture of what the others hold, mixed by how well label and
# question match. That is the whole function:

# %%
from snippets.report.attention import attention

# %% [markdown]
# ## Three tokens by hand
#
# A model reads *tokens*, pieces of text, each with a number from a fixed list. Each token
# becomes an *embedding*, a short list of numbers. In a real model nobody can read them; here
# we choose three tokens and four numbers with a meaning.

# %%
import pandas as pd
import torch

tokens = ["the", "cat", "slept"]
features = ["noun", "verb", "animal", "article"]
x = torch.tensor([[0.0, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0]])  # (T, D)
pd.DataFrame(x, tokens, features)

# %% [markdown]
# Three matrices turn each embedding into three things. The **query** says what a token
# looks for, the **key** what it offers, the **value** what it passes on. Training finds the
# matrices. We set them: articles look for nouns, nouns for articles and a bit for verbs,
# verbs for animals that are nouns. Keys are the embeddings as they are. Articles pass on
# nothing.

# %%
w_query = torch.tensor([[0.0, 0, 0, 2], [2, 0, 2, 0], [0, 1, 0, 0], [2, 0, 0, 0]])
w_key = torch.eye(4)
w_value = torch.diag(torch.tensor([1.0, 1, 1, 0]))
query, key, value = x @ w_query, x @ w_key, x @ w_value  # (T, D) each
pd.DataFrame(query, [f"{token} looks for" for token in tokens], features)

# %% [markdown]
# **Scores.** Multiply each query with each key, number by number, and add up. *slept* meets
# *cat* with $q \cdot k = 2 \cdot 1 + 2 \cdot 1 = 4$.

# %%
scores = query @ key.T  # (T, T)
pd.DataFrame(scores, tokens, tokens)

# %% [markdown]
# **Scaling.** Divide by $\sqrt{D}$, here $\sqrt{4} = 2$. Long lists of numbers give large
# sums, and large scores would let one token take everything. **Softmax** then makes shares
# of each row: raise $e$ to each score and divide by the sum of the row.

# %%
#| record:
#|   share: float(weights[2, 1])
scaled = scores / 2
weights = scaled.exp() / scaled.exp().sum(dim=1, keepdim=True)  # (T, T)
pd.DataFrame(weights, tokens, tokens).round(2)

# %% [markdown]
# *slept* takes {{ share | percent }} of what it takes in from *cat*, because
# $e^2 / (e^0 + e^2 + e^0)$ is that much. **Weighted sum.** Each row of weights now mixes the
# values:

# %%
mixed = weights @ value  # (T, D)
pd.DataFrame(mixed, tokens, features).round(2)

# %% [markdown]
# The verb has learned that it is about an animal. In one line, with rows of $Q$, $K$ and $V$
# for the tokens:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\left(\frac{QK^\top}{\sqrt{D}}\right)V$$
#
# PyTorch has this as one fast function. Ours agrees with it, to the last digits that
# `assert_close` looks at:

# %%
from torch.nn import functional as F

ours, our_weights = attention(query, key, value)
torch.testing.assert_close(ours, mixed)
torch.testing.assert_close(our_weights, weights)
torch.testing.assert_close(ours, F.scaled_dot_product_attention(query, key, value))
print("by hand = attention() = scaled_dot_product_attention")

# %% [markdown]
# ## No looking ahead
#
# A model that *writes* must not see the word it is to guess. A **causal mask** sets the
# scores of later tokens to minus infinity; $e^{-\infty}$ is zero, and so is their share.

# %%
causal, causal_weights = attention(query, key, value, causal=True)
torch.testing.assert_close(
    causal, F.scaled_dot_product_attention(query, key, value, is_causal=True)
)
pd.DataFrame(causal_weights, tokens, tokens).round(2)

# %% [markdown]
# *the* can only look at itself now. The figure shows both tables as a heat map, the usual
# way to draw attention: read a row from left to right to see where a token looks.

# %%
#| alt: >
#|   Two heat maps of three rows and three columns for the tokens the, cat and slept. Left,
#|   every token looks at every token, and slept looks mostly at cat. Right, with the
#|   causal mask, the three cells above the diagonal are zero.
import matplotlib.pyplot as plt

figure, panels = plt.subplots(1, 2, figsize=(6.6, 3), layout="constrained")
titles = ["Every token sees all", "Causal mask"]
for axes, title, matrix in zip(panels, titles, [weights, causal_weights], strict=True):
    shades = axes.imshow(matrix.numpy(), vmin=0, vmax=1, interpolation="none")
    axes.set(title=title, xlabel="looks at", xticks=range(3), yticks=range(3))
    axes.set_xticklabels(tokens)
    axes.set_yticklabels(tokens)
    axes.grid(visible=False)
panels[0].set_ylabel("token")
figure.colorbar(shades, ax=panels, label="share")
plt.show()

# %% [markdown]
# ## Several heads
#
# One softmax gives one mixture. To look for several things at once, cut the numbers into
# parts and let each part attend alone. Each part is a **head**. A loop does it; fast code
# does all heads in one multiplication, with the same result.

# %%
from snippets.report.attention import multi_head

heads, head_weights = multi_head(query, key, value, num_heads=2)
split = [t.view(3, 2, 2).transpose(0, 1) for t in (query, key, value)]  # (H, T, D / H)
together = F.scaled_dot_product_attention(*split).transpose(0, 1).reshape(3, 4)
torch.testing.assert_close(heads, together)
print("output", tuple(heads.shape), "weights", tuple(head_weights.shape))

# %% [markdown]
# ## Order
#
# Attention does not know which token comes first. Shuffle the tokens and the rows of the
# output are shuffled alike; nothing else changes:

# %%
order = torch.tensor([2, 0, 1])
shuffled, _ = attention(query[order], key[order], value[order])
torch.testing.assert_close(shuffled, ours[order])
print("same rows, other order")

# %% [markdown]
# So the position is added to the embedding. The paper uses waves of growing length, drawn
# below: like the hands of a clock, fast columns tell neighbors apart and slow ones tell
# near from far. BERT *learns* one list a position instead, and newer models turn queries
# and keys by an angle that grows with the position.

# %%
#| alt: >
#|   A heat map with 64 positions downward and 32 numbers to the right. The columns on the
#|   left swing between minus one and one every few positions, columns further right swing
#|   more and more slowly, and those on the far right hardly change.
from snippets.report.attention import sinusoidal_positions

positions = sinusoidal_positions(64, 32)
figure, axes = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
shades = axes.imshow(
    positions.numpy(), aspect="auto", interpolation="none", vmin=-1, vmax=1
)
axes.set(title="One row a position", xlabel="number in the list", ylabel="position")
axes.grid(visible=False)
figure.colorbar(shades, label="value")
plt.show()

# %% [markdown]
# ## The block around it
#
# A Transformer is one *block*, many times over. Attention moves information between tokens.
# A **feed-forward network**, two matrices with a bend between them, then works on each
# token alone. Around both stand two helpers. A **residual** connection adds what came in to
# what comes out, so a block makes a correction instead of starting anew. A **layer norm**
# shifts and stretches the numbers of each token to mean zero and spread one, so that sums
# do not grow from block to block.


# %%
def block(x, norm_1, feed_forward, norm_2):
    x = norm_1(x + attention(x, x, x)[0])  # between tokens, residual, norm
    return norm_2(x + feed_forward(x))  # each token alone, residual, norm


torch.manual_seed(0)
feed_forward = torch.nn.Sequential(
    torch.nn.Linear(4, 16), torch.nn.GELU(), torch.nn.Linear(16, 4)
)
out = block(x, torch.nn.LayerNorm(4), feed_forward, torch.nn.LayerNorm(4)).detach()
print("shape", tuple(out.shape))
print("means", out.mean(dim=1).abs().round(decimals=3).tolist())
print("spreads", out.std(dim=1, correction=0).round(decimals=3).tolist())

# %% [markdown]
# ```mermaid
# flowchart LR
#   T[tokens] --> E[embedding + position] --> A[attention]
#   E -- residual --> N1[add and norm]
#   A --> N1 --> F[feed-forward] --> N2[add and norm] --> H[head for the task]
#   N1 -- residual --> N2
#   N2 -. next block .-> A
# ```
#
# ## Where it all is in a real model
#
# MiniLM, which turns sentences into vectors, is a small BERT. These are its real weights.
# Names first: everything above has its place.

# %%
#| record:
#|   layers: model.config.num_hidden_layers
#|   heads: model.config.num_attention_heads
#|   hidden: model.config.hidden_size
#|   window: model.config.max_position_embeddings
#|   vocabulary: model.config.vocab_size
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

logging.disable_progress_bar()
checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModel.from_pretrained(checkpoint, attn_implementation="eager").eval()
shown = ("embeddings.", "encoder.layer.0.")
shapes = {n: tuple(p.shape) for n, p in model.named_parameters() if n.startswith(shown)}
pd.Series(shapes, name="shape").to_frame()

# %% [markdown]
# {{ vocabulary | thousands }} tokens of {{ hidden }} numbers, {{ layers }} blocks of
# {{ heads }} heads, and {{ window }} positions. That last number is the **context window**:
# the most tokens the model can read at once, since it has learned no further position.
#
# Now the proof that our function is the real one. Take the embeddings of a sentence, the
# three matrices of the first block, and compare with the weights that the model reports.

# %%
sentence = "The cat slept because it was tired."
encoded = tokenizer(sentence, return_tensors="pt")
with torch.no_grad():
    output = model(**encoded, output_attentions=True, output_hidden_states=True)
    inputs = output.hidden_states[0][0]  # (T, D), what goes into the first block
    part = model.encoder.layer[0].attention.self
    _, by_hand = multi_head(
        part.query(inputs),
        part.key(inputs),
        part.value(inputs),
        num_heads=model.config.num_attention_heads,
    )
torch.testing.assert_close(by_hand, output.attentions[0][0])
print("weights of the first block, by hand = model:", tuple(by_hand.shape))

# %% [markdown]
# The same for three of the blocks, as a mean over heads. The tokenizer has put marks at both
# ends, `[CLS]` and `[SEP]`. They carry no meaning of their own, and so a head that finds
# nothing to do can rest there.

# %%
#| alt: >
#|   Three heat maps of ten by ten tokens, from [CLS] to [SEP], for blocks 1, 3 and 6 of
#|   MiniLM. Block 1 spreads its attention, with a faint diagonal of nearby tokens. In
#|   block 3 the column of [CLS] is by far the brightest. In block 6 the columns of cat and
#|   tired stand out beside it.
#| record:
#|   marked_first: marked[0]
#|   marked_third: marked[2]
#|   marked_last: marked[-1]
#|   best: "[words[i] for i in maps[-1, :, 1:-1].mean(dim=0).topk(2).indices + 1]"
words = tokenizer.convert_ids_to_tokens(encoded.input_ids[0])
maps = torch.stack(output.attentions)[:, 0].mean(dim=1)  # (layers, T, T)
marked = maps[:, :, 0].mean(dim=1).tolist()  # the share of [CLS]
figure, panels = plt.subplots(1, 3, figsize=(7.4, 3.4), layout="constrained", sharey=True)
for axes, layer in zip(panels, [0, 2, 5], strict=True):
    shades = axes.imshow(
        maps[layer].numpy(), vmin=0, vmax=maps.max(), interpolation="none"
    )
    axes.set(title=f"Block {layer + 1}", xlabel="looks at")
    axes.set_xticks(range(len(words)), words, rotation=90)
    axes.set_yticks(range(len(words)), words)
    axes.grid(visible=False)
panels[0].set_ylabel("token")
figure.colorbar(shades, ax=panels, label="share", shrink=0.6)
plt.show()

# %% [markdown]
# We measured the share that lands on `[CLS]`: {{ marked_first | percent }} in the first
# block, {{ marked_third | percent }} in the third and {{ marked_last | percent }} in the
# last. Beside it, the last block looks most at *{{ best[0] }}* and *{{ best[1] }}*, the
# words that carry this sentence. Attention maps show where a block reads. They do not
# explain why a model decides.
#
# ### What goes wrong
#
# A text longer than the context window. The tokenizer warns, the model fails:

# %%
import sys

long = torch.full((1, model.config.max_position_embeddings + 1), 5)
try:
    model(long)
except (IndexError, RuntimeError) as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)

# %% [markdown]
# Pass `truncation=True` to the tokenizer, or cut the text into pieces.
#
# ## The family since
#
# | when | model | kind | what it added |
# |---|---|---|---|
# | 2017-06 | Transformer | encoder and decoder | attention alone [@attention-paper] |
# | 2018 | GPT | decoder only | pretraining by guessing the next word [@gpt-paper] |
# | 2018-10 | BERT | encoder only | pretraining by filling gaps, seeing both sides [@bert-paper] |
# | 2019-02 | GPT-2 | decoder only | tasks without training on them [@gpt2-paper; @gpt2-size] |
# | 2019-10 | T5 | encoder and decoder | every task is text to text [@t5-paper] |
# | 2020-05 | GPT-3 | decoder only | 175 billion parameters, tasks from a few examples [@gpt3-paper] |
# | 2020-10 | ViT | encoder only | patches of an image as tokens [@vit-paper] |
# | 2021-01 | Switch | encoder and decoder | experts, one of which reads a token [@switch-paper] |
# | 2023-02 | LLaMA | decoder only | open models for research [@llama-paper] |
# | 2024-01 | Mixtral | decoder only, experts | two of eight experts a token [@mixtral-paper] |
# | 2024-12 | DeepSeek-V3 | decoder only, experts | 37 of 671 billion parameters a token [@deepseek-v3-paper] |
#
# An **encoder** sees the whole text and suits reading: search, labels. A **decoder** has the
# causal mask and suits writing. With both, the decoder's queries also meet keys and values
# of the encoder, which suits translation.
#
# A **mixture of experts** replaces the feed-forward network by several, and a small *router*
# sends each token to a few of them. The model holds much and computes little. The default
# `MixtralConfig` has the sizes of Mixtral, and on PyTorch's `meta` device weights have
# shapes but no memory, so we can count:

# %%
#| record:
#|   total: round(total / 1e9, 1)
#|   active: round(active / 1e9, 1)
from transformers import MixtralConfig, MixtralForCausalLM

config = MixtralConfig()
with torch.device("meta"):
    mixtral = MixtralForCausalLM(config)
total = mixtral.num_parameters()
experts = sum(p.numel() for n, p in mixtral.named_parameters() if ".experts." in n)
used = config.num_experts_per_tok / config.num_local_experts
active = total - experts * (1 - used)
print(f"{total / 1e9:.1f} billion in all, {active / 1e9:.1f} billion for each token")

# %% [markdown]
# We counted {{ total }} and {{ active }} billion, as the paper says in round numbers
# [@mixtral-paper].
#
# ## Where to go next
#
# - [Attention Is All You Need](https://arxiv.org/abs/1706.03762), the paper.
# - [Train a Vision Transformer](../vision/vit.py): the same block, on images.
# - [Semantic search](../use/semantic-search.py) puts MiniLM to work.
# - [History](history.md): how a weekend with BERT changed a company.
