"""YouTube's captions: which track is taken, and what a track's json3 file says. Asks nobody for anything."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from transcripts.segments import Segment
from transcripts.worker import errors
from transcripts.worker.foreign import language_tag, milliseconds

CAPTION_FORMAT = "json3"  # of those that YouTube has, the one that is read here


@dataclass(frozen=True)
class Captions:
    """What one track says: in order, not overlapping, at least one segment."""

    language: str  # BCP 47
    automatic: bool  # heard by YouTube's speech recognition, not written by a human
    segments: list[Segment]


class Track(NamedTuple):
    """One caption track of a video, in the language it was written or heard in."""

    language: str  # BCP 47
    automatic: bool
    named: bool  # has a name of its own, such as "Lyrics" beside the plain track of its language
    source: Mapping[str, Any]  # what yt-dlp needs to download it as json3


def tracks(subtitles: Mapping[str, Any] | None, automatic: Mapping[str, Any] | None) -> list[Track]:
    """The tracks in yt-dlp's ``subtitles`` and ``automatic_captions``, each ``{key: [{"ext", "url", …}]}``.

    Machine translations fill most of ``automatic_captions``; their address asks for one with ``tlang``,
    so they are never here. The live chat, which stands among the subtitles, has no json3.
    The address also names the language: the key carries the name of a named track (``en-dQw4w9WgXcQ``)
    or yt-dlp's mark for the language heard (``en-orig``).
    """
    found: dict[tuple[str, bool, bool], Track] = {}
    for listed, is_automatic in ((subtitles, False), (automatic, True)):
        for variants in (listed or {}).values():
            source = next((v for v in variants if v.get("ext") == CAPTION_FORMAT and v.get("url")), None)
            asked = parse_qs(urlsplit(source["url"]).query) if source else {}
            language = language_tag(asked.get("lang", [""])[-1])
            if source and language and "tlang" not in asked:
                track = Track(language, is_automatic, "name" in asked, source)
                found.setdefault(track[:3], track)
    return list(found.values())


def ranked(listed: Sequence[Track], *, spoken: str | None, wanted: str | None) -> list[Track]:
    """The tracks that may be taken, best first; languages are BCP 47, None where nobody said.

    A human's in the wanted language, a human's in the spoken one, then YouTube's speech recognition, and that
    only in the language it heard. So who asks for German gets German if a person has written it, and else
    what was said, not a machine's translation of it. ``pt`` and ``pt-BR`` are near enough to each other,
    the exact one first. If neither is known and the tracks are in several languages, nobody can tell
    which of them are translations: then there are none to take.
    """
    humans = [t for t in listed if not t.automatic]
    heard = [t for t in listed if t.automatic and (spoken is None or _distance(t.language, spoken) is not None)]
    targets = [wanted, spoken] if wanted else [spoken]
    best: list[Track] = []
    for group in (humans, heard):
        for target in targets:
            best += (t for t in _nearest(group, target) if t not in best)
    return best


def _nearest(listed: Iterable[Track], target: str | None) -> list[Track]:
    """The tracks in the target's language, the exact and unnamed ones first; without one, the only language's."""
    listed = list(listed)
    if target is None and len({t.language for t in listed}) == 1:
        target = listed[0].language
    if target is None:
        return []
    near = [(distance, t.named, t) for t in listed if (distance := _distance(t.language, target)) is not None]
    return [track for _, _, track in sorted(near, key=lambda item: item[:2])]


def _distance(one: str, other: str) -> int | None:
    """0 for the same tag, 1 if one only says more (``pt``, ``pt-BR``), 2 for the same language elsewhere, else None."""
    if one == other:
        return 0
    if one.startswith(f"{other}-") or other.startswith(f"{one}-"):
        return 1
    return 2 if one.split("-")[0] == other.split("-")[0] else None


def parse(body: bytes) -> list[Segment]:
    """What a json3 file says, as it stands there: segments may overlap, and there may be none.

    The file is ``{"wireMagic": "pb3", "events": [{"tStartMs", "dDurationMs", "segs": [{"utf8"}]}]}``. Events
    without ``segs`` place windows on the screen, and captions that roll have events that are a line
    break: neither is speech. Raises SourceUnreadable for anything that is no such file.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise errors.SourceUnreadable from error
    if not isinstance(document, dict) or not ("events" in document or document.get("wireMagic") == "pb3"):
        raise errors.SourceUnreadable
    events = document.get("events", [])
    return list(_segments(events if isinstance(events, list) else []))


def _segments(events: list[Any]) -> Iterator[Segment]:
    for event in events:
        if not isinstance(event, dict) or not isinstance(event.get("segs"), list):
            continue
        pieces = (seg.get("utf8") for seg in event["segs"] if isinstance(seg, dict))
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        start = milliseconds(event.get("tStartMs", 0))
        if text.strip() and start is not None:
            yield Segment(start, start + (milliseconds(event.get("dDurationMs", 0)) or 0), text)
