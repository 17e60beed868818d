"""ViLT: words and image patches in one transformer answer questions on an image.

Source: Kim et al., "ViLT: Vision-and-Language Transformer Without Convolution or Region
Supervision", arXiv 2102.03334. Units: accuracy as a share from 0 to 1.
Shapes: B questions of T tokens, each on an image of S x S pixels with N patches.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import (
    BatchFeature,
    BertTokenizer,
    ViltConfig,
    ViltForQuestionAnswering,
    ViltImageProcessor,
    ViltProcessor,
)

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ANSWERS = [*NUMBERS, "nothing", "yes", "no"]
CELLS = ["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"]  # as in a spreadsheet
QUESTION_WORDS = [
    "what",
    "is",
    "in",
    "there",
    "a",
    "how",
    "many",
    "digits",
    "are",
    "?",
]


@dataclass
class Question:
    """A question on one image, and its answer."""

    image: int
    kind: str  # "place", "exists" or "count"
    text: str
    answer: str


def ask(grids: Sequence[np.ndarray], seed: int) -> list[Question]:
    """Ask four questions on each grid: two on a cell, one on a digit, one on the number.

    Args:
        grids: For each image its cells (3, 3), digits 0 to 9 or -1 for an empty one.
        seed: Seed of the choice of cells and digits.

    Returns:
        Four questions for each image. Of the cells asked for, at least half hold a digit,
        and half of the digits asked for are there, where the grid allows it.
    """
    rng = np.random.default_rng(seed)
    questions = []
    for image, grid in enumerate(grids):
        shown = np.unique(grid[grid >= 0])
        filled = np.flatnonzero(grid >= 0)
        some = filled if len(filled) and rng.random() < 0.5 else np.arange(9)
        for cell in rng.choice(some, size=2):
            inside = grid.flat[cell]
            answer = NUMBERS[inside] if inside >= 0 else "nothing"
            text = f"what is in {CELLS[cell]}?"
            questions.append(Question(image, "place", text, answer))
        hidden = np.setdiff1d(np.arange(10), shown)
        digit = rng.choice(shown if len(shown) and rng.random() < 0.5 else hidden)
        answer = "yes" if digit in shown else "no"
        text = f"is there a {NUMBERS[digit]}?"
        questions.append(Question(image, "exists", text, answer))
        answer = NUMBERS[len(filled)]
        questions.append(Question(image, "count", "how many digits are there?", answer))
    return questions


def build_processor(cell: int = 16) -> ViltProcessor:
    """Build the image processor and a tokenizer that knows the words of the questions.

    Args:
        cell: Side of a cell, which becomes one patch.

    Returns:
        Both in one, as a checkpoint of ViLT has them.
    """
    words = [*QUESTION_WORDS, *CELLS, *NUMBERS]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: index for index, word in enumerate([*special, *words])}
    sizes: dict[str, Any] = {"size": {"shortest_edge": 3 * cell}, "size_divisor": cell}
    return ViltProcessor(ViltImageProcessor(**sizes), BertTokenizer(vocab=vocabulary))


def build_vilt(vocab_size: int, cell: int = 16) -> ViltForQuestionAnswering:
    """Build a small ViLT with random weights.

    Args:
        vocab_size: Number of words of the tokenizer.
        cell: Side of a patch; the image has three by three of them.

    Returns:
        The model, with one class for each answer.
    """
    config = ViltConfig(
        vocab_size=vocab_size,
        max_position_embeddings=12,
        image_size=3 * cell,
        patch_size=cell,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.1,  # the default of 0.02 is too small for narrow layers
        id2label=dict(enumerate(ANSWERS)),
        label2id={answer: index for index, answer in enumerate(ANSWERS)},
    )
    model = ViltForQuestionAnswering(config)
    # Help for a small model: quiet tokens with loud attention; tokens that are alike look
    # at each other; a cell has one vector as a place and, louder, as a word.
    parts: Any = model.vilt.embeddings
    places = (torch.randn(3, 1, 64) + torch.randn(1, 3, 64)).flatten(0, 1)  # (9, 64)
    first = vocab_size - len(NUMBERS) - len(CELLS)  # the words end with cells and numbers
    with torch.no_grad():
        parts.position_embeddings[0, 1:] = 0.3 * places
        parts.text_embeddings.word_embeddings.weight[first : first + len(CELLS)] = places
        parts.patch_embeddings.projection.weight.normal_(std=0.012)
        parts.text_embeddings.LayerNorm.weight.fill_(0.3)
        parts.token_type_embeddings.weight.mul_(0.3)
        for layer in model.vilt.encoder.layer:
            heads: Any = layer.attention
            heads.attention.key.weight.copy_(heads.attention.query.weight)
            heads.attention.value.weight.mul_(2.0)
            heads.output.dense.weight.mul_(2.0)
    return model


def encode(
    processor: ViltProcessor, images: np.ndarray, questions: Sequence[Question]
) -> BatchFeature:
    """Turn questions and their images into numbers.

    Args:
        processor: Of the same checkpoint as the model.
        images: Gray images (N, S, S) as bytes.
        questions: Questions on them.

    Returns:
        `input_ids` and masks (B, T) of the questions, `pixel_values` (N, 3, S, S) of the
        images, and which image each question asks about (B,).

    Raises:
        ValueError: If a question has a word that the tokenizer does not know.
    """
    texts = [question.text for question in questions]
    words = processor.tokenizer(texts, padding=True, return_tensors="pt")
    unknown = (words.input_ids == processor.tokenizer.unk_token_id).any(dim=-1)
    for text, bad in zip(texts, unknown.tolist(), strict=True):
        if bad:
            raise ValueError(f'the question "{text}" has an unknown word')
    colors = [np.repeat(image[..., None], 3, axis=-1) for image in images]
    pixels = processor.image_processor(colors, return_tensors="pt")
    asked = torch.tensor([question.image for question in questions])
    return BatchFeature({**words, "pixel_values": pixels.pixel_values, "image": asked})


def embed_images(
    model: ViltForQuestionAnswering, pixel_values: torch.Tensor
) -> torch.Tensor:
    """Turn patches into tokens, row by row, without the type that tells them from words.

    ViLT would do the same, but hand the patches over in random order, for images of
    different sizes. With equal sizes this is quicker, and the order is known.

    Args:
        model: The model.
        pixel_values: Images (B, 3, S, S) from the processor.

    Returns:
        A token for the image, then one for each patch (B, 1 + N, D).
    """
    parts = model.vilt.embeddings
    patches = parts.patch_embeddings(pixel_values).flatten(2).transpose(1, 2)  # (B, N, D)
    first = parts.cls_token.expand(len(patches), -1, -1)
    tokens: torch.Tensor = torch.cat([first, patches], dim=1) + parts.position_embeddings
    return tokens


def run(
    model: ViltForQuestionAnswering,
    inputs: BatchFeature,
    rows: torch.Tensor,
    output_attentions: bool = False,
) -> Any:
    """Run the model on some questions.

    Args:
        model: The model.
        inputs: What `encode` returns.
        rows: Numbers of the questions.
        output_attentions: Return the attention, too.

    Returns:
        Its `logits`, one row a question and one column an answer.
    """
    words = ("input_ids", "token_type_ids", "attention_mask")
    image_embeds = embed_images(model, inputs["pixel_values"][inputs["image"][rows]])
    return model(
        **{name: inputs[name][rows] for name in words},
        image_embeds=image_embeds,
        pixel_mask=torch.ones(image_embeds.shape[:2], dtype=torch.long),
        output_attentions=output_attentions,
    )


def train_patches(
    model: ViltForQuestionAnswering,
    pixel_values: torch.Tensor,
    digits: torch.Tensor,
    steps: int,
    seed: int = 0,
) -> float:
    """Teach the transformer to tell what a single patch shows, before any question.

    The authors begin with the weights of a Vision Transformer that has learned to sort
    photographs; this stands for it. Each patch goes in alone, at a random place.

    Args:
        model: The model, changed in place.
        pixel_values: Images (N, 3, S, S) from the processor.
        digits: What their cells show (N, 3, 3): a digit, or -1 for nothing.
        steps: Batches of 128 patches to learn from.
        seed: Seed of the choice of patches and places.

    Returns:
        The share of the patches of the last 20 steps that were named right.
    """
    torch.manual_seed(seed)
    vilt, side = model.vilt, pixel_values.shape[-1] // 3
    parts: Any = vilt.embeddings
    patches = pixel_values.unfold(2, side, side).unfold(
        3, side, side
    )  # (N, 3, 3, 3, ...)
    head = torch.nn.Linear(model.config.hidden_size, 11)
    weights = [*vilt.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2e-3, total_steps=steps, pct_start=0.1
    )
    right: list[float] = []
    for _ in range(steps):
        image = torch.randint(len(patches), (128,))
        row, column, place = (
            torch.randint(3, (128,)),
            torch.randint(3, (128,)),
            torch.randint(9, (128,)),
        )
        tokens = parts.patch_embeddings(patches[image, :, row, column]).flatten(
            1
        )  # (128, D)
        tokens = tokens + parts.position_embeddings[0, 1 + place]
        tokens = tokens + parts.token_type_embeddings.weight[1]
        hidden = vilt.encoder(tokens[:, None]).last_hidden_state[:, 0]  # (128, D)
        scores, wanted = head(vilt.layernorm(hidden)), digits[image, row, column] % 11
        loss = F.cross_entropy(scores, wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        right.append((scores.argmax(dim=-1) == wanted).double().mean().item())
    return sum(right[-20:]) / len(right[-20:])


def train(
    model: ViltForQuestionAnswering,
    inputs: BatchFeature,
    answers: torch.Tensor,
    lessons: Sequence[tuple[np.ndarray, int]],
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> list[float]:
    """Train with AdamW and a learning rate that rises, then falls, one lesson at a time.

    Args:
        model: The model, changed in place.
        inputs: What `encode` returns.
        answers: Index of the right answer to each question (B,).
        lessons: For each lesson the numbers of its questions, and how many steps it has.
        batch_size: Questions in a batch, drawn at random from those of the lesson.
        learning_rate: Its largest value.
        seed: Seed of the order of the questions.

    Returns:
        The training loss of each step.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=learning_rate,
        total_steps=sum(steps for _, steps in lessons),
        pct_start=0.1,
        anneal_strategy="linear",  # the last lesson needs some of it, too
        cycle_momentum=False,
    )
    losses = []
    model.train()
    for numbers, steps in lessons:
        rows = torch.as_tensor(numbers)
        for _ in range(steps):
            batch = rows[torch.randint(len(rows), (batch_size,), generator=generator)]
            loss = F.cross_entropy(run(model, inputs, batch).logits, answers[batch])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return losses


