"""Pages are for people with a browser: sessions, forms and files for them, which no call of the API pays for.

``MIDDLEWARE`` is loaded by the first request for a page. It stands within what ``settings.MIDDLEWARE`` names.
"""

import functools
from collections.abc import Callable
from typing import Any

from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

MIDDLEWARE = [
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers for whom has tried too many passwords
]

Answer = Callable[[HttpRequest], HttpResponseBase]


STATIC = "/static/"  # after whatever stands before our addresses: a stage, API_BASE_PATH


def is_page(path: str) -> bool:
    """Whether people look at it in a browser."""
    return path in ("/docs", "/admin") or path.startswith("/admin/")


def for_pages(get_response: Answer) -> Answer:
    """Middleware, the innermost: pages and what they load go through the middleware of pages to their views."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if is_page(request.path_info) or request.path_info.startswith(STATIC):
            answered: HttpResponseBase = _pages().answer(request)
            return answered
        return get_response(request)

    return answer


class _Pages(BaseHandler):
    """Django's own way from a request to a view, through other middleware; of its hooks, ``process_view`` is asked."""

    def __init__(self) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self.answer: Any = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]
        for name in reversed(MIDDLEWARE):
            middleware = import_string(name)(self.answer)
            if hasattr(middleware, "process_view"):
                self._view_middleware.insert(0, middleware.process_view)
            self.answer = convert_exception_to_response(middleware)


@functools.cache
def _pages() -> _Pages:
    """One a process."""
    return _Pages()
