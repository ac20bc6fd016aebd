"""Speech to text. The only module that knows the engine: a second one is one class and one name in ``ENGINES``.

faster-whisper's sequential pipeline: its batched one silently drops sentences
(https://github.com/SYSTRAN/faster-whisper, BatchedInferencePipeline; 4 to 28 % of the words, measured).

The engine's libraries are 50 MB of memory and half a second: they are imported where the first job wants them.
"""

import functools
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from transcripts.segments import Segment, tidy
from transcripts.worker.errors import LanguageUnsupported, SpeechEngineFailed

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Word

    from transcripts.worker import audio as sound

# A name of faster-whisper's own, or owner/name (https://huggingface.co/docs/hub/repositories).
_HUB_NAME = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?", re.ASCII)
_PAUSE_SECONDS = 1.5  # a longer silence between two words ends a segment

# How Whisper is asked. What each of these costs, and what was tried instead: docs/speech.md.
OPTIONS: dict[str, Any] = {
    "language_detection_segments": 4,  # of 30 s; one is enough where it is sure
    "beam_size": 5,
    "vad_filter": True,  # without it, Whisper makes up words for silence
    "word_timestamps": True,  # without them, a segment may span a silence of minutes
    "condition_on_previous_text": False,  # else one wrong turn repeats itself to the end
}


class Speech(NamedTuple):
    """What was heard. ``language`` is BCP 47, ``und`` where nobody spoke; then there are no segments."""

    language: str
    segments: list[Segment]
    length_ms: int  # of the sound that was listened to


class Engine(Protocol):
    """Turns sound into text. One engine serves one job at a time, and any number of them in turn."""

    name: str
    model: str

    @staticmethod
    def check(model: str) -> None:
        """Raise ImproperlyConfigured for a model that there cannot be. Loads nothing."""
        ...

    def transcribe(
        self,
        audio: Path,
        *,
        language: str | None,
        duration_ms: int | None,
        on_progress: Callable[[float], None],
    ) -> Speech:
        """Write down what is said in the file ``audio``.

        ``language`` (BCP 47) is what the user says is spoken; None has it detected. ``duration_ms``
        is how long the sound should be. ``on_progress`` is called with the part that is done, which
        never falls and ends at 1.0; what it raises ends the job and comes out as it is.

        Raises NoAudio, AudioUnreadable, AudioIncomplete, LanguageUnsupported, SpeechEngineFailed. Silence is none of
        these: it is a Speech without segments.
        """
        ...


class FasterWhisper:
    """Whisper on CTranslate2, on a GPU where there is one. Loads the model when constructed: seconds, once.

    ``model`` is the name of a Whisper model (``small``, ``large-v3-turbo`` ...), which is fetched from
    Hugging Face once, or ``owner/name`` there, or a folder. ``threads``: 0 for one on each core.
    Raises ImproperlyConfigured where there is no such model.

    A language that the model does not know is detected instead: a wrong hint must not cost the
    transcript. A model that knows English alone refuses another language (LanguageUnsupported),
    because it would make up English sentences.
    """

    name = "faster-whisper"

    def __init__(self, model: str, *, threads: int = 0, slice_seconds: float = 300) -> None:
        self.check(model)
        import ctranslate2
        from faster_whisper import WhisperModel

        gpu = ctranslate2.get_cuda_device_count() > 0
        folder = Path(model).expanduser()
        try:
            self._whisper = WhisperModel(
                str(folder) if folder.is_dir() else model,
                device="cuda" if gpu else "cpu",
                compute_type="float16" if gpu else "int8",
                cpu_threads=threads or os.cpu_count() or 1,
            )
        except Exception as error:
            raise _no_such_model(model, str(error)) from error
        self.model = folder.absolute().name if folder.is_dir() else model
        self._slice_seconds = slice_seconds
        self._languages = _known_languages(self._whisper)

    @staticmethod
    def check(model: str) -> None:
        """See :class:`Engine`. A name is only known to be wrong when Hugging Face is asked for it."""
        folder = Path(model).expanduser()
        if not _HUB_NAME.fullmatch(model) and not folder.is_dir():
            raise _no_such_model(model, "there is no such folder")
        if folder.is_dir() and not (folder / "model.bin").is_file():
            raise _no_such_model(model, "the folder has no model.bin")

    def transcribe(
        self,
        audio: Path,
        *,
        language: str | None,
        duration_ms: int | None,
        on_progress: Callable[[float], None],
    ) -> Speech:
        """Write down what is said, slice by slice. See :class:`Engine`."""
        from transcripts.worker import audio as sound

        code = self._code(language)
        length_ms = sound.measure(audio, duration_ms)
        done = 0.0

        def reached(ms: int) -> None:
            nonlocal done
            done = max(done, min(ms / length_ms, 1.0))
            on_progress(done)

        said: list[Segment] = []
        with closing(sound.slices(audio, length_ms=length_ms, seconds=self._slice_seconds)) as slices:
            for part in slices:
                # The language is that of the first slice in which somebody speaks.
                code, heard = self._listen(part, code)
                for segment in heard:
                    said.append(segment)
                    reached(segment.end_ms)
                reached(part.end_ms)
        reached(length_ms)
        spoken = language if language and whisper_code(language, self._languages) else bcp47(code)
        return Speech(spoken, tidy(said, length_ms), length_ms)

    def _code(self, language: str | None) -> str | None:
        """Translate the user's language into Whisper's code; None where it has to be detected."""
        code = whisper_code(language, self._languages)
        if self._languages != {"en"}:
            return code
        if language and not code:
            raise LanguageUnsupported
        return "en"

    def _listen(self, part: "sound.Slice", code: str | None) -> tuple[str | None, Iterator[Segment]]:
        """Prepare one slice: its language (None where nobody speaks and none was known) and, lazily, its text."""
        try:
            segments, info = self._whisper.transcribe(part.samples, language=code, **OPTIONS)
        except Exception as error:
            raise SpeechEngineFailed from error
        return code or (info.language if info.duration_after_vad else None), _phrases(segments, part)


