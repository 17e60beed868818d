# %% [markdown]
# ---
# description: >-
#   Turn text into the numbers a model reads: BPE, WordPiece and Unigram trained side by
#   side, special tokens, offsets, padding, truncation, chat templates, and what fast means.
# executor:
#   timeout: 120
#   weights: [sentence-transformers/all-MiniLM-L6-v2, HuggingFaceTB/SmolLM2-135M-Instruct]
# ---
# # Turn text into tokens
#
# On this page you cut text into the pieces a model reads, train three kinds of tokenizers
# on one text, and avoid the mistakes that give wrong numbers without an error.
#
# ## The shortest thing that works
#
# A model reads integers. A **tokenizer** cuts a text into **tokens**, words or pieces of
# words, and gives the number of each in its **vocabulary**. Every model has its own; take
# both from the same checkpoint.

# %%
from transformers import AutoTokenizer

checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)

text = "Don't tokenise CAFÉ!"
encoding = tokenizer(text)
print(encoding["input_ids"])
print(encoding.tokens())
print(tokenizer.decode(encoding["input_ids"]))

# %% [markdown]
# `##ise` continues the token before it. Decoding does not give the text back: this
# tokenizer drops capitals and accents for good. Whether yours does is part of the
# checkpoint.
#
# ## How it works
#
# ```mermaid
# flowchart LR
#   T["Text"] --> N["Normalize"] --> P["Cut into<br/>words"] --> M["Cut words<br/>into tokens"] --> S["Add special<br/>tokens"] --> I["Numbers"]
# ```
#
# The four steps of the diagram can be asked one at a time:

# %%
steps = tokenizer.backend_tokenizer
normal = steps.normalizer.normalize_str(text)
words = steps.pre_tokenizer.pre_tokenize_str(normal)
print("normalize:", normal)
print("words:    ", [word for word, _ in words])
print("tokens:   ", tokenizer.tokenize(text))
print("special:  ", tokenizer.convert_ids_to_tokens(tokenizer.encode(text)))

# %% [markdown]
# ### Three ways to find the pieces
#
# The third step is the one that is learned. Its algorithms differ in how they choose a
# vocabulary of a given size:
#
# - **BPE** (byte-pair encoding, [arXiv:1508.07909](https://arxiv.org/abs/1508.07909))
#   starts with letters and merges the most frequent neighbors again and again. To cut a
#   word it replays the merges in order.
# - **WordPiece** ([arXiv:1810.04805](https://arxiv.org/abs/1810.04805)) marks pieces
#   inside a word with `##`. To cut, it takes the longest known piece from the left. The
#   library learns the vocabulary with merges, too.
# - **Unigram** ([arXiv:1804.10959](https://arxiv.org/abs/1804.10959)) starts with many
#   pieces, gives each a probability and drops those that are missed least. To cut, it
#   takes the most probable way.
#
# We train all three on the same {{ train_paragraphs }} paragraphs, the descriptions of
# data sets that come with scikit-learn, and keep {{ test_paragraphs }} for a test.

# %%
#| record:
#|   train_paragraphs: len(train_texts)
#|   test_paragraphs: len(test_texts)
from snippets.use.descriptions import load_paragraphs
from snippets.use.tokenizers import KINDS, train_tokenizer

paragraphs = load_paragraphs()
test_texts = paragraphs[::5]
train_texts = [text for text in paragraphs if text not in test_texts]
trained = {kind: train_tokenizer(kind, train_texts, vocab_size=500) for kind in KINDS}
for kind in KINDS:
    print(f"{kind:10}", *trained[kind].encode("unmeasured characteristics").tokens)

# %% [markdown]
# Same text, same size, other pieces, as the next figure shows for a whole sentence.

# %%
#| alt: >
#|   One sentence three times, in boxes of two colors that alternate from token to token.
#|   All three cut common words such as "the" in one piece, and most long words into short
#|   pieces, each at other places.
import matplotlib.pyplot as plt

from snippets.use.tokenizers import draw_tokens

sentence = "the classifier predicts unmeasured characteristics of a flower"
figure, axes = plt.subplots(figsize=(7.2, 1.7), layout="constrained")
for y, kind in enumerate(KINDS):
    draw_tokens(axes, sentence, trained[kind].encode(sentence).offsets, y)
axes.set(xlim=(0, len(sentence)), ylim=(2.5, -0.5), xticks=[])
axes.set_yticks(range(3), KINDS)
axes.tick_params(length=0)
axes.spines[:].set_visible(False)
plt.show()

