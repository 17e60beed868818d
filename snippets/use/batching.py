"""Texts of like length in one batch, and what padding costs.

Lengths are counted in tokens, shares from 0 to 1. A batch takes as many tokens as its
longest text has, for each of its texts; what is not text is padding.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def split_sentences(paragraphs: Sequence[str]) -> list[str]:
    """Cut paragraphs behind full stops, question marks and exclamation marks.

    Args:
        paragraphs: Texts of any length.

    Returns:
        The sentences of all of them, in order.
    """
    sentences = [
        sentence.strip()
        for paragraph in paragraphs
        for sentence in re.split(r"(?<=[.?!])\s+", paragraph)
    ]
    return [sentence for sentence in sentences if sentence]


def make_batches(
    lengths: Sequence[int], batch_size: int, by_length: bool
) -> list[list[int]]:
    """Decide which texts go through the model together.

    Args:
        lengths: Length of each text.
        batch_size: Texts in a batch; the last one may have fewer.
        by_length: Whether texts of like length share a batch, the longest first.

    Returns:
        Positions of the texts, batch by batch; each position once.

    Raises:
        ValueError: If `batch_size` is less than 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, wanted at least 1")
    order = list(range(len(lengths)))
    if by_length:
        order.sort(key=lambda index: -lengths[index])
    return [
        order[start : start + batch_size] for start in range(0, len(order), batch_size)
    ]


def padding_share(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Measure which share of the tokens that a model computes is padding.

    Args:
        lengths: Length of each text.
        batches: Positions of the texts, batch by batch.

    Returns:
        The share, 0 if every batch has texts of one length.
    """
    computed = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    return 1 - sum(lengths) / computed


def embed_in_batches(
    texts: Sequence[str],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int,
    by_length: bool = True,
    max_length: int = 64,
) -> Tensor:
    """Turn texts into vectors, batch by batch.

    Args:
        texts: N texts.
        model: An encoder whose checkpoint was trained for mean pooling.
        tokenizer: The tokenizer of the same checkpoint.
        batch_size: Texts that go through the model at once.
        by_length: Whether texts of like length share a batch.
        max_length: Tokens that are kept of each text.

    Returns:
        Embeddings in the order of `texts`, (N, C).
    """
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    embeddings = torch.empty(len(texts), model.config.hidden_size)  # (N, C)
    model.eval()
    for batch in make_batches(lengths, batch_size, by_length):
        rows = {name: [encoded[name][i] for i in batch] for name in encoded}
        inputs = tokenizer.pad(rows, return_tensors="pt").to(model.device)  # (B, T)
        with torch.inference_mode():
            vectors = model(**inputs).last_hidden_state  # (B, T, C)
        mask = inputs["attention_mask"].unsqueeze(-1)  # (B, T, 1)
        embeddings[batch] = ((vectors * mask).sum(dim=1) / mask.sum(dim=1)).cpu()
    return embeddings
