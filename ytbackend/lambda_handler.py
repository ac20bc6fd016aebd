"""Lambda's entry, and the only file that knows what its events look like.

HTTP events of API Gateway (REST APIs, HTTP APIs of either payload version), function URLs and load balancers
go through apig-wsgi to Django. Everything else (``zappa manage``, ``zappa invoke``, schedules, records of
queues) goes to Zappa's own handler.

Event formats: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html and
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html.
"""

import base64
import importlib
import os
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from ytbackend import cold_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ytbackend.settings")
cold_start.begin()

# ruff: noqa: E402 - whatever is imported above is not put off
from apig_wsgi import DEFAULT_NON_BINARY_CONTENT_TYPE_PREFIXES, make_lambda_handler
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.urls import resolve

from ytbackend import request_id, watching

Event = dict[str, Any]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

SWEEP_MARGIN_SECONDS = 10  # the longest that one step of a sweep waits for a database or storage that is silent


class Refused(Exception):
    """An invocation that this function does not serve, or an event that no gateway sends."""


def handler(event: Any, context: Any) -> Any:
    """Answer an HTTP event with a response in the format of its gateway, any other one as Zappa does.

    Raises :class:`Refused` for what is no event, and for Zappa's ``raw_command``, which would run any code. Who may
    invoke the function, and so ``zappa manage``, can do with the service what it likes all the same.
    """
    try:
        return _answer(event, context)
    except Refused:
        raise
    except Exception as error:
        watching.report(error)
        raise
    finally:
        watching.flush()


def _answer(event: Any, context: Any) -> Any:
    if not isinstance(event, dict):
        raise Refused(f"An event is a JSON object, not {type(event).__name__}.")
    if "httpMethod" in event or _is_v2(event):
        try:
            return _http(_complete(event), context)
        except UnicodeError as error:  # half of a surrogate pair, which JSON can hold and HTTP cannot
            raise Refused(f"An HTTP event holds text that cannot be encoded: {error}") from error
    if "raw_command" in event:
        raise Refused("Code from outside is not run here. Use `zappa manage`, or `zappa invoke` without --raw.")
    if not event:
        return {"status": "ok"}  # the console's empty test event
    close_old_connections()  # outside of requests nobody else looks whether a connection died while frozen
    try:
        return importlib.import_module("zappa.handler").LambdaHandler.lambda_handler(event, context)
    finally:
        close_old_connections()


def sweep(event: Event, context: Any) -> None:
    """``manage.py sweep``, for the schedule in ``zappa_settings.json``; ends before Lambda's time is up."""
    from django.core.management import call_command

    left = context.get_remaining_time_in_millis() / 1000
    call_command("sweep", within=max(1, left - SWEEP_MARGIN_SECONDS))


def _complete(event: Event) -> Event:
    """A copy with all that apig-wsgi takes for granted, and without what a client could make it believe."""
    request = dict(_object(event, "requestContext"))
    if not ("rawPath" in event or "http" in request if _is_v2(event) else "path" in event or request):
        raise Refused("Of HTTP events only those of API Gateway, function URLs and load balancers are understood here.")
    event = {**event, "requestContext": request, "body": _text(event, "body")}
    if event.get("isBase64Encoded") and not _is_base64(event["body"]):
        event["isBase64Encoded"] = False  # it is the text that it is
    return _complete_v2(event, request) if _is_v2(event) else _complete_v1(event, request)


def _is_v2(event: Event) -> bool:
    return "rawPath" in event or event.get("version") == "2.0"


def _complete_v1(event: Event, request: Event) -> Event:
    if event.get("version") != "1.0":
        event.pop("version", None)  # of something else
    event |= {"httpMethod": _text(event, "httpMethod", "GET"), "path": _text(event, "path", "/")}
    several = _object(event, "multiValueQueryStringParameters")
    event["queryStringParameters"] = _object(event, "queryStringParameters")
    if not several:
        event.pop("multiValueQueryStringParameters", None)
    headers = _headers(_object(event, "multiValueHeaders") or _object(event, "headers"))
    _trust_gateway(headers, request)
    if "elb" in request and event.get("multiValueHeaders") is None:  # then it must be answered in the same way
        event.pop("multiValueHeaders", None)
        return event | {"headers": {name: ",".join(values) for name, values in headers.items()}}
    return event | {"multiValueHeaders": headers}


