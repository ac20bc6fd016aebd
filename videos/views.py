"""Submit, list, read, retry, cancel and delete videos."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from accounts.authentication import caller
from accounts.identifiers import identifier
from accounts.operations import extend_schema
from accounts.own_rows import OwnRows
from videos import facts, idempotency, services
from videos.models import Video
from videos.own_videos import find_own_video, own_videos
from videos.rate_limit import KEY_HEADER, KeyMismatch, Metered, idempotency_key, limit_headers
from videos.serializers import (
    AnalyzeSerializer,
    AttemptListSerializer,
    AttemptSerializer,
    VideoListQuery,
    VideoPageSerializer,
    VideoSerializer,
)
from videos.shown import ShownColumns, shown

POLL_SECONDS = 2  # how soon it is worth asking again while a video is in work

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)
TAGS = [
    OpenApiParameter(
        "If-None-Match",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        description="The `ETag` of an earlier answer: 304 and no body where nothing has changed since.",
    ),
    OpenApiParameter(
        "ETag",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        response=[200],
        description="Of exactly this answer. Send it in `If-None-Match` when you ask again.",
    ),
]
UNCHANGED = OpenApiResponse(None, "You have it as it is.")


class Conflict(APIException):
    """409: the video's state does not allow it."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"

    def __init__(self, state: str, detail: str) -> None:
        super().__init__(detail)
        self.state = state


class NoVideo(NotFound):
    """404: also for another user's video, and for what is no id."""

    default_detail = "You have no video with this id. GET /videos lists yours; ids are UUIDs."


def own_video(request: Request, video_id: str) -> Video:
    """The caller's video of this id. Raises ``NotFound``, also for another user's and for what is no id."""
    try:
        video = Video.objects.for_user(caller(request)).get(pk=identifier(video_id))
    except Video.DoesNotExist as error:
        raise NoVideo from error
    facts.learnt(video_id=str(video.pk))
    return video


class AnalyzeView(Metered):
    """``POST /analyze``."""

    @extend_schema(
        parameters=[KEY_HEADER, *limit_headers(200, 202, 429)],
        request=AnalyzeSerializer,
        responses={
            202: OpenApiResponse(VideoSerializer, "Accepted; `Location` is where to look, `Retry-After` when."),
            200: OpenApiResponse(VideoSerializer, "You have this video already, and it has not failed."),
            422: OpenApiResponse(None, "The `Idempotency-Key` came with another request before."),
            429: OpenApiResponse(None, "A quota is used up; `Retry-After` says when it renews. `GET /me` shows all."),
        },
        operation_id="analyze",
        summary="Submit a link",
        tags=["videos"],
    )
    def post(self, request: Request) -> Response:
        """Turns a YouTube link into a transcript.

        A link that you have submitted before, in whatever shape, answers the video that you have, as it is:
        delete it first to have it done in another mode or language. One that has failed starts again, with
        what this call asks for. What starts is counted against your quota of submissions a day.
        """
        key = idempotency_key(request)
        wanted = AnalyzeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            video, started = services.submit_video(
                user=caller(request),
                youtube_id=wanted.validated_data["url"],
                mode=wanted.validated_data["mode"],
                language=wanted.validated_data["language"],
                key=key,
            )
        except idempotency.KeyReused as error:
            raise KeyMismatch from error
        except idempotency.VideoDeleted as error:
            raise Conflict(
                "deleted", "The video that this Idempotency-Key started was deleted. Use a new key."
            ) from error
        return accepted(request, video) if started else Response(shown(video), headers=_location(video))


def _poll_in(video: ShownColumns) -> int:
    """Seconds after which there may be news."""
    wait = (video.retry_at - timezone.now()).total_seconds() if video.retry_at else 0
    return max(POLL_SECONDS, int(wait))


def accepted(request: Request, video: Video) -> Response:
    """202 with where to look and when."""
    headers = _location(video) | {"Retry-After": str(POLL_SECONDS)}
    return Response(shown(video), status=status.HTTP_202_ACCEPTED, headers=headers)


