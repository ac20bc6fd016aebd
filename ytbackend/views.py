"""The addresses that belong to no app: what this is, and whether it lives."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from accounts.staff import IsStaff
from videos.models import Breaker
from ytbackend import health


class RootSerializer(serializers.Serializer[dict[str, str]]):
    """What this service is."""

    name = serializers.CharField()
    version = serializers.CharField()
    docs = serializers.URLField()
    schema = serializers.URLField()


class SourceHealthSerializer(serializers.Serializer[dict[str, Any]]):
    """Whether YouTube answers this service."""

    status = serializers.ChoiceField(choices=["ok", "unavailable"])
    since = serializers.DateTimeField(allow_null=True, help_text="When it stopped answering.")
    retry_at = serializers.DateTimeField(allow_null=True, help_text="When it is asked again; videos wait for that.")


class FindingSerializer(serializers.Serializer[dict[str, Any]]):
    """One thing that was looked at."""

    name = serializers.CharField()
    status = serializers.ChoiceField(choices=["ok", "warning", "failed"])
    detail = serializers.CharField(help_text="What was found, and what to do about it.")


class HealthSerializer(serializers.Serializer[dict[str, Any]]):
    """How the service is."""

    status = serializers.ChoiceField(
        choices=["ok", "degraded"], help_text="`degraded`: links are accepted, but wait for something."
    )
    version = serializers.CharField()
    youtube = SourceHealthSerializer()
    findings = FindingSerializer(many=True, required=False, help_text="Of a deep look: everything, one by one.")


class OpenView(APIView):
    """Needs no token."""

    authentication_classes = ()
    permission_classes = ()


class RootView(OpenView):
    """``GET /``."""

    @extend_schema(responses=RootSerializer, operation_id="readRoot", summary="What this is", tags=["service"])
    def get(self, request: Request) -> Response:
        """The service's name and version, and where its documentation is."""
        return Response(
            {
                "name": "YouTube transcripts",
                "version": settings.VERSION,
                "docs": reverse("docs", request=request),
                "schema": reverse("schema", request=request),
            }
        )


class HealthView(APIView):
    """``GET /health``: open to all, but for a deep look."""

    @property
    def _is_deep(self) -> bool:
        request = getattr(self, "request", None)  # the schema is made without one
        return request is not None and request.GET.get("deep") in ("1", "true")

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Nobody is looked at who asks for what is open; so a token that has expired does no harm there."""
        return super().get_authenticators() if self._is_deep else []

    def get_permissions(self) -> list[BasePermission]:
        """A deep look asks everything, and tells what a stranger need not know."""
        return [IsStaff()] if self._is_deep else []

    @extend_schema(
        parameters=[
            OpenApiParameter("deep", bool, description="Look at everything. For staff: the pool's group `staff`.")
        ],
        auth=[{}, {"cognito": []}],  # type: ignore[list-item]  # security objects, as OpenAPI has them
        responses={200: HealthSerializer, 403: OpenApiResponse(None, "A deep look is for staff.")},
        operation_id="readHealth",
        summary="Is it alive?",
        tags=["service"],
    )
    def get(self, request: Request) -> Response:
        """Answers as long as process and database do, and says whether YouTube does. 503 without the database.

        With `deep=1` it also tries queue and storage, and tells what a deployment lacks: for staff alone.
        """
        breaker = Breaker.objects.youtube()
        youtube = {
            "status": "unavailable" if breaker.is_open else "ok",
            "since": breaker.opened_at,
            "retry_at": breaker.retry_at,
        }
        answer: dict[str, Any] = {"status": "degraded" if breaker.is_open else "ok", "version": settings.VERSION}
        answer["youtube"] = youtube
        if self._is_deep:
            found = health.findings()
            answer["findings"] = [finding._asdict() for finding in found]
            if any(finding.status == "failed" for finding in found):
                answer["status"] = "degraded"
        return Response(answer)
