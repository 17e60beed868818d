import pytest
import transformers
from transformers.pipelines import check_task, get_supported_tasks

from snippets.use.pipeline import list_tasks, mark_spans


def test_every_task_is_listed_once_with_classes_that_exist():
    rows = list_tasks()
    names = [row["task"] for row in rows]
    assert names == sorted(set(names))
    assert {check_task(task)[0] for task in get_supported_tasks()} == set(names)
    for row in rows:
        assert row["kind"]
        assert "/" in row["default"]
        for model in row["models"].split(", "):
            assert hasattr(transformers, model)


def test_spans_are_marked_where_they_are():
    text = "Clara lives in Springfield."
    entities = [
        {"start": 15, "end": 26, "entity_group": "CITY"},
        {"start": 0, "end": 5, "entity_group": "NAME"},
    ]
    assert mark_spans(text, entities) == "[Clara: NAME] lives in [Springfield: CITY]."
    assert mark_spans(text, []) == text


def test_spans_that_overlap_are_refused():
    entities = [
        {"start": 0, "end": 5, "entity_group": "A"},
        {"start": 3, "end": 7, "entity_group": "B"},
    ]
    with pytest.raises(ValueError, match="a span starts at 3, wanted 5 or later"):
        mark_spans("some text", entities)
