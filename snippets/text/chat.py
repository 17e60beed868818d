"""Chat with a model, also about many texts at once, and let it call tools.

The format of the calls, `name(1, 2)`, is our own and taught by examples in the prompt.
Shapes: B conversations of T tokens, padded; the first C are the same in all.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import torch

Message = dict[str, str]
CALL = re.compile(r"^\s*(\w+)\(\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\)\s*$")


def reply_all(
    model: Any,
    tokenizer: Any,
    conversations: Sequence[Sequence[Message]],
    max_new_tokens: int = 24,
) -> list[str]:
    """Write the next message of each conversation, without sampling.

    What all conversations begin with is read once, and then remembered in the cache of
    keys and values.

    Args:
        model: A causal language model that was trained on conversations.
        tokenizer: Its tokenizer, which brings the chat template.
        conversations: B conversations so far, each message with `role` and `content`.
        max_new_tokens: Most tokens of a reply.

    Returns:
        The replies.

    Raises:
        ValueError: If the last message of one is not from the user.
    """
    for messages in conversations:
        if messages[-1]["role"] != "user":
            raise ValueError(f"the last role is {messages[-1]['role']!r}, wanted 'user'")
    prompts = [
        tokenizer.apply_chat_template(list(messages), add_generation_prompt=True)
        for messages in conversations
    ]
    texts = [prompt["input_ids"] for prompt in prompts]
    columns = zip(*(text[:-1] for text in texts), strict=False)  # of the first token, ...
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, columns)
    common = [tokens[0] for tokens in alike]  # at least the mark that opens a message
    rest = tokenizer.pad(
        {"input_ids": [text[len(common) :] for text in texts]},
        padding_side="left",  # else the model would continue the padding
        return_tensors="pt",
    )
    start = torch.tensor([common] * len(texts), dtype=torch.long)  # (B, C)
    mask = torch.cat([torch.ones_like(start), rest["attention_mask"]], dim=1)  # (B, T)
    ids = torch.cat([start, rest["input_ids"]], dim=1)
    with torch.no_grad():
        cache = model(start[:1], use_cache=True).past_key_values  # what C tokens left
        cache.batch_repeat_interleave(len(texts))
        output = model.generate(
            ids,
            attention_mask=mask,
            past_key_values=cache,
            max_new_tokens=max_new_tokens,
            do_sample=False,
        )
    replies = tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
    return [reply.strip() for reply in replies]


def reply(
    model: Any, tokenizer: Any, messages: Sequence[Message], max_new_tokens: int = 24
) -> str:
    """Write the next message of one conversation; see `reply_all`.

    Args:
        model: A causal language model that was trained on conversations.
        tokenizer: Its tokenizer.
        messages: The conversation so far, which the user ended.
        max_new_tokens: Most tokens of the reply.

    Returns:
        The reply.
    """
    return reply_all(model, tokenizer, [messages], max_new_tokens)[0]


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
    replies = reply_all(model, tokenizer, conversations, max_new_tokens)
    return [" ".join(reply.split()) for reply in replies]


def parse_call(text: str) -> tuple[str, list[int]] | None:
    """Read a call of the form `name(1, 2)`.

    Args:
        text: A reply of the model.

    Returns:
        The name and the arguments, or None if the reply is not a call and nothing else.
    """
    match = CALL.match(text)
    if match is None:
        return None
    return match[1], [int(argument) for argument in match[2].split(",")]


def run_call(text: str, tools: Mapping[str, Callable[..., int]]) -> int:
    """Run the call that a reply asks for, if it is one of the tools.

    Args:
        text: A reply of the model.
        tools: Functions that may be called, by name. Nothing else ever runs.

    Returns:
        The result.

    Raises:
        ValueError: If the reply is no call, names no tool or has wrong arguments.
    """
    call = parse_call(text)
    if call is None:
        raise ValueError(f"{text!r} is not a call like add(1, 2)")
    name, arguments = call
    if name not in tools:
        raise ValueError(f"no tool {name!r}, wanted one of {', '.join(sorted(tools))}")
    try:
        return tools[name](*arguments)
    except TypeError as error:
        raise ValueError(f"{text!r} does not fit {name}: {error}") from error


def last_number(text: str) -> int | None:
    """Read the last whole number of a text, as the answer of a model that calculates.

    Args:
        text: The text.

    Returns:
        The number, or None if there is none.
    """
    found = re.findall(r"-?\d[\d,]*", text)
    return int(found[-1].replace(",", "")) if found else None