def _complete_v2(event: Event, request: Event) -> Event:
    http = _object(request, "http")
    request["http"] = {
        "method": _text(http, "method", "GET"),
        "protocol": _text(http, "protocol", "HTTP/1.1"),
        "sourceIp": _text(http, "sourceIp"),
    }
    headers = _headers(_object(event, "headers"))
    _trust_gateway(headers, request)
    return event | {
        "version": "2.0",
        "rawPath": _text(event, "rawPath", "/"),
        "rawQueryString": _wsgi(_text(event, "rawQueryString")),
        "headers": {name: ",".join(values) for name, values in headers.items()},
        "cookies": _list(event.get("cookies")),
    }


def _object(event: Event, name: str) -> Event:
    value = event.get(name)
    if not isinstance(value, dict | None):
        raise Refused(f"{name} of an HTTP event must be an object, not {type(value).__name__}.")
    return value or {}


def _text(event: Event, name: str, default: str = "") -> str:
    value = event.get(name)
    if not isinstance(value, str | None):
        raise Refused(f"{name} of an HTTP event must be text, not {type(value).__name__}.")
    return value or default


def _list(values: Any) -> list[str]:
    return [_wsgi(str(value)) for value in (values if isinstance(values, list) else [values]) if value is not None]


def _wsgi(text: str) -> str:
    """Text as WSGI wants it: its UTF-8 bytes as Latin-1 (https://peps.python.org/pep-3333/#unicode-issues)."""
    return text if text.isascii() else text.encode().decode("latin-1")


def _is_base64(body: str) -> bool:
    """Whether it can be read as that."""
    try:
        base64.b64decode(body)
    except ValueError:
        return False
    return True


def _headers(sent: Event) -> dict[str, list[str]]:
    """Each header with its values. One with an underscore, which would pass for one with a hyphen, is dropped.

    One that was sent twice in two cases is one header with two values: else the last would silently win.
    """
    headers: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for name, values in sent.items():
        if "_" not in name and (found := _list(values)):
            headers.setdefault(spelled.setdefault(name.lower(), name), []).extend(found)
    if cookie := spelled.get("cookie"):  # a browser may send it in several lines (RFC 9113, 8.2.3)
        headers[cookie] = ["; ".join(headers[cookie])]
    return headers


def _trust_gateway(headers: dict[str, list[str]], request: Event) -> None:
    """What stands before the last hop was sent by the client, who can write what it likes."""
    values = {name.lower(): values for name, values in headers.items()}
    for name in [name for name in headers if name.lower() in ("x-forwarded-proto", "x-forwarded-port")]:
        del headers[name]
    if "elb" in request:
        headers["X-Forwarded-Proto"] = [_last(values.get("x-forwarded-proto"), "http")]
        headers["X-Forwarded-Port"] = [_last(values.get("x-forwarded-port"), "80")]
    else:  # API Gateway and function URLs speak nothing but HTTPS
        headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"] = ["https"], ["443"]
    request["domainName"] = _text(request, "domainName") or values.get("host", [""])[-1]
    if "host" not in values and request["domainName"]:
        headers["Host"] = [request["domainName"]]


def _last(values: list[str] | None, default: str) -> str:
    return ",".join(values or [default]).rpartition(",")[2].strip()


