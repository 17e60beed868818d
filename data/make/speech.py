"""Collect ten spoken sentences with their transcripts."""

import re
from pathlib import Path

from datasets import Audio, Dataset, Features, Value

from data.make.common import Source, unpacked, write

NAME = "speech"
SOURCE = Source(
    "Debian",
    "pocketsphinx-testdata",
    "0.8+5prealpha+1-15",
    "eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0",
)
FILES = {
    "librivox": "librivox/transcription",
    "cards": "cards/cards.transcription",
}

CARD = f"""
# Ten spoken sentences

Five sentences of an audiobook (Sense and Sensibility, read for LibriVox) and five
announcements of playing cards, as 16-bit WAV files with 16,000 samples a second, each
with what is said.

## Source and rights

- From the test data of PocketSphinx: copyright 1995-2014 Carnegie Mellon University,
  2014-2015 Alpha Cephei Inc. License: BSD, two clauses. Recordings for LibriVox are
  in the public domain.
- Taken from {SOURCE}, sha256 of the package `{SOURCE.sha256}`.

## How it was cut

- Every WAV file of the package that has a transcript, byte for byte, in one split for
  testing. Transcripts are in small letters without punctuation, as the package has
  them.
- `audio` holds the file's bytes and is not decoded: read it with
  `soundfile.read(io.BytesIO(row["audio"]["bytes"]))`.

## License text

Redistribution and use in source and binary forms, with or without modification, are
permitted provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of
   conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list
   of conditions and the following disclaimer in the documentation and/or other
   materials provided with the distribution.

This work was supported in part by funding from the Defense Advanced Research Projects
Agency and the National Science Foundation of the United States of America, and the
CMU Sphinx Speech Consortium.

THIS SOFTWARE IS PROVIDED BY CARNEGIE MELLON UNIVERSITY "AS IS" AND ANY EXPRESSED OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL
CARNEGIE MELLON UNIVERSITY NOR ITS EMPLOYEES BE LIABLE FOR ANY DIRECT, INDIRECT,
INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED
TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR
BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN
CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY
WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH
DAMAGE.
"""


def make() -> Path:
    """Write `data/speech`."""
    rows = []
    with unpacked(SOURCE) as package:
        root = package / "usr/share/pocketsphinx/test/data"
        for group, name in FILES.items():
            for line in (root / name).read_text().splitlines():
                match = re.fullmatch(r"<s> (.*?) *</s> \((.*)\)", line)
                if match is None:
                    raise ValueError(f"{name}: cannot read {line!r}")
                text, key = match.groups()
                content = (root / group / f"{key}.wav").read_bytes()
                audio = {"bytes": content, "path": f"{key}.wav"}
                rows.append({"id": key, "audio": audio, "text": text, "group": group})
    features = Features(
        {
            "id": Value("string"),
            "audio": Audio(sampling_rate=16_000, decode=False),
            "text": Value("string"),
            "group": Value("string"),
        }
    )
    metadata = {
        "pretty_name": "Ten spoken sentences",
        "license": "bsd-2-clause",
        "language": ["en"],
        "task_categories": ["automatic-speech-recognition"],
        "size_categories": ["n<1K"],
    }
    dataset = Dataset.from_list(rows).cast(features)
    return write(NAME, {"test": dataset}, metadata, CARD)
