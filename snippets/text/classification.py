"""Fine-tune a pretrained encoder to sort texts into classes, with the Trainer.

Source: Devlin et al., "BERT", arXiv 1810.04805, for the recipe: a new linear layer on
top, then all layers trained a little. Units: probabilities from 0 to 1.
Shapes: N texts, K classes.
"""

import tempfile
from collections.abc import Sequence

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

MAX_LENGTH = 32


def labeled_texts(
    texts: Sequence[str], kinds: Sequence[str], names: Sequence[str], seed: int = 0
) -> tuple[list[str], list[int]]:
    """Keep the texts of some kinds, and shuffle.

    Args:
        texts: Texts.
        kinds: The kind of each.
        names: The kinds to keep.
        seed: Seed of the order.

    Returns:
        The texts, and for each the index of its kind in `names`.

    Raises:
        ValueError: If one of the kinds does not occur.
    """
    missing = sorted(set(names) - set(kinds))
    if missing:
        raise ValueError(f"no text of kind {missing[0]!r}")
    kept = [index for index, kind in enumerate(kinds) if kind in names]
    order = np.random.default_rng(seed).permutation(kept).tolist()
    return [texts[i] for i in order], [list(names).index(kinds[i]) for i in order]


def fine_tune(
    checkpoint: str,
    texts: Sequence[str],
    labels: Sequence[int],
    names: Sequence[str],
    steps: int = 40,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, list[float]]:
    """Put a new classification layer on a checkpoint and train both on labeled texts.

    Args:
        checkpoint: A folder or an id on the Hub of an encoder.
        texts: The texts to learn from.
        labels: The class of each, an index into `names`.
        names: Names of the classes.
        steps: Batches of 16 texts.
        learning_rate: The highest one; it rises for a tenth of the steps, then falls.
        seed: Seed of the new layer and of the order of the texts.

    Returns:
        The model, its tokenizer, and the mean loss of every ten steps.

    Raises:
        ValueError: If texts and labels differ in number, or a class has no name.
    """
    if len(texts) != len(labels):
        raise ValueError(
            f"{len(labels)} labels, wanted one for each of {len(texts)} texts"
        )
    if max(labels) >= len(names):
        raise ValueError(f"label {max(labels)}, wanted less than {len(names)}")
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, id2label=dict(enumerate(names)), label2id=_indices(names)
    )
    # Half the weights are word vectors, and few examples touch few of them.
    model.base_model.embeddings.requires_grad_(False)
    encodings = tokenizer(list(texts), truncation=True, max_length=MAX_LENGTH)
    rows = [
        {"input_ids": ids, "attention_mask": mask, "labels": int(label)}
        for ids, mask, label in zip(
            encodings["input_ids"], encodings["attention_mask"], labels, strict=True
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                max_steps=steps,
                per_device_train_batch_size=16,
                learning_rate=learning_rate,
                warmup_steps=steps // 10,
                logging_steps=10,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
                use_cpu=True,
                seed=seed,
                log_level="error",
            ),
            train_dataset=rows,
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return model, tokenizer, losses


def _indices(names: Sequence[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(names)}


def predict(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    batch_size: int = 32,
) -> np.ndarray:
    """Tell how probable each class is for each text.

    Args:
        model: A classifier.
        tokenizer: Its tokenizer.
        texts: The texts.
        batch_size: Texts of similar length that go through the model at once.

    Returns:
        Probabilities (N, K), which sum to one over the classes.
    """
    model.eval()
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    probabilities = np.zeros((len(texts), model.config.num_labels))  # (N, K)
    for start in range(0, len(texts), batch_size):
        part = order[start : start + batch_size]
        batch = tokenizer(
            [texts[index] for index in part],
            padding=True,
            truncation=True,
            max_length=MAX_LENGTH,
            return_tensors="pt",
        )
        with torch.no_grad():
            probabilities[part] = model(**batch).logits.softmax(dim=-1).numpy()
    return probabilities
