"""English paragraphs that every installation of scikit-learn carries.

Source: the descriptions of its example data sets (BSD-3-Clause), plain reStructuredText
files in the package, read without a network.
"""

import re
from importlib.resources import files

PROSE = 0.85  # share of letters and spaces from which a paragraph counts as prose


def load_paragraphs() -> list[str]:
    """Read the paragraphs of prose, in the order of the files' names.

    Returns:
        Paragraphs of at least 40 characters, each on one line, without tables and code.
    """
    folder = files("sklearn.datasets.descr")
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".rst"))
    text = "\n\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    paragraphs = [re.sub(r"\s+", " ", part).strip() for part in text.split("\n\n")]
    return [
        paragraph
        for paragraph in paragraphs
        if len(paragraph) >= 40
        and "::" not in paragraph
        and ">>>" not in paragraph
        and sum(c.isalpha() or c == " " for c in paragraph) >= PROSE * len(paragraph)
    ]
