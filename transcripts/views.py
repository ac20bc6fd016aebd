"""Read and list transcripts."""

import json
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase, HttpResponseRedirect
from django.utils.encoding import force_bytes
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import caller
from accounts.identifiers import identifier
from accounts.operations import extend_schema
from transcripts import stored
from transcripts.models import Transcript
from transcripts.renderers import TRANSCRIPT_RENDERERS, FormatNegotiation
from transcripts.serializers import (
    FormatQuery,
    TranscriptListQuery,
    TranscriptPageSerializer,
    TranscriptSerializer,
    TranscriptSummarySerializer,
)
from videos import files
from videos.file_views import StorageUnavailable
from videos.models import Video
from videos.views import ID, own_video

_FORMATS: dict[Any, Any] = {
    (200, "application/json"): TranscriptSerializer,
    (200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, "The words, one segment a line."),
    (200, "application/x-subrip"): OpenApiResponse(OpenApiTypes.STR, "SubRip."),
    (200, "text/vtt"): OpenApiResponse(OpenApiTypes.STR, "WebVTT."),
    302: OpenApiResponse(None, "Too large for an answer: `Location` is a signed address that lives for minutes."),
}


class NoTranscript(NotFound):
    """404 for a video that is there: its state says why, and whether to wait."""

    default_code = "no_transcript"

    def __init__(self, video: Video) -> None:
        if video.status == Video.Status.FAILED:
            super().__init__(f"There is no transcript: {video.error_detail}")
        else:
            super().__init__(f"The video is {video.status}. Its transcript can be read when it is completed.")
        self.state = video.status


class _FormattedView(APIView):
    renderer_classes = TRANSCRIPT_RENDERERS
    content_negotiation_class = FormatNegotiation

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Asks who is calling before it looks at the format: strangers get 401, whatever they ask for."""
        self.perform_authentication(request)
        self.check_permissions(request)
        super().initial(request, *args, **kwargs)

    def formatted(self, request: Request, transcript: Transcript, video: Video) -> HttpResponseBase:
        """The transcript in the negotiated format; files that are not JSON get a name.

        One that is too large for an answer lies in storage for a while, and the answer says where.
        """
        extension = request.accepted_renderer.format
        name = f"{video.youtube_id}.{transcript.language}.{extension}"
        headers = {} if extension == "json" else {"Content-Disposition": f'attachment; filename="{name}"'}
        found = TranscriptSerializer(transcript).data
        # Never less than it weighs: in JSON each letter is in it twice, and a segment has its times and names.
        if 16 * len(transcript.content) + 100 * len(found["segments"]) > settings.MAX_ANSWER_BYTES:
            body = force_bytes(request.accepted_renderer.render(found, request.accepted_media_type, {}))
            if _weight(body) > settings.MAX_ANSWER_BYTES:
                return _elsewhere(request, transcript, name, body)
        return Response(found, headers=headers)


def _weight(body: bytes) -> int:
    """Its bytes as text within the JSON that a Lambda answers."""
    return len(json.dumps(body.decode(), ensure_ascii=False).encode())


def _elsewhere(request: Request, transcript: Transcript, name: str, body: bytes) -> HttpResponseRedirect:
    try:
        address = stored.answer(transcript, name, body, f"{request.accepted_renderer.media_type}; charset=utf-8")
    except files.errors() as error:
        raise StorageUnavailable from error
    return HttpResponseRedirect(request.build_absolute_uri(address))


class VideoTranscriptView(_FormattedView):
    """``GET /videos/{id}/transcript``."""

    @extend_schema(
        parameters=[ID, FormatQuery],
        responses=_FORMATS,
        operation_id="readVideoTranscript",
        summary="Read a video's transcript",
        tags=["transcripts"],
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:  # noqa: A002
        """The transcript of one video, as JSON, plain text, SubRip or WebVTT."""
        video = own_video(request, id)
        transcript = Transcript.objects.filter(video=video).first()
        if transcript is None:
            raise NoTranscript(video)
        return self.formatted(request, transcript, video)


class TranscriptDetailView(_FormattedView):
    """``GET /transcripts/{id}``."""

    @extend_schema(
        parameters=[ID, FormatQuery],
        responses=_FORMATS,
        operation_id="readTranscript",
        summary="Read one transcript",
        tags=["transcripts"],
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:  # noqa: A002
        """A transcript by its own id, as JSON, plain text, SubRip or WebVTT."""
        try:
            transcript = Transcript.objects.for_user(caller(request)).select_related("video").get(pk=identifier(id))
        except Transcript.DoesNotExist as error:
            raise NotFound("You have no transcript with this id. GET /transcripts lists yours.") from error
        return self.formatted(request, transcript, transcript.video)


class TranscriptListView(GenericAPIView[Transcript]):
    """``GET /transcripts``."""

    @extend_schema(
        parameters=[TranscriptListQuery],
        responses=TranscriptPageSerializer,
        operation_id="listTranscripts",
        summary="List your transcripts",
        tags=["transcripts"],
    )
    def get(self, request: Request) -> Response:
        """Your transcripts without their text, newest first. Follow `next` for more."""
        TranscriptListQuery(data=request.query_params).parameters()
        transcripts = Transcript.objects.for_user(caller(request)).without_text()
        page = self.paginate_queryset(transcripts.order_by("-created_at", "-id"))
        return self.get_paginated_response(TranscriptSummarySerializer(page, many=True).data)
