# %% [markdown]
# ---
# description: >-
#   Measure a checkpoint, write a model card whose numbers come from that measurement, check
#   it without a network, and see it as a reader and as the Hub sees it.
# executor:
#   data: [data/fashion-mnist]
#   checkpoints: [vit]
# ---
# # Write a model card for what you trained
#
# You will measure a model on held-out images, write a card that carries the numbers for
# people and for the Hub, check that nothing is missing, and save it beside the weights.
#
# ## The shortest thing that works
#
# A *model card* is the `README.md` of a model. Its text is for people. The block at its top,
# in YAML, is for the Hub: it makes the model findable by task, data set, license and result.

# %%
from huggingface_hub import ModelCard, ModelCardData

data = ModelCardData(license="mit", pipeline_tag="image-classification")
card = ModelCard(
    f"---\n{data.to_yaml()}\n---\n\n# My model\n\nIt tells shirts from boots.\n"
)
print(card)

# %% [markdown]
# This is valid, and tells nobody whether the model is any good. [Mitchell et
# al.](https://arxiv.org/abs/1810.03993), who proposed model cards, ask for more: what the
# model is for and what it is not for, what it was trained on, how it was measured, on whom
# or what it does worse, and known limits.
#
# ## Measure first
#
# The checkpoint is the [Vision Transformer](vit.py) of this chapter, trained on photographs
# of clothes. We load it as any other one and let it classify the {{ images | thousands }}
# images that it has not learned from.

# %%
#| record:
#|   metric: result["accuracy"]
#|   standard_error: result["standard_error"]
#|   images: result["images"]
#|   baseline: most_frequent
#|   parameters: model.num_parameters()
#|   worst: worst
#|   worst_recall: result["recall"][worst]
#|   best: best
#|   best_recall: result["recall"][best]
import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification
from transformers.utils import logging

from snippets.vision.data import load_fashion
from snippets.vision.model_card import evaluate

logging.disable_progress_bar()
torch.set_num_threads(1)  # more threads add in another order and change the last decimals
checkpoint = "checkpoints/vit"
processor = AutoImageProcessor.from_pretrained(checkpoint)
model = AutoModelForImageClassification.from_pretrained(checkpoint).eval()
_, images, _, labels = load_fashion()
color = np.repeat(
    images[..., None], 3, axis=-1
)  # three equal channels, as the model wants

predictions = []
for start in range(0, len(color), 250):
    inputs = processor(list(color[start : start + 250]), return_tensors="pt")
    with torch.no_grad():
        predictions.append(model(**inputs).logits.argmax(dim=-1))
names = list(model.config.id2label.values())
result = evaluate(torch.cat(predictions).numpy(), labels, names)

most_frequent = float(np.bincount(labels).max() / len(labels))
assert result["accuracy"] > most_frequent + 0.5
worst = min(result["recall"], key=result["recall"].get)
best = max(result["recall"], key=result["recall"].get)
print(f"accuracy {result['accuracy']:.1%} +- {result['standard_error']:.1%}")
for name in (best, worst):
    print(f"{name}: {result['recall'][name]:.1%} found")

# %% [markdown]
# We measured {{ metric | percent }} with a standard error of
# {{ standard_error | percent }}; naming one class always gives {{ baseline | percent(0) }}.
# One number hides much: of "{{ best }}" the model finds {{ best_recall | percent(0) }}, of
# "{{ worst }}" {{ worst_recall | percent(0) }}. A card that reports parts separately tells a
# reader whether the model fits *their* use:

# %%
#| alt: >
#|   Bar chart of the share of images found for each of the ten classes, sorted. Trouser
#|   is highest, then ankle boot, bag and sandal. T-shirt, pullover and coat do not reach
#|   a dashed line, the accuracy over all. Shirt is far lower than all others.
import matplotlib.pyplot as plt

order = sorted(names, key=result["recall"].get)
figure, axes = plt.subplots(figsize=(6.4, 3.2))
axes.barh(order, [100 * result["recall"][name] for name in order], color="C1")
axes.axvline(100 * result["accuracy"], color="C0", linestyle="--", label="all images")
axes.set(xlabel="found, %", xlim=(0, 100))
axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# ## Write the card
#
# `write_card` takes numbers from the measurement and from the model, never from your memory.
# `EvalResult` puts the accuracy in the metadata, where programs can read it. The words are
# yours; no function can write them.

# %%
from snippets.vision.model_card import write_card

