"""Where a video's files are fetched: its audio, and what stands in for S3 where there is no bucket."""

from collections.abc import Iterable

from django.core import signing
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponseRedirect
from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.operations import extend_schema
from videos import files
from videos.models import Video
from videos.views import ID, own_video


class StorageUnavailable(APIException):
    """503: the files cannot be reached."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "storage_unavailable"
    default_detail = "The files cannot be reached at the moment. Try again soon."
    wait = 5


class AnyAccept(DefaultContentNegotiation):
    """What is answered here is a file or the way to one, whatever ``Accept`` says; only problems are JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first."""
        first = next(iter(renderers))
        return first, first.media_type


class AudioView(APIView):
    """``GET /videos/{id}/audio``."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        responses={302: OpenApiResponse(None, "`Location` is a signed address that lives for minutes.")},
        operation_id="fetchAudio",
        parameters=[ID],
        summary="Fetch the stored audio",
        tags=["videos"],
    )
    def get(self, request: Request, id: str) -> HttpResponseRedirect:  # noqa: A002
        """Where the audio can be fetched without a token, for a few minutes. 404 where none is stored."""
        video = own_video(request, id)
        if not video.s3_path:
            raise NotFound(_why_no_audio(video))
        try:
            address = default_storage.url(video.s3_path)
        except files.errors() as error:
            raise StorageUnavailable from error
        return HttpResponseRedirect(request.build_absolute_uri(address))


def _why_no_audio(video: Video) -> str:
    if video.source == Video.Source.CAPTIONS:
        return "No audio is stored for this video: its text came from captions."
    if video.status == Video.Status.FAILED:
        return "No audio is stored for this video, because it failed."
    return f"The video is {video.status}. Its audio can be fetched when it has been downloaded."


class FileView(APIView):
    """``GET /files/{token}``: stands in for S3's signed addresses where there is no bucket."""

    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AnyAccept

    @extend_schema(exclude=True)
    def get(self, request: Request, token: str) -> FileResponse:
        """The file, for whoever has an address that is still valid."""
        try:
            return FileResponse(default_storage.open(files.signed_name(token)))
        except (signing.BadSignature, OSError) as error:
            raise NotFound("This address has expired. Ask GET /videos/{id}/audio for a new one.") from error
