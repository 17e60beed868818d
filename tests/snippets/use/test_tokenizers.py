import matplotlib
import matplotlib.pyplot as plt
import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from snippets.use.descriptions import load_paragraphs
from snippets.use.tokenizers import (
    KINDS,
    UNKNOWN,
    draw_tokens,
    tokens_per_word,
    train_tokenizer,
)

matplotlib.use("Agg")
TEXTS = load_paragraphs()


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_put_together_are_the_words_of_the_text(kind):
    tokenizer = train_tokenizer(kind, TEXTS, vocab_size=300)
    assert 100 < tokenizer.get_vocab_size() <= 300
    encoding = tokenizer.encode("The Unmeasured flower")
    letters = "".join(token.removeprefix("##") for token in encoding.tokens)
    assert letters == "theunmeasuredflower"
    ends = [end for _, end in encoding.offsets]
    assert ends == sorted(ends)
    assert ends[-1] == len("The Unmeasured flower")


@pytest.mark.parametrize("kind", KINDS)
def test_a_sign_that_was_never_seen_is_unknown(kind):
    tokenizer = train_tokenizer(kind, TEXTS, vocab_size=300)
    encoding = tokenizer.encode("\N{SNOWMAN}")
    assert encoding.ids == [tokenizer.token_to_id(UNKNOWN)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_larger_vocabulary_needs_fewer_tokens(kind):
    train, test = TEXTS[10:], TEXTS[:10]
    few, many = (train_tokenizer(kind, train, size) for size in (200, 1000))
    assert tokens_per_word(many, test) < tokens_per_word(few, test)
    assert tokens_per_word(many, test) >= 1


@pytest.mark.parametrize("kind", ["BPE", "WordPiece"])
def test_training_twice_gives_the_same_numbers(kind):
    first, second = (train_tokenizer(kind, TEXTS, 800) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_unknown_token_is_special(kind):
    added = train_tokenizer(kind, TEXTS, 300).get_added_tokens_decoder()
    assert [token.content for token in added.values()] == [UNKNOWN]


def test_a_wrapped_tokenizer_is_saved_and_read_by_auto_tokenizer(tmp_path):
    tokenizer = train_tokenizer("BPE", TEXTS, 300)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=UNKNOWN)
    wrapped.save_pretrained(tmp_path)
    text = "the classifier predicts"
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.tokenize(text) == tokenizer.encode(text).tokens


def test_each_letter_is_drawn_once_and_each_token_boxed():
    tokenizer = train_tokenizer("BPE", TEXTS, 300)
    text = "the flower"
    spans = tokenizer.encode(text).offsets
    figure, axes = plt.subplots()
    draw_tokens(axes, text, spans, y=0)
    assert "".join(letter.get_text() for letter in axes.texts) == "theflower"
    assert len(axes.patches) == len(spans)
    plt.close(figure)


def test_other_kinds_and_no_texts_are_refused():
    with pytest.raises(ValueError, match="kind is 'SentencePiece', wanted one of BPE"):
        train_tokenizer("SentencePiece", TEXTS, 300)
    with pytest.raises(ValueError, match="texts is empty"):
        train_tokenizer("BPE", [], 300)
