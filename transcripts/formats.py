"""A transcript as a file: plain text, SubRip and WebVTT. Knows neither the database nor HTTP."""

from collections.abc import Iterable

from transcripts.segments import Segment, plain_text


def txt(segments: Iterable[Segment]) -> str:
    """The words alone, one segment a line."""
    return plain_text(segments) + "\n"


def srt(segments: Iterable[Segment]) -> str:
    """SubRip (https://www.loc.gov/preservation/digital/formats/fdd/fdd000569.shtml)."""
    cues = (
        f"{number}\n{_clock(s.start_ms, ',')} --> {_clock(s.end_ms, ',')}\n{s.text}\n"
        for number, s in enumerate(segments, 1)
    )
    return "\n".join(cues)


def vtt(segments: Iterable[Segment]) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): markup and arrows in the text are escaped."""
    cues = (f"{_clock(s.start_ms, '.')} --> {_clock(s.end_ms, '.')}\n{_escape(s.text)}\n" for s in segments)
    return "\n".join(["WEBVTT\n", *cues])


def _clock(ms: int, decimal_mark: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{ms:03}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
