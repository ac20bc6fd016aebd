"""Make the sample talk again: ``talk.webm`` and ``talk.json`` beside this file.

    python local/sample/make.py

Needs the program ``espeak-ng`` (``apt-get install espeak-ng``) and PyAV, which the worker has anyway. The voice is a
machine's and the words are ours, so that the sample belongs to nobody else. Each sentence is spoken by
itself, which is how its times are known exactly.
"""

import json
import subprocess
import wave
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

TITLE = "How a video becomes a transcript"
CHANNEL = "The sample of this repository"
TALK = [
    "Welcome to this short talk about transcripts, and how they are made.",
    "You paste a link, and the server answers at once, before any work is done.",
    "The link is checked first, and a wrong one is sent back with a reason.",
    "After that, the job goes into a queue, where it waits for a worker.",
    "A worker takes one message after another, and asks if there are captions already.",
    "If there are none, it downloads the sound and listens to it.",
    "The speech engine cuts the sound into small pieces and writes down every word.",
    "Each sentence keeps its time, so that you can jump to the right place in the video.",
    "When something goes wrong, the job is tried again a little later.",
    "In the end you can read the text, search for a word, or save it to a file.",
    "That is the whole story.",
    "Thank you for listening.",
]
VOICE = ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout"]
PAUSE_MS = 450
BITS_PER_SECOND = 24_000
RATE = 48_000  # Opus knows no 22 050 Hz, which is what the voice has


def speak(sentence: str) -> tuple[NDArray[np.int16], int]:
    """Let the machine say a sentence; its samples without the silence around them, and their rate."""
    spoken = subprocess.run([*VOICE, sentence], check=True, capture_output=True).stdout
    with wave.open(BytesIO(spoken)) as file:
        rate = file.getframerate()
        # The length in the header of a stream is made up: it is not known when the header is written.
        samples = np.frombuffer(file.readframes(len(spoken)), np.int16)
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 100)
    return samples[loud[0] : loud[-1] + 1], rate


def encode(samples: NDArray[np.int16], rate: int, path: Path) -> None:
    """Write mono samples as Opus in WebM, with nothing in the file about who made it and when."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono", options={"flags": "+bitexact"})
        stream.bit_rate = BITS_PER_SECOND
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.rate = rate
        frames = av.AudioResampler(format="s16", layout="mono", rate=RATE, frame_size=960)
        for ready in [*frames.resample(frame), *frames.resample(None), None]:
            container.mux(stream.encode(ready))


def main() -> None:
    """Speak, join, encode, and note down the times."""
    folder = Path(__file__).parent
    pieces: list[NDArray[np.int16]] = []
    segments = []
    rate = at = 0
    for sentence in TALK:
        spoken, rate = speak(sentence)
        silence = np.zeros(rate * PAUSE_MS // 1000, np.int16)
        start = at + len(silence)
        at = start + len(spoken)
        segments.append([start * 1000 // rate, at * 1000 // rate, sentence])
        pieces += [silence, spoken]
    pieces.append(np.zeros(rate * PAUSE_MS // 1000, np.int16))
    samples = np.concatenate(pieces)
    encode(samples, rate, folder / "talk.webm")
    talk = {
        "title": TITLE,
        "channel": CHANNEL,
        "language": "en",
        "duration_ms": len(samples) * 1000 // rate,
        "segments": segments,
    }
    text = json.dumps(talk, indent=1, ensure_ascii=False)
    (folder / "talk.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
