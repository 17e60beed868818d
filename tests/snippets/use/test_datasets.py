from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
from datasets import Dataset, DatasetDict, load_dataset
from huggingface_hub import DatasetCard

from snippets.use.datasets import bytes_in_memory, shuffled_order, write_dataset


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def rows() -> DatasetDict:
    values = {
        "text": [f"row {i}" for i in range(2000)],
        "label": [i % 2 for i in range(2000)],
    }
    return DatasetDict(Dataset.from_dict(values).train_test_split(test_size=0.2, seed=0))


def test_a_written_data_set_is_loaded_with_its_splits_and_card(rows, tmp_path):
    folder = tmp_path / "reviews"
    write_dataset(rows, folder, "Reviews", "Made up for a test.", "cc0-1.0")
    for split in ("train", "test"):
        assert load_dataset(str(folder), split=split)[:] == rows[split][:]
    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == "cc0-1.0"
    assert "Made up for a test." in card.text


def test_a_data_set_without_a_description_is_refused(rows, tmp_path):
    with pytest.raises(ValueError, match="description is empty"):
        write_dataset(rows, tmp_path, "Reviews", " ", "cc0-1.0")


def test_a_mapped_file_takes_less_memory_than_a_read_one(rows, tmp_path):
    folder = tmp_path / "reviews"
    write_dataset(rows, folder, "Reviews", "Made up for a test.", "cc0-1.0")
    load_dataset(str(folder))  # the conversion is not what is measured
    mapped, read = (bytes_in_memory(str(folder), "train", keep) for keep in (False, True))
    assert mapped < read / 10
    assert read > 1600 * len("row 1")


def test_a_larger_buffer_moves_rows_further():
    def distance(buffer_size: int) -> float:
        order = shuffled_order(300, buffer_size)
        assert sorted(order) == list(range(300))
        return sum(abs(old - new) for new, old in enumerate(order)) / 300

    assert shuffled_order(300, 1) == list(range(300))
    assert distance(10) < distance(100) < distance(300)
    assert shuffled_order(50, 10, seed=1) != shuffled_order(50, 10, seed=0)
