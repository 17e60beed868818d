"""Learn a small vocabulary of words and pieces of words from texts.

WordPiece, as BERT uses it (Devlin et al., arXiv 1810.04805).
"""

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer
from transformers import PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train_wordpiece(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Learn a vocabulary; capitals and accents are dropped.

    Args:
        texts: The texts to learn from.
        vocab_size: Number of entries, the special tokens included.

    Returns:
        A tokenizer that writes `[CLS] a [SEP]`, or `[CLS] a [SEP] b [SEP]` for pairs.

    Raises:
        ValueError: If `vocab_size` leaves no room for the letters.
    """
    if vocab_size < 100:
        raise ValueError(f"vocab_size is {vocab_size}, wanted at least 100")
    texts = list(texts)
    # The trainer numbers the pieces of one letter as it meets them, in no fixed order,
    # and that number breaks ties. So they get their numbers here.
    learner = _empty(WordPiece(unk_token="[UNK]"))
    small = (learner.normalizer.normalize_str(text) for text in texts)
    words = (learner.pre_tokenizer.pre_tokenize_str(text) for text in small)
    inner = {letter for text in words for word, _ in text for letter in word[1:]}
    pieces = [f"##{letter}" for letter in sorted(inner)]
    trainer = WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=[*SPECIAL, *pieces], show_progress=False
    )
    learner.train_from_iterator(texts, trainer)
    tokenizer = _empty(WordPiece(learner.get_vocab(), unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, SPECIAL.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def _empty(model: WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder()
    return tokenizer
