"""What may come in an ``Authorization`` header, sent as bytes to a real server and as an event to Lambda's entry.

Each of ``attacks.json`` must have exactly its status and challenge, tell nothing of why, and be no bug of ours.
"""

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.parser import Parser
from http.client import HTTPMessage
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIServer

import pytest
from django.core.servers.basehttp import WSGIRequestHandler
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone

from accounts import authentication, sign_out
from accounts.cognito import InvalidToken
from accounts.models import User
from tests import builders
from tests.accounts import attacks, key_server
from tests.accounts.attacks import CASES, Request
from tests.accounts.key_server import Answer, KeyServer
from tests.tokens import ALICE, id_token
from ytbackend import lambda_handler

pytestmark = pytest.mark.django_db

CHALLENGES = {"401": 'Bearer realm="shri", error="invalid_token"', "401 bare": 'Bearer realm="shri"'}
UNAUTHORIZED = {
    "type": "about:blank",
    "title": "Unauthorized",
    "status": 401,
    "code": "unauthorized",
    "detail": "Send a valid Cognito token or API key of this service in the Authorization header.",
}


class Reply(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes


# --- two doors


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(WSGIServer):
    """Django's own server, one request at a time in the thread of the test, so that both share a transaction."""

    failures: list[object]

    def handle_error(self, request: object, client_address: object) -> None:
        self.failures.append(client_address)

    def shutdown_request(self, request: Any) -> None:
        """Reads what is left, as servers do, so that an answer is not lost to a client that is still sending."""
        with request, contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            while request.recv(65_536):
                pass

    def ask(self, request: Request) -> Reply:
        body = request.body.encode()
        head = [f"{request.method} {request.path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *request.lines]
        if body:
            head.append(f"Content-Length: {len(body)}")
        sent = b"\r\n".join(_bytes(line) for line in head) + b"\r\n\r\n" + body
        received: list[bytes] = []
        client = threading.Thread(target=_exchange, args=(self.server_address, sent, received))
        client.start()
        self.handle_request()
        client.join()
        head_of, _, content = b"".join(received).partition(b"\r\n\r\n")
        first, _, lines = head_of.decode("latin-1").partition("\r\n")
        return Reply(int(first.split()[1]), Parser(HTTPMessage).parsestr(lines), content)


def _bytes(line: str) -> bytes:
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode()


def _exchange(address: tuple[str, int], sent: bytes, received: list[bytes]) -> None:
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(65_536):
            received.append(data)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), _Quiet) as listening:
        listening.failures = []
        listening.timeout = 20
        listening.set_app(get_wsgi_application())
        yield listening


def ask_lambda(request: Request) -> Reply:
    """The same as an event of a REST API."""
    headers: dict[str, list[str]] = {"Host": ["127.0.0.1"]}
    for line in request.lines:
        name, _, value = line.partition(":")
        headers.setdefault(name, []).append(value.strip(" \t"))
    path, _, query = request.path.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    event = {
        "httpMethod": request.method,
        "path": path,
        "multiValueHeaders": headers,
        "multiValueQueryStringParameters": {name: [value] for name, _, value in pairs} or None,
        "requestContext": {"stage": "", "identity": {"sourceIp": "192.0.2.1"}},
        "body": request.body or None,
    }
    answer = lambda_handler.handler(event, None)
    message = HTTPMessage()
    for name, values in answer["multiValueHeaders"].items():
        for value in values:
            message[name] = value
    return Reply(answer["statusCode"], message, answer["body"].encode())


# --- what is there before


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """The transaction of the test is seen by the requests, as with Django's test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(scope="module")
def _pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    with key_server.running(tmp_path_factory.mktemp("keys")) as (running, environment):
        patch = pytest.MonkeyPatch()
        for name, value in environment.items():
            patch.setenv(name, value)
        yield running
        patch.undo()


KEYS = {
    "page": lambda: Answer("<!doctype html><title>Sign in to the hotel</title>"),
    "{}": lambda: Answer("{}"),
    "no keys": lambda: Answer('{"keys": []}'),
    "huge": lambda: Answer(attacks.key_set().ljust(150_001)),
    "failing": lambda: Answer(attacks.key_set(), 500),
    "redirect": lambda: Answer(attacks.key_set(), 302, Location="https://evil.example/jwks.json"),
    "away": lambda: Answer(attacks.key_set(), 503),
    "untrusted": lambda: Answer(attacks.key_set()),
}
CHANGED = {"rotated", "withdrawn"}  # since the keys were fetched


def forget_keys() -> None:
    authentication._verifier.cache_clear()
    authentication._keys.cache_clear()


@pytest.fixture
def pool(_pool, settings) -> Iterator[KeyServer]:
    """The pool's key server, which no process has asked yet."""
    settings.COGNITO_JWKS = ""
    forget_keys()
    _pool.answer, _pool.vouched_for = Answer(attacks.key_set()), True
    _pool.paths.clear()
    yield _pool
    forget_keys()