code = f"""```python
from transformers import pipeline

classify = pipeline("image-classification", model="{checkpoint}")
```"""
card = write_card(
    model,
    result,
    dataset="zalando-datasets/fashion_mnist",
    dataset_name="Fashion-MNIST, 1,000 images of its test split",
    title="A small ViT for photographs of clothes",
    summary="Names one of ten kinds of clothes in a photograph of 28 by 28 pixels.",
    uses="Examples and experiments that must run in seconds.",
    not_for="shops, sorting, or any decision about people or money.",
    training="From scratch on 5,000 images of the training split, with one seed.",
    limitations=(
        f"Finds only {result['recall'][worst]:.0%} of the class {worst}. Garments are "
        "centered, single, gray and on a plain background; other photographs were not "
        "tried. The answer is always one of ten classes, whatever the image shows."
    ),
    code=code,
)
print(card.data.to_yaml())

# %% [markdown]
# That is what programs read. `model-index` holds the result: which task, which data, which
# part of it, which metric. And this is what a person sees, rendered:

# %%
from IPython.display import Markdown

body = card.text.replace("\n## ", "\n#### ").replace("\n# ", "\n### ")  # fit this page
Markdown(body)

# %% [markdown]
# ## Check it
#
# `card.validate()` asks the Hub whether it accepts the metadata, which needs a network; so it
# is not run here. `push_to_hub` calls it for you. What the Hub does not ask is whether the
# card says anything. `check_card` looks for both, without a network:

# %%
#| record:
#|   template_problems: len(template_problems)
from snippets.vision.model_card import check_card

print("our card:", check_card(card, checkpoint))
template = ModelCard.from_template(ModelCardData(license="mit"))
template_problems = check_card(template, checkpoint)
print("the default template, left as it is:")
print(*template_problems, sep="\n")

# %% [markdown]
# The default template of `huggingface_hub` is a good list of questions. Pushed with its
# gaps it is a bad card: {{ template_problems }} complaints here. Delete what you cannot answer.
#
# ## Save it beside the weights
#
# A card saved as `README.md` in the folder of the model is uploaded with it. Loading reads
# the metadata back into objects:

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

with TemporaryDirectory() as folder:
    path = Path(folder) / "README.md"
    card.save(path)
    again = ModelCard.load(path)
print("equal text:", again.content == card.content)
print("result read back:", again.data.eval_results[0].metric_value)

# %% [markdown]
# ## The newer place for scores
#
# `huggingface_hub` 2.4 calls `model-index` the older form. Scores on data sets that are marked
# as benchmarks now belong in files of their own, `.eval_results/*.yaml`, from which the Hub
# fills [leaderboards](https://huggingface.co/docs/hub/eval-results) (a work in progress, says
# that page, November 2026). Such an entry is as short, and reads back as well:

# %%
import yaml
from huggingface_hub import (
    EvalResultEntry,
    eval_result_entries_to_yaml,
    parse_eval_result_entries,
)

entry = EvalResultEntry(
    dataset_id="zalando-datasets/fashion_mnist",
    task_id="default",
    value=round(result["accuracy"], 4),
    notes=f"{result['images']} images of the test split",
)
text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False)
print(text)
print("read back:", parse_eval_result_entries(yaml.safe_load(text)) == [entry])

# %% [markdown]
# ## The same with a real checkpoint
#
# `ModelCard.load("google/vit-base-patch16-224")` reads the card of
# [that model](https://huggingface.co/google/vit-base-patch16-224) from the Hub, and
# `check_card` takes it. This page has no network. For your own model,
# `card.push_to_hub("you/your-model")` sends the card alone, after `validate` has passed; see
# [save and load](../use/save-and-load.py) for the weights.
#
# ## What goes wrong
#
# **A result without a name of the model:**

# %%
import sys

from huggingface_hub import EvalResult

accuracy = EvalResult(
    task_type="image-classification",
    dataset_type="zalando-datasets/fashion_mnist",
    dataset_name="Fashion-MNIST",
    metric_type="accuracy",
    metric_value=result["accuracy"],
)
try:
    ModelCardData(eval_results=[accuracy])
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Metadata that is no mapping**, such as a forgotten key before the value:

# %%
try:
    ModelCard("---\nmit\n---\n# My model\n")
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Percent or share?** `EvalResult` takes a value of 87 as it takes 0.87, and a reader of
# many cards cannot tell which is meant. Write the share; `check_card` looks.
#
# **Numbers that were true once.** A card written by hand keeps its numbers when the model is
# trained again. Write the card in the script that measures, as here.
#
# ## Where to go next
#
# - [Model Cards for Model Reporting](https://arxiv.org/abs/1810.03993), the paper.
# - [Model cards on the Hub](https://huggingface.co/docs/hub/model-cards) and
#   [in huggingface_hub](https://huggingface.co/docs/huggingface_hub/guides/model-cards).
