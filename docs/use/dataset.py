# %% [markdown]
# ---
# description: >-
#   Load, slice, map, filter, split, stream and shuffle a data set; memory mapping measured;
#   a data set of your own with a card; common errors and what they mean.
# executor:
#   timeout: 120
#   data: [data/austen]
# ---
# # Work with data sets
#
# On this page you load a data set, change it without running out of memory, and publish
# one of your own in a form that others can load with one line.
#
# ## The shortest thing that works

# %%
#| record:
#|   rows: len(novels)
from datasets import load_dataset

novels = load_dataset("data/austen", split="train")
print(novels)
print(novels[0])

# %% [markdown]
# The folder `data/austen` belongs to this site: {{ rows | thousands }} paragraphs of two
# novels by Jane Austen, in the public domain. An id on the Hub stands in the same place.
# A **split** is a named part of the rows; `train` is for learning, `test` for measuring.
#
# ## How it works
#
# ```mermaid
# flowchart LR
#   P["Parquet, CSV,<br/>JSON, images"] -->|load_dataset| A["Arrow file<br/>in the cache"]
#   A -->|memory map| D["Dataset"]
#   D -->|map, filter| B["new Arrow file"]
#   B --> D
#   P -->|streaming=True| I["IterableDataset"]
# ```
#
# `load_dataset` converts the source once into an **Arrow** file, a table stored column by
# column, and *maps* it: the file counts as memory, and the system reads a part when it is
# used. So a table may be larger than your memory. We measured what Arrow allocates either
# way:

# %%
#| record:
#|   mapped: mapped
#|   in_memory: in_memory
from snippets.use.datasets import bytes_in_memory

mapped = bytes_in_memory("data/austen", "train", keep_in_memory=False)
in_memory = bytes_in_memory("data/austen", "train", keep_in_memory=True)
print(f"mapped {mapped:,} bytes, in memory {in_memory:,} bytes")

# %% [markdown]
# ### Slice
#
# A row is a dictionary. A slice is a dictionary of lists, not a list of rows. To get a
# smaller data set, use `select`; to load less, slice the split:

# %%
print(novels[:2].keys())
print(novels.select(range(2)).num_rows)
print(load_dataset("data/austen", split="train[:10%]").num_rows)

# %% [markdown]
# ### Map and filter
#
# `map` applies a function and adds the columns that it returns. With `batched=True` the
# function gets many rows at once and returns lists. `filter` keeps rows.


# %%
#| record:
#|   longest: max(counted["words"])
#|   kept: len(long)
def count_words(batch):
    return {"words": [len(text.split()) for text in batch["text"]]}


counted = novels.map(count_words, batched=True)
long = counted.filter(
    lambda batch: [words > 200 for words in batch["words"]], batched=True
)
print(counted.column_names, "longest:", max(counted["words"]))
print(len(long), "paragraphs of more than 200 words")

# %% [markdown]
# The result is a file as well. Its name is a hash of the function and of what went in, so
# the same call a second time does no work. Row by row, in batches, and again:

# %%
#| volatile: true
#| record:
#|   row_ratio: times["row by row"] / times["batched"]
#|   again_ratio: times["batched"] / times["again"]
from time import perf_counter


def timed(name, function, **options):
    start = perf_counter()
    novels.map(function, **options)
    times[name] = perf_counter() - start
    print(f"{name:12} {1000 * times[name]:6.0f} ms")


times = {}
timed(
    "row by row",
    lambda row: {"words": len(row["text"].split())},
    load_from_cache_file=False,
)
timed("batched", count_words, batched=True, load_from_cache_file=False)
timed("again", count_words, batched=True)
timed("2 processes", count_words, batched=True, num_proc=2, load_from_cache_file=False)

# %% [markdown]
# On the machine that built this page row by row took {{ row_ratio | round(1) }} times as
# long as batches, and the second call was {{ again_ratio | round(0) }} times as fast as the
# first. `num_proc=2` splits the work over processes. Here that cost more than it saved: to
# start a process takes longer than to count these words. It pays for seconds of work per
# process, such as decoding images.
#
# ## Details that matter
#
# ### Split without leaks
#
# `train_test_split` draws rows at random. Say which seed, and keep the shares of the
# classes with `stratify_by_column`, which wants a column of class labels:

# %%
labeled = novels.class_encode_column("novel")
parts = labeled.train_test_split(test_size=0.1, seed=0, stratify_by_column="novel")
for name, part in parts.items():
    share = sum(part["novel"]) / len(part)
    print(f"{name:5} {len(part):5} rows, {share:.1%} {part.features['novel'].int2str(1)}")

# %% [markdown]
# Random rows leak if neighbors resemble each other. Paragraphs of one chapter do, so the
# `test` split that comes with this data set holds whole chapters instead.
#
# ### Stream
#
# `streaming=True` gives an `IterableDataset`: rows come as they are read, without a
# conversion and without an end in sight. It has no length and no `[5]`.