# %% [markdown]
# A larger vocabulary means fewer tokens, hence a shorter input, but more rows in the
# model's embedding table. We measured tokens per word on the held-out paragraphs:

# %%
#| alt: >
#|   Line chart. Tokens per held-out word against the size of the vocabulary, 200 to 1,200.
#|   All three lines fall steeply at first, then flatten. WordPiece starts highest and
#|   crosses Unigram at 800; BPE ends lowest.
#| record:
#|   sizes_last: sizes[-1]
#|   fewest_tokens: fewest
from snippets.use.tokenizers import tokens_per_word

sizes = [200, 300, 500, 800, 1200]
counts = {}
for kind in KINDS:
    tokenizers = [train_tokenizer(kind, train_texts, size) for size in sizes]
    counts[kind] = [round(tokens_per_word(one, test_texts), 2) for one in tokenizers]
fewest = min(KINDS, key=lambda kind: counts[kind][-1])

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for kind, marker in zip(KINDS, "os^", strict=True):
    axes.plot(sizes, counts[kind], marker=marker, label=kind)
axes.set(xlabel="vocabulary", ylabel="tokens per word", ylim=(1, None))
axes.grid(axis="y")
axes.legend()
plt.show()

# %% [markdown]
# With {{ sizes_last | thousands }} tokens {{ fewest_tokens }} needs the fewest. Do not conclude that it
# is the best one: on so little text the order depends on the text. Real vocabularies have
# 30,000 to 250,000 entries and cut common words in one piece.
#
# To use such a tokenizer with a model, wrap it; `save_pretrained` then writes what
# `AutoTokenizer` reads.

# %%
from tempfile import TemporaryDirectory

from transformers import PreTrainedTokenizerFast

wrapped = PreTrainedTokenizerFast(tokenizer_object=trained["BPE"], unk_token="[UNK]")
with TemporaryDirectory() as folder:
    wrapped.save_pretrained(folder)
    again = AutoTokenizer.from_pretrained(folder)
print(again.tokenize(sentence) == trained["BPE"].encode(sentence).tokens)

# %% [markdown]
# ## Details that matter
#
# ### Special tokens
#
# They carry no text but a role. MiniLM was trained with `[CLS]` before and `[SEP]` behind
# each text, so leave `add_special_tokens` on. Two texts go in as a pair:

# %%
print(tokenizer.special_tokens_map)
print(tokenizer("one", "two").tokens())

# %% [markdown]
# ### Offsets: from tokens back to the text
#
# Offsets say from where to where in your text a token reaches. You need them to mark what
# a model found, since decoding cannot restore the original.

# %%
encoding = tokenizer(text, return_offsets_mapping=True)
for token, (start, end) in zip(
    encoding.tokens(), encoding["offset_mapping"], strict=True
):
    print(f"{token:7} {start:2} {end:3}  {text[start:end]}")

# %% [markdown]
# ### Padding and truncation
#
# The rows of a tensor have one length. `padding=True` fills up to the longest text of the
# batch, and the **attention mask** has a 0 where a token is only padding.

# %%
batch = tokenizer(
    ["Short.", "This one is a little longer."], padding=True, return_tensors="pt"
)
print(batch["input_ids"])
print(batch["attention_mask"])

# %% [markdown]
# `truncation=True` cuts what is longer than `max_length` and drops the rest. To keep it,
# ask for the overflow, here in windows that share `stride` tokens:

# %%
windows = tokenizer(
    "one two three four five six seven eight",
    truncation=True,
    max_length=6,
    stride=2,
    return_overflowing_tokens=True,
)
for ids in windows["input_ids"]:
    print(tokenizer.decode(ids))

# %% [markdown]
# | Argument | Gives |
# | --- | --- |
# | `padding=True` | The length of the longest text in the batch |
# | `padding="max_length"` | `max_length`, however short the texts are |
# | `truncation=True` | At most `max_length`, or what the model takes if you set none |
# | `padding_side="left"` | Padding in front, as models that continue a text need it |
# | `return_tensors="pt"` | PyTorch tensors in place of lists |
#
# ## What fast means
#
# The work is done in Rust, by the library
# [`tokenizers`](https://huggingface.co/docs/tokenizers). Transformers still carries the
# pure Python version of this tokenizer, so that we can measure both. They must give the
# same numbers first.

