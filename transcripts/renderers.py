"""The formats of a transcript as DRF picks them: by ``?format=`` or by ``Accept``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

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


TRANSCRIPT_RENDERERS = (JSONRenderer, TextRenderer, SubRipRenderer, WebVTTRenderer)


class FormatNegotiation(DefaultContentNegotiation):
    """``?format=`` decides; without it ``Accept`` does."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Raises ``ValidationError`` for an unknown format and ``NotAcceptable`` for an unknown media type."""
        query = FormatQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        renderers = list(renderers)
        if name := query.validated_data.get("format"):
            chosen = next(renderer for renderer in renderers if renderer.format == name)
            return chosen, chosen.media_type
        try:
            chosen_by_accept: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable as error:
            raise NotAcceptable(f"Accept may ask for {_media_types(renderers)}.") from error
        return chosen_by_accept


def _media_types(renderers: Sequence[BaseRenderer]) -> str:
    return ", ".join(renderer.media_type for renderer in renderers)
