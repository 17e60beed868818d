import hashlib

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, set_seed

from snippets.use.save_and_load import file_sizes, read_header, same_weights, sha256

CONFIG = BertConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
)


@pytest.fixture
def model():
    set_seed(0)
    return BertModel(CONFIG)


def test_the_header_agrees_with_the_library(model, tmp_path):
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    header = read_header(path)
    tensors = load_file(path)
    assert header.keys() == tensors.keys()
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        assert entry["shape"] == list(tensors[name].shape)
        assert end - start == tensors[name].numel() * 4
    ends = max(entry["data_offsets"][1] for entry in header.values())
    length = int.from_bytes(path.read_bytes()[:8], "little")
    assert file_sizes(tmp_path)["model.safetensors"] == 8 + length + ends


def test_a_file_shorter_than_its_header_is_refused(model, tmp_path):
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="the file has 100 bytes, wanted at least"):
        read_header(path)


@pytest.mark.parametrize("limit", ["50GB", "3KB"])
def test_a_saved_model_reloads_to_the_same_bits_whole_or_in_shards(
    model, tmp_path, limit
):
    model.save_pretrained(tmp_path, max_shard_size=limit)
    assert ("model.safetensors.index.json" in file_sizes(tmp_path)) == (limit == "3KB")
    assert same_weights(model, BertModel.from_pretrained(tmp_path))


def test_one_changed_number_or_name_is_noticed(model):
    set_seed(0)
    other = BertModel(CONFIG)
    assert same_weights(model, other)
    with torch.no_grad():
        other.pooler.dense.bias[3] += 1e-7
    assert not same_weights(model, other)
    assert not same_weights(model, BertModel(CONFIG, add_pooling_layer=False))


def test_the_digest_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256(path) == hashlib.sha256(b"abc").hexdigest()