# %%
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

python_tokenizer = BertTokenizerLegacy.from_pretrained(checkpoint)
same = python_tokenizer(paragraphs)["input_ids"] == tokenizer(paragraphs)["input_ids"]
print(len(paragraphs), "texts, same ids:", same)

# %%
#| volatile: true
#| record:
#|   python_ratio: python_seconds / batch_seconds
#|   one_by_one_ratio: single_seconds / batch_seconds
#|   rate: tokens / batch_seconds
from time import perf_counter


def seconds(function, repeats=5):
    times = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)


tokens = sum(map(len, tokenizer(paragraphs)["input_ids"]))
batch_seconds = seconds(lambda: tokenizer(paragraphs))
single_seconds = seconds(lambda: [tokenizer(text) for text in paragraphs])
python_seconds = seconds(lambda: python_tokenizer(paragraphs), repeats=2)
print(f"Rust, a list at once {tokens / batch_seconds:9,.0f} tokens/s")
print(f"Rust, one by one     {tokens / single_seconds:9,.0f} tokens/s")
print(f"Python               {tokens / python_seconds:9,.0f} tokens/s")

# %% [markdown]
# On the machine that built this page, on one core, Python took
# {{ python_ratio | round(1) }} times as long as Rust, and calling the tokenizer once for
# each text {{ one_by_one_ratio | round(1) }} times as long as giving it the list. With a
# list Rust also uses all your cores, which this build switched off.
#
# ## The same with another checkpoint: chat templates
#
# A chat model saw its conversations in one exact form. The **chat template** of its
# tokenizer, a small program in the language Jinja, writes that form.
# `HuggingFaceTB/SmolLM2-135M-Instruct` (Apache-2.0) has a BPE tokenizer:

# %%
chat_checkpoint = "HuggingFaceTB/SmolLM2-135M-Instruct"
chat_tokenizer = AutoTokenizer.from_pretrained(chat_checkpoint)
messages = [
    {"role": "system", "content": "You answer in one word."},
    {"role": "user", "content": "What color is the sky?"},
]
prompt = chat_tokenizer.apply_chat_template(
    messages, tokenize=False, add_generation_prompt=True
)
print(prompt)

# %% [markdown]
# `add_generation_prompt` opens the answer, and the model continues from there. Without it,
# a model may go on with the user's part. With `tokenize=True`, the default, you get
# `input_ids` and `attention_mask` at once.
#
# !!! warning "Do not tokenize a finished prompt with special tokens again"
#     The template has written them already. Where a tokenizer adds its own, they would
#     stand there twice: pass `add_special_tokens=False` for such a text.
#
# ## What goes wrong
#
# **No token to pad with.** Our own tokenizer knows no padding:

# %%
import sys
import textwrap

try:
    wrapped(["short", "a little longer"], padding=True)
except ValueError as error:
    print(textwrap.fill(f"ValueError: {error}", 88), file=sys.stderr)

# %% [markdown]
# Many models that only generate have none either; there `tokenizer.pad_token =
# tokenizer.eos_token` is the usual cure, as the attention mask hides those places.
#
# **The tokenizer of another model.** Nothing complains, because numbers are numbers. The
# text that arrives is another one:

# %%
ids = chat_tokenizer("What color is the sky?")["input_ids"]
print("MiniLM reads:", tokenizer.decode(ids))

# %% [markdown]
# An error comes only if a number is beyond the table of embeddings: `IndexError: index out
# of range in self`.
#
# **A text too long.** Without `truncation`, all tokens come back, with a logged remark at
# most. MiniLM's table of positions ends at {{ limit }}:

# %%
#| record:
#|   limit: tokenizer.model_max_length
from transformers import AutoModel

model = AutoModel.from_pretrained(checkpoint)
inputs = tokenizer("word " * 600, return_tensors="pt", verbose=False)
try:
    model(**inputs)
except (IndexError, RuntimeError) as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)

# %% [markdown]
# **A vocabulary that changes.** The library's trainers break ties in no fixed order, so two
# trainings of WordPiece number tokens differently (`train_tokenizer` above takes care of
# that). Train once, save, and keep the file with the model.
#
# ## Where to go next
#
# - [Models and Auto classes](models.py): what reads these numbers.
# - [Batched inference](batching.py): what padding costs.
# - The [summary of tokenizers](https://huggingface.co/docs/transformers/tokenizer_summary)
#   in the documentation of transformers.
