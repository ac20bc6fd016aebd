"""What hours of sound cost: memory, processor time, and words that got lost on the way.

    python -m benchmarks.long_audio --hours 10

Repeats the sample talk until it is long enough, and has one engine in one process listen to all of it.
The memory must not grow with the hours, neither the worker's nor its decoder's: both are printed at every tenth of
the way.
``SPEECH_THREADS`` counts as in the worker. Linux only.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import av

from benchmarks.process import memory_mb
from local import speech_model
from tests.wer import word_error_rate
from transcripts.segments import Segment
from transcripts.worker.audio import measure
from transcripts.worker.speech import FasterWhisper
from ytbackend import env

SAMPLE = Path(speech_model.__file__).parent / "sample"


def repeat(talk: Path, into: Path, times: int, length_ms: int) -> None:
    """Write the sound of ``talk`` many times over, packet by packet, without decoding it."""
    with av.open(str(into), "w") as container, av.open(str(talk)) as source:
        stream = source.streams.audio[0]
        copy = container.add_stream_from_template(stream)
        for i in range(times):
            source.seek(0)
            shift = i * length_ms  # the time base of WebM is a millisecond
            for packet in source.demux(stream):
                if packet.size and packet.pts is not None and packet.pts < length_ms:
                    packet.pts = packet.dts = packet.pts + shift
                    packet.stream = copy
                    container.mux(packet)


def decoder_mb() -> float:
    """The most that a decoder, which is a child of this process, has had so far; 0 where there is none just now."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text("utf-8").split()
    return max((memory_mb("VmHWM", pid) for pid in pids), default=0.0)


def error_rate(said: str, heard: list[Segment], times: int, total_ms: int) -> float:
    """Average the word error rate over the repetitions, each with what was heard while it lasted.

    ``total_ms`` is the sound's, counted in samples: a repetition ends with a whole packet, a little after
    the talk does, and over hours that adds up.
    """
    texts = [""] * times
    for segment in heard:
        middle = (segment.start_ms + segment.end_ms) // 2
        texts[min(middle * times // total_ms, times - 1)] += f" {segment.text}"
    return sum(word_error_rate(said, text) for text in texts) / times


def main() -> None:
    """Make the file, listen to it, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--model", default=None, help="as SPEECH_MODEL; the small one of the tests otherwise")
    options = parser.parse_args()
    say = sys.stdout.write

    talk = json.loads((SAMPLE / "talk.json").read_text("utf-8"))
    length_ms = talk["duration_ms"]
    times = max(1, round(options.hours * 3_600_000 / length_ms))
    threads = env.integer("SPEECH_THREADS", 0, least=0, most=256)
    engine = FasterWhisper(options.model or str(speech_model.folder()), threads=threads)
    next_line, decoder_peak = 0.0, 0.0

    def on_progress(done: float) -> None:
        nonlocal next_line, decoder_peak
        if done >= next_line:
            next_line += 0.1
            decoder_peak = max(decoder_peak, decoder_mb())
            say(
                f"{done:4.0%}  {memory_mb():6.0f} MB, {memory_mb('VmHWM'):6.0f} at its peak, "
                f"decoder {decoder_peak:4.0f} MB  {time.monotonic() - started:6.0f} s\n"
            )
            sys.stdout.flush()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.webm"
        repeat(SAMPLE / "talk.webm", path, times, length_ms)
        say(f"{times * length_ms / 3_600_000:.2f} h, {path.stat().st_size / 1e6:.1f} MB, model {engine.model}\n")
        total_ms = measure(path, times * length_ms)
        started = time.monotonic()
        speech = engine.transcribe(path, language="en", duration_ms=times * length_ms, on_progress=on_progress)

    wall = time.monotonic() - started
    ours, decoders = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu, decoding = (usage.ru_utime + usage.ru_stime for usage in (ours, decoders))
    said = " ".join(text for *_, text in talk["segments"])
    say(
        f"peak memory        {memory_mb('VmHWM'):8.0f} MB\n"
        f"its decoder's      {decoder_peak:8.0f} MB\n"
        f"processor time     {cpu + decoding:8.0f} s, of which its decoders' {decoding:.0f} s\n"
        f"faster than speech {times * length_ms / 1000 / wall:8.1f} times\n"
        f"word error rate    {error_rate(said, speech.segments, times, total_ms):8.1%}\n"
    )


if __name__ == "__main__":
    main()