# %%
stream = load_dataset("data/austen", split="train", streaming=True)
titles = stream.map(lambda row: {"start": row["text"][:38]}).filter(
    lambda row: row["chapter"] == 3
)
for row in titles.take(2):
    print(row["chapter"], row["start"])

# %% [markdown]
# A stream cannot be shuffled whole. `shuffle` fills a buffer and draws from it, so rows
# move about as far as the buffer is long, as the figure shows. A data set sorted by class
# stays nearly sorted with a small buffer.

# %%
#| alt: >
#|   Three scatter plots of the position before against the position after shuffling 200
#|   rows. With a buffer of 10 the points form a thin diagonal line, with a buffer of 50 a
#|   wide band above and below it, with a buffer of 200 they fill the square.
import matplotlib.pyplot as plt

from snippets.use.datasets import shuffled_order

figure, panels = plt.subplots(1, 3, figsize=(7.2, 2.6), layout="constrained", sharey=True)
for axes, buffer_size in zip(panels, (10, 50, 200), strict=True):
    order = shuffled_order(200, buffer_size)
    axes.plot(order, ".", markersize=3, color="C1")
    axes.set(title=f"buffer {buffer_size}", xlabel="position after")
panels[0].set_ylabel("position before")
plt.show()

# %% [markdown]
# ### Formats
#
# Parquet is the format to share: compressed, typed, and readable in parts.

# %%
#| record:
#|   parquet_share: files["novels.parquet"] / files["novels.csv"]
from pathlib import Path
from tempfile import TemporaryDirectory

temporary = TemporaryDirectory()
folder = Path(temporary.name)
novels.to_parquet(folder / "novels.parquet")
novels.to_csv(folder / "novels.csv")
novels.to_json(folder / "novels.jsonl")
files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
print(files)

# %% [markdown]
# The Parquet file has {{ parquet_share | percent(0) }} of the size of the CSV. For training,
# `novels.with_format("torch")` returns tensors in place of lists.
#
# ### A data set of your own
#
# Parquet files and a `README.md`, the **card**, are all it takes. The first block of the
# card lists the files, and people read the rest. Write down source, license and how you
# cut the rows: nobody else can.

# %%
from datasets import Dataset, DatasetDict

from snippets.use.datasets import write_dataset

rows = Dataset.from_dict(
    {"text": ["fine", "broken", "great", "late"], "label": [1, 0, 1, 0]}
)
own = DatasetDict(rows.train_test_split(test_size=1, seed=0))
write_dataset(own, folder / "reviews", "Reviews", "Four made-up reviews.", "cc0-1.0")
print((folder / "reviews" / "README.md").read_text())
print(load_dataset(str(folder / "reviews"), split="test")[0])

# %% [markdown]
# ## The same with the Hub
#
# `load_dataset("stanfordnlp/imdb", split="train")` downloads instead of reading a folder,
# and `revision=` pins it, as on [the page about the Hub](hub.py). `own.push_to_hub("you/reviews")`
# uploads. Nothing else on this page changes.
#
# ## What goes wrong
#
# **A split that is not there**, and **a column that is not there**:

# %%
import sys

try:
    load_dataset("data/austen", split="validation")
except ValueError as error:
    print("ValueError:", error, file=sys.stderr)
try:
    novels["title"]
except ValueError as error:
    print("ValueError:", error, file=sys.stderr)

# %% [markdown]
# **Columns of different length.** A batched function that returns fewer rows than it got
# must drop the old columns, with `remove_columns=novels.column_names`:

# %%
import pyarrow as pa

try:
    novels.map(lambda batch: {"first": batch["text"][:1]}, batched=True)
except pa.ArrowInvalid as error:
    print("ArrowInvalid:", error, file=sys.stderr)

# %% [markdown]
# **Files that disagree.** The first file fixes the columns and types. The message you need
# is that of the cause, at the end of a long trace:

# %%
from datasets.exceptions import DatasetGenerationError

(folder / "a.jsonl").write_text('{"price": 1}\n')
(folder / "b.jsonl").write_text('{"price": "one"}\n')
try:
    load_dataset("json", data_files=[str(folder / "a.jsonl"), str(folder / "b.jsonl")])
except DatasetGenerationError as error:
    print("DatasetGenerationError:", error, file=sys.stderr)
    print("caused by:", str(error.__cause__).splitlines()[0], file=sys.stderr)

# %% [markdown]
# **A tutorial that names a script.** Loading code from a repository ended with datasets
# 4.0 (July 2025). Look for a version of the data in Parquet.

# %%
(folder / "my_data.py").write_text("")
try:
    load_dataset(str(folder / "my_data.py"))
except RuntimeError as error:
    print("RuntimeError:", error, file=sys.stderr)
temporary.cleanup()

# %% [markdown]
# **The old result comes back.** `map` looks at your function, not at a file that it reads
# or a model that it calls. Pass `load_from_cache_file=False` after such a change.
#
# ## Where to go next
#
# - [Turn text into tokens](tokenizer.py), the usual next `map`.
# - [Batched inference](batching.py).
# - [Documentation of datasets](https://huggingface.co/docs/datasets).
