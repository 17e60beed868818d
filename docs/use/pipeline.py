# %% [markdown]
# ---
# description: >-
#   Use a pretrained model in five lines: every task of transformers' pipeline in a table made
#   from its registry, and five of them run with real weights.
# executor:
#   timeout: 120
#   weights:
#     - sentence-transformers/all-MiniLM-L6-v2
#     - HuggingFaceTB/SmolLM2-135M-Instruct
#     - openai/whisper-tiny.en
#     - facebook/dinov2-small
#     - nationaldesignstudio/rampart
#   data: [data/speech]
# ---
# # Use a model in five lines
#
# On this page you run five models on text, sound and pictures with the same call, and find
# the task that fits your problem.
#
# ## The shortest thing that works

# %%
import torch
from transformers import pipeline
from transformers.utils import logging

torch.set_num_threads(1)
logging.set_verbosity_error()  # pipelines log remarks about their own settings
writer = pipeline("text-generation", model="HuggingFaceTB/SmolLM2-135M-Instruct")
question = [{"role": "user", "content": "Name the capital of France."}]
answer = writer(question, max_new_tokens=20, do_sample=False)
print(answer[0]["generated_text"][-1]["content"])

# %% [markdown]
# Task, checkpoint, input. The first call on your machine downloads the weights; later ones
# read [the cache](hub.py).
#
# !!! note "Which weights"
#     The build has no network. All five checkpoints on this page come from packages, and all
#     but MiniLM were converted on the way, so they are not the files of the Hub. The small
#     model above gets many facts wrong; it shows how, not how good.
#
# ## How it works
#
# ```mermaid
# flowchart LR
#   I["Text, sound<br/>or picture"] --> P["preprocess:<br/>tokenizer or processor"] --> F["forward:<br/>model"] --> O["postprocess:<br/>names and scores"]
# ```
#
# A pipeline is three steps, as in the diagram, and you can call them one at a time. Here for
# **feature extraction**, which returns the vectors that a model makes of the tokens:

# %%
extractor = pipeline("feature-extraction", model="sentence-transformers/all-MiniLM-L6-v2")
inputs = extractor.preprocess("A kitten is napping.")
outputs = extractor.forward(inputs)
vectors = extractor.postprocess(outputs)
print("preprocess: ", {name: tuple(value.shape) for name, value in inputs.items()})
print("forward:    ", tuple(outputs[0].shape))
print("same as one call:", vectors == extractor("A kitten is napping."))

# %% [markdown]
# ### Every task there is
#
# The table comes from the registry of the installed version, so it names what exists and
# nothing else.

# %%
#| record:
#|   tasks: len(rows)
import pandas as pd

from snippets.use.pipeline import list_tasks

pd.set_option("display.max_colwidth", None)
rows = list_tasks()
pd.DataFrame(rows).set_index("task")

# %% [markdown]
# {{ tasks }} tasks. The column `models` tells which [Auto class](models.py) a checkpoint
# must fit. The column `default` is what you get if you name no model; do name one, since
# the default is a choice of the library and may change or be huge.
#
# ## Three more with real weights
#
# ### Find personal data in a text
#
# **Token classification** gives every token a label. The strategy `"first"` gives a word the
# label of its first token and joins neighbors to spans. The model is
# [`nationaldesignstudio/rampart`](https://huggingface.co/nationaldesignstudio/rampart) by
# National Design Studio (CC-BY-4.0), converted.

# %%
from snippets.use.pipeline import mark_spans

finder = pipeline(
    "token-classification",
    model="nationaldesignstudio/rampart",
    aggregation_strategy="first",
)
text = "My name is Clara Bennet and I live in Springfield, Illinois 62704."
print(mark_spans(text, finder(text)))

# %% [markdown]
# ### Write down what is said

# %%
from datasets import load_dataset

from snippets.use.audio import read_sound

