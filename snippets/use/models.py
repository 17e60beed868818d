"""What an Auto class chooses, what a model is made of, and where it should run.

Sources: the tables of transformers' Auto classes and the model itself. Sizes are counted
in parameters (numbers that were learned) and bytes.
"""

import torch
import transformers
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def heads_of(model_type: str) -> dict[str, str]:
    """Look up the classes that Auto classes choose for a kind of model.

    Args:
        model_type: As `config.json` has it, such as "bert".

    Returns:
        For each Auto class that knows the kind, the name of the class that it builds.

    Raises:
        ValueError: If no Auto class knows it.
    """
    found = {}
    for name in sorted(dir(transformers)):
        if not name.startswith("AutoModel"):
            continue
        table = getattr(transformers, name)._model_mapping._model_mapping
        if model_type in table:
            built = table[model_type]
            found[name] = built if isinstance(built, str) else built[0]
    if not found:
        raise ValueError(f"model_type is {model_type!r}, which no Auto class knows")
    return found


def parts(model: nn.Module) -> dict[str, int]:
    """Count the parameters of each direct part of a model.

    Args:
        model: The model.

    Returns:
        Parameters by the name of the part, those without parameters left out.
    """
    sizes = {
        name: sum(weight.numel() for weight in part.parameters())
        for name, part in model.named_children()
    }
    return {name: size for name, size in sizes.items() if size}


def best_device() -> torch.device:
    """Choose where to run: an accelerator if PyTorch finds one, else the processor."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device(
        "cpu"
    )


def cosines(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> Tensor:
    """Compare texts with each other, wherever the model is.

    Args:
        model: An encoder without a head.
        tokenizer: The tokenizer of the same checkpoint.
        texts: N texts.

    Returns:
        Cosine similarities of the mean token vectors, (N, N), 32-bit, on the processor.
    """
    inputs = tokenizer(texts, padding=True, return_tensors="pt").to(model.device)
    with torch.inference_mode():
        vectors = model(**inputs).last_hidden_state.float()  # (N, T, C)
    mask = inputs["attention_mask"].unsqueeze(-1)  # (N, T, 1)
    means = nn.functional.normalize((vectors * mask).sum(dim=1), dim=-1)  # (N, C)
    return (means @ means.T).cpu()
