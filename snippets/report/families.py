"""Which installed library knows a family of models, and how large its default model is.

Units: parameters as counts.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import torch
from torchvision.models import get_model, list_models
from transformers import AutoModel, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


@dataclass(frozen=True)
class Family:
    """A family of models, as its paper names it.

    Attributes:
        name: The name.
        task: What it is for.
        arxiv: Number of the paper on arXiv, such as `2010.11929`.
        other_names: Spellings besides the name, for the search.
    """

    name: str
    task: str
    arxiv: str
    other_names: tuple[str, ...] = ()

    @property
    def published(self) -> date:
        """The month of the first version, which an arXiv number begins with."""
        return date(2000 + int(self.arxiv[:2]), int(self.arxiv[2:4]), 1)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def model_type_of(family: Family) -> str:
    """Look a family up among the model types of transformers.

    Args:
        family: The family.

    Returns:
        The model type, such as `vit_mae`; empty if there is none of that name.
    """
    names = {_plain(name) for name in (family.name, *family.other_names)}
    return next((kind for kind in CONFIG_MAPPING if _plain(kind) in names), "")


def torchvision_name_of(family: Family) -> str:
    """Look a family up among the models of torchvision.

    Args:
        family: The family.

    Returns:
        The first model whose name starts like the family; empty if there is none.
    """
    starts = tuple(_plain(name) for name in (family.name, *family.other_names))
    return next((n for n in list_models() if _plain(n).startswith(starts)), "")


def count_parameters(model_type: str = "", torchvision_name: str = "") -> int:
    """Count the weights of a default model without making them.

    Args:
        model_type: A model type of transformers, or
        torchvision_name: A name of torchvision.

    Returns:
        The number of parameters: of the bare model in transformers, without the layers
        for one task; of the whole model in torchvision.

    Raises:
        ValueError: If not exactly one of the two is given.
    """
    if bool(model_type) == bool(torchvision_name):
        given = [name for name in (model_type, torchvision_name) if name]
        raise ValueError(f"names given are {given}, wanted exactly one")
    with torch.device("meta"):  # shapes, no memory
        if torchvision_name:
            bare = {"weights_backbone": None} if "rcnn" in torchvision_name else {}
            model = get_model(torchvision_name, weights=None, **bare)
        else:
            model = AutoModel.from_config(_default_config(model_type))
    return sum(parameter.numel() for parameter in model.parameters())


def _default_config(model_type: str) -> PreTrainedConfig:
    options: dict[str, Any] = {}
    if model_type == "detr":  # its default backbone asks for the package timm
        resnet = CONFIG_MAPPING["resnet"]()
        options = {"use_timm_backbone": False, "backbone": None}
        options |= {"use_pretrained_backbone": False, "backbone_config": resnet}
    config: PreTrainedConfig = CONFIG_MAPPING[model_type](**options)
    return config
