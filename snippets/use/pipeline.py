"""What `pipeline` of the installed transformers can do, read from its own registry."""

from typing import Any

from transformers.pipelines import PIPELINE_REGISTRY


def list_tasks() -> list[dict[str, str]]:
    """Read every task with the classes that solve it.

    Returns:
        For each task, in alphabetical order, its name as `task`, the `kind` of data, the
        Auto classes of its `models`, and the checkpoint taken if you name none as
        `default`.
    """
    rows = []
    for task in PIPELINE_REGISTRY.get_supported_tasks():
        _, entry, _ = PIPELINE_REGISTRY.check_task(task)
        if task not in PIPELINE_REGISTRY.supported_tasks:
            continue  # another name for a task
        default = entry["default"]["model"]
        if isinstance(default, dict):
            default = default["pt"]
        rows.append(
            {
                "task": task,
                "kind": entry["type"],
                "models": ", ".join(model.__name__ for model in entry["pt"]),
                "default": default[0],
            }
        )
    return rows


def mark_spans(text: str, entities: list[dict[str, Any]]) -> str:
    """Put the labels that a token classifier found into the text.

    Args:
        text: The text.
        entities: Found spans with `start`, `end` and `entity_group`.

    Returns:
        The text with each span as `[span: LABEL]`.

    Raises:
        ValueError: If spans overlap.
    """
    marked, place = "", 0
    for entity in sorted(entities, key=lambda entity: int(entity["start"])):
        start, end = entity["start"], entity["end"]
        if start < place:
            raise ValueError(f"a span starts at {start}, wanted {place} or later")
        label = entity["entity_group"]
        marked += f"{text[place:start]}[{text[start:end]}: {label}]"
        place = end
    return marked + text[place:]