def _placed(application: Application) -> Application:
    """Tells Django what apig-wsgi leaves out: where the API begins in the client's URL, and who the client is."""

    def place(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        event = environ["apig_wsgi.full_event"]
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = _place(event)
        environ["REMOTE_ADDR"] = _client(event["requestContext"], environ)
        environ["SERVER_NAME"] = environ["SERVER_NAME"] or "localhost"
        environ[request_id.GIVEN] = _request_id(event["requestContext"], environ["apig_wsgi.context"])
        return application(environ, start_response)

    return place


def _request_id(request: Event, context: Any) -> Any:
    """The gateway's, which is in its access log; else the invocation's, which is in Lambda's."""
    return request.get("requestId") or getattr(context, "aws_request_id", None)


def _client(request: Event, environ: dict[str, Any]) -> str:
    """The address that the gateway saw; of X-Forwarded-For only the last is not the client's own word."""
    if "elb" in request:
        return _last([environ.get("HTTP_X_FORWARDED_FOR", "")], "")
    return _text(_object(request, "identity") or _object(request, "http"), "sourceIp")


def _place(event: Event) -> tuple[str, str]:
    """``SCRIPT_NAME`` and ``PATH_INFO``: the part of the client's URL that belongs to gateway and function, and ours.

    A REST API's path lacks the stage and an HTTP API's has it, while the client's URL has it on the execute-api
    domain alone. On a custom domain the path begins with the base path that the domain maps, if any. Then comes
    ``API_BASE_PATH``, where the function has a prefix of its own.
    """
    request = event["requestContext"]
    path = _decoded(event["rawPath" if "rawPath" in event else "path"])
    if not path.startswith("/"):
        path = f"/{path}"
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-call-api.html
    if ".execute-api." in request["domainName"]:
        before, path = _stage(event, request, path)
    else:
        before, path = _base_path(event, request, _stage(event, request, path)[1])
    if settings.API_BASE_PATH and f"{path}/".startswith(f"{settings.API_BASE_PATH}/"):
        before, path = before + settings.API_BASE_PATH, path.removeprefix(settings.API_BASE_PATH) or "/"
    return before, path


def _stage(event: Event, request: Event, path: str) -> tuple[str, str]:
    """The stage in the URL of an execute-api domain, and the path without it."""
    stage = request.get("stage")
    if not stage:
        return "", path
    if "version" not in event:
        return f"/{stage}", path
    if f"{path}/".startswith(f"/{stage}/"):
        return f"/{stage}", path.removeprefix(f"/{stage}") or "/"
    return "", path


def _base_path(event: Event, request: Event, path: str) -> tuple[str, str]:
    """What a custom domain has put before that which the route has matched, and the path without it."""
    asked = _decoded(request.get("path"))
    if asked.endswith(path) and asked != path:
        return asked.removesuffix(path), path
    route = str(event.get("routeKey") or event.get("resource") or "").rpartition(" ")[2]
    length = 0
    if greedy := re.fullmatch(r"((?:/[^{}]*)?)/\{(\w+)\+\}", route):
        rest = _decoded(_object(event, "pathParameters").get(greedy[2])).strip("/")
        matched = f"{greedy[1]}/{rest}"
        if path.rstrip("/").endswith(matched):
            length = len(path.rstrip("/")) - len(matched)
    elif route.startswith("/") and "{" not in route and path.rstrip("/").endswith(route.rstrip("/")):
        length = len(path.rstrip("/")) - len(route.rstrip("/"))
    return path[:length], path[length:] or "/"


def _decoded(path: Any) -> str:
    """As WSGI wants it: bytes as Latin-1. Gateways differ in whether they decode a path, and either is understood."""
    return unquote_to_bytes(path).decode("latin-1") if isinstance(path, str) else ""


# A transcript as SubRip is text, too; as base64 it would be a third larger than what MAX_ANSWER_BYTES goes by.
_TEXT = (*DEFAULT_NON_BINARY_CONTENT_TYPE_PREFIXES, "application/x-subrip")
_http = make_lambda_handler(
    _placed(get_wsgi_application()), binary_support=True, non_binary_content_type_prefixes=_TEXT
)
resolve("/")  # loads every view now, in the initialisation, and not with the first request
cold_start.end()
