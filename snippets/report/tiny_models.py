"""Folders with models of a few hundred random weights, as `from_pretrained` reads them.

They answer nothing, but they load, run and save in milliseconds, without a network.
"""

from pathlib import Path
from typing import Any

from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
    ViTImageProcessor,
    set_seed,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "a", "short", "text", "about", "cats", "and", "dogs"]
CHAT = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
SIZES: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


def save_tiny_models(folder: Path, seed: int = 0) -> list[str]:
    """Save one small model a kind, each in a folder of its own.

    Args:
        folder: Where the folders are made.
        seed: Seed of the random weights.

    Returns:
        The names: `bert` classifies texts, `tagger` classifies tokens, `blip` writes
        captions, `gpt2` continues text, `t5` turns text into text, and `vit` has an
        image processor only.
    """
    set_seed(seed)
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)})
    tokenizer.chat_template = CHAT
    words: dict[str, Any] = {"vocab_size": len(WORDS), "pad_token_id": 0}
    ends = {"bos_token_id": 2, "eos_token_id": 3}
    bert = BertConfig(**SIZES, **words)
    gpt2: dict[str, Any] = {"n_embd": 8, "n_layer": 1, "n_head": 2, **words, **ends}
    t5: dict[str, Any] = {"d_model": 8, "d_kv": 4, "d_ff": 16, "num_heads": 2, **words}
    t5 |= {"num_layers": 1, "decoder_start_token_id": 0}
    text = {**SIZES, **words, **ends, "encoder_hidden_size": 8, "projection_dim": 8}
    vision = {**SIZES, "image_size": 16, "patch_size": 8, "projection_dim": 8}
    models: dict[str, PreTrainedModel] = {
        "bert": BertForSequenceClassification(bert),
        "tagger": BertForTokenClassification(bert),
        "gpt2": GPT2LMHeadModel(GPT2Config(**gpt2)),
        "t5": T5ForConditionalGeneration(T5Config(**t5)),
        "blip": BlipForConditionalGeneration(
            BlipConfig(text_config={**text, "sep_token_id": 3}, vision_config=vision)
        ),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    resize = BlipImageProcessor(size={"height": 16, "width": 16})
    BlipProcessor(resize, tokenizer).save_pretrained(folder / "blip")
    ViTImageProcessor().save_pretrained(folder / "vit")
    return [*models, "vit"]
