"""Measure speech recognition: word errors, and words with the times of their beginning.

Units: samples a second for rates, seconds for times, decibels for noise.
"""

import io
from collections.abc import Sequence

import numpy as np
import soundfile
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer


def read_wav(data: bytes, rate: int = 16_000) -> np.ndarray:
    """Read the bytes of a sound file.

    Args:
        data: The file.
        rate: The samples a second that the model expects.

    Returns:
        Samples from -1 to 1 (N,).

    Raises:
        ValueError: If the file has another rate.
    """
    samples, found = soundfile.read(io.BytesIO(data), dtype="float32")
    if found != rate:
        raise ValueError(f"the file has {found} samples a second, wanted {rate}")
    values: np.ndarray = samples if samples.ndim == 1 else samples.mean(axis=1)
    return values


def words(text: str) -> list[str]:
    """Cut a text into words as Whisper's authors do before they compare.

    Args:
        text: A transcript.

    Returns:
        Small words without punctuation; `ten` becomes `10` and `it's` becomes `it is`.
    """
    return str(EnglishTextNormalizer({})(text)).split()


def word_errors(wanted: Sequence[str], given: Sequence[str]) -> int:
    """Count the fewest words to change, insert or delete to get what was said.

    Args:
        wanted: The words that were said.
        given: The words that were understood.

    Returns:
        The number of errors. Divided by the number of wanted words it is the word error
        rate, which exceeds 1 if much is inserted.
    """
    row = list(range(len(given) + 1))
    for number, word in enumerate(wanted, start=1):
        before, row = row, [number]
        for place, other in enumerate(given, start=1):
            change = before[place - 1] + (word != other)
            row.append(min(change, before[place] + 1, row[-1] + 1))
    return row[-1]


def rate_interval(
    errors: Sequence[int], counts: Sequence[int], draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Compute the word error rate of several clips, with a 95% bootstrap interval.

    Args:
        errors: Word errors of each clip.
        counts: Words that are said in each clip.
        draws: How often as many clips are drawn anew.
        seed: Seed of the drawing.

    Returns:
        The rate and the bounds.

    Raises:
        ValueError: If nothing was said.
    """
    if sum(counts) == 0:
        raise ValueError("the clips hold 0 words, wanted at least one")
    wrong, said = np.asarray(errors), np.asarray(counts)
    drawn = np.random.default_rng(seed).integers(len(said), size=(draws, len(said)))
    rates = wrong[drawn].sum(axis=1) / np.maximum(said[drawn].sum(axis=1), 1)
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(wrong.sum() / said.sum()), float(low), float(high)


def add_noise(samples: np.ndarray, decibels: float, seed: int = 0) -> np.ndarray:
    """Add hiss that is some decibels quieter than the speech.

    Args:
        samples: Speech (N,).
        decibels: How much quieter; 0 is as loud as the speech.
        seed: Seed of the noise.

    Returns:
        The mixture (N,).
    """
    hiss = np.random.default_rng(seed).normal(size=len(samples)).astype(np.float32)
    loudness = np.sqrt(np.mean(samples**2)) * 10 ** (-decibels / 20)
    mixture: np.ndarray = samples + hiss * np.float32(loudness)
    return mixture
