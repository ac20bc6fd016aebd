"""Read and list transcripts."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import caller
from transcripts.models import Transcript
from transcripts.renderers import TRANSCRIPT_RENDERERS, FormatNegotiation
from transcripts.serializers import (
    FormatQuery,
    TranscriptListQuery,
    TranscriptPageSerializer,
    TranscriptSerializer,
    TranscriptSummarySerializer,
)
from videos.models import Video
from videos.views import ID, own_video

_FORMATS: dict[Any, Any] = {
    (200, "application/json"): TranscriptSerializer,
    (200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, "The words, one segment a line."),
    (200, "application/x-subrip"): OpenApiResponse(OpenApiTypes.STR, "SubRip."),
    (200, "text/vtt"): OpenApiResponse(OpenApiTypes.STR, "WebVTT."),
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

    def formatted(self, request: Request, transcript: Transcript, video: Video) -> Response:
        """The transcript in the negotiated format; files that are not JSON get a name."""
        extension = request.accepted_renderer.format
        headers = {}
        if extension != "json":
            name = f"{video.youtube_id}.{transcript.language}.{extension}"
            headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return Response(TranscriptSerializer(transcript).data, headers=headers)


class VideoTranscriptView(_FormattedView):
    """``GET /videos/{id}/transcript``."""

    @extend_schema(
        parameters=[ID, FormatQuery],
        responses=_FORMATS,
        operation_id="readVideoTranscript",
        summary="Read a video's transcript",
        tags=["transcripts"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
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
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """A transcript by its own id, as JSON, plain text, SubRip or WebVTT."""
        try:
            transcript = Transcript.objects.for_user(caller(request)).select_related("video").get(pk=id)
        except (Transcript.DoesNotExist, ValidationError) as error:
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
