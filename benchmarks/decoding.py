"""What it costs that sound is decoded in a process of its own, against the same decoder within this one.

    python -m benchmarks.decoding --hours 10

The two take turns, so that what else the machine does meets them alike; what counts is their ratio. Memory must not
grow with the hours, on neither side of the pipe. Linux only.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import django

os.environ.setdefault("DJANGO_DEBUG", "true")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ytbackend.settings")
django.setup()

from benchmarks.long_audio import SAMPLE, repeat  # noqa: E402
from benchmarks.process import memory_mb  # noqa: E402
from transcripts.worker import audio, decoder, decoding  # noqa: E402

MOST_TIMES_SLOWER = 1.5  # else the process is in the way


def within(path: Path) -> int:
    """Decode in this process; how many bytes there are."""
    with path.open("rb") as file:
        return sum(len(bytes(samples)) for samples in decoder.decode(file.fileno()))


def apart(path: Path, length_ms: int) -> int:
    """Decode in a process of its own, as a job does."""
    return sum(len(piece) for piece in decoding.samples(path, length_ms=length_ms))


def timed(work: Callable[[], int]) -> tuple[float, int]:
    """How long it takes, on the wall, and what it gives."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def peaks_mb(path: Path, length_ms: int) -> tuple[float, float]:
    """The most that this process has, and that its decoder has had, while slices are made as for the engine."""
    ours, theirs = 0.0, 0.0
    for _ in audio.slices(path, length_ms=length_ms):
        ours = max(ours, memory_mb())
        for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text("utf-8").split():
            theirs = max(theirs, memory_mb("VmHWM", pid))
    return ours, theirs


def main() -> None:
    """Print start, ratio and memory; end with 1 where it costs too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    length_ms = json.loads((SAMPLE / "talk.json").read_text("utf-8"))["duration_ms"]
    times = max(1, round(options.hours * 3_600_000 / length_ms))

    starts = [timed(lambda: len(decoding.lacking()))[0] for _ in range(20)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.webm"
        repeat(SAMPLE / "talk.webm", path, times, length_ms)
        measuring, total_ms = timed(lambda: decoding.lengths(path)[0])
        before = memory_mb()
        ours, theirs = peaks_mb(path, total_ms)
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        turns = [(timed(lambda: within(path)), timed(lambda: apart(path, total_ms))) for _ in range(options.rounds)]
        used = (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used) / options.rounds
    if any(inside != outside for (_, inside), (_, outside) in turns):
        sys.exit("the two do not say the same")

    ratio = statistics.median(outside / inside for (inside, _), (outside, _) in turns)
    outside = statistics.median(outside for _, (outside, _) in turns)
    print(
        f"sound                {total_ms / 3_600_000:8.2f} h\n"
        f"start of a decoder   {statistics.median(starts) * 1000:8.0f} ms (best {min(starts) * 1000:.0f})\n"
        f"measuring            {measuring:8.2f} s\n"
        f"within this process  {statistics.median(inside for (inside, _), _ in turns):8.2f} s\n"
        f"in one of its own    {outside:8.2f} s ({total_ms / 1000 / outside:.0f} times faster than speech)\n"
        f"ratio                {ratio:8.2f}\n"
        f"its processor time   {used / total_ms * 3_600_000:8.1f} s an hour of sound\n"
        f"its peak memory      {theirs:8.0f} MB\n"
        f"memory of the worker {ours - before:+8.0f} MB while slices are made"
    )
    if ratio > MOST_TIMES_SLOWER:
        sys.exit(f"a process of its own costs more than {MOST_TIMES_SLOWER} times the time")


if __name__ == "__main__":
    main()
