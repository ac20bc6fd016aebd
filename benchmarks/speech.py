"""What our way of listening costs against the bare engine, and what each of the engine's options costs and brings.

    python -m benchmarks.speech --json figures.json        # ours against the bare engine: a minute and a half
    python -m benchmarks.speech --table base --model /models/base     # a row for each setting, into docs/speech.md

*Ours* is all that a job does: a decoder in a process of its own, slices, phrases, a claim that is told how far it is.
The *bare engine* is what faster-whisper does when it is called by hand: the same model, loaded once for all, the same
options, and the file, which it decodes by itself. They take turns. What counts is the processor's time, of this process
and its children: other work disturbs it less than the clock on the wall, and least of all where there is one thread,
which is what this takes without ``SPEECH_THREADS``. Linux only.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_DEBUG", "true")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ytbackend.settings")
    os.environ["DATABASE_URL"] = "sqlite:///:memory:"
    django.setup()

from django.core.management import call_command

from benchmarks import recordings, speech_table
from local import speech_model
from tests import builders
from transcripts.worker import speech
from transcripts.worker.claim import Claim
from videos import queue
from videos.models import Video
from ytbackend import env

SECONDS = 380.0  # of sound, two rounds of the recordings
ROUNDS = 3
MOST_TIMES_SLOWER = 1.05  # than the bare engine, by the processor
CACHE = Path(tempfile.gettempdir()) / "benchmarks-librivox"


class Turn(NamedTuple):
    """One time of listening: seconds on the wall and of the processor, and the text."""

    wall: float
    cpu: float
    text: str


def cpu_seconds() -> float:
    """What the processor has done for this process and for its children that have ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def turn(listen: Callable[[], str]) -> Turn:
    """Listen once."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    text = listen()
    return Turn(time.perf_counter() - wall, cpu_seconds() - cpu, text)


def ours(engine: speech.FasterWhisper, mix: recordings.Mix, claim: Claim) -> str:
    """As ``transcripts.worker.pipeline`` does, with a row that is told how far it is."""
    heard = engine.transcribe(
        mix.path,
        language="en",
        duration_ms=mix.milliseconds,
        on_progress=lambda done: claim.step(Video.Stage.SPEECH, done),
    )
    return " ".join(segment.text for segment in heard.segments)


def bare(engine: speech.FasterWhisper, path: Path) -> str:
    """The engine's own call."""
    segments, _ = engine._whisper.transcribe(str(path), language="en", **speech.OPTIONS)
    return " ".join(segment.text for segment in segments)


def take_turns(ways: dict[str, Callable[[], str]], rounds: int) -> dict[str, list[Turn]]:
    """Each way once a round; each round begins with another one."""
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    names = list(ways)
    for _ in range(rounds):
        for name in names:
            turns[name].append(turn(ways[name]))
        names.append(names.pop(0))
    return turns


def figures(turns: dict[str, list[Turn]], said: list[tuple[str, str]], seconds: float) -> dict[str, float]:
    """Name → number, as ``--json`` writes it: medians over the rounds, ratios within each."""
    found: dict[str, float] = {"speech_audio_seconds": seconds}
    for name, rounds in turns.items():
        heard = recordings.compare(said, rounds[-1].text)
        found[f"speech_{name}_wall_seconds"] = statistics.median(one.wall for one in rounds)
        found[f"speech_{name}_cpu_seconds"] = statistics.median(one.cpu for one in rounds)
        found[f"speech_{name}_errors"] = sum(heard.errors.values()) / len(heard.errors)
    for what in ("cpu", "wall"):
        pairs = zip(turns["ours"], turns["bare"], strict=True)
        ratios = [getattr(mine, what) / getattr(theirs, what) for mine, theirs in pairs]
        found[f"speech_ours_to_bare_{what}"] = statistics.median(ratios)
        found[f"speech_ours_to_bare_{what}_least"] = min(ratios)
        found[f"speech_ours_to_bare_{what}_most"] = max(ratios)
    return {name: round(number, 4) for name, number in sorted(found.items())}


def show(turns: dict[str, list[Turn]], found: dict[str, float]) -> None:
    """Print them as a table."""
    print(f"{'':8}{'wall s':>8}{'cpu s':>8}{'least – most':>16}{'words wrong':>13}")
    for name, rounds in turns.items():
        cpu = [one.cpu for one in rounds]
        wall, middle, errors = (found[f"speech_{name}_{what}"] for what in ("wall_seconds", "cpu_seconds", "errors"))
        print(f"{name:8}{wall:8.2f}{middle:8.2f}{f'{min(cpu):.2f} – {max(cpu):.2f}':>16}{errors:13.1%}")
    for what in ("cpu", "wall"):
        middle, least, most = (found[f"speech_ours_to_bare_{what}{end}"] for end in ("", "_least", "_most"))
        print(f"ours to bare, {what:5}{middle:8.3f}  ({least:.3f} – {most:.3f})")


def against_the_bare_engine(model: str, threads: int, seconds: float, rounds: int) -> dict[str, float]:
    """Print the comparison, and return its figures."""
    engine = speech.FasterWhisper(model, threads=threads)
    call_command("migrate", verbosity=0)
    claim = Claim(builders.processing(), queue.Message("", ""))
    with tempfile.TemporaryDirectory() as folder:
        mix = recordings.mix(recordings.known(CACHE), Path(folder) / "mix.webm", seconds)
        bare(engine, recordings.SAMPLE / "talk.webm")  # what is loaded at the first call alone
        ways = {"ours": lambda: ours(engine, mix, claim), "bare": lambda: bare(engine, mix.path)}
        turns = take_turns(ways, rounds)
    found = figures(turns, mix.said, mix.milliseconds / 1000)
    show(turns, found)
    return found


def main() -> None:
    """Compare, or make the table; end with 1 where ours costs too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="as SPEECH_MODEL; the small one of the tests otherwise")
    parser.add_argument("--seconds", type=float, help="of sound")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--table", metavar="NAME", help="a row for each setting, below this name in docs/speech.md")
    options = parser.parse_args()
    model = options.model or str(speech_model.folder())

    if options.table:
        seconds = options.seconds or speech_table.SECONDS
        speech_table.make(model, options.table, recordings.known(CACHE), seconds, options.rounds)
        return
    threads = env.integer("SPEECH_THREADS", 1, least=0, most=256)
    found = against_the_bare_engine(model, threads, options.seconds or SECONDS, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if found["speech_ours_to_bare_cpu"] > MOST_TIMES_SLOWER:
        print(f"Wanted was at most {MOST_TIMES_SLOWER} times what the bare engine takes.")


if __name__ == "__main__":
    main()
