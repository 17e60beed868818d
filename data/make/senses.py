"""Take definitions and example sentences of common words from WordNet."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from datasets import Dataset, Features, Value

from data.make.common import Source, unpacked, write

NAME = "senses"
SOURCE = Source(
    "Debian",
    "wordnet-base",
    "1:3.0-37",
    "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
)
SEED = 0
TRAIN, TEST = 6000, 1500
# Numbers of the files that the lexicographers kept, from the manual page lexnames.
# fmt: off
SUBJECTS = [
    "all", "pertainym", "all", "Tops", "act", "animal", "artifact", "attribute", "body",
    "cognition", "communication", "event", "feeling", "food", "group", "location",
    "motive", "object", "person", "phenomenon", "plant", "possession", "process",
    "quantity", "relation", "shape", "state", "substance", "time", "body", "change",
    "cognition", "communication", "competition", "consumption", "contact", "creation",
    "emotion", "motion", "perception", "possession", "social", "stative", "weather",
    "participial",
]
# fmt: on
RUDE = re.compile(
    r"\b(slur|obscene|vulgar|offensive|disparag\w*|derogatory|slang|sex\w*|genital\w*|"
    r"prostitut\w*|rape|semen|negro\w*|nigger\w*|homosexual\w*)\b"
)

CARD = f"""
# Senses of common words

What {TRAIN + TEST:,} senses of common English nouns and verbs mean, with the subject
that lexicographers gave each of them and, where there is one, a sentence that shows the
word in use. For text classification and search.

## Source and rights

- WordNet 3.0, from {SOURCE}, sha256 of the package `{SOURCE.sha256}`.
- It was written by lexicographers of Princeton University for publication. No row is
  about a single person or place: such entries, and all texts with a capital letter
  other than the first, were left out.
- Permission to use, copy, modify and distribute WordNet for any purpose and without fee
  is given, if this notice is kept: *WordNet 3.0 Copyright 2006 by Princeton University.
  All rights reserved. THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON
  UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF
  EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR
  WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF
  THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY
  PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The name of Princeton University or
  Princeton may not be used in advertising or publicity pertaining to distribution of
  the software and/or database. Title to copyright in this software, database and any
  associated documentation shall at all times remain with Princeton University and
  LICENSEE agrees to preserve same.*

## How it was cut

- Nouns and verbs of one word in small letters that occur in the texts which Princeton
  tagged by sense. A sense that several words share stands at one of them, if possible
  one that its example contains.
- Definitions have 3 to 20 words. A remark in brackets at their beginning is removed.
  Rude entries are left out, and so is a sense whose definition occurs before.
- `example` is the first sentence of 4 to 20 words that contains the word, also with an
  ending, and not the work of a cited author; else it is empty.
- Words were drawn by `numpy.random.default_rng({SEED})` until a split was full. No word
  and no definition is in both splits.
"""


def texts(gloss: str, words: list[str]) -> tuple[str, str, str] | None:
    """Return word, definition and example of a sense, or None if it does not fit."""
    definition, *rest = gloss.split('"')
    definition = re.sub(r"^\([^)]*\)", "", definition.strip()).split(";")[0].strip(" ;:")
    if RUDE.search(gloss.lower()) or not 3 <= len(definition.split()) <= 20:
        return None
    for sentence, after in zip(rest[::2], rest[1::2], strict=False):
        sentence = sentence.strip(" ;")
        fits = 4 <= len(sentence.split()) <= 20 and _plain(sentence[1:])
        if fits and not after.strip().startswith(("-", "by")):
            for word in words:
                # The last letter may change: "carry" in "carried".
                if re.search(rf"\b{word[:-1]}\w{{0,4}}\b", sentence.lower()):
                    return word, definition, sentence
    return (words[0], definition, "") if _plain(definition) else None


def _plain(text: str) -> bool:
    return bool(re.fullmatch(r"[a-z0-9 ,.;:'!?()/-]+", text))


def senses(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the senses that fit, those of nouns first, in the order of the files."""
    seen = set()
    for part in ("noun", "verb"):
        common = set()
        for line in (folder / f"index.{part}").read_text("ascii").splitlines():
            if not line.startswith(" "):
                fields = line.split()
                if int(fields[5 + int(fields[3])]):  # senses that occur in tagged texts
                    common.add(fields[0])
        for line in (folder / f"data.{part}").read_text("ascii").splitlines():
            if line.startswith(" "):
                continue
            head, gloss = line.split(" | ", 1)
            fields = head.split()
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            words = [w for w in words if w in common and re.fullmatch(r"[a-z]{3,}", w)]
            found = texts(gloss, words) if words and " @i " not in head else None
            if found and found[1] not in seen and _plain(found[1]):
                seen.add(found[1])
                yield {
                    "word": found[0],
                    "part": part,
                    "subject": SUBJECTS[int(fields[1])],
                    "definition": found[1],
                    "example": found[2],
                }


def make() -> Path:
    """Write `data/senses`."""
    with unpacked(SOURCE) as package:
        entries = defaultdict(list)
        for sense in senses(package / "usr/share/wordnet"):
            entries[sense["word"]].append(sense)
    words = sorted(entries)
    queue = iter(np.random.default_rng(SEED).permutation(len(words)).tolist())
    features = Features(dict.fromkeys(next(iter(entries.values()))[0], Value("string")))
    splits = {}
    for split, count in {"test": TEST, "train": TRAIN}.items():
        chosen: list[str] = []
        while sum(len(entries[word]) for word in chosen) < count:
            chosen.append(words[next(queue)])
        rows = [sense for word in sorted(chosen) for sense in entries[word]]
        splits[split] = Dataset.from_list(rows[:count], features=features)
    metadata = {
        "pretty_name": "Senses of common words",
        "license": "other",
        "license_name": "wordnet-3.0",
        "language": ["en"],
        "task_categories": ["text-classification", "text-ranking"],
        "size_categories": ["1K<n<10K"],
    }
    return write(NAME, dict(sorted(splits.items(), reverse=True)), metadata, CARD)
