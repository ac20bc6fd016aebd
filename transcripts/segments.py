"""What was said and when: a transcript is a list of these. Knows neither the database nor HTTP."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Segment(NamedTuple):
    """One stretch of speech. Times are integer milliseconds from the start of the video."""

    start_ms: int
    end_ms: int
    text: str


def plain_text(segments: Iterable[Segment]) -> str:
    """The words alone, one segment a line."""
    return "\n".join(segment.text for segment in segments)


def tidy(segments: Sequence[Segment], duration_ms: int | None = None) -> list[Segment]:
    """Segments as they are stored: in order, within the video, with text, without control characters.

    Captions overlap where YouTube rolls two lines, and the speech engine may end its last segment
    after the file (https://github.com/SYSTRAN/faster-whisper/issues/1334): a segment ends at the
    latest where the next one starts, and at the end of the video.
    """
    limit = duration_ms if duration_ms and duration_ms > 0 else None
    said = sorted(
        (Segment(max(0, s.start_ms), s.end_ms, _clean(s.text)) for s in segments),
        key=lambda s: s.start_ms,
    )
    said = [s for s in said if s.text]
    tidied = []
    next_start: int | None = None  # of the segment that begins later than the one at hand
    for segment, following in zip(reversed(said), [None, *reversed(said)], strict=False):
        if following and following.start_ms > segment.start_ms:
            next_start = following.start_ms
        ends = [end for end in (segment.end_ms, next_start, limit) if end is not None]
        start = segment.start_ms if limit is None else min(segment.start_ms, limit)
        tidied.append(Segment(start, max(start, min(ends)), segment.text))
    return tidied[::-1]


def _clean(text: str) -> str:
    """One line of storable text: no control characters, lone surrogates or runs of white space."""
    storable = _CONTROL.sub(" ", text).encode("utf-8", "ignore").decode("utf-8")
    return " ".join(storable.split())
