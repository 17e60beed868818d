"""Split two novels of Jane Austen into paragraphs."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset, Features, Value

from data.make.common import Source, unpacked, write

NAME = "austen"
SOURCE = Source(
    "Debian",
    "r-cran-janeaustenr",
    "1.0.0-1",
    "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
)
NOVELS = {"prideprejudice": "Pride and Prejudice", "persuasion": "Persuasion"}
TEST_PART = 10  # one chapter in ten, from the end

CARD = f"""
# Two novels by Jane Austen, in paragraphs

Pride and Prejudice (1813) and Persuasion (1817), for language modeling.

## Source and rights

- The novels are in the public domain. The package has its text from Project
  Gutenberg; the package itself is MIT, copyright 2016-2017 Julia Silge.
- Taken from {SOURCE}, sha256 of the package `{SOURCE.sha256}`.

## How it was cut

- Lines up to an empty one are joined to a paragraph. Title pages, tables of contents
  and chapter headings are left out. Underscores mark italics, as in the source.
- The last tenth of each novel's chapters is the test split: later in the same story,
  so no paragraph is in both. Paragraphs that repeat one before are left out.
"""


def read_strings(content: bytes) -> Iterator[str | None]:
    """Read a character vector that R's serialize wrote as XDR, version 3.

    Args:
        content: The bytes, beginning with `X` and a newline.

    Yields:
        The strings.

    Raises:
        ValueError: If the content is something else.
    """
    encoding = struct.unpack(">i", content[14:18])[0]
    offset = 18 + encoding
    kind, count = struct.unpack(">ii", content[offset : offset + 8])
    if content[:2] != b"X\n" or kind & 255 != 16:
        raise ValueError("not a character vector")
    offset += 8
    for _ in range(count):
        size = struct.unpack(">i", content[offset + 4 : offset + 8])[0]
        offset += 8
        if size < 0:
            yield None
        else:
            yield content[offset : offset + size].decode()
            offset += size


def read_database(folder: Path) -> dict[str, list[str]]:
    """Read the character vectors of an R package's data: `Rdata.rdx` and `Rdata.rdb`."""
    index = zlib.decompress((folder / "Rdata.rdx").read_bytes(), wbits=47)
    # The first string is the word "names", which R writes before the names themselves.
    names = re.findall(rb"\x00\x04\x00\x09\x00\x00\x00.([a-z]+)", index, re.DOTALL)[1:]
    places = re.findall(rb"\x00\x00\x00\x0d\x00\x00\x00\x02(.{8})", index, re.DOTALL)
    database = (folder / "Rdata.rdb").read_bytes()
    result = {}
    for name, place in zip(names, places, strict=False):
        start, size = struct.unpack(">ii", place)
        content = zlib.decompress(database[start + 4 : start + size])
        result[name.decode()] = [line or "" for line in read_strings(content)]
    return result


def paragraphs(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield chapter numbers (through all volumes) and paragraphs."""
    chapter, current = 0, list[str]()
    for line in [*lines, ""]:
        if re.fullmatch(r"chapter [0-9ivxl]+\.?", line.strip(), re.IGNORECASE):
            chapter += 1
        elif line.strip():
            current.append(line.strip())
            continue
        if current and chapter:
            yield chapter, " ".join(" ".join(current).split())
        current = []


def make() -> Path:
    """Write `data/austen`."""
    splits: dict[str, list[dict[str, str | int]]] = {"train": [], "test": []}
    seen: set[str] = set()
    with unpacked(SOURCE) as package:
        novels = read_database(package / "usr/lib/R/site-library/janeaustenr/data")
    for key, title in NOVELS.items():
        rows = list(paragraphs(novels[key]))
        last = rows[-1][0]
        for chapter, text in rows:
            if text not in seen and not re.fullmatch(
                r"volume \w+|finis|the end", text, re.IGNORECASE
            ):
                seen.add(text)
                split = "test" if chapter > last - round(last / TEST_PART) else "train"
                splits[split].append({"novel": title, "chapter": chapter, "text": text})
    features = Features(
        {"novel": Value("string"), "chapter": Value("int32"), "text": Value("string")}
    )
    metadata = {
        "pretty_name": "Two novels by Jane Austen, in paragraphs",
        "license": "other",
        "license_name": "public-domain",
        "language": ["en"],
        "task_categories": ["text-generation"],
        "size_categories": ["1K<n<10K"],
    }
    datasets = {
        split: Dataset.from_list(rows, features=features)
        for split, rows in splits.items()
    }
    return write(NAME, datasets, metadata, CARD)
