"""The table of ``benchmarks.speech``: what each option of the engine costs and brings, each in a process of its own."""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from faster_whisper import BatchedInferencePipeline

from benchmarks import recordings
from benchmarks.process import memory_mb
from transcripts.worker import speech

PAGE = Path(__file__).parents[1] / "docs" / "speech.md"
SECONDS = 750.0  # of sound, where there is time: more than the longest slice, so that there is a cut


class Setting(NamedTuple):
    """What is changed: the engine's options and ours. ``batch``: the batched pipeline takes so many at once."""

    name: str
    options: Mapping[str, Any] = {}
    threads: int = 2
    batch: int = 0
    slice_seconds: int = 300


SETTINGS = [
    Setting("as the worker does: beam 5, 2 threads, slices of 5 minutes"),
    Setting("1 thread", threads=1),
    Setting("beam 2", {"beam_size": 2}),
    Setting("beam 1", {"beam_size": 1}),
    Setting("no voice detection", {"vad_filter": False}),
    Setting("voice detection that leaves out half a second", {"vad_parameters": {"min_silence_duration_ms": 500}}),
    Setting("no times of words", {"word_timestamps": False}),
    Setting("no times at all", {"word_timestamps": False, "without_timestamps": True}),
    Setting("with the text before", {"condition_on_previous_text": True}),
    Setting("no second try at another temperature", {"temperature": 0.0}),
    Setting("slices of 10 minutes", slice_seconds=600),
    Setting("slices of 2 minutes", slice_seconds=120),
    Setting("8 at once", batch=8),
    Setting("8 at once, 1 thread", threads=1, batch=8),
    Setting("8 at once, beam 1", {"beam_size": 1}, batch=8),
]


class Row(NamedTuple):
    """What a setting came to: seconds on the wall and of the processor for all of the sound, megabytes, and errors."""

    name: str
    wall: float
    cpu: float
    peak_mb: float
    heard: recordings.Heard


def engine(model: str, setting: Setting) -> speech.FasterWhisper:
    """The worker's engine with the options of ``setting``; they hold for the whole process."""
    speech.OPTIONS.update(setting.options)
    found = speech.FasterWhisper(model, threads=setting.threads, slice_seconds=setting.slice_seconds)
    if setting.batch:
        speech.OPTIONS["batch_size"] = setting.batch
        found._whisper = BatchedInferencePipeline(found._whisper)
    return found


def listen(model: str, path: Path, name: str) -> None:
    """In the process of one setting: print what it took, and what was heard, as JSON."""
    (setting,) = (one for one in SETTINGS if one.name == name)
    ready = engine(model, setting)
    wall, cpu = time.perf_counter(), time.process_time()
    heard = ready.transcribe(path, language="en", duration_ms=None, on_progress=lambda done: None)
    decoders = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - cpu + decoders.ru_utime + decoders.ru_stime
    text = " ".join(segment.text for segment in heard.segments)
    print(json.dumps([time.perf_counter() - wall, cpu, memory_mb("VmHWM"), text]))


def measure(model: str, mix: recordings.Mix, name: str) -> Row:
    """Start that process, and hold what it has heard against what was said."""
    command = [sys.executable, "-m", "benchmarks.speech_table", model, str(mix.path), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PAGE.parents[1])
    wall, cpu, peak_mb, text = json.loads(done.stdout)
    return Row(name, wall, cpu, peak_mb, recordings.compare(mix.said, text))


def best(rows: Sequence[Row]) -> Row:
    """Of several times of the same, the least of each cost, and the middle of what was understood."""
    heard = [row.heard for row in rows]
    errors = {name: statistics.median(one.errors[name] for one in heard) for name in heard[0].errors}
    return Row(
        rows[0].name,
        min(row.wall for row in rows),
        min(row.cpu for row in rows),
        max(row.peak_mb for row in rows),
        recordings.Heard(errors, statistics.median(one.words for one in heard)),
    )


def markdown(rows: Sequence[Row], seconds: float) -> str:
    """The table of all rows, for ``seconds`` of sound."""
    names = list(rows[0].heard.errors)
    head = ["setting", "× real time", "CPU s per hour", "peak MB", *(f"wrong: {name}" for name in names), "words heard"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in rows:
        costs = [f"{seconds / row.wall:.1f}", f"{row.cpu * 3600 / seconds:.0f}", f"{row.peak_mb:.0f}"]
        errors = [f"{row.heard.errors[name]:.1%}" for name in names]
        lines.append([row.name, *costs, *errors, f"{row.heard.words:.1%}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def put(page: str, name: str, table: str) -> str:
    """The page with ``table`` between the marks of this name. Raises ValueError where it has none."""
    begin, end = f"<!-- table {name} -->\n", f"\n<!-- end {name} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no marks {begin.strip()} and {end.strip()}")
    return before + begin + "\n" + table + "\n" + end + after


def make(model: str, name: str, known: Iterable[recordings.Recording], seconds: float, rounds: int) -> None:
    """Measure every setting, in turns, and write the table into the page, under ``name``. Takes many minutes."""
    put(PAGE.read_text("utf-8"), name, "")
    with tempfile.TemporaryDirectory() as folder:
        mix = recordings.mix(list(known), Path(folder) / "mix.webm", seconds)
        rows: dict[str, list[Row]] = {setting.name: [] for setting in SETTINGS}
        for _ in range(rounds):
            for setting in SETTINGS:
                rows[setting.name].append(row := measure(model, mix, setting.name))
                print(markdown([row], mix.milliseconds / 1000).splitlines()[-1], flush=True)
    table = markdown([best(times) for times in rows.values()], mix.milliseconds / 1000)
    PAGE.write_text(put(PAGE.read_text("utf-8"), name, table), "utf-8")


if __name__ == "__main__":
    listen(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
