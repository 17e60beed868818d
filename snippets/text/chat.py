"""Chat with a model that may call a tool: parse the call, run it, give the result back.

The format of the calls, `name(1, 2)`, is our own and taught by examples in the prompt.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Message = dict[str, str]
CALL = re.compile(r"^\s*(\w+)\(\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\)\s*$")


def reply(
    model: Any, tokenizer: Any, messages: Sequence[Message], max_new_tokens: int = 24
) -> str:
    """Write the next message of a conversation, without sampling.

    Args:
        model: A causal language model that was trained on conversations.
        tokenizer: Its tokenizer, which brings the chat template.
        messages: The conversation so far, each with `role` and `content`.
        max_new_tokens: Most tokens of the reply.

    Returns:
        The reply.

    Raises:
        ValueError: If the last message is not from the user.
    """
    if messages[-1]["role"] != "user":
        raise ValueError(f"the last role is {messages[-1]['role']!r}, wanted 'user'")
    inputs = tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
    length = inputs["input_ids"].shape[1]
    text: str = tokenizer.decode(output[0, length:], skip_special_tokens=True)
    return text.strip()


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
