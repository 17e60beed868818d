"""Rows into a data set with a card, and how well a stream is shuffled.

The folder layout (Parquet files beside a README.md whose first block lists them) is the
one that `load_dataset` reads, from a disk as from the Hub. Sizes are in rows and bytes.
"""

from pathlib import Path

import pyarrow as pa
from datasets import Dataset, DatasetDict, load_dataset
from huggingface_hub import DatasetCard, DatasetCardData

CARD = """---
{card_data}
---

# {name}

{description}
"""


def write_dataset(
    splits: DatasetDict, folder: Path, name: str, description: str, license_id: str
) -> None:
    """Write a data set as a folder that can be loaded, shared and uploaded as it is.

    Args:
        splits: The rows by the name of the split.
        folder: Where to write; made if missing.
        name: A title for people.
        description: Where the rows come from and what they are for.
        license_id: As the Hub spells it, such as "cc0-1.0".

    Raises:
        ValueError: If there is no description; a data set without one is of no use.
    """
    if not description.strip():
        raise ValueError("description is empty, wanted where the rows come from")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for split, rows in splits.items():
        rows.to_parquet(folder / f"{split}.parquet")
        files.append({"split": split, "path": f"{split}.parquet"})
    data = DatasetCardData(
        license=license_id,
        pretty_name=name,
        configs=[{"config_name": "default", "data_files": files}],
    )
    text = CARD.format(card_data=data.to_yaml(), name=name, description=description)
    DatasetCard(text).save(folder / "README.md")


def bytes_in_memory(source: str, split: str, keep_in_memory: bool) -> int:
    """Measure what a data set takes of Arrow's memory once it is open.

    Args:
        source: A folder or an id.
        split: Name of the split.
        keep_in_memory: Whether to read it whole instead of mapping the file.

    Returns:
        Bytes.
    """
    before = pa.total_allocated_bytes()
    rows = load_dataset(source, split=split, keep_in_memory=keep_in_memory)
    used: int = pa.total_allocated_bytes() - before
    del rows
    return used


def shuffled_order(count: int, buffer_size: int, seed: int = 0) -> list[int]:
    """Shuffle a stream through a buffer and see in which order the rows come out.

    Args:
        count: Rows in the stream.
        buffer_size: Rows that wait in the buffer; one of them is drawn at a time.
        seed: Seed of the draws.

    Returns:
        The rows' old positions in the new order.
    """
    stream = Dataset.from_dict({"position": list(range(count))}).to_iterable_dataset()
    return [row["position"] for row in stream.shuffle(seed=seed, buffer_size=buffer_size)]
