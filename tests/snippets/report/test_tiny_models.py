"""What readers of the pages that use tiny models rely on."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from snippets.report.tiny_models import save_tiny_models


def test_folders_load_and_a_seed_fixes_the_weights(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    names = save_tiny_models(first)
    assert names == ["bert", "tagger", "gpt2", "t5", "blip", "vit"]
    save_tiny_models(second)
    ids = AutoTokenizer.from_pretrained(first / "bert")("cats", return_tensors="pt")
    logits = [
        AutoModelForSequenceClassification.from_pretrained(folder / "bert")(**ids).logits
        for folder in (first, second)
    ]
    assert torch.equal(*logits)
    weights = sum(file.stat().st_size for file in first.rglob("*.safetensors"))
    assert weights < 500_000
