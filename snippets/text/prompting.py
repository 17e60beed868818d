"""Ask a chat model the same thing about many texts, in one batch.

The most probable token is picked each time. Shapes: B texts, padded on the left to T
tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch


def ask_all(
    model: Any,
    tokenizer: Any,
    instruction: str,
    texts: Sequence[str],
    max_new_tokens: int = 40,
) -> list[str]:
    """Put an instruction before each text, and collect the replies.

    Args:
        model: A causal language model that was trained on conversations.
        tokenizer: Its tokenizer, which brings the chat template.
        instruction: What to do with the text.
        texts: The texts.
        max_new_tokens: Most tokens of a reply.

    Returns:
        The replies, each on one line.

    Raises:
        ValueError: If a text is empty: the model would answer all the same.
    """
    if not all(text.strip() for text in texts):
        raise ValueError("a text is empty, wanted words in each")
    conversations = [
        [{"role": "user", "content": f"{instruction}\n\n{text}"}] for text in texts
    ]
    prompts = tokenizer.apply_chat_template(
        conversations, add_generation_prompt=True, tokenize=False
    )
    inputs = tokenizer(
        prompts,
        add_special_tokens=False,  # the template wrote them
        padding=True,
        padding_side="left",  # else the model would continue the padding
        return_tensors="pt",
    )  # (B, T)
    with torch.no_grad():
        output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
    start = inputs["input_ids"].shape[1]
    replies = tokenizer.batch_decode(output[:, start:], skip_special_tokens=True)
    return [" ".join(reply.split()) for reply in replies]
