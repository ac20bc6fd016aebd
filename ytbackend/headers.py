"""What holds for every answer, errors and static files too: who may read it, frame it and keep it, and its id.

``settings.MIDDLEWARE`` names these, outermost first. Sources: https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html,
https://www.w3.org/TR/CSP3/ and https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import SplitResult

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.http import ConditionalGetMiddleware
from django.utils.log import log_response

from ytbackend import request_id
from ytbackend.api import problem
from ytbackend.pages import is_page

Middleware = Callable[[HttpRequest], HttpResponseBase]

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Pages load what this host serves, and nothing that stands in them is run. Pictures in CSS are data: addresses.
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# U+202A to U+202E and U+2066 to U+2069 as UTF-8, which a page is written in.
_DIRECTION = re.compile(rb"\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_NO_FEATURES = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "autoplay", "camera", "display-capture", "fullscreen", "geolocation"),
        *("gyroscope", "hid", "magnetometer", "microphone", "midi", "payment", "screen-wake-lock", "serial", "usb"),
    )
)


def identified(get_response: Middleware) -> Middleware:
    """Middleware: the request has an id from here on, and its answer says it."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        with request_id.during(request):
            response = get_response(request)
            response["X-Request-Id"] = request_id.current()
            if response.status_code not in _WITHOUT_BODY and not response.streaming:
                response.setdefault("Content-Length", str(len(response.content)))  # type: ignore[attr-defined]
            # Django would say this after us, where the id is known no more. What was logged already it leaves alone.
            if isinstance(response, HttpResponse) and response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        return response

    return answer


def guarded(get_response: Middleware) -> Middleware:
    """Middleware: headers for browsers, beside those of Django's ``SecurityMiddleware``, which stands within."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if is_page(request.path_info) and isinstance(response, HttpResponse):
            _make_legible(response)
        response.setdefault("Content-Security-Policy", _PAGE if is_page(request.path_info) else _NOTHING)
        response["Permissions-Policy"] = _NO_FEATURES
        response["X-Frame-Options"] = settings.X_FRAME_OPTIONS
        # Most of what is answered here is one user's; what is not says so itself.
        response.setdefault("Cache-Control", "no-store")
        return response

    return answer


def _make_legible(response: HttpResponse) -> None:
    """Titles and transcripts cannot turn round the line that they stand in: what would is shown as its escape.

    Templates escape markup and leave these alone. https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
    """
    if not _DIRECTION.search(response.content):
        return
    response.content = _DIRECTION.sub(lambda found: found[0].decode().encode("unicode_escape"), response.content)
    if "Content-Length" in response:
        response["Content-Length"] = str(len(response.content))


class ExactCors(CorsMiddleware):
    """CORS for exactly the configured origins, letter for letter, as browsers send them.

    The library takes an origin apart first, and so also takes one with a path.
    """

    def origin_found_in_white_lists(self, origin: str, url: SplitResult) -> bool:
        """Whether it stands in the setting."""
        return origin in settings.CORS_ALLOWED_ORIGINS

    def check_preflight(self, request: HttpRequest) -> HttpResponseBase | None:
        """The answer to a preflight; None for other requests, and for a host that ``own_host`` refuses."""
        answer: HttpResponseBase | None = super().check_preflight(request)
        try:
            request.get_host()
        except DisallowedHost:
            return None
        return answer


class Known(ConditionalGetMiddleware):
    """An ETag for whatever is read, by a hash of what is answered; 304 for who has it as it is.

    https://www.rfc-editor.org/rfc/rfc9110#section-13
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The answer, or a shorter one."""
        if response.status_code != HTTPStatus.OK:
            return response
        answer: HttpResponseBase = super().process_response(request, response)
        if answer.status_code == HTTPStatus.PRECONDITION_FAILED:
            return problem(HTTPStatus.PRECONDITION_FAILED, "precondition_failed", _NO_CONDITION)
        if answer is not response and "Retry-After" in response:
            answer["Retry-After"] = response["Retry-After"]
        return answer


_NO_CONDITION = "What is read is not as If-Match or If-Unmodified-Since wants it. Leave these headers out."


def own_host(get_response: Middleware) -> Middleware:
    """Middleware: another host's name is a 400 before anything is served, static files too."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        request.get_host()
        return get_response(request)

    return answer
