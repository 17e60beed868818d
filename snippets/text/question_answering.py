"""Extractive question answering: point at the words of a text that answer a question.

Source: Devlin et al., "BERT", arXiv 1810.04805 (section 4.2); the scores are those of
SQuAD, arXiv 1606.05250. Shapes: B pairs of question and text, T tokens.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Question:
    """A question, the text that holds the answer, and where it stands.

    Attributes:
        question: What is asked.
        context: The text.
        start: First character of the answer.
        answer: The answer, a part of the text.
        kind: What the question is about.
    """

    question: str
    context: str
    start: int
    answer: str
    kind: str


def ask(
    words: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]],
    templates: dict[str, Sequence[str]],
    seed: int = 0,
) -> list[Question]:
    """Ask about each tagged part of each text, in one of several wordings.

    Args:
        words: The words of each text.
        tags: The tag of each word.
        templates: For each tag that is asked about, the wordings of the question.
        seed: Seed of the choice of wordings.

    Returns:
        The questions. A part that occurs twice in a text is not asked about.
    """
    generator = np.random.default_rng(seed)
    questions = []
    for text, names in zip(words, tags, strict=True):
        starts = np.cumsum([0, *(len(word) + 1 for word in text)])
        for kind, wordings in templates.items():
            places = [index for index, name in enumerate(names) if name == kind]
            if not places or places[-1] - places[0] != len(places) - 1:
                continue
            start = int(starts[places[0]])
            answer = " ".join(text[places[0] : places[-1] + 1]).rstrip(",.;")
            wording = wordings[int(generator.integers(len(wordings)))]
            questions.append(Question(wording, " ".join(text), start, answer, kind))
    return questions


def build_reader(vocab_size: int, width: int = 96) -> BertForQuestionAnswering:
    """Build a small BERT with two outputs a token: here it starts, here it ends.

    Args:
        vocab_size: Entries of the vocabulary.
        width: Numbers a token.

    Returns:
        The model, with random weights.
    """
    return BertForQuestionAnswering(
        BertConfig(
            vocab_size=vocab_size,
            hidden_size=width,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=2 * width,
            max_position_embeddings=128,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.05,
        )
    )


def encode(
    questions: Sequence[Question], tokenizer: PreTrainedTokenizerBase
) -> dict[str, Tensor]:
    """Write question and text as one sequence and find the tokens of the answer.

    Args:
        questions: The questions.
        tokenizer: A tokenizer that knows the characters of a token.

    Returns:
        `input_ids`, `token_type_ids`, `attention_mask` (B, T), and the first and the last
        token of each answer, `start_positions` and `end_positions` (B,).

    Raises:
        ValueError: If an answer does not stand where its question says.
    """
    batch = tokenizer(
        [each.question for each in questions],
        [each.context for each in questions],
        padding=True,
        return_tensors="pt",
    )
    first, last = [], []
    for row, each in enumerate(questions):
        end = each.start + len(each.answer)
        if each.context[each.start : end] != each.answer:
            raise ValueError(f"no {each.answer!r} at {each.start} of {each.context!r}")
        first.append(batch.char_to_token(row, each.start, 1))
        last.append(batch.char_to_token(row, end - 1, 1))
    return {
        **batch,
        "start_positions": torch.tensor(first),
        "end_positions": torch.tensor(last),
    }


def answer(
    model: BertForQuestionAnswering,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    longest: int = 12,
) -> list[tuple[str, float]]:
    """Find the best span of each text.

    Args:
        model: A model trained for it.
        tokenizer: Its tokenizer.
        pairs: Questions, each with its text.
        longest: Most tokens of an answer.

    Returns:
        For each pair the words and their probability among all spans that were allowed.
    """
    batch = tokenizer(
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        padding=True,
        return_tensors="pt",
    )
    model.eval()
    with torch.no_grad():
        output = model(**batch)
    scores = output.start_logits[:, :, None] + output.end_logits[:, None, :]  # (B, T, T)
    size = scores.shape[1]
    allowed = torch.ones(size, size).triu().tril(longest - 1).bool()  # start <= end
    found = []
    for row, (_, context) in enumerate(pairs):
        inside = torch.tensor([number == 1 for number in batch.sequence_ids(row)])
        permitted = allowed & inside[:, None] & inside[None, :]
        spread = scores[row].masked_fill(~permitted, -torch.inf).flatten().softmax(dim=0)
        start, end = divmod(int(spread.argmax()), size)
        begin = batch.token_to_chars(row, start).start
        finish = batch.token_to_chars(row, end).end
        found.append((whole_words(context, begin, finish), float(spread.max())))
    return found


def whole_words(text: str, start: int, end: int) -> str:
    """Widen a span to whole words, without a comma or period at its end.

    Args:
        text: The text.
        start: First character.
        end: Character after the last.

    Returns:
        The widened span.
    """
    start = text.rfind(" ", 0, start + 1) + 1
    stop = text.find(" ", end)
    return text[start : stop if stop >= 0 else len(text)].rstrip(",.;")


def usual_place(questions: Sequence[Question]) -> dict[str, int]:
    """Baseline: learn which word, counted from either end, answers each kind of question.

    Args:
        questions: Questions with answers.

    Returns:
        For each kind the most frequent place of the answer's first word: 0 is the first
        word, -1 the last one.
    """
    counts: dict[str, Counter[int]] = {}
    for each in questions:
        before = len(each.context[: each.start].split())
        count = counts.setdefault(each.kind, Counter())
        count.update([before, before - len(each.context.split())])
    return {kind: count.most_common(1)[0][0] for kind, count in counts.items()}


def exact_match(wanted: str, given: str) -> float:
    """Return 1 if both have the same words, whatever the case, else 0.

    Args:
        wanted: The right answer.
        given: The model's answer.

    Returns:
        1.0 or 0.0.
    """
    return float(wanted.lower().split() == given.lower().split())


def overlap_f1(wanted: str, given: str) -> float:
    """Return the harmonic mean of precision and recall over the words, 0 to 1.

    Args:
        wanted: The right answer.
        given: The model's answer.

    Returns:
        The mean, 1.0 for the same words.
    """
    one, two = Counter(wanted.lower().split()), Counter(given.lower().split())
    common = sum((one & two).values())
    return 2 * common / (sum(one.values()) + sum(two.values()))