listen = pipeline("automatic-speech-recognition", model="openai/whisper-tiny.en")
clip = load_dataset("data/speech", split="test")[1]
samples, rate = read_sound(clip["audio"]["bytes"])
print("heard:", listen({"raw": samples, "sampling_rate": rate})["text"])
print("said: ", clip["text"])

# %% [markdown]
# ### Compare pictures
#
# **Image feature extraction** turns a picture into vectors. DINOv2 learned them without any
# label, and similar things get similar vectors, as the figure shows.

# %%
#| alt: >
#|   Three photographs: a cat, the same cat mirrored and cropped, and a cup of coffee. The
#|   second is titled with a high similarity to the first, the third with a lower one.
#| record:
#|   same_cat: similarities[1]
#|   coffee: similarities[2]
import matplotlib.pyplot as plt
from PIL import Image
from skimage import data

see = pipeline("image-feature-extraction", model="facebook/dinov2-small")
cat = data.chelsea()
pictures = [cat, cat[20:280, 400:40:-1], data.coffee()]
vectors = torch.tensor(
    [see(Image.fromarray(picture))[0][0] for picture in pictures]
)  # (3, 384)
similarities = torch.cosine_similarity(vectors[:1], vectors).tolist()

figure, panels = plt.subplots(1, 3, figsize=(7.2, 2.2), layout="constrained")
for axes, picture, similarity in zip(panels, pictures, similarities, strict=True):
    axes.imshow(picture[::4, ::4], interpolation="none")
    axes.set(title=f"{similarity:.2f}", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# The mirrored cat gets {{ same_cat | round(2) }}, the coffee {{ coffee | round(2) }}.
#
# ## Details that matter
#
# | You want | You write |
# | --- | --- |
# | A GPU | `pipeline(..., device="cuda")`, or `device_map="auto"` for a large model |
# | Half the memory | `dtype="bfloat16"` |
# | Many inputs | A list or a generator, and [`batch_size`](batching.py) |
# | The same files next year | `revision="<commit>"`, see [the Hub](hub.py) |
# | More control | The model and its tokenizer, see [models](models.py) |
#
# Arguments of the task can stand in either call: in `pipeline(...)` they hold from then on,
# in `writer(...)` for one input.
#
# ## The same with another checkpoint
#
# The id is the switch. `HuggingFaceTB/SmolLM2-1.7B-Instruct` in the first block answers
# better and needs twelve times the memory. Find others on the Hub by the name of the task,
# which is a filter there.
#
# ## What goes wrong
#
# **A task that is gone.** Translation, summarization and others left with transformers 5;
# old tutorials still call them. The message says what to use instead:

# %%
import sys
import textwrap

try:
    pipeline("translation_en_to_fr")
except KeyError as error:
    print(textwrap.fill(f"KeyError: {error}", 88), file=sys.stderr)

# %% [markdown]
# **A misspelled task** lists those that exist, the table above in one line:

# %%
try:
    pipeline("text-classifikation")
except KeyError as error:
    print(textwrap.fill(f"KeyError: {error}", 88)[:176], "...", file=sys.stderr)

# %% [markdown]
# **A model for another task.** A text model comes with no processor for pictures:

# %%
try:
    pipeline("image-classification", model="sentence-transformers/all-MiniLM-L6-v2")
except (OSError, ValueError) as error:
    message = str(error).split(". ")[0]
    print(textwrap.fill(f"{type(error).__name__}: {message}", 88), file=sys.stderr)

# %% [markdown]
# Worse is the case without an error: the right kind of model, but without a trained head.
# Then the answers are random; see [models](models.py).
#
# ## Where to go next
#
# - [Turn text into tokens](tokenizer.py), [bring a picture into a model](images.py), [bring
#   sound into a model](audio.py): the first of the three steps.
# - [Search text by meaning](semantic-search.py) puts one of them to work.
# - [Pipelines](https://huggingface.co/docs/transformers/main_classes/pipelines) in the
#   documentation.
