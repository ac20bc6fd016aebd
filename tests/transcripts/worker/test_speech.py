"""The real speech engine with its smallest model, on human speech and on the sample.

Its output is not the same to the last word on every machine: what counts is the part of the words that
is wrong, and the words that carry the meaning.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import override_settings
from faster_whisper.transcribe import Word

from local import speech_model
from tests import clips, sounds
from tests.wer import word_error_rate
from transcripts.worker import speech

SAMPLE = Path(speech_model.__file__).parent / "sample"


@pytest.fixture(scope="session")
def engine() -> speech.Engine:
    with override_settings(SPEECH_MODEL=str(speech_model.folder())):
        return speech.engine()


@pytest.fixture(scope="session")
def slicing_engine() -> speech.Engine:
    """The same engine, that takes a file in slices of eight seconds."""
    return speech.FasterWhisper(str(speech_model.folder()), threads=2, slice_seconds=8)


@pytest.fixture(scope="session")
def recordings(pytestconfig) -> list[sounds.Samples]:
    return clips.load(pytestconfig.cache.mkdir("librivox"))


def transcribe(
    engine: speech.Engine,
    path: Path,
    *,
    language: str | None = None,
    duration_ms: int | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
) -> speech.Speech:
    return engine.transcribe(path, language=language, duration_ms=duration_ms, on_progress=on_progress)


def text(heard: speech.Speech) -> str:
    return " ".join(segment.text for segment in heard.segments)


@pytest.fixture(scope="session")
def reading(tmp_path_factory, recordings) -> Path:
    """The five clips as one file of the kind that YouTube serves."""
    return sounds.write(tmp_path_factory.mktemp("reading") / "a.webm", sounds.join(*recordings), rate=48_000)


# --- what was said


def test_it_understands_human_speech(engine, reading):
    heard = transcribe(engine, reading)

    assert word_error_rate(" ".join(clips.SENTENCES), text(heard)) <= 0.05
    assert heard.language == "en"
    for word in ("dashwood", "leisure", "prudently", "selfish", "respectable", "amiable"):
        assert word in text(heard).lower()


def test_it_understands_the_sample(engine):
    talk = json.loads((SAMPLE / "talk.json").read_text("utf-8"))

    heard = transcribe(engine, SAMPLE / "talk.webm", language=talk["language"], duration_ms=talk["duration_ms"])

    assert word_error_rate(" ".join(said for *_, said in talk["segments"]), text(heard)) <= 0.25
    for word in ("transcripts", "link", "queue", "worker", "captions", "engine", "video", "file"):
        assert word in text(heard).lower()


def test_it_hears_the_same_over_the_cuts_between_slices(slicing_engine, reading):
    heard = transcribe(slicing_engine, reading)

    assert word_error_rate(" ".join(clips.SENTENCES), text(heard)) <= 0.10
    starts = [segment.start_ms for segment in heard.segments]
    assert starts == sorted(starts)
    assert starts[-1] > 20_000


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(sounds.silence(35), id="silence"),
        pytest.param(sounds.noise(35), id="noise"),
        pytest.param(sounds.tone(10), id="a tone"),
        pytest.param(sounds.tone(0.1), id="a tenth of a second"),
    ],
)
def test_it_makes_up_no_text_where_nobody_speaks(engine, tmp_path, sound):
    heard = transcribe(engine, sounds.write(tmp_path / "a.webm", sound))

    assert heard.segments == []


# --- when it was said


def test_it_knows_when_a_sentence_was_said(engine):
    talk = json.loads((SAMPLE / "talk.json").read_text("utf-8"))
    heard = transcribe(engine, SAMPLE / "talk.webm")

    for start_ms, end_ms, said in talk["segments"]:
        then = [segment.text for segment in heard.segments if segment.start_ms < end_ms and segment.end_ms > start_ms]
        known = set(re.findall(r"\w+", " ".join(then).lower()))
        assert len(known & set(re.findall(r"\w+", said.lower()))) >= 3, (said, then)


def test_it_gives_times_as_whole_milliseconds_within_the_video(engine, reading):
    heard = transcribe(engine, reading)

    times = [at for segment in heard.segments for at in (segment.start_ms, segment.end_ms)]
    assert {type(at) for at in times} == {int}
    assert times == sorted(times)
    assert times[-1] <= 24_750


def test_it_leaves_long_silences_out_of_the_segments(engine, tmp_path, recordings):
    spoken = sounds.join(recordings[1], sounds.silence(30), recordings[4])
    heard = transcribe(engine, sounds.write(tmp_path / "a.webm", spoken))

    silent_from, silent_to = recordings[1].shape[1] // 16, recordings[1].shape[1] // 16 + 30_000
    assert all(
        segment.end_ms <= silent_from + 1_000 or segment.start_ms >= silent_to - 1_000 for segment in heard.segments
    )
    assert {segment.start_ms < silent_to - 1_000 for segment in heard.segments} == {True, False}


def words(*times: tuple[float, float]) -> list[Word]:
    return [Word(start, end, f" {i}", 1.0) for i, (start, end) in enumerate(times)]


def pieces(*times: tuple[float, float]) -> list[tuple[float, str]]:
    return [(start, "".join(w.word for w in piece)) for start, piece in speech.split_at_pauses(words(*times))]


def test_it_splits_a_segment_that_spans_a_silence():
    assert pieces((1, 2), (2, 3), (60, 61), (61, 62)) == [(1, " 0 1"), (60, " 2 3")]


def test_it_moves_a_first_word_over_the_silence_to_its_sentence():
    assert pieces((1, 2), (60, 61), (61, 62)) == [(60, " 0 1 2")]


def test_it_leaves_a_segment_with_short_pauses_whole():
    assert pieces((1, 2), (3, 4), (5, 6)) == [(1, " 0 1 2")]


# --- how far it is


@pytest.mark.parametrize("which", ["engine", "slicing_engine"])
def test_it_tells_how_far_it_is(request, reading, which):
    told: list[float] = []
    transcribe(request.getfixturevalue(which), reading, on_progress=told.append)

    assert len(told) > 3
    assert told == sorted(told)
    assert 0 < told[0] < 0.5
    assert told[-1] == 1.0


class StoppedError(Exception):
    """Stands for whatever ends a job from outside."""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed under /proc")
def test_it_stops_at_once_when_told_to(slicing_engine, reading):
    told: list[float] = []

    def stop(done: float) -> None:
        told.append(done)
        raise StoppedError

    with pytest.raises(StoppedError) as caught:
        transcribe(slicing_engine, reading, on_progress=stop)

    assert caught.value.__cause__ is None
    assert len(told) == 1
    assert not sounds.is_open(reading)
