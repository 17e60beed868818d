"""VL-T5: regions of an image become tokens of T5, and every answer is a text.

Source: Cho et al., "Unifying Vision-and-Language Tasks via Text Generation",
arXiv 2102.02779. Units: boxes as shares of the image, accuracy as a share from 0 to 1.
Shapes: B questions of T tokens, R regions a scene, D channels.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn
from torch.nn import functional as F
from torchvision.ops import box_iou, roi_align
from transformers import T5Config, T5ForConditionalGeneration

REGIONS = 4
SIDE = 16  # each region is cut out and scaled to this size
FEATURES = 64  # numbers that describe what a region shows
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SIGHTS = [f"<vis_{index}>" for index in range(REGIONS)]  # names of the regions
TASKS = ["vqa:", "caption:", "grounding:"]
QUESTION_WORDS = ["how", "many", "digits", "is", "there", "a", "where", "the"]
VOCABULARY = ["<pad>", "</s>", *TASKS, *QUESTION_WORDS, "yes", "no", *NAMES, *SIGHTS]


class Example(NamedTuple):
    """A question on one scene and its answer, both as texts."""

    scene: int
    kind: str  # "count", "exists", "caption" or "where"
    question: str
    answer: str


def find_regions(
    images: np.ndarray, boxes: Sequence[np.ndarray], seed: int
) -> tuple[torch.Tensor, torch.Tensor, list[list[int]]]:
    """Cut out the objects of each scene and fill up with pieces of the background.

    Args:
        images: Scenes (N, S, S) as bytes.
        boxes: For each scene the boxes of its objects (n, 4) in pixels.
        seed: Seed of the background boxes and of the order of the regions.

    Returns:
        Crops (N, R, SIDE, SIDE) from -1 to 1, boxes (N, R, 4) as shares of the image, and
        for each scene the numbers of the regions that hold its objects, in their order.

    Raises:
        ValueError: If a scene has more objects than there are regions.
    """
    rng = np.random.default_rng(seed)
    size = images.shape[-1]
    regions, orders = [], []
    for found in map(torch.tensor, boxes):
        objects = len(found)
        if objects > REGIONS:
            raise ValueError(f"a scene has {objects} objects, wanted at most {REGIONS}")
        while len(found) < REGIONS:
            side = rng.uniform(0.2, 0.4, size=2) * size
            corner = rng.uniform(0, size - side)
            box = torch.tensor([[*corner, *(corner + side)]], dtype=torch.float32)
            if box_iou(box, found).max() < 0.05 or rng.random() < 0.02:
                found = torch.cat([found, box])
        order = rng.permutation(REGIONS)
        regions.append(found[torch.tensor(order)])
        orders.append(
            [int(np.flatnonzero(order == index)[0]) for index in range(objects)]
        )
    pixels = torch.tensor(images, dtype=torch.float32)[:, None] / 127.5 - 1
    crops = roi_align(pixels, regions, output_size=SIDE, aligned=True)
    return (
        crops.unflatten(0, (len(images), REGIONS))[:, :, 0],
        torch.stack(regions) / size,
        orders,
    )


def write_examples(
    labels: Sequence[np.ndarray], orders: Sequence[Sequence[int]], seed: int
) -> list[Example]:
    """Ask four kinds of questions on each scene.

    Args:
        labels: For each scene its digits from left to right.
        orders: For each scene the regions that hold them.
        seed: Seed of the choices.

    Returns:
        Four examples a scene, three where every digit occurs twice.
    """
    rng = np.random.default_rng(seed)
    examples = []
    for scene, (digits, order) in enumerate(zip(labels, orders, strict=True)):
        names = [NAMES[digit] for digit in digits]
        others = [name for name in NAMES if name not in names]
        asked = str(rng.choice(names if rng.random() < 0.5 else others))
        texts = [
            ("count", "vqa: how many digits", NAMES[len(names)]),
            ("exists", f"vqa: is there a {asked}", "yes" if asked in names else "no"),
            ("caption", "caption:", " ".join(names)),
        ]
        single = [index for index, name in enumerate(names) if names.count(name) == 1]
        if single:
            index = int(rng.choice(single))
            question = f"grounding: where is the {names[index]}"
            texts.append(("where", question, SIGHTS[order[index]]))
        examples += [Example(scene, *text) for text in texts]
    return examples


def tokenize(texts: Sequence[str]) -> torch.Tensor:
    """Turn texts into numbers, one a word.

    Args:
        texts: Made of words of `VOCABULARY`.

    Returns:
        `input_ids` (B, T): the words, the end mark 1, then padding 0.

    Raises:
        ValueError: If a word is not in the vocabulary.
    """
    rows = []
    for text in texts:
        for word in text.split():
            if word not in VOCABULARY:
                raise ValueError(f'"{text}" has the word "{word}", wanted {VOCABULARY}')
        rows.append(torch.tensor([*map(VOCABULARY.index, text.split()), 1]))
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


class VLT5(nn.Module, PyTorchModelHubMixin):
    """A T5 whose encoder reads words and regions in one sequence.

    Args:
        width: Channels of a token, D.
        layers: Layers of the encoder, and of the decoder.
    """

    def __init__(self, width: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.look = nn.Sequential(  # stands for the detector that gives features
            nn.Conv2d(1, 16, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(32 * (SIDE // 4) ** 2, FEATURES),
            nn.GELU(),
        )
        self.classify = nn.Linear(FEATURES, len(NAMES) + 1)  # digits and background
        self.t5: Any = T5ForConditionalGeneration(
            T5Config(  # type: ignore[call-arg]
                vocab_size=len(VOCABULARY),
                d_model=width,
                d_kv=16,
                d_ff=4 * width,
                num_layers=layers,
                num_decoder_layers=layers,
                num_heads=4,
                feed_forward_proj="gated-gelu",
                dropout_rate=0.0,
                pad_token_id=0,
                eos_token_id=1,
                decoder_start_token_id=0,
            )
        )
        self.feature = nn.Linear(FEATURES, width)
        self.place = nn.Linear(5, width)
        nn.init.normal_(self.place.weight, std=2.0)  # as loud as the features and names
        self.norm = nn.LayerNorm(width)

    @torch.no_grad()
    def see(self, crops: torch.Tensor) -> torch.Tensor:
        """Describe regions (N, R, SIDE, SIDE) by features (N, R, FEATURES)."""
        parts = [self.look(part[:, None]) for part in crops.flatten(0, 1).split(1024)]
        return torch.cat(parts).reshape(*crops.shape[:2], FEATURES)

    def embed(
        self, input_ids: torch.Tensor, features: torch.Tensor, boxes: torch.Tensor
    ) -> torch.Tensor:
        """Put the words and the regions into one sequence (B, T + R, D).

        A region is the sum of what it shows, where it is and its name: the name is the
        embedding of the word `<vis_0>` to `<vis_3>`, so that an answer can point at it.
        """
        words = self.t5.shared(input_ids)  # (B, T, D)
        area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1, keepdim=True)
        places = self.place(torch.cat([boxes, area], dim=-1))  # (B, R, D)
        names = self.t5.shared.weight[-REGIONS:]  # (R, D)
        regions = self.norm(self.feature(features) + places + names)
        return torch.cat([words, regions], dim=1)

    def forward(
        self,
        input_ids: torch.Tensor,
        features: torch.Tensor,
        boxes: torch.Tensor,
        labels: torch.Tensor,
    ) -> torch.Tensor:
        """Score every word at every place of the answer (B, length, words)."""
        logits: torch.Tensor = self.t5(
            inputs_embeds=self.embed(input_ids, features, boxes),
            attention_mask=attend(input_ids),
            labels=labels,
        ).logits
        return logits

    @torch.no_grad()
    def answer(
        self, input_ids: torch.Tensor, features: torch.Tensor, boxes: torch.Tensor
    ) -> list[str]:
        """Write the answers, word by word."""
        self.eval()
        written = self.t5.generate(
            inputs_embeds=self.embed(input_ids, features, boxes),
            attention_mask=attend(input_ids),
            max_new_tokens=8,
            do_sample=False,
        )  # (B, length)
        return [" ".join(VOCABULARY[i] for i in row if i > 1) for row in written.tolist()]


def attend(input_ids: torch.Tensor) -> torch.Tensor:
    """Mark what the model may read: words without padding, and every region.

    Args:
        input_ids: The words (B, T).

    Returns:
        1 for what counts and 0 for padding (B, T + R).
    """
    return F.pad((input_ids != 0).long(), (0, REGIONS), value=1)


def look_loss(
    model: VLT5, crops: torch.Tensor, kinds: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make the loss of naming what a region shows, as detectors learn before VL-T5.

    Args:
        model: The model; the loss depends on `look` and `classify` alone.
        crops: Regions of the scenes (N, R, SIDE, SIDE).
        kinds: What they show (N, R): a digit, or 10 for background.

    Returns:
        A function from the indices of a batch of the N x R regions to the cross-entropy.
    """
    images, names = crops.flatten(0, 1)[:, None], kinds.flatten()
    model.train()
    return lambda batch: F.cross_entropy(
        model.classify(model.look(images[batch])), names[batch]
    )


def answer_loss(
    model: VLT5, features: torch.Tensor, boxes: torch.Tensor, examples: Sequence[Example]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make the loss of writing the answers. The features stay as they are.

    Args:
        model: The model; `look` and `classify` have no part in the loss.
        features: Of the regions of the scenes (N, R, FEATURES).
        boxes: Their places (N, R, 4).
        examples: Questions on the scenes, with answers.

    Returns:
        A function from the indices of a batch of examples to the cross-entropy of the
        tokens.
    """
    input_ids = tokenize([example.question for example in examples])
    labels = tokenize([example.answer for example in examples])
    scenes = torch.tensor([example.scene for example in examples])
    model.train()

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        scene, wanted = scenes[batch], labels[batch]
        logits = model(input_ids[batch], features[scene], boxes[scene], wanted)
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=0)

    return loss_of
