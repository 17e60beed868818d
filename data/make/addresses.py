"""Turn the labeled addresses of usaddress into tokens and tags."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from datasets import Dataset, Features, List, Value

from data.make.common import Source, unpacked, write

NAME = "addresses"
SOURCE = Source(
    "PyPI",
    "usaddress",
    "0.5.16",
    "f7e614e2489c159cf85be1b6f86edbfaf329dbeedef4d002a025757afd1ec6c6",
)
SEED = 0
TEST = 300

CARD = f"""
# US addresses with a tag for each word

Addresses from the United States as people write them, split at spaces, with the part
of the address that each word belongs to. For token classification.

## Source and rights

- Labeled by the makers of usaddress (DataMade and contributors), license MIT,
  copyright 2014 Atlanta Journal Constitution (see the package's LICENSE).
- Taken from {SOURCE} (the source archive), file `training/labeled.xml`, sha256 of the
  archive `{SOURCE.sha256}`.

## How it was cut

- Every address of that file, except those that name a recipient (`Recipient`),
  because many of these name a person, those of a single word, and repeated ones.
- {TEST} addresses, drawn by `numpy.random.default_rng({SEED})`, are the test split.
  No address is in both splits, whatever its upper and lower case.
- `tags` are the names that usaddress uses, one for each token, without B- and I-
  prefixes. A page that needs numbers takes the sorted names of the training split.
"""


def read(path: Path) -> list[dict[str, list[str]]]:
    """Return the addresses of a file as tokens and tags, without repetitions."""
    rows: dict[str, dict[str, list[str]]] = {}
    for address in ElementTree.parse(path).getroot():
        tokens = [(part.text or "").strip() for part in address]
        tags = [part.tag for part in address]
        if len(tokens) > 1 and all(tokens) and "Recipient" not in tags:
            rows.setdefault(" ".join(tokens).casefold(), {"tokens": tokens, "tags": tags})
    return list(rows.values())


def make() -> Path:
    """Write `data/addresses`."""
    with unpacked(SOURCE) as package:
        (file,) = package.glob("usaddress-*/training/labeled.xml")
        rows = read(file)
    order = np.random.default_rng(SEED).permutation(len(rows)).tolist()
    features = Features({"tokens": List(Value("string")), "tags": List(Value("string"))})
    splits = {
        split: Dataset.from_list(
            [rows[index] for index in sorted(part)], features=features
        )
        for split, part in (("train", order[TEST:]), ("test", order[:TEST]))
    }
    metadata = {
        "pretty_name": "US addresses with a tag for each word",
        "license": "mit",
        "language": ["en"],
        "task_categories": ["token-classification"],
        "size_categories": ["1K<n<10K"],
    }
    return write(NAME, splits, metadata, CARD)
