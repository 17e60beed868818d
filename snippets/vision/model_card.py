"""Write and check a model card: what a model is, how it was measured, what it is not for.

Source: Mitchell et al., "Model Cards for Model Reporting", arXiv 1810.03993; fields are
those of the Hub (https://huggingface.co/docs/hub/model-cards).
Units: accuracy as a share from 0 to 1. Shapes: B images, K classes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import EvalResult, ModelCard, ModelCardData

TEMPLATE = """---
{{ card_data }}
---

# {{ title }}

{{ summary }}

## Uses

{{ uses }}

**Not for:** {{ not_for }}

## Training

{{ training }}

## Evaluation

{{ evaluation }}

## Limitations

{{ limitations }}

## How to load it

{{ code }}
"""
SECTIONS = ("Uses", "Training", "Evaluation", "Limitations")
METADATA = ("license", "library_name", "pipeline_tag")


def evaluate(
    predictions: np.ndarray, labels: np.ndarray, names: list[str]
) -> dict[str, Any]:
    """Measure accuracy over all images and for each class.

    Args:
        predictions: Predicted classes (B,).
        labels: True classes (B,).
        names: Names of the classes, K.

    Returns:
        `accuracy`, its `standard_error`, the number of `images`, and `recall`: for each
        name the share of its images that were found.

    Raises:
        ValueError: If there is not one prediction for each label.
    """
    if len(predictions) != len(labels):
        raise ValueError(f"{len(predictions)} predictions, wanted {len(labels)}")
    right = predictions == labels
    accuracy = float(right.mean())
    return {
        "accuracy": accuracy,
        "standard_error": (accuracy * (1 - accuracy) / len(labels)) ** 0.5,
        "images": len(labels),
        "recall": {
            name: float(right[labels == index].mean()) for index, name in enumerate(names)
        },
    }


def write_card(
    model: torch.nn.Module,
    result: dict[str, Any],
    dataset: str,
    dataset_name: str,
    **texts: str,
) -> ModelCard:
    """Write a card whose numbers come from a measurement and from the model itself.

    Args:
        model: The classifier, for its number of parameters.
        result: What `evaluate` returned.
        dataset: Id of the data set on the Hub.
        dataset_name: Its name for readers.
        **texts: Text for `title`, `summary`, `uses`, `not_for`, `training`, `limitations`
            and `code`.

    Returns:
        The card, with a result that the Hub can read in its metadata.
    """
    data = ModelCardData(
        license="mit",
        library_name="transformers",
        pipeline_tag="image-classification",
        datasets=[dataset],
        metrics=["accuracy"],
        model_name=texts["title"],
        eval_results=[
            EvalResult(
                task_type="image-classification",
                dataset_type=dataset,
                dataset_name=dataset_name,
                dataset_split="test",
                metric_type="accuracy",
                metric_value=round(result["accuracy"], 4),
            )
        ],
    )
    parameters = sum(weight.numel() for weight in model.parameters())
    rows = [f"| {name} | {share:.1%} |" for name, share in result["recall"].items()]
    evaluation = "\n".join(
        [
            f"{result['accuracy']:.1%} of {result['images']:,} held-out images are right "
            f"(standard error {result['standard_error']:.1%}).",
            f"The model has {parameters:,} parameters.",
            "",
            "| class | found |",
            "| --- | ---: |",
            *rows,
        ]
    )
    card: ModelCard = ModelCard.from_template(
        data, template_str=TEMPLATE, evaluation=evaluation, **texts
    )
    return card


def check_card(card: ModelCard, folder: str | Path) -> list[str]:
    """Find what a reader or the Hub would miss, without a network.

    Args:
        card: The card.
        folder: The checkpoint that it describes.

    Returns:
        One sentence for each thing that is missing; an empty list is good.
    """
    problems = [f"metadata lacks {key}" for key in METADATA if not card.data.get(key)]
    problems += [
        f"section {name} is missing or empty"
        for name in SECTIONS
        if not card.text.partition(f"\n## {name}\n")[2].partition("\n## ")[0].strip()
    ]
    if "[More Information Needed]" in card.text:
        problems.append("text of the template is left: [More Information Needed]")
    for result in card.data.get("eval_results") or []:
        if result.metric_type == "accuracy" and not 0 <= result.metric_value <= 1:
            problems.append(f"accuracy is {result.metric_value}, wanted 0 to 1")
    if not card.data.get("eval_results"):
        problems.append("metadata lacks an evaluation result")
    if not list(Path(folder).glob("*.safetensors")):
        problems.append("the folder has no weights in safetensors")
    return problems
