"""The id of a request: in its answer, and in every line that is logged while it is worked on.

Lambda's front gives each request one, which its own logs have as well. Where there is none, one is made. What a client
sends as ``X-Request-Id`` is never taken: it could be another request's.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.http import HttpRequest
from django.utils.functional import LazyObject

from videos import facts

GIVEN = "ytbackend.request_id"  # in the WSGI environment: no header can be called so
_ID = re.compile(r"[A-Za-z0-9+/=_.:;-]{1,128}", re.ASCII)  # UUIDs, base64, and the load balancer's Root=1-…


@contextmanager
def during(request: HttpRequest) -> Iterator[None]:
    """While this lasts, it is known which request this is, and who is calling as soon as that is found out."""
    given = request.META.get(GIVEN)
    known = given if isinstance(given, str) and _ID.fullmatch(given) else str(uuid.uuid4())
    with facts.during(request_id=known, user_id=lambda: _caller(request)):
        yield


def current() -> str:
    """The id; empty outside of requests."""
    return str(facts.current().get("request_id", ""))


def _caller(request: HttpRequest) -> str | None:
    """Whom DRF or Django's session has found; to say so in the log must not ask the database."""
    user = getattr(request, "user", None)
    if isinstance(user, LazyObject):  # of AuthenticationMiddleware, which keeps here whom it has loaded
        user = getattr(request, "_cached_user", None)
    return str(user.pk) if user is not None and user.pk is not None else None