def predict(model: ViltForQuestionAnswering, inputs: BatchFeature) -> torch.Tensor:
    """Score each answer to each question, without learning.

    Args:
        model: The model.
        inputs: What `encode` returns.

    Returns:
        Logits (B, number of answers).
    """
    model.eval()
    rows = torch.arange(len(inputs["input_ids"])).split(128)
    with torch.no_grad():
        return torch.cat([run(model, inputs, part).logits for part in rows])


def majority(learned: Sequence[Question], asked: Sequence[Question]) -> list[str]:
    """Answer without a look at the image: the most frequent answer to the same question.

    Args:
        learned: Questions whose answers may be counted.
        asked: Questions to answer.

    Returns:
        An answer for each question; for a text never seen, the one of its kind.
    """
    counts: dict[str, Counter[str]] = {}
    for question in learned:
        for key in (question.text, question.kind):
            counts.setdefault(key, Counter())[question.answer] += 1
    best = {key: counter.most_common(1)[0][0] for key, counter in counts.items()}
    return [best.get(question.text, best[question.kind]) for question in asked]


def patch_attention(
    model: ViltForQuestionAnswering,
    inputs: BatchFeature,
    rows: torch.Tensor,
    token: int = 0,
) -> torch.Tensor:
    """Read how much one token of the questions looks at each patch.

    Args:
        model: The model.
        inputs: What `encode` returns.
        rows: Numbers of the questions (B,).
        token: Its place in the question; the answer comes from the first.

    Returns:
        Weights (B, layers, heads, 3, 3).
    """
    model.eval()
    with torch.no_grad():
        attentions = run(model, inputs, rows, output_attentions=True).attentions
    weights: torch.Tensor = torch.stack(attentions, dim=1)[:, :, :, token, -9:]
    return weights.reshape(*weights.shape[:3], 3, 3)
