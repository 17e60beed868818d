"""Write text token by token, and see what the settings of sampling do.

Source: Holtzman et al., "The Curious Case of Neural Text Degeneration", arXiv 1904.09751,
for top-p. Shapes: B texts of T tokens, V entries of the vocabulary.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def write(model: Any, tokenizer: Any, prompt: str, **settings: Any) -> list[str]:
    """Continue a text.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        prompt: The beginning.
        **settings: Passed on to `generate`, for example `max_new_tokens`.

    Returns:
        The continuations, without the prompt.

    Raises:
        ValueError: If the prompt is empty.
    """
    if not prompt:
        raise ValueError("prompt is empty, wanted at least one character")
    inputs = tokenizer(prompt, return_tensors="pt")
    with torch.no_grad():
        output = model.generate(**inputs, **settings)
    length = inputs["input_ids"].shape[1]
    texts: list[str] = tokenizer.batch_decode(
        output[:, length:], skip_special_tokens=True
    )
    return texts


def greedy_by_hand(
    model: Any, tokenizer: Any, prompt: str, steps: int, use_cache: bool
) -> str:
    """Append the most probable token, again and again.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        prompt: The beginning.
        steps: Tokens to write.
        use_cache: Keep the keys and values of earlier tokens instead of computing them
            anew in each step.

    Returns:
        The continuation.
    """
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]  # (1, T)
    start, cache, given = ids.shape[1], None, ids
    with torch.no_grad():
        for _ in range(steps):
            output = model(given, past_key_values=cache, use_cache=use_cache)
            best = output.logits[:, -1].argmax(dim=-1, keepdim=True)  # (1, 1)
            ids = torch.cat([ids, best], dim=1)
            cache = output.past_key_values if use_cache else None
            given = best if use_cache else ids
    text: str = tokenizer.decode(ids[0, start:])
    return text


def next_tokens(model: Any, tokenizer: Any, prompt: str) -> Tensor:
    """Tell how probable each token is as the next one.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        prompt: The beginning.

    Returns:
        Probabilities (V,).
    """
    inputs = tokenizer(prompt, return_tensors="pt")
    with torch.no_grad():
        logits: Tensor = model(**inputs).logits[0, -1]
    return logits.softmax(dim=-1)


def keep_top_p(probabilities: Tensor, p: float) -> Tensor:
    """Keep the most probable tokens that together reach `p`, and share out the rest.

    Args:
        probabilities: Of each token (V,).
        p: The sum to reach, above 0 and at most 1.

    Returns:
        New probabilities (V,), zero for what was cut.

    Raises:
        ValueError: If `p` is out of range.
    """
    if not 0 < p <= 1:
        raise ValueError(f"p is {p}, wanted more than 0 and at most 1")
    values, order = probabilities.sort(descending=True)
    before = values.cumsum(dim=0) - values  # what the more probable ones already reach
    kept = torch.where(before < p, values, 0.0)
    return torch.zeros_like(probabilities).scatter(0, order, kept / kept.sum())


def read_along(
    model: Any, tokenizer: Any, texts: Sequence[str], length: int = 48
) -> tuple[list[int], list[int], list[float]]:
    """Let the model guess each next token of real texts.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        texts: Texts of at least `length` tokens; the rest is cut.
        length: Tokens that are read of each.

    Returns:
        The tokens that came, the tokens that were guessed, and the loss of each.
    """
    rows = [tokenizer(text)["input_ids"][:length] for text in texts]
    ids = torch.tensor([row for row in rows if len(row) == length])  # (B, T)
    with torch.no_grad():
        logits = model(ids).logits[:, :-1].flatten(0, 1)  # (B * (T - 1), V)
    came = ids[:, 1:].flatten()
    losses = functional.cross_entropy(logits, came, reduction="none")
    return came.tolist(), logits.argmax(dim=-1).tolist(), losses.tolist()


def pair_guesses(
    tokenizer: Any, known: Sequence[str], texts: Sequence[str], length: int = 48
) -> list[int]:
    """Baseline: guess the token that most often followed the one before.

    Args:
        tokenizer: Cuts texts into tokens.
        known: Texts to count in.
        texts: The texts of `read_along`.
        length: As in `read_along`.

    Returns:
        The guesses, in the order of `read_along`.
    """
    follows: dict[int, Counter[int]] = defaultdict(Counter)
    common: Counter[int] = Counter()
    for row in tokenizer(list(known))["input_ids"]:
        common.update(row)
        for one, two in pairwise(row):
            follows[one][two] += 1
    usual = common.most_common(1)[0][0]
    guesses = []
    for text in texts:
        row = tokenizer(text)["input_ids"][:length]
        if len(row) == length:
            for token in row[:-1]:
                best = follows[token].most_common(1)
                guesses.append(best[0][0] if best else usual)
    return guesses
