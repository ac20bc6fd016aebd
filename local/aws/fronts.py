"""What the fronts of the function share. Each front makes the event that Lambda gets of a request, and the answer that
the client gets of what Lambda returned.
"""

import base64
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

ACCOUNT = "123456789012"
API_ID = "a1b2c3d4e5"
TEXTS = ("text/", "application/json", "application/javascript", "application/xml")  # what travels without base64


class Request(NamedTuple):
    """What a client sent; ``target`` is path and query as they stand on the wire, header names as it wrote them."""

    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    client: str = "203.0.113.7"


class Answer(NamedTuple):
    """What the client gets."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of_front(cls, status: int, message: str) -> "Answer":
        """One of the front's own, without the function."""
        return cls(status, [("Content-Type", "application/json")], json.dumps({"message": message}).encode())


class Malformed(Exception):
    """The function returned what is no answer."""


class Front(Protocol):
    """One kind of front; ``host`` is what stands in the Host header."""

    @property
    def host(self) -> str:
        """A domain name."""

    def event(self, request: Request) -> dict[str, Any] | Answer:
        """What the function gets; an answer where the front has one by itself."""

    def answer(self, returned: Any) -> Answer:
        """What the client gets of what the function returned. Raises ``Malformed``."""

    def failure(self) -> Answer:
        """What the client gets when the function failed, or returned what is no answer."""


def read_answer(returned: Any) -> Answer:
    """The form that all fronts but one read alike. Raises ``Malformed``."""
    if not isinstance(returned, dict):
        raise Malformed(f"not an object, but {type(returned).__name__}")
    status, body = returned.get("statusCode"), returned.get("body") or ""
    if not str(status).isdigit() or not 100 <= int(str(status)) < 600:
        raise Malformed(f"the status is {status!r}")
    if not isinstance(body, str):
        raise Malformed(f"the body is not text, but {type(body).__name__}")
    several: Mapping[str, list[Any]] = returned.get("multiValueHeaders") or {}
    headers = [(name, value) for name, values in several.items() for value in values]
    seen = {name.lower() for name in several}
    headers += [(name, value) for name, value in (returned.get("headers") or {}).items() if name.lower() not in seen]
    if not all(isinstance(value, str | int | float) for _, value in headers):
        raise Malformed("a header is not text")
    try:
        content = base64.b64decode(body, validate=True) if returned.get("isBase64Encoded") else body.encode()
    except ValueError as error:
        raise Malformed(f"the body is no base64: {error}") from error
    return Answer(int(str(status)), [(name, str(value)) for name, value in headers], content)


def is_below(path: str, prefix: str) -> bool:
    """Whether the path is the prefix, or within it."""
    return path == prefix or path.startswith(f"{prefix}/")


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All values of each name, in their order."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def with_forwarding(request: Request, host: str, hops: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The headers by name; what a client says about forwarding stays in front of, or gives way to, what is true."""
    headers: dict[str, list[str]] = {}
    own_names: dict[str, str] = {}
    for name, value in request.headers:
        headers.setdefault(own_names.setdefault(name.lower(), name), []).append(value)
    told = headers.pop(own_names.get("x-forwarded-for", ""), [])
    for name in ("host", "x-forwarded-proto", "x-forwarded-port"):
        headers.pop(own_names.get(name, ""), None)
    return headers | {
        "Host": [host],
        "X-Amzn-Trace-Id": [f"Root=1-{int(time.time()):x}-{uuid.uuid4().hex[:24]}"],
        "X-Forwarded-For": [", ".join([*told, request.client, *hops])],
        "X-Forwarded-Port": ["443"],
        "X-Forwarded-Proto": ["https"],
    }


def identity(request: Request) -> dict[str, str | None]:
    """Who calls, as far as API Gateway knows without an authorizer of its own."""
    agents = [value for name, value in request.headers if name.lower() == "user-agent"]
    unused = ("accountId", "apiKey", "caller", "cognitoIdentityId", "cognitoIdentityPoolId", "user", "userArn")
    return {**dict.fromkeys(unused), "sourceIp": request.client, "userAgent": agents[-1] if agents else None}


def moment() -> dict[str, Any]:
    """What is different with each request."""
    now = time.time()
    return {
        "requestId": str(uuid.uuid4()),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
        "timeEpoch": int(now * 1000),
    }
