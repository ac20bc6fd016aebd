"""The decoder: a program of its own, because FFmpeg's million lines of C parse here what strangers made.

It is started by :mod:`transcripts.worker.decoding`, gets the file open as its standard input, and can do nothing but
read that and write to its standard output (:mod:`transcripts.worker.sandbox`). It knows neither Django nor the
network, so it is there in a tenth of a second. PyAV carries FFmpeg's libraries inside: no ``ffmpeg`` program has
to be installed.

    decoder measure|decode|idle PARENT MEMORY_BYTES CPU_SECONDS < FILE

``measure`` writes ``LENGTHS``, ``decode`` samples; ``idle`` reads nothing. The exit code says how it ended
(:mod:`transcripts.worker.decoder_answers`).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import av
import av.subtitles.stream  # PyAV would look for it when it meets the first stream, and then may not open it
import av.video.stream
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from transcripts.worker import sandbox
from transcripts.worker.decoder_answers import LENGTHS, NO_AUDIO, OUT_OF_MEMORY, RATE, SAMPLE_BYTES, UNREADABLE

# What YouTube serves: WebM and MP4, with Opus, Vorbis, AAC and Dolby's (https://github.com/yt-dlp/yt-dlp,
# YoutubeIE._formats). Above all no playlists, which make FFmpeg open what they name
# (https://ffmpeg.org/ffmpeg-formats.html, format_whitelist). "fd" is the file that is open already.
_CODECS = ("opus", "vorbis", "aac", "ac3", "eac3")
_OPTIONS = {
    "protocol_whitelist": "fd",
    "format_whitelist": "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2",
    "codec_whitelist": ",".join(_CODECS),
    "max_streams": "16",
}

# Formats whose header states the length that the whole file has.
_STATE_THEIR_LENGTH = ("matroska", "mov")

_LONGEST_MS = 1 << 50
_LONGEST_COMPLAINT = 300


def main() -> None:
    """Do what the command line says, and end."""
    what, parent, memory_bytes, cpu_seconds = sys.argv[1:]
    sandbox.die_with(int(parent))
    output = open(1, "wb", buffering=1 << 16, closefd=False)  # noqa: SIM115 - a descriptor, open till the end
    lacking = sandbox.enter(memory_bytes=int(memory_bytes), cpu_seconds=int(cpu_seconds))
    try:
        if what == "measure":
            output.write(LENGTHS.pack(*measure(0)))
        elif what == "decode":
            for samples in decode(0):
                output.write(samples)
        else:
            _complain("; ".join(lacking))
        output.flush()
    except NoSound:
        os._exit(NO_AUDIO)
    except (MemoryError, av.MemoryError) as error:
        _complain(str(error))
        os._exit(OUT_OF_MEMORY)
    except BrokenPipeError:
        os._exit(0)  # nobody listens any more
    except (av.FFmpegError, NotServed) as error:
        _complain(str(error))
        os._exit(UNREADABLE)
    os._exit(0)  # the rest is the kernel's to clear away


def _complain(text: str) -> None:
    os.write(2, text[:_LONGEST_COMPLAINT].encode(errors="replace"))


class NoSound(Exception):
    """The file has no audio stream."""


class NotServed(Exception):
    """Its codec is none of YouTube's."""


def measure(descriptor: int) -> tuple[int, int]:
    """Count the milliseconds of sound in an open file without decoding it, and look up what the header states.

    Takes seconds for ten hours. Raises NoSound, NotServed, av.FFmpegError.
    """
    with _open(descriptor) as (container, stream):
        # A packet of unknown length is rare; then the clock of the last one has to do.
        ticks = last = 0
        for packet in container.demux(stream):
            if packet.size:
                ticks += packet.duration or 0
                last = max(last, (packet.pts or 0) - (stream.start_time or 0))
        length_ms = round((ticks or last) * (stream.time_base or 0) * 1000)
        return _bounded(length_ms), _bounded(_stated_ms(container, stream))


def _bounded(ms: int) -> int:
    return min(max(ms, 0), _LONGEST_MS)


def _stated_ms(container: InputContainer, stream: AudioStream) -> int:
    """Look up the length that the header gives for the audio; 0 where it does not say."""
    if not container.format.name.startswith(_STATE_THEIR_LENGTH):
        return 0
    if stream.duration and stream.time_base:
        return round(stream.duration * stream.time_base * 1000)
    alone = len(container.streams) == 1  # else it may be the length of the picture
    return round((container.duration or 0) * 1000 / av.time_base) if alone else 0


def decode(descriptor: int) -> Iterator[memoryview]:
    """Yield samples of any length, mono at 16 kHz. Packets that cannot be decoded are left out.

    Not by ``container.decode()``, which is over for good after its first complaint.
    Raises NoSound, NotServed, av.FFmpegError.
    """
    with _open(descriptor) as (container, stream):
        resampler, shape = _resampler(), None
        for packet in container.demux(stream):
            try:
                frames = stream.decode(packet)
            except av.MemoryError:
                raise
            except av.FFmpegError:  # a broken packet; the parent notices where it is more than a few
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


def _resampled(resampler: av.AudioResampler, frame: AudioFrame | None) -> Iterator[memoryview]:
    for resampled in resampler.resample(frame):
        yield memoryview(resampled.planes[0])[: resampled.samples * SAMPLE_BYTES]  # a plane may be longer


@contextmanager
def _open(descriptor: int) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open what a descriptor reads, and its audio stream, and close them again."""
    # What a file says about itself may be in any encoding, and nobody reads it.
    with av.open("fd:", options=_OPTIONS | {"fd": str(descriptor)}, metadata_errors="replace") as container:
        if not container.streams.audio:
            raise NoSound
        stream = container.streams.audio[0]
        # FFmpeg's list holds for its own look at the streams alone; what it does not know has no codec.
        codec = stream.codec.canonical_name if stream.codec_context else "none"
        if codec not in _CODECS:
            raise NotServed(codec)
        stream.codec_context.thread_count = 1  # there can be no second
        yield container, stream
