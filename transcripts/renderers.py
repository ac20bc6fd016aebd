"""The formats of a transcript as DRF picks them: by ``?format=`` or by ``Accept``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.http.request import MediaType
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from accounts.renderers import FastJSONRenderer
from transcripts import formats
from transcripts.segments import Segment
from transcripts.serializers import FormatQuery


class _SegmentsRenderer(BaseRenderer):
    charset = "utf-8"
    write: Callable[[Iterable[Segment]], str]

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """``data`` is a transcript as ``TranscriptSerializer`` makes it."""
        return type(self).write(Segment(**segment) for segment in data["segments"]).encode()


class TextRenderer(_SegmentsRenderer):
    """Plain text."""

    media_type = "text/plain"
    format = "txt"
    write = staticmethod(formats.txt)


class SubRipRenderer(_SegmentsRenderer):
    """SubRip."""

    media_type = "application/x-subrip"
    format = "srt"
    write = staticmethod(formats.srt)


class WebVTTRenderer(_SegmentsRenderer):
    """WebVTT."""

    media_type = "text/vtt"
    format = "vtt"
    write = staticmethod(formats.vtt)


TRANSCRIPT_RENDERERS = (FastJSONRenderer, TextRenderer, SubRipRenderer, WebVTTRenderer)


class NoSuchMediaType(NotAcceptable):
    """406, with the media types that there are."""

    def __init__(self, types: Sequence[str]) -> None:
        super().__init__(f"Accept may ask for {', '.join(types)}.")


class FormatNegotiation(BaseContentNegotiation):
    """``?format=`` decides; without it ``Accept`` does, with its weights."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """None: a transcript is only read."""
        return None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Raises ``InvalidQuery`` for an unknown format and ``NotAcceptable`` for an unknown media type."""
        renderers = list(renderers)
        name = FormatQuery(data=request.query_params).parameters().get("format")
        if not name and not request.META.get("HTTP_ACCEPT", "").strip():
            name = "json"
        types = [renderer.media_type for renderer in renderers]
        wanted = None if name else request.get_preferred_type([t for t in types if not _refused(request, t)])
        for renderer in renderers:
            if name == renderer.format or (wanted and wanted == renderer.media_type):
                return renderer, renderer.media_type
        raise NoSuchMediaType(types)


def _refused(request: Request, media_type: str) -> bool:
    """Whether ``Accept`` rules this very type out by ``q=0``; ``*/*`` beside it does not undo that (RFC 9110)."""
    ranges = map(MediaType, request.META.get("HTTP_ACCEPT", "").split(","))
    return any(f"{r.main_type}/{r.sub_type}" == media_type and r.quality == 0 for r in ranges)
