"""Which of YouTube's formats are listened to, and why there are none. Asks nobody for anything.

A format is yt-dlp's dictionary: ``acodec``, ``url``, ``has_drm``, ``language``, ``language_preference``, ``protocol``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from transcripts.worker import errors
from transcripts.worker.foreign import language_tag
from transcripts.worker.refusals import refusal

Format = dict[str, Any]


def original(formats: Iterable[Format]) -> list[Format]:
    """The formats with sound that can be had; of a dubbed video, those in the language it was made in."""
    sounding = [f for f in formats if f.get("acodec") not in (None, "none") and f.get("url") and not f.get("has_drm")]
    # yt-dlp rates the original 10, a default 5, dubs and what is not said -1, descriptions for the blind -10.
    best = max(map(_preference, sounding), default=0)
    return [f for f in sounding if _preference(f) == best]


def moving(formats: Iterable[Format]) -> list[Format]:
    """All but the storyboards."""
    return [f for f in formats if f.get("protocol") != "mhtml"]


def language(formats: Iterable[Format]) -> str | None:
    """The language of the original sound (BCP 47), if it has one and YouTube says which."""
    spoken = {tag for f in original(formats) if (tag := language_tag(f.get("language")))}
    return spoken.pop() if len(spoken) == 1 else None


def why_silent(formats: Iterable[Format], warnings: Sequence[str]) -> errors.JobError:
    """Say why :func:`original` is empty; ``warnings`` are yt-dlp's, where a failed request stands."""
    seen = moving(formats)
    if any(f.get("has_drm") for f in seen):
        return errors.VideoDrmProtected()
    return errors.NoAudio() if seen else refusal("YouTube gave no formats.", said=False, warnings=warnings)


def _preference(f: Format) -> int:
    return int(f.get("language_preference") or -1)
