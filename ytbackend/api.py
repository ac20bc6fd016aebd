"""What every endpoint shares: the shape of errors, and the bounds of a body."""

import itertools
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings

from accounts.models import User
from ytbackend import request_id

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module

log = logging.getLogger(__name__)

MAX_PLACES = 20  # so many complaints are enough, and no answer is larger than what it answers
MOST_ACCEPTS = 64  # remembered; they are at most as long as headers may be
MAX_DEPTH = 8  # of a body; the deepest that is accepted is a list in an object

# The same for every 401, so that an answer never tells what was wrong with a token.
_UNAUTHORIZED = "Send a valid Cognito token or API key of this service in the Authorization header."


def problem(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JsonResponse:
    """The only maker of error answers: a problem of RFC 9457 with a ``code`` for programs.

    https://www.rfc-editor.org/rfc/rfc9457
    """
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail} | more
    return JsonResponse(
        body,
        status=status,
        headers=headers,
        content_type="application/problem+json",
        json_dumps_params={"ensure_ascii": False},
    )


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Named by ``REST_FRAMEWORK``: what a view raised, as a problem. None: a bug, and so a 500."""
    if isinstance(error, Http404):
        return not_found(context["request"])
    if isinstance(error, DjangoPermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, OperationalError | InterfaceError):
        return _database_unavailable(error)
    if isinstance(error, User.DoesNotExist):  # erased since the token was looked at
        challenge = context["view"].get_authenticate_header(context["request"]) + ', error="invalid_token"'
        return problem(401, "unauthorized", _UNAUTHORIZED, headers={"WWW-Authenticate": challenge})
    if not isinstance(error, exceptions.APIException):
        return None
    if isinstance(error, exceptions.ValidationError):
        found = _query_places(error.detail) if getattr(error, "in_query", False) else _places(error.detail)
        places = list(itertools.islice(found, MAX_PLACES))
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
    detail = _HINTS.get(type(error), str(error.detail))
    if isinstance(error, exceptions.MethodNotAllowed):
        detail = f"{error.detail} Here one can: {', '.join(context['view'].allowed_methods)}."
    return problem(error.status_code, _code(error), detail, headers=headers, **more)


def _database_unavailable(error: Exception) -> HttpResponse:
    log.error("the database is unavailable: %s", error)
    return problem(
        503, "database_unavailable", "The database is not available. Try again soon.", headers={"Retry-After": "5"}
    )


# What DRF says in these cases names what is wrong, but not what would be right.
_HINTS = {
    exceptions.UnsupportedMediaType: "Send the body as JSON, with the header Content-Type: application/json.",
    exceptions.NotAcceptable: "This answers application/json. Leave the Accept header out, or allow that.",
}


def _code(error: exceptions.APIException) -> str:
    codes = error.get_codes()
    return codes if isinstance(codes, str) else error.default_code


def _places(detail: Any, pointer: str = "#") -> Iterator[dict[str, str]]:
    """Each complaint about a body with its place, a JSON pointer (https://www.rfc-editor.org/rfc/rfc6901)."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            step = quote(str(name).replace("~", "~0").replace("/", "~1"), safe="~")
            yield from _places(inner, f"{pointer}/{step}" if name != api_settings.NON_FIELD_ERRORS_KEY else pointer)
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for inner in detail:
            yield from _places(inner, pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}


def _query_places(detail: Any) -> Iterator[dict[str, str]]:
    """Each complaint about a query string with the parameter's name."""
    for name, complaints in detail.items():
        for complaint in [complaints] if isinstance(complaints, str) else complaints:
            yield {"parameter": name, "detail": str(complaint)}


def _summary(places: Sequence[Mapping[str, str]]) -> str:
    return " ".join(": ".join(place.values()) for place in places)


# --- Answers to requests that reach no view; named by urls.py


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler404``; staff get Django's own page."""
    if request.path_info.startswith("/admin/"):
        return defaults.page_not_found(request, exception or Http404())
    return problem(404, "not_found", "Nothing is here. GET /docs lists what there is.")


@csrf_exempt  # also whoever posts to a wrong address is told so
def nothing_here(request: HttpRequest, rest: str) -> HttpResponse:
    """Every address that is not one of ours."""
    return not_found(request)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler400``: a host, path or query that Django itself refuses."""
    return problem(400, "bad_request", "The request could not be read. Check its host, path and headers.")


def server_error(request: HttpRequest) -> HttpResponse:
    """``handler500``: our bug, or a database that has gone where no view of the API looks. The log has the rest."""
    error = sys.exc_info()[1]  # Django calls this while it handles what was raised
    if isinstance(error, OperationalError | InterfaceError):
        return _database_unavailable(error)
    return problem(
        500,
        "internal_error",
        "Something went wrong on our side. It has been logged; try again later, and if it stays so, tell us the id.",
        request_id=request_id.current(),
    )


class AllowedMethods(BaseMetadata):
    """What ``OPTIONS`` answers: how the address may be called. The rest stands in the OpenAPI document."""

    def determine_metadata(self, request: Request, view: "APIView") -> dict[str, Any]:
        """The methods."""
        return {"methods": view.allowed_methods}


class BodyTooLarge(exceptions.APIException):
    """413."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = f"The body may have at most {settings.MAX_BODY_BYTES} bytes."


def body_too_large() -> HttpResponse:
    """413, for a body that no parser looks at."""
    return problem(BodyTooLarge.status_code, BodyTooLarge.default_code, BodyTooLarge.default_detail)


class BoundedJSONParser(BaseParser):
    """JSON of at most ``MAX_BODY_BYTES`` and ``MAX_DEPTH``; strict: UTF-8, no NaN, no key twice, no half character."""

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
            found = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_refuse_constant)
            _check(found, MAX_DEPTH)
        except _Unclear as error:
            raise exceptions.ParseError(str(error), code="malformed_json") from error
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(
                'The body must be JSON, such as {"url": "https://youtu.be/dQw4w9WgXcQ"}.', code="malformed_json"
            ) from error
        return found


class RememberedNegotiation(DefaultContentNegotiation):
    """What an ``Accept`` header comes to is found out once: browsers and programs send a handful of them."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """As its base. Raises ``NotAcceptable``."""
        offered = list(renderers)
        asked = request.META.get("HTTP_ACCEPT", ""), tuple(type(one) for one in offered)
        found = _accepted.get(asked)
        if found is None:
            chosen, media_type = super().select_renderer(request, offered, format_suffix)
            if len(_accepted) >= MOST_ACCEPTS:
                _accepted.clear()
            found = _accepted[asked] = offered.index(chosen), media_type
        number, media_type = found
        return offered[number], media_type


_accepted: dict[tuple[str, tuple[type[BaseRenderer], ...]], tuple[int, str]] = {}


class _Unclear(Exception):
    """It is JSON, but nobody can tell what it means, or hold it."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Unclear(f"The key {json.dumps(key[:50])} stands twice in the body.")
        found[key] = value
    return found


def _check(value: Any, depth: int) -> None:
    """Raises ``_Unclear`` for what is nested too deeply, and for half of a surrogate pair, which is no text."""
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _Unclear(
                f"The text {json.dumps(value[:50])} holds half of a character: a surrogate without its pair."
            )
    elif isinstance(value, dict | list):
        if not depth:
            raise _Unclear(f"The body is nested more than {MAX_DEPTH} levels deep.")
        for inner in itertools.chain(value, value.values() if isinstance(value, dict) else ()):
            _check(inner, depth - 1)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


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
            "request_id": {**text, "description": "Of a 500: by it the log can be searched. Also in `X-Request-Id`."},
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
