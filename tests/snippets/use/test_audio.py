import io

import numpy as np
import pytest
import soundfile

from snippets.use.audio import prepare, read_sound, word_errors


def tone(hertz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(rate * seconds)) / rate
    return np.sin(2 * np.pi * hertz * time).astype(np.float32)


def pitch(samples: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_a_file_and_its_bytes_give_the_same_floats(kind, tmp_path):
    samples = 0.5 * tone(440, 8_000)
    path = tmp_path / f"tone.{kind.lower()}"
    soundfile.write(path, samples, 8_000, format=kind)
    from_path, rate = read_sound(str(path))
    from_bytes, _ = read_sound(path.read_bytes())
    assert rate == 8_000
    assert from_path.dtype == np.float32
    np.testing.assert_array_equal(from_path, from_bytes)
    np.testing.assert_allclose(from_path, samples, atol=1e-4)


def test_stereo_becomes_the_mean_of_its_channels():
    buffer = io.BytesIO()
    both = np.stack([tone(440, 8_000), -tone(440, 8_000)], axis=1)
    soundfile.write(buffer, both, 8_000, format="WAV")
    samples, rate = read_sound(buffer.getvalue())
    assert samples.shape == (8_000, 2)
    mono = prepare(samples, rate, wanted_rate=8_000)
    assert mono.shape == (8_000,)
    assert np.abs(mono).max() < 1e-3


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_resampling_keeps_pitch_and_length(rate):
    samples = prepare(tone(440, rate), rate)
    assert len(samples) == 16_000
    assert samples.dtype == np.float32
    assert pitch(samples, 16_000) == pytest.approx(440, abs=1)


def test_a_tone_that_the_new_rate_cannot_hold_vanishes():
    high = tone(5_000, 16_000)
    assert pitch(high[::2], 8_000) == pytest.approx(3_000, abs=1)
    assert np.abs(prepare(high, 16_000, 8_000)[100:-100]).max() < 0.02


def test_whole_numbers_and_three_dimensions_are_refused():
    with pytest.raises(ValueError, match="samples are int16, wanted floats"):
        prepare(np.zeros(10, np.int16), 16_000)
    with pytest.raises(ValueError, match=r"shape is \(2, 2, 2\)"):
        prepare(np.zeros((2, 2, 2), np.float32), 16_000)


@pytest.mark.parametrize(
    ("answer", "errors"),
    [
        ("He was not an ill-disposed young man.", 0),
        ("he was an ill disposed young man", 1),
        ("he was not an ill disposed young young man", 1),
        ("she was not an ill disposed old man", 2),
        ("", 8),
    ],
)
def test_word_errors_are_the_edit_distance(answer, errors):
    assert word_errors("he was not an ill disposed young man", answer) == errors
