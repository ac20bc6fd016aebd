"""How many requests there are, how they end and how long they take: middleware that writes metrics and traces."""

import re
import time

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch

from videos import metrics, traces
from videos.metrics import Metric
from ytbackend.headers import Middleware
from ytbackend.pages import STATIC

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


def measured(get_response: Middleware) -> Middleware:
    """Middleware: a document and a span for each answer."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        # What a client sends as its trace is not taken, as little as its request's id.
        with traces.span("request", kind="SERVER"):
            response = get_response(request)
            if traces.are_on():
                traces.say(_route(request), {"http.response.status_code": response.status_code})
        if metrics.are_on():
            took = Metric("Latency", round((time.perf_counter() - began) * 1000, 1), "Milliseconds", ((), ("Route",)))
            count = Metric("Requests", 1, by=(("StatusClass",), ("Route", "StatusClass")))
            classed = f"{response.status_code // 100}xx"
            status = str(response.status_code)
            metrics.emit([count, took], Route=_route(request), StatusClass=classed, status=status)
        return response

    return answer


def _route(request: HttpRequest) -> str:
    """As our addresses name it, such as ``GET /videos/{id}``. Of these there are few, whatever strangers ask for."""
    method = "GET" if request.method == "HEAD" else request.method
    found: ResolverMatch | None = request.resolver_match
    if found is None:
        return "static" if request.path_info.startswith(STATIC) else "none"
    if "admin" in found.app_names or found.route == "admin":
        return "admin"
    if found.url_name is None:  # the address that catches the rest
        return "none"
    if method not in _METHODS or not hasattr(getattr(found.func, "view_class", None), method.lower()):
        method = "other"
    return f"{method} /" + _ARGUMENT.sub(r"{\1}", found.route)
