"""From a file of sound to slices that a speech engine can take, in memory that does not grow with length.

The decoder is a process of its own (:mod:`transcripts.worker.decoding`), which what it reads may do no harm.
The speech engine could decode a file by itself, but holds all of it at once: about 3 GB for an hour.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from transcripts.worker import decoding
from transcripts.worker.decoder_answers import RATE, SAMPLE_BYTES
from transcripts.worker.errors import AudioIncomplete, AudioTooLong, AudioUnreadable

# A file is cut where more than this is missing. YouTube gives a video's length in whole seconds, and
# its sound may stop a little before its picture; what the file's own header says is exact.
_TOLERATED_MS = 2_000
_TOLERATED_PART = 0.02

# Of what was announced, a file may have more by so much. It costs time; it loses nothing.
_SURPLUS_MS = 60_000
_SURPLUS_PART = 0.1

_STEP = RATE // 10  # a cut is looked for in steps of 0.1 s,
_PAUSE = 5  # in the middle of the quietest five of them


class Slice(NamedTuple):
    """A stretch of sound: ``samples`` is mono at 16 kHz, float32 within -1 to 1, shape ``(n,)``."""

    start_ms: int
    samples: NDArray[np.float32]

    @property
    def end_ms(self) -> int:
        """Where it ends, in milliseconds from the start of the file."""
        return self.start_ms + _ms(len(self.samples))


def measure(path: Path, duration_ms: int | None = None) -> int:
    """Count the milliseconds of sound in a file, without decoding it (takes seconds for ten hours).

    A download that broke off decodes without an error, only shorter. So the length is held against
    what the file's header states, and against ``duration_ms``, the length that the video should have.

    Raises NoAudio (no audio stream), AudioUnreadable (not a media file, or nothing in it), AudioIncomplete (cut
    off), AudioTooLong (by far, or longer than any video may be), AudioTooCostly, DecoderFailed, FileNotFoundError.
    """
    length_ms, stated_ms = decoding.lengths(path)
    if stated_ms and stated_ms - length_ms > _TOLERATED_MS:
        raise AudioIncomplete
    if duration_ms and duration_ms - length_ms > max(_TOLERATED_MS, duration_ms * _TOLERATED_PART):
        raise AudioIncomplete
    if length_ms > _longest(duration_ms or settings.MAX_VIDEO_MINUTES * 60_000):
        raise AudioTooLong
    if not length_ms:
        raise AudioUnreadable
    return length_ms


def _longest(announced_ms: int) -> float:
    return announced_ms * (1 + _SURPLUS_PART) + _SURPLUS_MS


def slices(path: Path, *, length_ms: int, seconds: float = 300) -> Generator[Slice]:
    """Yield the sound of a file in slices of ``seconds``, give or take a tenth: each is cut at the quietest spot.

    The slices join without a gap or an overlap. ``length_ms`` is what :func:`measure` found: where
    more than two seconds less can be decoded, AudioIncomplete is raised in place of the last slice, and
    AudioTooLong where there is far more. Otherwise raises as :func:`measure` does. Holds one slice at a time;
    close the generator to let go of the file and end the decoder.
    """
    earliest, latest = int(seconds * 0.9 * RATE), int(seconds * 1.1 * RATE)
    start, pieces, held = 0, list[NDArray[np.int16]](), 0
    with closing(decoding.samples(path, length_ms=length_ms)) as decoded:
        for piece in _whole(decoded):
            pieces.append(piece)
            held += len(piece)
            if _ms(start + held) > _longest(length_ms):
                raise AudioTooLong
            while held >= latest:
                samples = np.concatenate(pieces)
                cut = _quiet_spot(samples, earliest, latest)
                yield _slice(start, samples[:cut])
                start, pieces, held = start + cut, [samples[cut:].copy()], held - cut
                del samples
    if length_ms - _ms(start + held) > _TOLERATED_MS:
        raise AudioIncomplete
    if not start + held:
        raise AudioUnreadable
    if held:
        yield _slice(start, np.concatenate(pieces))


def _whole(decoded: Iterable[bytes]) -> Iterator[NDArray[np.int16]]:
    """Put together again the samples that a pipe has torn apart."""
    rest = b""
    for piece in decoded:
        both = rest + piece
        whole = len(both) // SAMPLE_BYTES * SAMPLE_BYTES
        rest = both[whole:]
        yield np.frombuffer(both[:whole], np.int16)


def _slice(start: int, samples: NDArray[np.int16]) -> Slice:
    return Slice(_ms(start), samples.astype(np.float32) / np.float32(32768))


def _ms(samples: int) -> int:
    return samples * 1000 // RATE


def _quiet_spot(samples: NDArray[np.int16], earliest: int, latest: int) -> int:
    """Where to cut: the middle of the quietest half second of ``samples[earliest:latest]``."""
    steps = max(_PAUSE, (latest - earliest) // _STEP)
    window = samples[latest - steps * _STEP : latest].astype(np.float32).reshape(steps, _STEP)
    loudness = np.convolve(np.square(window).mean(axis=1), np.ones(_PAUSE), mode="valid")
    return latest - steps * _STEP + int(np.argmin(loudness)) * _STEP + _PAUSE * _STEP // 2
