"""The real speech engine as a part: its languages, what goes wrong with it, what it leaves behind."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from local import speech_model
from tests import sounds
from transcripts.worker import audio, speech
from transcripts.worker.errors import AudioIncomplete, LanguageUnsupported, SpeechEngineFailed

ROOT = Path(speech_model.__file__).parents[1]
TALK = ROOT / "local" / "sample" / "talk.webm"


@pytest.fixture(scope="session")
def engine() -> speech.Engine:
    with override_settings(SPEECH_MODEL=str(speech_model.folder())):
        return speech.engine()


def transcribe(
    engine: speech.Engine,
    path: Path,
    *,
    language: str | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
) -> speech.Speech:
    return engine.transcribe(path, language=language, duration_ms=None, on_progress=on_progress)


def samples(path: Path) -> sounds.Samples:
    (whole,) = audio.slices(path, length_ms=audio.measure(path))
    return (whole.samples * 32_767).astype(np.int16).reshape(1, -1)


# --- languages


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("pt-BR", "pt"),
        ("EN", "en"),
        ("zh-Hant-TW", "zh"),
        ("sr_Latn", "sr"),
        ("nb", "no"),
        ("jv", "jw"),
        ("iw", "he"),
        ("tlh", None),
        ("", None),
        (None, None),
    ],
)
def test_it_translates_a_language_for_whisper(language, code):
    assert speech.whisper_code(language, {"en", "he", "jw", "no", "pt", "sr", "zh"}) == code


@pytest.mark.parametrize(("code", "language"), [("pt", "pt"), ("jw", "jv"), ("haw", "haw"), (None, "und")])
def test_it_translates_whispers_language_back(code, language):
    assert speech.bcp47(code) == language


def test_it_keeps_the_kind_of_english_that_was_asked_for(engine, tmp_path):
    path = sounds.write(tmp_path / "a.webm", sounds.silence(3))

    assert transcribe(engine, path, language="en-GB").language == "en-GB"


def test_it_makes_up_no_english_for_another_language(engine):
    with pytest.raises(LanguageUnsupported):
        transcribe(engine, TALK, language="de-AT")


# --- what goes wrong


def test_it_listens_to_nothing_of_a_file_that_was_cut_off(engine, tmp_path):
    short = tmp_path / "a.webm"
    short.write_bytes(TALK.read_bytes()[:100_000])
    told: list[float] = []

    with pytest.raises(AudioIncomplete):
        transcribe(engine, short, on_progress=told.append)
    assert told == []


def test_it_says_that_the_engine_failed_and_keeps_the_cause():
    broken = speech.FasterWhisper(str(speech_model.folder()))
    broken._whisper.model.unload_model()

    with pytest.raises(SpeechEngineFailed) as caught:
        transcribe(broken, TALK)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_it_says_so_too_where_the_engine_fails_on_the_way(tmp_path):
    breaking = speech.FasterWhisper(str(speech_model.folder()), threads=2)
    # The engine takes half a minute at a time: whenever it is first heard of, there is more to come.
    minutes = sounds.write(tmp_path / "a.webm", sounds.join(*[samples(TALK)] * 4))

    with pytest.raises(SpeechEngineFailed) as caught:
        transcribe(breaking, minutes, on_progress=lambda done: breaking._whisper.model.unload_model())
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize("model", ["enormous", "/nowhere/whisper", "."])
def test_it_names_the_setting_of_a_model_that_is_not_there(model):
    with pytest.raises(ImproperlyConfigured, match=r"SPEECH_MODEL is .* It may be a folder"):
        speech.FasterWhisper(model)


def test_it_names_the_setting_of_an_engine_that_is_not_there():
    with override_settings(SPEECH_ENGINE="ear"), pytest.raises(ImproperlyConfigured, match="one of: faster-whisper"):
        speech.engine()


# --- one job after another


def test_it_is_loaded_once(settings):
    settings.SPEECH_MODEL = str(speech_model.folder())

    assert speech.engine() is speech.engine()


def test_it_says_what_it_is(engine):
    assert (engine.name, engine.model) == ("faster-whisper", "model")


# In a process of its own: threads, files and memory of other tests do not count.
LISTEN = """
import gc, re, sys, tempfile, tracemalloc
from pathlib import Path
from transcripts.worker import speech

tempfile.tempdir = sys.argv[1]
engine = speech.FasterWhisper(sys.argv[2], threads=1, slice_seconds=300)
for path in sys.argv[3:]:
    heard = engine.transcribe(Path(path), language=None, duration_ms=None, on_progress=lambda done: None)
    assert heard.segments[-1].end_ms > 20_000
    del heard
    gc.collect()
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    counts = (len(list(Path("/proc/self", what).iterdir())) for what in ("task", "fd"))
    print(peak, tracemalloc.get_traced_memory()[0], *counts)
"""
HAS_PROC = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory and threads are under /proc")


class Used(NamedTuple):
    """What a process has used by the end of a job."""

    peak_kilobytes: int
    held_bytes: int  # by Python's and numpy's own count; 0 where it does not count
    threads: int
    files: int


def listen(folder: Path, *paths: Path, count: bool = False) -> subprocess.Popen[str]:
    counting = ["-X", "tracemalloc"] if count else []
    command = [sys.executable, *counting, "-c", LISTEN, *map(str, [folder, speech_model.folder(), *paths])]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def used(process: subprocess.Popen[str]) -> list[Used]:
    printed, _ = process.communicate()
    assert process.returncode == 0
    return [Used(*map(int, line.split())) for line in printed.splitlines()]


@HAS_PROC
def test_it_leaves_nothing_behind(tmp_path):
    _, before, *_, after = used(listen(tmp_path, *[TALK] * 4, count=True))

    assert after.held_bytes - before.held_bytes < 100_000
    assert (after.threads, after.files) == (before.threads, before.files)
    assert list(tmp_path.iterdir()) == []


@HAS_PROC
def test_it_needs_no_more_memory_for_a_longer_file(tmp_path):
    said = samples(TALK)
    listening = []
    for minutes in (11, 44):
        mostly_silent = sounds.join(said, sounds.silence(minutes * 60 - 54))
        listening.append(listen(tmp_path, sounds.write(tmp_path / f"{minutes}.webm", mostly_silent)))

    (short,), (long,) = map(used, listening)

    assert long.peak_kilobytes < short.peak_kilobytes * 1.15