def prepare(case: attacks.Case, pool: KeyServer, settings: Any, ask: Callable[[Request], Reply]) -> None:
    settings.COGNITO_TOKEN_USE = case.get("uses", ["access"])
    state, _, warm = case.get("keys", "normal").partition(", ")
    if warm or state in CHANGED:
        good = next(case for case in CASES if case["id"] == "P01")
        assert ask(attacks.request_of(good, int(time.time()))).status == 200
    if state == "withdrawn":
        pool.answer = Answer(attacks.key_set(state))
        rotated = {"header": {"kid": "another"}}  # an unknown key has the set fetched anew
        assert ask(attacks.request_of(rotated, int(time.time()))).status == 401
    elif state in KEYS:
        pool.answer = KEYS[state]()
        pool.vouched_for = state != "untrusted"
    elif state == "down":
        pool.answer = Answer(status=500)
    else:
        pool.answer = Answer(attacks.key_set(state))
    match case.get("user"):
        case "switched off":
            builders.user()
            User.objects.update(is_active=False)
        case "signed out":
            sign_out.everywhere(builders.user())
        case "signed out before":
            builders.user()
            User.objects.update(tokens_valid_after=timezone.now() - timedelta(hours=1))
        case "session ended":
            sign_out.one(builders.user(), attacks.ORIGIN)
        case "other session ended":
            sign_out.one(builders.user(), "another")


# --- the cases


def _all() -> Iterator[Any]:
    for case in CASES:
        for door in case.get("doors", ["socket", "lambda"]):
            yield pytest.param(case, door, id=f"{case['id']}-{door}")


@pytest.mark.parametrize(("case", "door"), list(_all()))
def test_it_answers_every_attack_as_it_should(case, door, server, pool, settings, caplog):
    ask = server.ask if door == "socket" else ask_lambda
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    prepare(case, pool, settings, ask)
    caplog.clear()
    request = attacks.request_of(case, int(time.time()))

    with caplog.at_level(logging.INFO):
        reply = ask(request)

    assert server.failures == []
    assert_as_expected(case, reply)
    assert_nothing_told(reply, request)
    assert_logged(case, caplog)


def assert_as_expected(case: attacks.Case, reply: Reply) -> None:
    status, _, kind = case["expect"].partition(" ")
    if reply.status in case.get("also", ()):
        return
    assert reply.status == int(status), reply.body
    assert reply.headers.get_all("WWW-Authenticate", []) == [CHALLENGES[case["expect"]] for _ in range(status == "401")]
    assert reply.headers.get_all("Retry-After", []) == ["5"] * (status == "503")
    if status == "200":
        answer = json.loads(reply.body)
        assert kind == "open" or "findings" in answer or answer["id"].lower() == ALICE
    else:
        assert reply.headers["Content-Type"] == "application/problem+json"
    if status == "401":
        assert json.loads(reply.body) == UNAUTHORIZED
        assert len(reply.body) < 200


def assert_nothing_told(reply: Reply, request: Request) -> None:
    """Not why, nor what was sent."""
    if reply.status in (200, 400, 414, 431):
        return
    text = reply.body.decode().lower()
    assert not [word for word in ("kid", "signature", "expired", "traceback", "issuer", "jwks", ".py") if word in text]
    assert not [line for line in request.lines if len(line) > 40 and line[20:40].lower() in text]


def assert_logged(case: attacks.Case, caplog: pytest.LogCaptureFixture) -> None:
    """One line with the reason, where a token is refused; a stack only where a key server is to blame."""
    refusals = [record.getMessage() for record in caplog.records if record.name == "accounts.authentication"]
    if "code" in case:
        assert refusals == [f"token refused: {case['code']}"]
    blamed = {record.name for record in caplog.records if record.levelno >= logging.ERROR}
    assert blamed == ({"accounts.authentication", "django.request"} if case["expect"] == "503" else set())


def test_all_the_groups_have_cases():
    assert {case["id"][0] for case in CASES} == set("PAKHCTBL")
    assert len(CASES) > 400
    assert len({case["id"] for case in CASES}) == len(CASES)


def test_no_outsider_is_asked_for_keys(server, pool, settings):
    """``jku`` and the like name hosts; only the pool's is ever asked, and once."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    for case in (case for case in CASES if case["id"][0] in "HK" and "keys" not in case):
        server.ask(attacks.request_of(case, int(time.time())))

    assert pool.paths == ["/local-1_Embedded/.well-known/jwks.json"] * len(pool.paths)
    assert len(pool.paths) == 1


def test_those_who_sign_in_to_the_admin_and_callers_cause_one_fetch_together(server, pool, settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    unknown = next(case for case in CASES if case["id"] == "K02")
    assert server.ask(attacks.request_of(unknown, int(time.time()))).status == 401

    with pytest.raises(InvalidToken, match="unknown_kid"):
        authentication.id_token_verifier().verify(id_token(key="evil"))

    assert len(pool.paths) == 1
