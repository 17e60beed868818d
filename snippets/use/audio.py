"""Sound files to what a speech model takes: one channel, its sampling rate, floats.

A sampling rate is in samples a second (Hz). Samples are floats from -1 to 1. Whisper:
Radford et al., arXiv:2212.04356.
"""

import io
import re
from math import gcd
from typing import Any

import numpy as np
import soundfile
import torch
from scipy.signal import resample_poly


def read_sound(source: str | bytes) -> tuple[np.ndarray, int]:
    """Read a WAV, FLAC, OGG or MP3 file.

    Args:
        source: Path of the file, or its bytes.

    Returns:
        Samples (T,) for one channel or (T, channels), and the sampling rate.
    """
    place = io.BytesIO(source) if isinstance(source, bytes) else source
    samples, rate = soundfile.read(place, dtype="float32")
    return samples, int(rate)


def prepare(samples: np.ndarray, rate: int, wanted_rate: int = 16_000) -> np.ndarray:
    """Mix the channels into one and change the sampling rate.

    Args:
        samples: Floats (T,) or (T, channels).
        rate: Their sampling rate.
        wanted_rate: The rate that the model was trained on.

    Returns:
        Samples (T * wanted_rate / rate,), low-pass filtered if the rate falls.

    Raises:
        ValueError: If the samples are not floats or have more than two dimensions.
    """
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(f"samples are {samples.dtype}, wanted floats from -1 to 1")
    if samples.ndim > 2:
        raise ValueError(f"shape is {samples.shape}, wanted (T,) or (T, channels)")
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)  # (T,)
    common = gcd(rate, wanted_rate)
    if rate == wanted_rate:
        return mono.astype(np.float32)
    resampled: np.ndarray = resample_poly(mono, wanted_rate // common, rate // common)
    return resampled.astype(np.float32)


def transcribe(model: Any, processor: Any, samples: np.ndarray) -> str:
    """Write down what is said, the most probable token at a time.

    Args:
        model: A Whisper model.
        processor: The processor of the same checkpoint.
        samples: At most 30 seconds, one channel, at the processor's rate.

    Returns:
        The text.
    """
    rate = processor.feature_extractor.sampling_rate
    inputs = processor(
        samples, sampling_rate=rate, return_tensors="pt", return_attention_mask=True
    )
    with torch.inference_mode():
        tokens = model.generate(**inputs, do_sample=False)
    text: str = processor.batch_decode(tokens, skip_special_tokens=True)[0]
    return text.strip()


def word_errors(reference: str, answer: str) -> int:
    """Count the words to change, add or drop until an answer is the reference.

    Args:
        reference: What was said.
        answer: What was understood. Capitals and signs do not count.

    Returns:
        The edit distance in words.
    """
    wanted, given = (re.findall(r"[a-z']+", text.lower()) for text in (reference, answer))
    row = list(range(len(given) + 1))
    for i, word in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(given, 1):
            changed = before + (word != other)
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, changed)
    return row[-1]
