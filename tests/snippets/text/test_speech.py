import io

import numpy as np
import pytest
import soundfile

from snippets.text.speech import add_noise, rate_interval, read_wav, word_errors, words


def wav(rate: int, channels: int = 1) -> bytes:
    samples = np.zeros((rate // 10, channels), dtype=np.float32)
    samples[:, 0] = 0.5
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


def test_sound_is_read_and_two_channels_are_mixed():
    assert read_wav(wav(16_000)).shape == (1600,)
    assert read_wav(wav(16_000, channels=2))[0] == pytest.approx(0.25, abs=1e-3)


def test_another_rate_is_refused():
    with pytest.raises(ValueError, match="8000 samples a second, wanted 16000"):
        read_wav(wav(8_000))


def test_both_sides_are_written_alike():
    assert words("It's the TEN, of hearts!") == words("it is the 10 of hearts")


@pytest.mark.parametrize(
    ("wanted", "given", "errors"),
    [("a b c", "a b c", 0), ("a b c", "a x c", 1), ("a b", "a c b", 1), ("a b c", "", 3)],
)
def test_word_errors_by_hand(wanted: str, given: str, errors: int):
    assert word_errors(wanted.split(), given.split()) == errors
    assert word_errors(given.split(), wanted.split()) == errors


def test_the_rate_counts_words_not_clips():
    rate, low, high = rate_interval([0, 1], [90, 10])
    assert rate == pytest.approx(0.01)
    assert low == 0
    assert high == pytest.approx(0.1)
    with pytest.raises(ValueError, match="hold 0 words"):
        rate_interval([0], [0])


def test_noise_has_the_wanted_loudness():
    speech = np.sin(np.arange(16_000, dtype=np.float32) / 20)
    noise = add_noise(speech, 10) - speech
    ratio = np.sqrt((noise**2).mean() / (speech**2).mean())
    assert ratio == pytest.approx(10**-0.5, rel=0.05)
