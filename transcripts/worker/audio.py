"""From a file of sound to slices that a speech engine can take, in memory that does not grow with length.

Decodes with PyAV, which carries FFmpeg's libraries inside: no ``ffmpeg`` program has to be installed.
The speech engine could decode a file by itself, but holds all of it at once: about 3 GB for an hour.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from transcripts.worker.errors import AudioIncomplete, AudioUnreadable, NoAudio

RATE = 16_000  # samples per second: what Whisper was trained on

# A file is cut where more than this is missing. YouTube gives a video's length in whole seconds, and
# its sound may stop a little before its picture; what the file's own header says is exact.
_TOLERATED_MS = 2_000
_TOLERATED_PART = 0.02

# Formats whose header states the length that the whole file has. The others' is a guess from their size.
_STATE_THEIR_LENGTH = ("matroska", "mov")

# What YouTube serves, and what one may have at hand. Left out: playlists, which make FFmpeg open what they name
# (https://ffmpeg.org/ffmpeg-formats.html, format_whitelist).
_FORMATS = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,ogg,mp3,aac,flac,wav"

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

    Raises NoAudio (no audio stream), AudioUnreadable (not a media file, or nothing in it),
    AudioIncomplete (cut off), FileNotFoundError.
    """
    with _open(path) as (container, stream):
        # A packet of unknown length is rare; then the clock of the last one has to do.
        ticks = last = 0
        for packet in container.demux(stream):
            if packet.size:
                ticks += packet.duration or 0
                last = max(last, (packet.pts or 0) - (stream.start_time or 0))
        length_ms = round((ticks or last) * (stream.time_base or 0) * 1000)
        stated_ms = _stated_ms(container, stream)
    if stated_ms and stated_ms - length_ms > _TOLERATED_MS:
        raise AudioIncomplete
    if duration_ms and duration_ms - length_ms > max(_TOLERATED_MS, duration_ms * _TOLERATED_PART):
        raise AudioIncomplete
    if not length_ms:
        raise AudioUnreadable
    return length_ms


def slices(path: Path, *, length_ms: int, seconds: float = 600) -> Generator[Slice]:
    """Yield the sound of a file in slices of ``seconds``, give or take a tenth: each is cut at the quietest spot.

    The slices join without a gap or an overlap. ``length_ms`` is what :func:`measure` found: where
    more than two seconds less can be decoded, AudioIncomplete is raised in place of the last slice.
    Otherwise raises as :func:`measure` does. Holds one slice at a time; close the generator to let
    go of the file.
    """
    earliest, latest = int(seconds * 0.9 * RATE), int(seconds * 1.1 * RATE)
    start, pieces, held = 0, list[NDArray[np.int16]](), 0
    for piece in _decode(path):
        pieces.append(piece)
        held += len(piece)
        while held >= latest:
            samples = np.concatenate(pieces)
            cut = _quiet_spot(samples, earliest, latest)
            yield _slice(start, samples[:cut])
            start, pieces, held = start + cut, [samples[cut:].copy()], held - cut
            del samples
    if length_ms - _ms(start + held) > _TOLERATED_MS:
        raise AudioIncomplete
    if held:
        yield _slice(start, np.concatenate(pieces))


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


def _decode(path: Path) -> Iterator[NDArray[np.int16]]:
    """Yield samples of any length, mono at 16 kHz. Packets that cannot be decoded are left out.

    Not by ``container.decode()``, which is over for good after its first complaint.
    """
    with _open(path) as (container, stream):
        resampler, shape = _resampler(), None
        for packet in container.demux(stream):
            try:
                frames = stream.decode(packet)
            except av.FFmpegError:  # a broken packet; `slices` notices where it is more than a few
                continue
            for frame in frames:
                frame.pts = None  # the samples themselves are the clock
                if shape != (shape := (frame.format.name, frame.layout.name, frame.sample_rate)):
                    # HE-AAC finds out on the way that it is stereo or at twice the rate.
                    yield from _resampled(resampler, None)
                    resampler = _resampler()
                yield from _resampled(resampler, frame)
        yield from _resampled(resampler, None)


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=RATE)


def _resampled(resampler: av.AudioResampler, frame: AudioFrame | None) -> Iterator[NDArray[np.int16]]:
    for resampled in resampler.resample(frame):
        yield cast(NDArray[np.int16], resampled.to_ndarray().reshape(-1))


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open a file and its audio stream, and close it again. FFmpeg's complaints become errors of the job."""
    try:
        with av.open(str(path.absolute()), options={"format_whitelist": _FORMATS}) as container:
            if not container.streams.audio:
                raise NoAudio
            yield container, container.streams.audio[0]
    except (FileNotFoundError, PermissionError):  # PyAV's are these and FFmpegError at once; not the audio's fault
        raise
    except av.FFmpegError as error:
        raise AudioUnreadable from error


def _stated_ms(container: InputContainer, stream: AudioStream) -> int:
    """Look up the length that the header gives for the audio; 0 where it does not say."""
    if not container.format.name.startswith(_STATE_THEIR_LENGTH):
        return 0
    if stream.duration and stream.time_base:
        return round(stream.duration * stream.time_base * 1000)
    alone = len(container.streams) == 1  # else it may be the length of the picture
    return round((container.duration or 0) * 1000 / av.time_base) if alone else 0
