"""Baselines for summaries, and what can be measured on a summary without a reference.

Sources: Lin, "ROUGE-N" (ACL W04-1013) with the text as the reference; Grusky et al.,
"Newsroom", arXiv 1804.11283, for the share that is copied. Units: shares from 0 to 1.
"""

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from torchmetrics.functional.text import rouge_score

TITLES = ("Mr.", "Mrs.", "Dr.", "St.")


def sentences(text: str) -> list[str]:
    """Split a text behind the marks that end a sentence.

    Args:
        text: A paragraph.

    Returns:
        The sentences. A title such as `Mr.` ends none.
    """
    found = [""]
    for piece in re.split(r"(?<=[.!?])\s+", text.strip()):
        open_end = found[-1].endswith(TITLES)
        if open_end:
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found[1:]


def copied(summary: str, text: str) -> float:
    """Measure how much of a summary is taken over from the text.

    Args:
        summary: The summary.
        text: What it is about.

    Returns:
        The share of the summary's pairs of neighboring words that stand in the text too:
        the precision of ROUGE-2 with the text as the reference.
    """
    scores = rouge_score(summary, text, rouge_keys="rouge2")
    return float(scores["rouge2_precision"])


def kept(summary: str, text: str) -> float:
    """Measure how much of the text is left in the summary.

    Args:
        summary: The summary.
        text: What it is about.

    Returns:
        The share of the text's words that stand in the summary too: the recall of ROUGE-1
        with the text as the reference.
    """
    return float(rouge_score(summary, text, rouge_keys="rouge1")["rouge1_recall"])


def new_names(summary: str, text: str) -> list[str]:
    """Find names in a summary that the text does not have.

    Args:
        summary: The summary.
        text: What it is about.

    Returns:
        Words with a capital letter that do not occur in the text, and do not begin a
        sentence.
    """
    inner = re.findall(r"(?<![.!?\"“:] )(?<!^)\b[A-Z][a-z]+", summary)
    known = set(re.findall(r"\w+", text.lower()))
    return sorted({name for name in inner if name.lower() not in known})


def found_again(
    summaries: Sequence[str], texts: Sequence[str], others: Sequence[str]
) -> np.ndarray:
    """Look for each text with its summary as the query, by the words they share.

    Args:
        summaries: One summary a text.
        texts: The texts (N,).
        others: More texts, which must not be found.

    Returns:
        The place, from 1, at which each summary finds its text among all (N,). A tie
        counts against the summary.

    Raises:
        ValueError: If there are not as many summaries as texts.
    """
    if len(summaries) != len(texts):
        raise ValueError(
            f"{len(summaries)} summaries, wanted one for each of {len(texts)}"
        )
    everything = [*texts, *others]
    words = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit(everything)
    scores = (words.transform(summaries) @ words.transform(everything).T).toarray()
    own = scores[np.arange(len(texts)), np.arange(len(texts))]
    places: np.ndarray = (scores >= own[:, None]).sum(axis=1)
    return places
