"""Sounds and files of sound, made by PyAV: no ``ffmpeg`` program is needed."""

import wave
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]  # shape (channels, n)

RATE = 16_000


def silence(seconds: float) -> Samples:
    return np.zeros((1, int(seconds * RATE)), np.int16)


def noise(seconds: float, loudness: float = 2_000) -> Samples:
    return np.random.default_rng(0).normal(0, loudness, (1, int(seconds * RATE))).astype(np.int16)


def tone(seconds: float, hertz: float = 440) -> Samples:
    angles = np.arange(int(seconds * RATE)) * (2 * np.pi * hertz / RATE)
    return (np.sin(angles) * 8_000).astype(np.int16).reshape(1, -1)


def join(*pieces: Samples) -> Samples:
    return np.concatenate(pieces, axis=1)


def join_channels(left: Samples, right: Samples) -> Samples:
    return np.concatenate([left, right])


def read_wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(1, -1)


def write(path: Path, samples: Samples, codec: str = "libopus", *, rate: int = RATE, **options: str) -> Path:
    """Encode samples at 16 kHz into a file of the kind that its name says; ``options`` are the container's."""
    if codec == "vorbis" and len(samples) == 1:  # FFmpeg's own encoder knows stereo alone
        samples = join_channels(samples, samples)
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.options = {"strict": "experimental"} if codec == "vorbis" else {}
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1), format="s16", layout=layout)
        frame.rate = RATE
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=1024)
        for ready in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(ready))
    return path


def cut(path: Path, part: float) -> Path:
    """Keep only the first part of a file, as a download does that broke off."""
    content = path.read_bytes()
    short = path.with_name(f"cut-{path.name}")
    short.write_bytes(content[: int(len(content) * part)])
    return short


def is_open(path: Path) -> bool:
    """Whether this process holds a file open; on Linux."""
    return path.resolve() in {opened.resolve() for opened in Path("/proc/self/fd").iterdir()}
