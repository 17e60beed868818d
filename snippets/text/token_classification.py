"""Tag the words of a text with a small BERT, and count right spans.

Source: Devlin et al., "BERT", arXiv 1810.04805 (section 5.3: the first piece of a word
carries its tag). F1 counts spans, as CoNLL-2003 does.
Shapes: B texts of T tokens, K tags.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerBase

Span = tuple[int, int, str]


def build_tagger(
    vocab_size: int, names: Sequence[str], width: int = 96
) -> BertForTokenClassification:
    """Build a small BERT with one output a tag at each token.

    Args:
        vocab_size: Entries of the vocabulary.
        names: Names of the tags.
        width: Numbers a token.

    Returns:
        The model, with random weights.
    """
    return BertForTokenClassification(
        BertConfig(
            vocab_size=vocab_size,
            hidden_size=width,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=2 * width,
            max_position_embeddings=128,
            initializer_range=0.05,
            id2label=dict(enumerate(names)),
            label2id={name: index for index, name in enumerate(names)},
        )
    )


def encode(
    words: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]] | None,
    tokenizer: PreTrainedTokenizerBase,
    names: Sequence[str],
) -> dict[str, Tensor]:
    """Cut words into tokens; only the first token of a word gets a label.

    Args:
        words: The words of each text.
        tags: The tag of each word, or None if they are not known.
        tokenizer: A tokenizer that can tell which word a token is from.
        names: Names of the tags; a tag that is not among them is not learned.

    Returns:
        Tensors (B, T): `input_ids`, `attention_mask`, `token_type_ids` and `labels`,
        which hold -100 wherever a token does not count and 0 if there are no tags.

    Raises:
        ValueError: If a text has another number of tags than of words.
    """
    numbers = {name: index for index, name in enumerate(names)}
    batch = tokenizer(
        [list(text) for text in words],
        is_split_into_words=True,
        padding=True,
        return_tensors="pt",
    )
    labels = torch.full_like(batch["input_ids"], -100)
    for row, text in enumerate(words):
        if tags is not None and len(tags[row]) != len(text):
            raise ValueError(f"{len(tags[row])} tags, wanted one for each of {len(text)}")
        previous = None
        for place, word in enumerate(batch.word_ids(row)):
            if word is not None and word != previous:
                name = names[0] if tags is None else tags[row][word]
                labels[row, place] = numbers.get(name, -100)
            previous = word
    return {**batch, "labels": labels}


def batches_of(
    encoded: dict[str, Tensor], size: int = 32, seed: int = 0
) -> Iterator[dict[str, Tensor]]:
    """Yield shuffled batches without end.

    Args:
        encoded: Tensors with the texts in the first dimension.
        size: Texts a batch.
        seed: Seed of the order.

    Yields:
        Batches, cut to their longest text.
    """
    generator = torch.Generator().manual_seed(seed)
    count = len(encoded["input_ids"])
    while True:
        for part in torch.randperm(count, generator=generator).split(size):
            longest = int(encoded["attention_mask"][part].sum(dim=1).max())
            yield {
                name: values[part][:, :longest].contiguous()
                if values.dim() > 1
                else values[part]
                for name, values in encoded.items()
            }


def tag(
    model: BertForTokenClassification,
    tokenizer: PreTrainedTokenizerBase,
    words: Sequence[Sequence[str]],
) -> list[list[str]]:
    """Tag every word.

    Args:
        model: A trained tagger.
        tokenizer: Its tokenizer.
        words: The words of each text.

    Returns:
        The tags of each text.
    """
    names = list(model.config.id2label.values())
    batch = encode(words, None, tokenizer, names)
    first = batch.pop("labels") != -100  # (B, T)
    model.eval()
    with torch.no_grad():
        best = model(**batch).logits.argmax(dim=-1)  # (B, T)
    return [
        [names[number] for number in row[places].tolist()]
        for row, places in zip(best, first, strict=True)
    ]


def spans(tags: Sequence[str]) -> list[Span]:
    """Join neighbors of the same tag.

    Args:
        tags: The tags of the words of one text.

    Returns:
        First word, word after the last, and tag of each span.
    """
    found: list[Span] = []
    for place, name in enumerate(tags):
        if found and found[-1][2] == name and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1, name)
        else:
            found.append((place, place + 1, name))
    return found


def f1(wanted: Sequence[Sequence[str]], given: Sequence[Sequence[str]]) -> float:
    """Count a span as right only if first word, last word and tag are right.

    Args:
        wanted: The true tags of each text.
        given: The answered tags.

    Returns:
        Harmonic mean of precision and recall, 0 to 1.
    """
    hits = total = 0
    for true, answered in zip(wanted, given, strict=True):
        one, two = set(spans(true)), set(spans(answered))
        hits += len(one & two)
        total += len(one) + len(two)
    return 2 * hits / total if total else 0.0


class LookupTagger:
    """Baseline: the tag that a word had most often, and for new words its shape's tag."""

    def __init__(self, words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]):
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for text, names in zip(words, tags, strict=True):
            for word, name in zip(text, names, strict=True):
                counts[word.lower()][name] += 1
                counts[self.shape(word)][name] += 1
                counts[""][name] += 1
        self.best = {key: count.most_common(1)[0][0] for key, count in counts.items()}

    @staticmethod
    def shape(word: str) -> str:
        """Write letters as x, digits as 9, and keep the rest: `93432,` is `99999,`."""
        return "shape:" + "".join(
            "9" if char.isdigit() else "x" if char.isalpha() else char for char in word
        )

    def __call__(self, words: Sequence[str]) -> list[str]:
        """Tag the words of one text."""
        return [
            self.best.get(word.lower())
            or self.best.get(self.shape(word))
            or self.best[""]
            for word in words
        ]
