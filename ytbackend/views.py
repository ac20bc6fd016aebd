"""The addresses that belong to no app: what this is, and whether it lives."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from videos.models import Breaker


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


class HealthSerializer(serializers.Serializer[dict[str, Any]]):
    """How the service is."""

    status = serializers.ChoiceField(
        choices=["ok", "degraded"], help_text="`degraded`: links are accepted, but wait for something."
    )
    version = serializers.CharField()
    youtube = SourceHealthSerializer()


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


class HealthView(OpenView):
    """``GET /health``."""

    @extend_schema(responses=HealthSerializer, operation_id="readHealth", summary="Is it alive?", tags=["service"])
    def get(self, request: Request) -> Response:
        """Answers as long as process and database do, and says whether YouTube does. 503 without the database."""
        breaker = Breaker.objects.youtube()
        youtube = {
            "status": "unavailable" if breaker.is_open else "ok",
            "since": breaker.opened_at,
            "retry_at": breaker.retry_at,
        }
        status = "degraded" if breaker.is_open else "ok"
        return Response({"status": status, "version": settings.VERSION, "youtube": youtube})