def _location(video: Video) -> dict[str, str]:
    return {"Location": reverse("video", [video.pk])}


class VideoListView(OwnRows, GenericAPIView[Video]):
    """``GET /videos``."""

    @extend_schema(
        parameters=[VideoListQuery, *TAGS],
        responses={200: VideoPageSerializer, 304: UNCHANGED},
        operation_id="listVideos",
        summary="List your videos",
        tags=["videos"],
    )
    def get(self, request: Request) -> Response:
        """Your videos, newest first. Follow `next` for more."""
        wanted = VideoListQuery(data=request.query_params).parameters()
        asked = own_videos(
            self.credentials(),
            order=wanted["ordering"],
            status=wanted.get("status", ""),
            words=wanted.get("search", "").split(),
        )
        page: list[ShownColumns] = self.paginate_queryset(asked)  # type: ignore[assignment, arg-type]
        if not page or self.is_news(page[0].email):
            self.confirm()
        return self.get_paginated_response([shown(video) for video in page])


class VideoDetailView(OwnRows):
    """``GET`` and ``DELETE /videos/{id}``."""

    @extend_schema(
        responses={200: VideoSerializer, 304: UNCHANGED},
        operation_id="readVideo",
        parameters=[ID, *TAGS],
        summary="Read one video",
        tags=["videos"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """Where a video stands. While it is in work, `Retry-After` says when to ask again."""
        video = find_own_video(self.credentials(), identifier(id))
        if video is None:
            raise NoVideo
        if self.is_news(video.email):
            self.confirm()
        facts.learnt(video_id=str(video.id))
        working = video.status in (Video.Status.QUEUED, Video.Status.PROCESSING)
        headers = {"Retry-After": str(_poll_in(video))} if working else {}
        return Response(shown(video), headers=headers)

    @extend_schema(
        responses={204: OpenApiResponse(None, "Gone.")},
        operation_id="deleteVideo",
        parameters=[ID],
        summary="Delete a video",
        tags=["videos"],
    )
    def delete(self, request: Request, id: str) -> Response:  # noqa: A002
        """Deletes the video, its transcript and its files, also while a worker is busy with it."""
        services.delete_video(own_video(request, id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RetryView(Metered):
    """``POST /videos/{id}/retry``."""

    @extend_schema(
        request=None,
        responses={
            202: VideoSerializer,
            409: OpenApiResponse(None, "It has not failed."),
            429: OpenApiResponse(None, "A quota is used up; `Retry-After` says when it renews. `GET /me` shows all."),
        },
        operation_id="retryVideo",
        parameters=[ID, *limit_headers(202, 429)],
        summary="Try a failed video again",
        tags=["videos"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Starts a failed video again, from the beginning. It is counted as a submission."""
        video = own_video(request, id)
        started = services.retry_video(video)
        if started is None:
            video = own_video(request, id)
            raise Conflict(video.status, f"This video is {video.status}. Only one that has failed can be retried.")
        return accepted(request, started)


class CancelView(APIView):
    """``POST /videos/{id}/cancel``."""

    @extend_schema(
        request=None,
        responses={200: VideoSerializer, 409: OpenApiResponse(None, "It has ended already.")},
        operation_id="cancelVideo",
        parameters=[ID],
        summary="Stop a video that waits or is in work",
        tags=["videos"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Ends a video that waits or is in work: it is then `failed`, with the code `cancelled`, and can be retried."""
        video = own_video(request, id)
        cancelled = services.cancel_video(video)
        video = own_video(request, id)
        if not cancelled:
            raise Conflict(video.status, f"This video is {video.status} already. There is nothing to cancel.")
        return Response(shown(video))


class AttemptListView(APIView):
    """``GET /videos/{id}/attempts``."""

    @extend_schema(
        responses=AttemptListSerializer,
        operation_id="listAttempts",
        parameters=[ID],
        summary="What became of each attempt",
        tags=["videos"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """The newest 100 times that a worker took the video into work, newest first."""
        attempts = own_video(request, id).attempts.order_by("-fence")[:100]
        return Response({"results": AttemptSerializer(attempts, many=True).data})
