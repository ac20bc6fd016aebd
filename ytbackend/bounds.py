"""How large a request may be, whichever way it came.

API Gateway has bounds of its own (10,240 bytes of address and headers together), load balancers and function URLs
have wider ones, and a development server hardly any: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from ytbackend.api import body_too_large, problem

# Has bounds in accounts.cognito: a token that is too long is a bad token, and answers 401.
_ELSEWHERE = "HTTP_AUTHORIZATION"


def bounded(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware: refuses with a sentence what is too large, before anything looks at it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return _refusal(request) or get_response(request)

    return middleware


def _refusal(request: HttpRequest) -> HttpResponse | None:
    query = request.META.get("QUERY_STRING", "")
    if len(request.path_info.encode()) + len(query) > settings.MAX_ADDRESS_BYTES:
        most = f"The address may have at most {settings.MAX_ADDRESS_BYTES} bytes, with its query."
        return problem(414, "address_too_long", f"{most} Shorten the query, or leave parameters out.")
    headers = {name: value for name, value in request.META.items() if name.startswith("HTTP_") and name != _ELSEWHERE}
    size = sum(len(name) + len(str(value)) for name, value in headers.items())
    if len(headers) > settings.MAX_HEADERS or size > settings.MAX_HEADER_BYTES:
        most = f"There may be at most {settings.MAX_HEADERS} headers with {settings.MAX_HEADER_BYTES} bytes altogether."
        return problem(431, "headers_too_large", f"{most} Leave out those that the API does not need, such as cookies.")
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if not (announced.isascii() and announced.isdecimal()):  # Django would take the body for none
        return problem(400, "malformed_length", "Content-Length must be the number of the body's bytes, in digits.")
    if int(announced[:20]) > settings.MAX_BODY_BYTES and not _is_a_form(request):
        return body_too_large()
    return None


def _is_a_form(request: HttpRequest) -> bool:
    """Of the admin; ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bounds it."""
    return request.path_info.startswith("/admin/")
