"""The addresses that belong to no app: what this is, and whether it lives."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from videos.models import Breaker

PAGE_SECONDS = 300  # for which schema and docs may be kept


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


class SchemaView(SpectacularAPIView):
    """``GET /schema``."""

    http_method_names = ["get", "head"]

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """The same for all, until the next release."""
        return _open_to_caches(super().finalize_response(request, response, *args, **kwargs))


class DocsView(SpectacularSwaggerView):
    """``GET /docs``. The page's script and style are files, as its policy runs nothing that stands in the page."""

    http_method_names = ["get", "head"]
    url_name = "schema"
    template_name = "ytbackend/docs.html"

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """The same for all, until the next release; and nobody who opens it holds on to its window."""
        response = _open_to_caches(super().finalize_response(request, response, *args, **kwargs))
        del response["Cross-Origin-Opener-Policy"]  # the middleware's is the stricter one
        return response


def _open_to_caches(response: Response) -> Response:
    if response.status_code == HTTPStatus.OK:
        response["Cache-Control"] = f"public, max-age={PAGE_SECONDS}"
    return response


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
