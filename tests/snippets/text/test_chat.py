from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from hub_mirror import fill
from snippets.text.chat import (
    ask_all,
    last_number,
    parse_call,
    reply,
    reply_all,
    run_call,
)

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = fill(tmp_path_factory.mktemp("home"), [HUB_ID])[0].path
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


TOOLS = {"multiply": lambda a, b: a * b}


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("multiply(3, 4)", ("multiply", [3, 4])),
        (" multiply( -3,4 )\n", ("multiply", [-3, 4])),
        ("The answer is multiply(3, 4)", None),
        ("multiply(3, __import__('os'))", None),
        ("multiply()", None),
    ],
)
def test_only_plain_calls_are_read(text: str, call):
    assert parse_call(text) == call


def test_a_call_runs():
    assert run_call("multiply(31, 27)", TOOLS) == 837


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("twelve", "is not a call"),
        ("divide(8, 2)", "no tool 'divide', wanted one of multiply"),
        ("multiply(1, 2, 3)", "does not fit multiply"),
    ],
)
def test_what_is_no_call_of_a_tool_is_refused(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        run_call(text, TOOLS)


def test_the_last_number_is_the_answer():
    assert last_number("31 * 27 = 1,234.") == 1234
    assert last_number("none") is None


def test_there_must_be_a_question():
    with pytest.raises(ValueError, match="the last role is 'assistant'"):
        reply(None, None, [{"role": "assistant", "content": "Hello."}])


def test_a_batch_gets_the_replies_that_single_texts_get(chat):
    texts = ["France", "Italy, a country in the south of Europe"]
    replies = ask_all(*chat, "Name the capital of this country.", texts, 6)
    for text, given in zip(texts, replies, strict=True):
        content = f"Name the capital of this country.\n\n{text}"
        alone = reply(*chat, [{"role": "user", "content": content}], 6)
        assert given == " ".join(alone.split())


def test_conversations_that_begin_alike_do_not_disturb_each_other(chat):
    start = [
        {"role": "system", "content": "Answer with one word."},
        {"role": "user", "content": "What is the capital of Italy?"},
        {"role": "assistant", "content": "Rome."},
    ]
    asked = ["And of France?", "What is the largest city of Japan, the country?", "Why?"]
    conversations = [[*start, {"role": "user", "content": text}] for text in asked]
    alone = [reply(*chat, messages, 6) for messages in conversations]

    assert reply_all(*chat, conversations, 6) == alone
    assert reply_all(*chat, [conversations[0]] * 2, 6) == [alone[0]] * 2


def test_an_empty_text_is_refused():
    with pytest.raises(ValueError, match="a text is empty"):
        ask_all(None, None, "Translate.", ["one", " "])
