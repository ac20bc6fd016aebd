"""The OpenAPI document and the page that shows it: what their views load, no call of the API needs."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.request import Request
from rest_framework.response import Response

PAGE_SECONDS = 300  # for which either may be kept


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
