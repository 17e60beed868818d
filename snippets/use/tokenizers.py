"""Three subword tokenizers trained on the same text, and what to measure on them.

BPE: Sennrich et al., arXiv:1508.07909. WordPiece: Schuster and Nakajima 2012, as used by
BERT, arXiv:1810.04805. Unigram: Kudo, arXiv:1804.10959. Training is the work of the
library `tokenizers`. Lengths are counted in tokens and characters.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

KINDS = ("BPE", "WordPiece", "Unigram")
UNKNOWN = "[UNK]"


def train_tokenizer(kind: str, texts: Sequence[str], vocab_size: int) -> Tokenizer:
    """Train a tokenizer on lower-case words, numbers and signs.

    Args:
        kind: "BPE", "WordPiece" or "Unigram".
        texts: What to learn from.
        vocab_size: Largest number of different tokens, `[UNK]` and letters included.

    Returns:
        The tokenizer, which adds no special tokens around a text.

    Raises:
        ValueError: If `kind` is another one or `texts` is empty.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, wanted one of {', '.join(KINDS)}")
    if not texts:
        raise ValueError("texts is empty, wanted at least one text")
    options: dict[str, Any] = {
        "vocab_size": vocab_size,
        "special_tokens": [UNKNOWN],
        "show_progress": False,
    }
    trainer: Any
    if kind == "BPE":
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        trainer = trainers.BpeTrainer(**options)
    elif kind == "WordPiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        # The trainer numbers pieces as it meets them, in no fixed order, and that
        # number breaks ties. So the pieces of one letter get theirs here.
        letters = sorted(set("".join("".join(texts).lower().split())))
        options["special_tokens"] = [UNKNOWN, *(f"##{letter}" for letter in letters)]
        trainer = trainers.WordPieceTrainer(**options)
    else:
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **options)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(texts, trainer)
    if kind == "WordPiece":  # the same pieces, of which only [UNK] is a special token
        learned = models.WordPiece(vocab=tokenizer.get_vocab(), unk_token=UNKNOWN)
        tokenizer = Tokenizer(learned)
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.add_special_tokens([UNKNOWN])
    return tokenizer


def tokens_per_word(tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Measure into how many tokens a word is cut on average.

    Args:
        tokenizer: The tokenizer.
        texts: Texts, best ones that it was not trained on.

    Returns:
        Tokens for each word between spaces; 1 would be whole words.
    """
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    tokens = sum(len(encoding.tokens) for encoding in encodings)
    return tokens / sum(len(text.split()) for text in texts)


def draw_tokens(
    axes: Axes, text: str, spans: Sequence[tuple[int, int]], y: float
) -> None:
    """Draw a text in boxes, one box a token.

    Args:
        axes: Where to draw; one unit of x is one character.
        text: The text.
        spans: Start and end of each token in `text`, in characters.
        y: Height of the line.
    """
    for index, (start, end) in enumerate(spans):
        color = f"C{index % 2}"
        axes.add_patch(
            Rectangle(
                (start + 0.05, y - 0.32),
                end - start - 0.1,
                0.64,
                facecolor=color,
                alpha=0.25,
            )
        )
        for place in range(start, end):
            axes.text(
                place + 0.5, y, text[place], family="monospace", ha="center", va="center"
            )
