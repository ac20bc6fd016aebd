"""What the measurements of speech listen to: two recordings with a known text, in quiet and in noise, time and again.

One is the sample talk, spoken by a machine; the other are five sentences that a human read out, where they can be had
(``tests.clips``). Both are clean and easy, so half of each round lies in noise, which is where settings differ.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from local import speech_model
from tests import clips, sounds
from tests.wer import words
from transcripts.worker import audio

SAMPLE = Path(speech_model.__file__).parent / "sample"
NOISE_DB = 10  # how much louder the speech is than the noise
_PAUSE_SECONDS = 5  # between recordings; and after a round, four of them


class Recording(NamedTuple):
    """``samples`` at 16 kHz, shape (1, n), and the words that they say."""

    name: str
    samples: sounds.Samples
    said: list[str]


class Mix(NamedTuple):
    """A file of sound, and what is said in it: each word, and in which recording."""

    path: Path
    milliseconds: int
    said: list[tuple[str, str]]


class Heard(NamedTuple):
    """How well it was understood: errors for each word that was said, in parts of one, by recording."""

    errors: dict[str, float]
    words: float  # that were heard, for each that was said: less than one where text is lost


def known(cache: Path) -> list[Recording]:
    """The recordings that there are on this machine: at least the talk. ``cache`` keeps what had to be downloaded."""
    talk = json.loads((SAMPLE / "talk.json").read_text("utf-8"))
    path = SAMPLE / "talk.webm"
    (whole,) = audio.slices(path, length_ms=audio.measure(path))
    samples = (whole.samples * 32_767).astype(np.int16).reshape(1, -1)
    recordings = [Recording("talk", samples, words(" ".join(said for *_, said in talk["segments"])))]
    try:
        read_out = sounds.join(*clips.load(cache))
    except pytest.skip.Exception:
        return recordings
    return [*recordings, Recording("reading", read_out, words(" ".join(clips.SENTENCES)))]


def mix(recordings: Sequence[Recording], into: Path, seconds: float) -> Mix:
    """Write a file of about ``seconds`` in whole rounds, as YouTube serves it: each recording, and each in noise.

    The noise is another one in each round, but the same at each call.
    """
    pause = sounds.silence(_PAUSE_SECONDS)
    quiet = sounds.join(*(piece for one in recordings for piece in (one.samples, pause)))
    end = sounds.join(pause, pause, pause)
    length = 2 * quiet.shape[1] + end.shape[1]
    times = max(1, round(seconds * sounds.RATE / length))
    noises = np.random.default_rng(0)
    rounds = [piece for _ in range(times) for piece in (quiet, noisy(quiet, noises), end)]
    said = [(word, one.name) for one in recordings for word in one.said]
    said += [(word, f"{one.name} in noise") for one in recordings for word in one.said]
    sounds.write(into, sounds.join(*rounds), rate=48_000)
    return Mix(into, times * length * 1000 // sounds.RATE, said * times)


def noisy(samples: sounds.Samples, noises: np.random.Generator) -> sounds.Samples:
    """The same with noise, everywhere as loud: ``NOISE_DB`` below the mean of all that is not silent."""
    loud = samples[np.abs(samples) > 100].astype(np.float64)
    loudness = np.sqrt(np.square(loud).mean()) / 10 ** (NOISE_DB / 20)
    both = samples + noises.normal(0, loudness, samples.shape)
    return np.clip(both, -32_768, 32_767).astype(np.int16)


def compare(said: Sequence[tuple[str, str]], text: str) -> Heard:
    """Hold what was heard against what was said. Takes a second for a few thousand words."""
    heard = words(text)
    wrong, all_words = Counter[str](), Counter(name for _, name in said)
    for (_, name), errors in zip(said, errors_by_word([word for word, _ in said], heard), strict=True):
        wrong[name] += errors
    return Heard({name: wrong[name] / count for name, count in all_words.items()}, len(heard) / len(said))


def errors_by_word(said: Sequence[str], heard: Sequence[str]) -> list[int]:
    """How often one erred at each word that was said: it was changed or left out, or words were added after it.

    The sum is the edit distance; words that were added before the first count there. Memory: product of both lengths.
    """
    numbers = {word: number for number, word in enumerate({*said, *heard})}
    answer = np.array([numbers[word] for word in heard], np.int32)
    steps = np.arange(len(heard) + 1, dtype=np.int32)
    costs = np.empty((len(said) + 1, len(heard) + 1), np.int32)  # costs[i, j]: of the first i words to the first j
    costs[0] = steps
    for i, word in enumerate(said, start=1):
        costs[i, 0] = i
        costs[i, 1:] = np.minimum(costs[i - 1, :-1] + (answer != numbers[word]), costs[i - 1, 1:] + 1)
        costs[i] = np.minimum.accumulate(costs[i] - steps) + steps

    errors = [0] * len(said)
    i, j = len(said), len(heard)
    while i or j:
        changed = i and j and costs[i, j] == costs[i - 1, j - 1] + (said[i - 1] != heard[j - 1])
        added = not changed and j and costs[i, j] == costs[i, j - 1] + 1
        errors[max(i - 1, 0)] += bool(added) or int(costs[i, j] - (costs[i - 1, j - 1] if changed else costs[i - 1, j]))
        i, j = i - (not added), j - bool(changed or added)
    return errors
