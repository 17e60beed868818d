from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import ViltForQuestionAnswering, ViltProcessor, set_seed

from snippets.vision.data import make_grid_scenes
from snippets.vision.vilt import (
    ANSWERS,
    CELLS,
    NUMBERS,
    Question,
    ask,
    build_processor,
    build_vilt,
    encode,
    majority,
    patch_attention,
    predict,
    run,
    train,
    train_patches,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def processor() -> ViltProcessor:
    return build_processor()


@pytest.fixture(scope="module")
def scenes():
    return make_grid_scenes(30, seed=0, split="tune")


@pytest.fixture(scope="module")
def inputs(processor, scenes):
    questions = ask([scene.digits for scene in scenes], seed=0)
    return encode(processor, np.stack([scene.image for scene in scenes]), questions)


@pytest.fixture
def model(processor) -> ViltForQuestionAnswering:
    set_seed(0)
    return build_vilt(len(processor.tokenizer)).eval()


def usual_inputs(inputs, count: int) -> dict[str, torch.Tensor]:
    """What the processor would give to the model for the first questions."""
    images = inputs["image"][:count]
    words = ("input_ids", "token_type_ids", "attention_mask")
    return {name: inputs[name][:count] for name in words} | {
        "pixel_values": inputs["pixel_values"][images],
        "pixel_mask": torch.ones(count, 48, 48, dtype=torch.long),
    }


def test_the_answers_are_true(scenes):
    questions = ask([scene.digits for scene in scenes], seed=0)
    assert [question.kind for question in questions] == [
        "place",
        "place",
        "exists",
        "count",
    ] * 30
    for question in questions:
        grid = scenes[question.image].digits
        words = question.text.rstrip("?").split()
        if question.kind == "place":
            digit = grid.flat[CELLS.index(words[-1])]
            assert question.answer == (NUMBERS[digit] if digit >= 0 else "nothing")
        elif question.kind == "exists":
            shown = NUMBERS.index(words[-1]) in grid
            assert question.answer == ("yes" if shown else "no")
        else:
            assert question.answer == NUMBERS[(grid >= 0).sum()]


def test_an_empty_and_a_full_grid_can_be_asked_about():
    empty, full = np.full((3, 3), -1), np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    answers = [question.answer for question in ask([empty, full], seed=0)]
    assert answers[:4] == ["nothing", "nothing", "no", "zero"]
    assert answers[7] == "nine"


def test_every_word_is_known_and_pixels_keep_their_place(processor, inputs, scenes):
    assert (inputs["input_ids"] != processor.tokenizer.unk_token_id).all()
    assert inputs["pixel_values"].shape == (30, 3, 48, 48)
    by_hand = torch.tensor(scenes[7].image) / 127.5 - 1
    for color in inputs["pixel_values"][7]:
        torch.testing.assert_close(color, by_hand)
    assert inputs["image"][28:32].tolist() == [7, 7, 7, 7]


def test_unknown_words_are_refused(processor, scenes):
    question = Question(0, "place", "what color is it?", "no")
    with pytest.raises(ValueError, match='"what color is it\\?" has an unknown word'):
        encode(processor, scenes[0].image[None], [question])


def test_logits_follow_the_equations(model, inputs):
    """Embeddings and layers by hand, with the patches row by row."""
    rows = usual_inputs(inputs, 4)
    weights = model.state_dict()

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        return F.layer_norm(
            x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12
        )

    with torch.no_grad():
        base = "vilt.embeddings."
        text = base + "text_embeddings."
        words = weights[text + "word_embeddings.weight"][rows["input_ids"]]
        words = words + weights[text + "position_embeddings.weight"][: words.shape[1]]
        words = words + weights[text + "token_type_embeddings.weight"][0]
        words = norm(words, text + "LayerNorm")
        pixels = (
            rows["pixel_values"].unfold(2, 16, 16).unfold(3, 16, 16)
        )  # (4, 3, 3, 3, 16, 16)
        pixels = pixels.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)  # (4, 9, 768)
        kernel = weights[base + "patch_embeddings.projection.weight"].flatten(1)
        patches = pixels @ kernel.T + weights[base + "patch_embeddings.projection.bias"]
        first = weights[base + "cls_token"].expand(4, -1, -1)
        patches = (
            torch.cat([first, patches], dim=1) + weights[base + "position_embeddings"]
        )
        kinds = weights[base + "token_type_embeddings.weight"]
        x = torch.cat([words + kinds[0], patches + kinds[1]], dim=1)
        mask = torch.cat([rows["attention_mask"], torch.ones(4, 10)], dim=1).bool()
        for index in range(model.config.num_hidden_layers):
            layer = f"vilt.encoder.layer.{index}."
            y = norm(x, layer + "layernorm_before")
            q, k, v = (
                linear(y, layer + "attention.attention." + part)
                .unflatten(-1, (4, 16))
                .transpose(1, 2)
                for part in ("query", "key", "value")
            )
            scores = (q @ k.mT / 4).masked_fill(~mask[:, None, None], -torch.inf)
            y = (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
            x = x + linear(y, layer + "attention.output.dense")
            y = F.gelu(
                linear(norm(x, layer + "layernorm_after"), layer + "intermediate.dense")
            )
            x = x + linear(y, layer + "output.dense")
        pooled = torch.tanh(linear(norm(x, "vilt.layernorm")[:, 0], "vilt.pooler.dense"))
        hidden = F.layer_norm(
            linear(pooled, "classifier.0"),
            (128,),
            weights["classifier.1.weight"],
            weights["classifier.1.bias"],
        )
        expected = linear(F.gelu(hidden), "classifier.3")
        found = run(model, inputs, torch.arange(4)).logits
        shuffled = model(**rows).logits
    assert expected.shape == (4, len(ANSWERS))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(shuffled, expected, atol=1e-3, rtol=1e-3)


def test_attention_comes_row_by_row(model, inputs):
    weights = patch_attention(model, inputs, torch.arange(3))
    assert weights.shape == (3, 2, 4, 3, 3)
    rows = usual_inputs(inputs, 3)
    with torch.no_grad():
        torch.manual_seed(5)  # one seed, one random order of the patches
        _, _, (places, _) = model.vilt.embeddings.visual_embed(
            rows["pixel_values"], rows["pixel_mask"], -1
        )
        torch.manual_seed(5)
        attentions = model(**rows, output_attentions=True).attentions
    for image in range(3):
        for place, (row, column) in enumerate(places[image].tolist()):
            seen = attentions[1][image, :, 0, -9 + place]
            torch.testing.assert_close(
                seen, weights[image, 1, :, row, column], atol=1e-4, rtol=1e-3
            )


def test_the_blind_answer_is_the_most_frequent_one():
    learned = [
        Question(0, "count", "how many?", "two"),
        Question(1, "count", "how many?", "two"),
        Question(2, "count", "how many?", "one"),
        Question(3, "exists", "is there a one?", "no"),
    ]
    asked = [
        Question(9, "count", "how many?", "one"),
        Question(9, "exists", "is there a two?", "yes"),
    ]
    assert majority(learned, asked) == ["two", "no"]


def test_single_patches_are_learned_first(model, inputs, scenes):
    digits = torch.tensor(np.stack([scene.digits for scene in scenes]))
    filled = (digits >= 0).double().mean().item()
    usual = max(filled, 1 - filled)  # always "nothing", or always some digit
    assert train_patches(model, inputs["pixel_values"], digits, steps=80) > usual + 0.1


def test_a_short_training_counts_better_than_a_blind_answer(processor):
    def data(count: int, seed: int, split: str):
        scenes = make_grid_scenes(count, seed, split)
        questions = ask([scene.digits for scene in scenes], seed)
        questions = [question for question in questions if question.kind == "count"]
        images = np.stack([scene.image for scene in scenes])
        labels = torch.tensor([ANSWERS.index(question.answer) for question in questions])
        return questions, encode(processor, images, questions), labels

    questions, inputs, labels = data(300, 0, "fit")
    asked, held, answers = data(100, 1, "tune")
    set_seed(0)
    model = build_vilt(len(processor.tokenizer))
    train(model, inputs, labels, [(np.arange(len(questions)), 120)], batch_size=96)
    right = (predict(model, held).argmax(dim=-1) == answers).double().mean().item()
    blind = np.mean(
        [a == q.answer for a, q in zip(majority(questions, asked), asked, strict=True)]
    )
    assert right > blind + 0.2


def test_a_lesson_has_its_questions_and_no_others(processor, scenes, inputs):
    questions = ask([scene.digits for scene in scenes], seed=0)
    labels = torch.tensor([ANSWERS.index(question.answer) for question in questions])
    counts = np.flatnonzero([question.kind == "count" for question in questions])
    others = np.setdiff1d(np.arange(len(questions)), counts)
    set_seed(0)
    model = build_vilt(len(processor.tokenizer))
    losses = train(model, inputs, labels, [(counts, 30), (others, 1)], batch_size=16)

    assert len(losses) == 31
    assert losses[-1] > losses[-2] + 0.5  # new questions are hard


def test_a_saved_model_and_processor_reload(model, processor, inputs, tmp_path: Path):
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    reloaded = ViltForQuestionAnswering.from_pretrained(tmp_path)
    assert torch.equal(predict(reloaded, inputs), predict(model, inputs))
    assert reloaded.config.id2label[10] == "nothing"
    again = ViltProcessor.from_pretrained(tmp_path)
    text = "is there a seven?"
    assert again.tokenizer(text).input_ids == processor.tokenizer(text).input_ids
