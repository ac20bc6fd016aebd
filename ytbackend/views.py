"""The addresses that belong to no app: what this is, and whether it lives."""

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView


class RootSerializer(serializers.Serializer[dict[str, str]]):
    """What this service is."""

    name = serializers.CharField()
    version = serializers.CharField()
    docs = serializers.URLField()
    schema = serializers.URLField()


class HealthSerializer(serializers.Serializer[dict[str, str]]):
    """That it answers."""

    status = serializers.CharField()
    version = serializers.CharField()


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
        """Answers as long as the process does; it asks neither the database nor the queue."""
        return Response({"status": "ok", "version": settings.VERSION})
