"""A small encoder that learns to fill in hidden tokens, and two counting baselines.

Sources: Devlin et al., "BERT", arXiv 1810.04805; ModernBERT, arXiv 2412.13663.
Shapes: B blocks of T tokens, M masked places, V entries of the vocabulary.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import (
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedTokenizerBase,
)


def build_encoder(vectors: Tensor, layers: int = 2) -> ModernBertForMaskedLM:
    """Build a small ModernBERT that starts from given vectors of the tokens.

    Args:
        vectors: One vector for each entry of the vocabulary (V, C).
        layers: Number of layers, with random weights.

    Returns:
        The model.
    """
    model = ModernBertForMaskedLM(
        ModernBertConfig(
            vocab_size=len(vectors),
            hidden_size=vectors.shape[1],
            intermediate_size=2 * vectors.shape[1],
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=128,
            global_attn_every_n_layers=1,
            initializer_range=0.05,
            sparse_prediction=True,  # score the vocabulary only where a token is hidden
            pad_token_id=0,
            cls_token_id=2,
            bos_token_id=2,
            sep_token_id=3,
            eos_token_id=3,
        )
    )
    model.set_attn_implementation("eager")
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(vectors)
    return model


def counted_vectors(ids: Tensor, vocab_size: int, width: int = 128) -> Tensor:
    """Give tokens with similar neighbors similar vectors, by counting.

    Args:
        ids: Blocks to count in (B, T).
        vocab_size: Entries of the vocabulary, V.
        width: Numbers a token, C.

    Returns:
        Vectors (V, C): the singular vectors of the table of neighbors that vary most.
    """
    pairs = ids[:, :-1] * vocab_size + ids[:, 1:]
    table = torch.bincount(pairs.flatten(), minlength=vocab_size**2).float()
    table = table.view(vocab_size, vocab_size)  # (left, right)
    sides = torch.cat([table, table.T], dim=1).add(1).log()  # (V, 2 V)
    left, sizes, _ = torch.svd_lowrank(sides - sides.mean(dim=0), width, niter=3)
    vectors: Tensor = left * sizes
    return vectors / vectors.std() * 0.05


def blocks(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, length: int = 32
) -> Tensor:
    """Chain the tokens of all texts and cut the chain into pieces of one length.

    Args:
        texts: The texts in order.
        tokenizer: A tokenizer with `[CLS]` and `[SEP]`.
        length: Tokens a block, T, with one `[CLS]` and one `[SEP]`.

    Returns:
        Token numbers (B, T).
    """
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    chain = torch.tensor([number for ids in encoded for number in ids])
    inner = length - 2
    inside = chain[: len(chain) // inner * inner].view(-1, inner)  # (B, T - 2)
    edge = torch.ones(len(inside), 1, dtype=torch.long)
    ends = tokenizer.cls_token_id * edge, tokenizer.sep_token_id * edge
    return torch.cat([ends[0], inside, ends[1]], dim=1)


def hide(
    ids: Tensor, tokenizer: PreTrainedTokenizerBase, share: float, generator: Any
) -> tuple[Tensor, Tensor]:
    """Replace a random part of the tokens by `[MASK]`.

    Args:
        ids: Token numbers (B, T).
        tokenizer: Knows the numbers of `[MASK]` and of the other special tokens.
        share: Part of the tokens to hide, above 0 and below 1.
        generator: Source of the random numbers.

    Returns:
        The tokens with the masks, and labels: the hidden token, or -100 elsewhere, which
        the loss skips. Both (B, T).

    Raises:
        ValueError: If the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}, wanted more than 0 and less than 1")
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    hidden = (torch.rand(ids.shape, generator=generator) < share) & ~special
    masked = torch.where(hidden, tokenizer.mask_token_id, ids)
    return masked, torch.where(hidden, ids, -100)


def masked_batches(
    ids: Tensor, tokenizer: PreTrainedTokenizerBase, size: int = 24, seed: int = 0
) -> Iterator[dict[str, Tensor]]:
    """Yield batches without end, with other tokens hidden each time.

    Args:
        ids: Blocks (B, T).
        tokenizer: The tokenizer.
        size: Blocks a batch.
        seed: Seed of order and masks.

    Yields:
        Batches with `input_ids` and `labels`.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        for part in torch.randperm(len(ids), generator=generator).split(size):
            masked, labels = hide(ids[part], tokenizer, 0.25, generator)
            yield {"input_ids": masked, "labels": labels}


def fill(model: ModernBertForMaskedLM, masked: Tensor, labels: Tensor) -> Tensor:
    """Score the whole vocabulary at each masked place.

    Args:
        model: The model.
        masked: Blocks with masks (B, T).
        labels: The hidden tokens, -100 elsewhere (B, T).

    Returns:
        Logits (M, V), in the order of the places.
    """
    with torch.no_grad():
        vectors = model.model(masked).last_hidden_state[labels != -100]  # (M, C)
        logits: Tensor = model.decoder(model.head(vectors))
    return logits


def neighbor_scores(
    train_ids: Tensor, masked: Tensor, labels: Tensor, vocab_size: int, mask_id: int
) -> tuple[Tensor, Tensor]:
    """Score the vocabulary by counting: how frequent, and between which neighbors.

    Args:
        train_ids: Blocks to count in (B, T).
        masked: Blocks with masks (B, T).
        labels: The hidden tokens, -100 elsewhere (B, T).
        vocab_size: Entries of the vocabulary, V.
        mask_id: The number of `[MASK]`; a masked neighbor tells nothing.

    Returns:
        Logarithms of how frequent each token is, and of how well it fits between the
        token to the left and the token to the right, both (M, V).
    """
    counts = torch.bincount(train_ids[:, 1:-1].flatten(), minlength=vocab_size).float()
    share = (counts + 0.1) / (counts + 0.1).sum()  # (V,)
    pairs = train_ids[:, :-1] * vocab_size + train_ids[:, 1:]
    follows = torch.bincount(pairs.flatten(), minlength=vocab_size**2).float()
    follows = follows.view(vocab_size, vocab_size)  # (left, right)
    rows, columns = (labels != -100).nonzero(as_tuple=True)
    left, right = masked[rows, columns - 1], masked[rows, columns + 1]  # (M,)
    strength = 5.0  # how many sightings the plain frequency is worth
    after = (follows[left] + strength * share) / (
        follows[left].sum(dim=1, keepdim=True) + strength
    )
    before = (follows[:, right].T + strength * share[right, None]) / (
        counts + strength
    )  # how probable the right neighbor is after each token, (M, V)
    after = torch.where(left[:, None] == mask_id, share, after)
    before = torch.where(right[:, None] == mask_id, torch.ones(()), before)
    plain = share.log().expand(len(left), -1)
    return plain, after.log() + before.log()
