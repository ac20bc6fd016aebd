"""The service's addresses, and beside them one for each way in which an answer can go wrong."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.urls import path
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ytbackend import urls
from ytbackend.urls import handler400, handler404, handler500  # noqa: F401 - Django looks for them here

ERRORS: dict[str, Exception] = {
    "throttled": exceptions.Throttled(wait=7),
    "forbidden": PermissionDenied(),
    "database": OperationalError(2003, "Can't connect to MySQL server on 'db.internal'"),
    "bug": RuntimeError("swordfish"),
}


class FailingView(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, **error: Any) -> Response:
        raise ERRORS[error["name"]]


urlpatterns = [path("failing/<name>", FailingView.as_view()), *urls.urlpatterns]
