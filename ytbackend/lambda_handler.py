"""Lambda's entry, and the only file that knows what its events look like.

HTTP events of API Gateway (REST APIs, HTTP APIs of either payload version), function URLs and load balancers
go through apig-wsgi to Django. Everything else (``zappa manage``, ``zappa invoke``, schedules, records of
queues) goes to Zappa's own handler.

Event formats: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html and
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html.
"""

import base64
import binascii
import importlib
import os
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ytbackend.settings")

from apig_wsgi import make_lambda_handler
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.urls import resolve

Event = dict[str, Any]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

SWEEP_MARGIN_SECONDS = 10  # the longest that one step of a sweep waits for a database or storage that is silent


class Refused(Exception):
    """An invocation that this function does not serve, or an event that no gateway sends."""


def handler(event: Any, context: Any) -> Any:
    """Answer an HTTP event with a response in the format of its gateway, any other one as Zappa does.

    Raises :class:`Refused` for what is no event, and for Zappa's ``raw_command``, which would run any code.
    """
    if not isinstance(event, dict):
        raise Refused(f"An event is a JSON object, not {type(event).__name__}.")
    if _is_http(event):
        return _http(_complete(event), context)
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
    left = context.get_remaining_time_in_millis() / 1000
    call_command("sweep", within=max(1, left - SWEEP_MARGIN_SECONDS))


def _is_http(event: Event) -> bool:
    request = event.get("requestContext")
    return "httpMethod" in event or (isinstance(request, dict) and "http" in request)


def _complete(event: Event) -> Event:
    """A copy with all that apig-wsgi takes for granted, and without what a client could make it believe."""
    request = _object(event, "requestContext")
    event = {**event, "requestContext": request, "body": _body(event)}
    if event.get("version") == "2.0":
        return _complete_v2(event, request)
    event["httpMethod"] = str(event.get("httpMethod") or "GET")
    event["path"] = str(event.get("path") or "/")
    if event.get("version") != "1.0":
        event.pop("version", None)
    if not event.get("multiValueQueryStringParameters"):
        event.pop("multiValueQueryStringParameters", None)
        event["queryStringParameters"] = _object(event, "queryStringParameters")
    headers = _headers(_object(event, "multiValueHeaders") or _object(event, "headers"))
    _trust_gateway(headers, request)
    if "elb" in request and event.get("multiValueHeaders") is None:  # then it must be answered in the same way
        event["headers"] = {name: ",".join(values) for name, values in headers.items()}
        event.pop("multiValueHeaders", None)
    else:
        event["multiValueHeaders"] = headers
    return event


def _complete_v2(event: Event, request: Event) -> Event:
    http = _object(request, "http")
    http = {"method": "GET", "protocol": "HTTP/1.1", "sourceIp": ""} | {k: v for k, v in http.items() if v is not None}
    headers = _headers(_object(event, "headers"))
    _trust_gateway(headers, request)
    return {
        **event,
        "requestContext": {**request, "http": http},
        "rawPath": str(event.get("rawPath") or http.get("path") or "/"),
        "rawQueryString": str(event.get("rawQueryString") or ""),
        "headers": {name: ",".join(values) for name, values in headers.items()},
        "cookies": list(event.get("cookies") or ()),
    }


def _object(event: Event, name: str) -> Event:
    value = event.get(name)
    if not isinstance(value, dict | None):
        raise Refused(f"{name} of an HTTP event must be an object, not {type(value).__name__}.")
    return value or {}


def _body(event: Event) -> str:
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise Refused(f"body of an HTTP event must be text, not {type(body).__name__}.")
    if event.get("isBase64Encoded"):
        try:
            base64.b64decode(body)
        except (binascii.Error, ValueError) as error:
            raise Refused(f"body of an HTTP event says that it is base64, but cannot be read: {error}") from error
    return body