ENGINES: dict[str, type[FasterWhisper]] = {FasterWhisper.name: FasterWhisper}


def check() -> None:
    """Raise ImproperlyConfigured for settings that no engine can be loaded with, before the first job finds out."""
    if settings.SPEECH_ENGINE not in ENGINES:
        raise ImproperlyConfigured(
            f"SPEECH_ENGINE is {settings.SPEECH_ENGINE!r}, but may only be one of: {', '.join(ENGINES)}."
        )
    ENGINES[settings.SPEECH_ENGINE].check(settings.SPEECH_MODEL)


def place(model: str) -> Path | None:
    """The folder of a model that is on this machine; None where it has yet to be fetched from the hub."""
    from faster_whisper.utils import download_model

    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    try:
        return Path(download_model(model, local_files_only=True))
    except (OSError, ValueError):
        return None


def engine() -> Engine:
    """Return the engine that the settings name, loaded at the first call and once for the process.

    Raises ImproperlyConfigured where there is no such engine or model; the next call tries again.
    """
    check()
    return _loaded(settings.SPEECH_ENGINE, settings.SPEECH_MODEL, settings.SPEECH_THREADS)


@functools.lru_cache(maxsize=1)
def _loaded(name: str, model: str, threads: int) -> Engine:
    return ENGINES[name](model, threads=threads)


def _no_such_model(model: str, why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"SPEECH_MODEL is {model!r}, which cannot be loaded ({why}). It may be a folder with a Whisper model for "
        "CTranslate2 (model.bin, config.json, tokenizer.json, vocabulary), a size such as “small” or "
        "“large-v3-turbo”, or owner/name on Hugging Face."
    )


# Whisper's codes are ISO 639-1, where there is one, but for these
# (https://github.com/openai/whisper/blob/main/whisper/tokenizer.py, LANGUAGES).
_WHISPER_CODES = {"jv": "jw", "nb": "no", "cmn": "zh", "fil": "tl", "iw": "he", "in": "id", "ji": "yi"}


def whisper_code(language: str | None, known: Collection[str]) -> str | None:
    """Find Whisper's code for a BCP 47 tag (``pt-BR`` is ``pt``); None where it is not one of ``known``."""
    primary = (language or "").replace("_", "-").partition("-")[0].lower()
    code = _WHISPER_CODES.get(primary, primary)
    return code if code in known else None


def bcp47(code: str | None) -> str:
    """Find the BCP 47 tag for one of Whisper's codes; ``und``, undetermined, for None."""
    return {None: "und", "jw": "jv"}.get(code, code or "")


def _known_languages(whisper: "WhisperModel") -> set[str]:
    """Ask the model itself: the library lists languages that only later models know, such as Cantonese."""
    if not whisper.model.is_multilingual:
        return {"en"}
    return {code for code in whisper.supported_languages if whisper.hf_tokenizer.token_to_id(f"<|{code}|>")}


def _phrases(segments: Iterable[Any], part: "sound.Slice") -> Iterator[Segment]:
    """Yield what faster-whisper hears in a slice, on the clock of the whole file and within the slice."""

    def phrase(start: float, end: float, text: str) -> Segment:
        # Times with words are numpy's; the last segment may end after its slice.
        start_ms, end_ms = (min(part.start_ms + round(float(at) * 1000), part.end_ms) for at in (start, end))
        return Segment(start_ms, max(start_ms, end_ms), text)

    try:
        for segment in segments:
            if not segment.words:
                yield phrase(segment.start, segment.end, segment.text)
            for start, words in split_at_pauses(segment.words or []):
                yield phrase(start, words[-1].end, "".join(word.word for word in words))
    except Exception as error:
        raise SpeechEngineFailed from error


def split_at_pauses(words: "Sequence[Word]") -> "Iterator[tuple[float, Sequence[Word]]]":
    """Cut a segment's words where nobody speaks for long; each piece with its start in seconds.

    The engine hears the sound without its silences, so a segment may reach over one. Its first word
    alone before a silence is a slip of the engine, which is fond of starting at the end of the
    sentence before: that word goes with what follows.
    """
    first = 0
    start = words[0].start if words else 0.0
    for i in range(1, len(words) + 1):
        if i == len(words):
            yield start, words[first:]
        elif words[i].start - words[i - 1].end > _PAUSE_SECONDS:
            if i > 1:
                yield start, words[first:i]
                first = i
            start = words[i].start
