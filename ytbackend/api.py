"""What every endpoint shares: the shape of errors, the bounds of a body, the pages of a list."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports the parser below

log = logging.getLogger(__name__)

# The same for every 401, so that an answer never tells what was wrong with a token.
_UNAUTHORIZED = "Send a valid Cognito token of this service in the Authorization header."


def problem(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JsonResponse:
    """The only maker of error answers: a problem of RFC 9457 with a ``code`` for programs.

    https://www.rfc-editor.org/rfc/rfc9457
    """
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail} | more
    return JsonResponse(body, status=status, headers=headers, content_type="application/problem+json")


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Named by ``REST_FRAMEWORK``: what a view raised, as a problem. None: a bug, and so a 500."""
    if isinstance(error, Http404):
        return not_found(context["request"])
    if isinstance(error, DjangoPermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, OperationalError | InterfaceError):
        log.error("the database is unavailable: %s", error)
        return problem(
            503, "database_unavailable", "The database is not available. Try again soon.", headers={"Retry-After": "5"}
        )
    if not isinstance(error, exceptions.APIException):
        return None
    if isinstance(error, exceptions.ValidationError):
        places = list(_places(error.detail))
        return problem(400, "invalid_request", _summary(places), errors=places)
    headers = {}
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
        if isinstance(error, exceptions.AuthenticationFailed):
            headers["WWW-Authenticate"] += ', error="invalid_token"'
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        return problem(401, "unauthorized", _UNAUTHORIZED, headers=headers)
    more = {"state": error.state} if hasattr(error, "state") else {}
    return problem(error.status_code, _code(error), str(error.detail), headers=headers, **more)


def _code(error: exceptions.APIException) -> str:
    codes = error.get_codes()
    return codes if isinstance(codes, str) else error.default_code


def _places(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Each complaint with its place: a JSON pointer into the body, or the name of a query parameter.

    Serializers of queries name their fields with a leading question mark.
    """
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _places(inner, path if name == "non_field_errors" else f"{path}/{name}")
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for inner in detail:
            yield from _places(inner, path)
    elif path.startswith("/?"):
        yield {"parameter": path.removeprefix("/?"), "detail": str(detail)}
    else:
        yield {"pointer": f"#{path}", "detail": str(detail)}


def _summary(places: Sequence[Mapping[str, str]]) -> str:
    return " ".join(f"{place.get('parameter') or place['pointer']}: {place['detail']}" for place in places)


# --- Answers to requests that reach no view; named by urls.py


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler404``; staff get Django's own page."""
    if request.path_info.startswith("/admin/"):
        return defaults.page_not_found(request, exception or Http404())
    return problem(404, "not_found", "Nothing is here. GET /docs lists what there is.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler400``: a host, path or query that Django itself refuses."""
    return problem(400, "bad_request", "The request could not be read. Check its host, path and headers.")


def server_error(request: HttpRequest) -> HttpResponse:
    """``handler500``: our bug. The log has the rest."""
    return problem(500, "internal_error", "Something went wrong on our side. It has been logged; try again later.")


class BodyTooLarge(exceptions.APIException):
    """413."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = f"The body may have at most {settings.MAX_BODY_BYTES} bytes."


class BoundedJSONParser(BaseParser):
    """JSON of at most ``MAX_BODY_BYTES``; strict: UTF-8, no NaN, no key twice."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Raises ``BodyTooLarge`` before a large body is read, and ``ParseError`` for what is no JSON."""
        announced = parser_context["request"].META.get("CONTENT_LENGTH") if parser_context else None
        if announced and int(announced) > settings.MAX_BODY_BYTES:
            raise BodyTooLarge
        body = stream.read(settings.MAX_BODY_BYTES + 1)
        if len(body) > settings.MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(
                'The body must be JSON, such as {"url": "https://youtu.be/dQw4w9WgXcQ"}.', code="malformed_json"
            ) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


class KeysetPagination(CursorPagination):
    """Pages by position, not by number: no page costs more than the first, and nothing is seen twice.

    It follows the order that the view gave to the queryset.
    """

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: "APIView") -> tuple[str, ...]:
        """The queryset's own."""
        return tuple(str(name) for name in queryset.query.order_by)

    def paginate_queryset(self, queryset: Any, request: Request, view: "APIView | None" = None) -> list[Any] | None:
        """A cursor that we have not made is the caller's mistake, and no missing page."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (exceptions.NotFound, DjangoValidationError) as error:
            raise exceptions.ValidationError(
                {"?cursor": "This is no cursor of ours. Follow the links in next and previous as they are."}
            ) from error


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Named by ``SPECTACULAR_SETTINGS``: every operation of the schema may answer a problem."""
    text = {"type": "string"}
    place = {"type": "object", "properties": {"pointer": text, "parameter": text, "detail": text}}
    result["components"]["schemas"]["Problem"] = {
        "type": "object",
        "description": "What went wrong, as in RFC 9457. `code` is for programs, `detail` for people.",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": text,
            "detail": text,
            "errors": {"type": "array", "items": place, "description": "The places in the request."},
            "state": {**text, "description": "Where the video stands, when that is in the way."},
        },
    }
    answer = {
        "description": "A problem.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = answer
    return result