def _headers(sent: Event) -> dict[str, list[str]]:
    """Each header with its values. One with an underscore, which would pass for one with a hyphen, is dropped."""
    headers = {
        name: [str(value) for value in (values if isinstance(values, list) else [values]) if value is not None]
        for name, values in sent.items()
        if "_" not in name
    }
    for name, values in headers.items():
        if name.lower() == "cookie":  # a browser may send it in several lines (RFC 9113, 8.2.3)
            headers[name] = ["; ".join(values)]
    return {name: values for name, values in headers.items() if values}


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
    if "host" not in values and request.get("domainName"):
        headers["Host"] = [str(request["domainName"])]


def _last(values: list[str] | None, default: str) -> str:
    return ",".join(values or [default]).rpartition(",")[2].strip()


def _placed(application: Application) -> Application:
    """Tells Django what apig-wsgi leaves out: where the API begins in the client's URL, and who the client is."""

    def place(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        event = environ["apig_wsgi.full_event"]
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = _place(event)
        environ["REMOTE_ADDR"] = _client(event["requestContext"], environ)
        environ["SERVER_NAME"] = environ["SERVER_NAME"] or "localhost"
        return application(environ, start_response)

    return place


def _client(request: Event, environ: dict[str, Any]) -> str:
    """The address that the gateway saw; of X-Forwarded-For only the last is not the client's own word."""
    if "elb" in request:
        return _last([environ.get("HTTP_X_FORWARDED_FOR", "")], "")
    seen = request.get("identity") or request.get("http") or {}
    return str(seen.get("sourceIp") or "")


def _place(event: Event) -> tuple[str, str]:
    """``SCRIPT_NAME`` and ``PATH_INFO``: the part of the client's URL that belongs to gateway and function, and ours.

    A REST API's path lacks the stage and an HTTP API's has it, while the client's URL has it on the execute-api
    domain alone. On a custom domain the path begins with the base path that the domain maps, if any. Then comes
    ``API_BASE_PATH``, where the function has a prefix of its own.
    """
    request = event["requestContext"]
    path = _decoded(event["rawPath"] if event.get("version") == "2.0" else event["path"])
    if not path.startswith("/"):
        path = f"/{path}"
    before, path = _stage(event, request, path)
    mapped = _mapped(event, request, path)
    before, path = before + path[:mapped], path[mapped:] or "/"
    if settings.API_BASE_PATH and f"{path}/".startswith(f"{settings.API_BASE_PATH}/"):
        before, path = before + settings.API_BASE_PATH, path.removeprefix(settings.API_BASE_PATH) or "/"
    return before, path


def _stage(event: Event, request: Event, path: str) -> tuple[str, str]:
    stage = request.get("stage")
    if not stage or stage == "$default" or "elb" in request:
        return "", path
    prefix = f"/{stage}"
    in_url = ".execute-api." in str(request.get("domainName") or "")
    if "version" in event:
        if f"{path}/".startswith(f"{prefix}/"):
            return prefix if in_url else "", path.removeprefix(prefix) or "/"
        return "", path
    asked = _decoded(request.get("path"))
    if not in_url and asked.endswith(path):
        return asked.removesuffix(path), path
    return prefix if in_url else "", path


def _mapped(event: Event, request: Event, path: str) -> int:
    """How long the base path is that a custom domain has put before what the route matched."""
    route = str(event.get("routeKey") or event.get("resource") or "").rpartition(" ")[2]
    greedy = re.fullmatch(r"((?:/[^{}]*)?)/\{(\w+)\+\}", route)
    if greedy:
        rest = _decoded(_object(event, "pathParameters").get(greedy[2]))
        matched = f"{greedy[1]}/{rest.removeprefix('/')}".rstrip("/")
        whole = path.rstrip("/")
        return len(whole) - len(matched) if rest and whole.endswith(matched) else 0
    domain = str(request.get("domainName") or "")
    if route == "/" and domain and ".execute-api." not in domain:
        return len(path.rstrip("/"))
    return 0


def _decoded(path: Any) -> str:
    """As WSGI wants it: bytes as Latin-1. Gateways differ in whether they decode a path, and either is understood."""
    return unquote_to_bytes(path).decode("latin-1") if isinstance(path, str) else ""


_http = make_lambda_handler(_placed(get_wsgi_application()), binary_support=True)
resolve("/")  # loads every view now, in the initialisation, and not with the first request
