"""The committed data sets are what their cards say."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet
import pytest
import yaml

DATA = Path(__file__).resolve().parents[2] / "data"
COUNTS = {
    "addresses": {"train": 1105, "test": 300},
    "austen": {"train": 2733, "test": 331},
    "fashion-mnist": {"train": 5000, "test": 1000},
    "senses": {"train": 6000, "test": 1500},
    "speech": {"test": 10},
    "verses": {"train": 11487, "test": 734},
}


def read(name: str, split: str) -> list[dict[str, object]]:
    """The rows of a split."""
    path = DATA / name / f"{split}-00000-of-00001.parquet"
    return pyarrow.parquet.read_table(path).to_pylist()


@pytest.mark.parametrize("name", COUNTS)
def test_card_fits_the_files(name: str) -> None:
    card = (DATA / name / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"]
    splits = {row["name"]: row["num_examples"] for row in head["dataset_info"]["splits"]}
    assert splits == COUNTS[name]
    columns = [feature["name"] for feature in head["dataset_info"]["features"]]
    digests = dict(re.findall(r"\| `(\S+\.parquet)` \|.*`([0-9a-f]{64})` \|", card))
    assert len(digests) == len(splits)
    for split, count in splits.items():
        path = DATA / name / f"{split}-00000-of-00001.parquet"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digests[path.name]
        rows = read(name, split)
        assert len(rows) == count
        assert list(rows[0]) == columns
    assert sum(path.stat().st_size for path in (DATA / name).iterdir()) < 4_000_000


def test_fashion_mnist_is_balanced_and_its_splits_are_apart() -> None:
    train, test = read("fashion-mnist", "train"), read("fashion-mnist", "test")
    for rows, each in ((train, 500), (test, 100)):
        counts = Counter(row["label"] for row in rows)
        assert counts == dict.fromkeys(range(10), each)
    assert not {row["image"]["bytes"] for row in train} & {
        row["image"]["bytes"] for row in test
    }


def test_verses_are_apart_and_short() -> None:
    train, test = read("verses", "train"), read("verses", "test")
    assert not {row["book"] for row in train} & {row["book"] for row in test}
    for key in ("en", "es"):
        texts = [row[key] for row in train + test]
        assert len(set(texts)) == len(texts)
        assert max(len(text.split()) for text in texts) <= 20
        assert not any(re.search(r"[<>\[\]]|  ", text) for text in texts)


def test_addresses_have_a_tag_for_each_token() -> None:
    train, test = read("addresses", "train"), read("addresses", "test")
    for row in train + test:
        assert len(row["tokens"]) == len(row["tags"]) > 1
        assert "Recipient" not in row["tags"]
    keys = [
        {" ".join(row["tokens"]).casefold() for row in rows} for rows in (train, test)
    ]
    assert not keys[0] & keys[1]
    known = {tag for row in train for tag in row["tags"]}
    assert known >= {tag for row in test for tag in row["tags"]}


def test_austen_is_split_by_chapter() -> None:
    train, test = read("austen", "train"), read("austen", "test")
    assert train[0]["text"].startswith("It is a truth universally acknowledged")
    for novel in ("Pride and Prejudice", "Persuasion"):
        last = max(row["chapter"] for row in train if row["novel"] == novel)
        assert all(row["chapter"] > last for row in test if row["novel"] == novel)
    texts = [row["text"] for row in train + test]
    assert len(set(texts)) == len(texts)


def test_speech_is_wave_files_of_16_khz() -> None:
    import io

    import soundfile

    for row in read("speech", "test"):
        sound, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]))
        assert rate == 16_000
        assert sound.ndim == 1
        assert 1 < len(sound) / rate < 10
        assert re.fullmatch(r"[a-z ]+", row["text"])


def test_senses_are_apart_and_name_nobody() -> None:
    train, test = read("senses", "train"), read("senses", "test")
    for key in ("word", "definition"):
        assert not {row[key] for row in train} & {row[key] for row in test}
    definitions = [row["definition"] for row in train + test]
    assert len(set(definitions)) == len(definitions)
    for row in train + test:
        assert 3 <= len(row["definition"].split()) <= 20
        assert row["part"] in ("noun", "verb")
        # A name would have a capital letter, and I is no name.
        inner = [*row["definition"].split(), *row["example"].split()[1:]]
        assert not any(re.search("[A-Z]", word) for word in inner), row
        assert re.fullmatch(r"[\x20-\x7e]*", row["definition"] + row["example"])
        assert row["word"][:-1] in row["example"].lower() or not row["example"]
    named = sum(bool(row["example"]) for row in train + test)
    assert named > 2000
