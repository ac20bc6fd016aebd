from collections.abc import Callable

import pytest

from benchmarks import recordings, speech
from benchmarks.speech import Turn
from local import speech_model
from tests import builders, sounds
from transcripts.worker.claim import Claim
from transcripts.worker.speech import FasterWhisper
from videos import queue


class Witness:
    """Notes down how faster-whisper was asked, and asks it."""

    def __init__(self, whisper) -> None:
        self.asked: list[dict] = []
        self._whisper = whisper

    def transcribe(self, sound, **options):
        self.asked.append(options)
        return self._whisper.transcribe(sound, **options)


@pytest.mark.django_db
def test_the_bare_engine_is_asked_as_ours_asks_it(tmp_path):
    engine = FasterWhisper(str(speech_model.folder()), threads=1)
    witness = engine._whisper = Witness(engine._whisper)
    path = sounds.write(tmp_path / "a.webm", sounds.silence(3))
    claim = Claim(builders.processing(), queue.Message("", ""))

    speech.ours(engine, recordings.Mix(path, 3000, []), claim)
    speech.bare(engine, path)

    ours, bare = witness.asked
    assert ours == bare


def test_the_ways_take_turns_and_each_begins_a_round():
    order = iter("abcbcacab")
    ways: dict[str, Callable[[], str]] = {name: lambda: next(order) for name in ("a", "b", "c")}

    turns = speech.take_turns(ways, 3)

    assert {name: [one.text for one in times] for name, times in turns.items()} == {
        name: [name] * 3 for name in ("a", "b", "c")
    }


def test_the_figures_are_medians_and_ratios_within_a_round():
    def turns(*cpu: float) -> list[Turn]:
        return [Turn(seconds * 2, seconds, "good day") for seconds in cpu]

    found = speech.figures(
        {"ours": turns(2, 4, 9), "bare": turns(1, 4, 10)},
        [("good", "talk"), ("night", "talk")],
        60.0,
    )

    assert found["speech_audio_seconds"] == 60
    assert (found["speech_ours_cpu_seconds"], found["speech_ours_wall_seconds"]) == (4, 8)
    assert (found["speech_ours_to_bare_cpu"], found["speech_ours_to_bare_wall"]) == (1, 1)
    assert (found["speech_ours_to_bare_cpu_least"], found["speech_ours_to_bare_cpu_most"]) == (0.9, 2)
    assert found["speech_bare_errors"] == 0.5
    assert len(found) == 1 + 2 * 3 + 2 * 3
