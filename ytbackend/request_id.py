"""The id of a request: in its answer, and in every line that is logged while it is worked on.

Lambda's front gives each request one, which its own logs have as well. Where there is none, one is made. What a client
sends as ``X-Request-Id`` is never taken: it could be another request's.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

GIVEN = "ytbackend.request_id"  # in the WSGI environment: no header can be called so
_ID = re.compile(r"[A-Za-z0-9+/=_.:;-]{1,128}", re.ASCII)  # UUIDs, base64, and the load balancer's Root=1-…
_current: ContextVar[str] = ContextVar("request_id", default="")


@contextmanager
def during(environment: Mapping[str, Any]) -> Iterator[None]:
    """While this lasts, ``current`` is the id of this WSGI environment's request."""
    given = environment.get(GIVEN)
    known = given if isinstance(given, str) and _ID.fullmatch(given) else str(uuid.uuid4())
    token = _current.set(known)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> str:
    """The id; empty outside of requests."""
    return _current.get()
