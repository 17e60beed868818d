"""A small encoder-decoder that learns to translate, and a word-by-word dictionary.

Source: Raffel et al., "T5", arXiv 1910.10683, for the model; Dice's coefficient (1945)
for the dictionary. Shapes: B pairs of S source and T target tokens.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import Metaspace as MetaspaceDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Metaspace, Punctuation
from tokenizers.pre_tokenizers import Sequence as Steps
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from torch import Tensor
from transformers import (
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)


def train_bpe(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Learn one vocabulary for both languages, in small letters.

    Args:
        texts: Texts of both languages.
        vocab_size: Number of entries.

    Returns:
        A tokenizer that ends each text with `</s>`.
    """
    tokenizer = Tokenizer(BPE(unk_token="<unk>"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Steps([Metaspace(), Punctuation()])
    tokenizer.decoder = MetaspaceDecoder()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "</s>", "<unk>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def build_t5(vocab_size: int, width: int = 128) -> T5ForConditionalGeneration:
    """Build a small T5 with random weights.

    Args:
        vocab_size: Entries of the shared vocabulary.
        width: Numbers a token.

    Returns:
        The model: two layers that read, two that write.
    """
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocab_size,
            d_model=width,
            d_kv=width // 4,
            d_ff=2 * width,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    )


def pair_batches(
    sources: Sequence[str],
    targets: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    size: int = 32,
    seed: int = 0,
) -> Iterator[dict[str, Tensor]]:
    """Yield batches of pairs of similar length, without end.

    Args:
        sources: Texts to translate.
        targets: Their translations.
        tokenizer: The shared tokenizer.
        size: Pairs a batch.
        seed: Seed of the order.

    Yields:
        `input_ids`, `attention_mask` (B, S) and `labels` (B, T), -100 for padding.

    Raises:
        ValueError: If there are not as many translations as texts.
    """
    if len(sources) != len(targets):
        raise ValueError(f"{len(targets)} targets, wanted one for each of {len(sources)}")
    generator = torch.Generator().manual_seed(seed)
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    while True:
        for number in torch.randperm(len(groups), generator=generator).tolist():
            part = groups[number]
            batch = tokenizer(
                [sources[i] for i in part], padding=True, return_tensors="pt"
            )
            labels = tokenizer(
                [targets[i] for i in part], padding=True, return_tensors="pt"
            )
            hidden = labels["attention_mask"] == 0
            yield {**batch, "labels": labels["input_ids"].masked_fill(hidden, -100)}


def translate(
    model: Any,
    tokenizer: Any,
    sources: Sequence[str],
    beams: int = 1,
    longest: int = 32,
) -> list[str]:
    """Write a translation of each text.

    Args:
        model: An encoder-decoder.
        tokenizer: Its tokenizer.
        sources: The texts.
        beams: Translations that are followed at once; 1 is greedy search.
        longest: Most tokens to write.

    Returns:
        The translations.
    """
    batch = tokenizer(list(sources), padding=True, return_tensors="pt")
    with torch.no_grad():
        output = model.generate(
            **batch, num_beams=beams, do_sample=False, max_new_tokens=longest
        )
    texts: list[str] = tokenizer.batch_decode(output, skip_special_tokens=True)
    return [text.strip() for text in texts]


class Dictionary:
    """Baseline: for each word the one it most often shares a pair of texts with."""

    def __init__(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        ones: Counter[str] = Counter()
        twos: Counter[str] = Counter()
        both: Counter[tuple[str, str]] = Counter()
        for source, target in zip(sources, targets, strict=True):
            left, right = set(self.words(source)), set(self.words(target))
            ones.update(left)
            twos.update(right)
            both.update((one, two) for one in left for two in right)
        self.best: dict[str, tuple[float, str]] = {}
        for (one, two), count in sorted(both.items()):
            dice = 2 * count / (ones[one] + twos[two])
            if dice > self.best.get(one, (0.0, ""))[0]:
                self.best[one] = (dice, two)

    @staticmethod
    def words(text: str) -> list[str]:
        """Split into small words without punctuation."""
        return "".join(
            char if char.isalnum() or char in "’'" else " " for char in text.lower()
        ).split()

    def __call__(self, source: str) -> str:
        """Translate word by word; unknown words stay."""
        return " ".join(
            self.best.get(word, (0.0, word))[1] for word in self.words(source)
        )
