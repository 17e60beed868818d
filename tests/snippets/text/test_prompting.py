from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from hub_mirror import fill
from snippets.text.chat import reply
from snippets.text.prompting import ask_all

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = fill(tmp_path_factory.mktemp("home"), [HUB_ID])[0].path
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


def test_a_batch_gets_the_replies_that_single_texts_get(chat):
    texts = ["France", "Italy, a country in the south of Europe"]
    replies = ask_all(*chat, "Name the capital of this country.", texts, 6)
    for text, given in zip(texts, replies, strict=True):
        content = f"Name the capital of this country.\n\n{text}"
        alone = reply(*chat, [{"role": "user", "content": content}], 6)
        assert given == " ".join(alone.split())


def test_an_empty_text_is_refused():
    with pytest.raises(ValueError, match="a text is empty"):
        ask_all(None, None, "Translate.", ["one", " "])
