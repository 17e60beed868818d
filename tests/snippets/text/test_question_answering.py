import pytest
import torch

from snippets.text.loop import train_steps
from snippets.text.question_answering import (
    Question,
    answer,
    ask,
    build_reader,
    encode,
    exact_match,
    overlap_f1,
    usual_place,
    whole_words,
)
from snippets.text.token_classification import batches_of
from snippets.text.wordpiece import train_wordpiece

TEMPLATES = {"number": ["Which number?"], "code": ["Which code?", "What is the code?"]}


def addresses(count: int, seed: int) -> list[Question]:
    generator = torch.Generator().manual_seed(seed)
    words, tags = [], []
    for _ in range(count):
        number, code = torch.randint(10, 99, (2,), generator=generator).tolist()
        words.append([str(number), "Oak", "Street,", "Salem", str(code * 1000 + 7)])
        tags.append(["number", "street", "street", "city", "code"])
    return ask(words, tags, TEMPLATES, seed)


def test_questions_point_at_their_answers_and_commas_do_not_count():
    words = [["12", "Main", "St,", "Apt", "4", "5"]]
    tags = [["n", "s", "s", "o", "n", "x"]]
    questions = ask(words, tags, {"s": ["Street?"], "n": ["Number?"]})
    assert [each.answer for each in questions] == ["Main St"]  # two numbers: not asked
    assert questions[0].context[questions[0].start :] == "Main St, Apt 4 5"


def test_a_short_training_beats_the_usual_place_of_one_kind():
    torch.manual_seed(0)
    train, test = addresses(60, seed=0), addresses(20, seed=1)
    tokenizer = train_wordpiece([f"{q.context} {q.question}" for q in train], 200)
    model = build_reader(len(tokenizer), width=48)
    losses = train_steps(model, batches_of(encode(train, tokenizer), 16), 240, 5e-3)
    assert losses[-1] < losses[0] / 3
    given = answer(model, tokenizer, [(q.question, q.context) for q in test])
    right = [
        exact_match(q.answer, text) for q, (text, _) in zip(test, given, strict=True)
    ]
    always_first = [exact_match(q.answer, q.context.split()[0]) for q in test]
    assert sum(right) / len(right) > sum(always_first) / len(test) + 0.2
    assert all(0 < share <= 1 for _, share in given)


def test_usual_place_counts_from_both_ends():
    assert usual_place(addresses(9, seed=2)) == {"number": 0, "code": 4}
    mixed = [
        Question("Which code?", "1 Oak Salem 97001", 12, "97001", "code"),
        Question("Which code?", "1 Old Oak Salem 97001", 16, "97001", "code"),
    ]
    assert usual_place(mixed) == {"code": -1}


def test_a_wrong_start_is_refused():
    tokenizer = train_wordpiece(["12 Oak Street"], 100)
    with pytest.raises(ValueError, match="no 'Oak' at 0"):
        encode([Question("Street?", "12 Oak Street", 0, "Oak", "s")], tokenizer)


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [(4, 5, "Main"), (3, 14, "Main Street"), (8, 12, "Street"), (0, 1, "12")],
)
def test_spans_grow_to_whole_words(start: int, end: int, text: str):
    assert whole_words("12 Main Street.", start, end) == text


def test_scores_by_hand():
    assert exact_match("Main St", "main st") == 1
    assert exact_match("Main St", "Main") == 0
    assert overlap_f1("Main St", "Main") == pytest.approx(2 / 3)
    assert overlap_f1("Main", "Oak") == 0
