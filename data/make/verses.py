"""Pair short verses of an English and a Spanish Bible."""

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value

from data.make.common import Source, unpacked, write

NAME = "verses"
ENGLISH = Source(
    "Debian",
    "sword-text-web",
    "426.0-1",
    "930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1",
)
SPANISH = Source(
    "Debian",
    "sword-text-sparv",
    "2.60-1",
    "5c87f9b2bc97457e8a872f5bae7ea7ce59cb3de1dcee73e4d4740451863694cf",
)
READER = Source(
    "PyPI",
    "pysword",
    "0.2.8",
    "6302f350c22f39090e2556729551fac57a4c25ceb268f90cd7fd0584b9cca4f0",
)
TEST_BOOKS = ("Ruth", "II Kings", "Ecclesiastes", "Jonah", "John", "James", "I John")
WORDS = 20  # the most that a verse of either language may have

CARD = f"""
# English and Spanish verses

Short verses of the Bible in English and in Spanish, aligned by book, chapter and
verse. A small parallel text whose rights are clear; the Spanish is of 1909 and
old-fashioned.

## Source and rights

- English: the text of the World English Bible, made by its contributors, from
  {ENGLISH}, sha256 of the package `{ENGLISH.sha256}`. Public domain. The name is a
  trademark of eBible.org for the unchanged whole; what lies here is an excerpt.
- Spanish: Reina Valera 1909, from {SPANISH}, sha256 of the package
  `{SPANISH.sha256}`. Public domain.
- Both packages declare `public-domain` in their copyright files. They were read with
  {READER}, which is not needed to use the data.

## How it was cut

- Verses of the 66 books that both have, where each language has between 3 and {WORDS}
  words and neither has more than twice as many as the other.
- Footnotes, headings and markup are removed, spaces are normalized, a beginning in
  capitals (`EN el principio`) is written small (`En el principio`). A heading that is
  part of a Spanish verse (`Salmo de David.`) stays.
- The books {", ".join(TEST_BOOKS)} are the test split, all others the training split.
  A pair whose English or Spanish text occurs a second time is left out, in the
  training split first, so that no text is in both splits.
"""


@contextmanager
def bibles() -> Iterator[tuple[Any, Any]]:
    """Open both texts with pysword, which is not installed."""
    with unpacked(READER) as reader, unpacked(ENGLISH) as en, unpacked(SPANISH) as es:
        (folder,) = reader.glob("pysword-*")
        sys.path.insert(0, str(folder))
        modules = importlib.import_module("pysword.modules").SwordModules
        opened = []
        for root, name in ((en, "engWEB2015eb"), (es, "spaRV1909eb")):
            library = modules(str(root / "usr/share/sword"))
            library.parse_modules()
            opened.append(library.get_bible_from_module(name))
        yield opened[0], opened[1]
        sys.path.remove(str(folder))


def clean(markup: str) -> str:
    """Return the words of a verse in OSIS markup."""
    text = re.sub(r"<(note|title)\b[^>]*>.*?</\1>", " ", markup, flags=re.DOTALL)
    text = re.sub(r"</?(l|lg|lb|div|p|milestone)\b[^>]*>", " ", text)
    text = " ".join(re.sub(r"<[^>]+>", "", text).split())
    return re.sub(r" ([,.;:!?’”)])", r"\1", text)


def lower_start(text: str) -> str:
    """Write a start in capitals small: `EN el principio` becomes `En el principio`."""
    words = text.split()
    count = 0
    while count < len(words) and words[count].strip(".,;:¿?¡!").isupper():
        count += 1
    start = " ".join(words[:count]).lower()
    start = re.sub(r"(^\W*|[.!?] )(\w)", lambda end: end[1] + end[2].upper(), start)
    return " ".join([start, *words[count:]]) if count else text


def pairs() -> Iterator[dict[str, str]]:
    """Yield every pair of short verses in the order of the books."""
    with bibles() as (english, spanish):
        for part in spanish.get_structure().get_books().values():
            for book in part:
                for chapter, count in enumerate(book.chapter_lengths, start=1):
                    for verse in range(1, count + 1):
                        where = {
                            "books": [book.name],
                            "chapters": [chapter],
                            "verses": [verse],
                        }
                        row = {"book": book.name, "verse": f"{chapter}:{verse}"}
                        for key, bible in (("en", english), ("es", spanish)):
                            row[key] = clean(bible.get(**where, clean=False))
                        row["es"] = lower_start(row["es"])
                        few, many = sorted(len(row[key].split()) for key in ("en", "es"))
                        if few >= 3 and many <= WORDS and many <= 2 * few:
                            yield row


def make() -> Path:
    """Write `data/verses`."""
    splits: dict[str, list[dict[str, str]]] = {"test": [], "train": []}
    seen: set[str] = set()
    rows = sorted(pairs(), key=lambda row: row["book"] not in TEST_BOOKS)
    for row in rows:
        if not {row["en"], row["es"]} & seen:
            splits["test" if row["book"] in TEST_BOOKS else "train"].append(row)
        seen |= {row["en"], row["es"]}
    features = Features({key: Value("string") for key in ("book", "verse", "en", "es")})
    metadata = {
        "pretty_name": "English and Spanish verses",
        "license": "other",
        "license_name": "public-domain",
        "language": ["en", "es"],
        "task_categories": ["translation"],
        "size_categories": ["10K<n<100K"],
    }
    datasets = {
        split: Dataset.from_list(splits[split], features=features)
        for split in ("train", "test")
    }
    return write(NAME, datasets, metadata, CARD)
