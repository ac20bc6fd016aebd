"""The function that brings keys and password to the API, as it stands in the template."""

import json
import threading
import time
import types
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import dj_database_url
import pytest

from accounts.keyset import StaticKeySet
from deployment import keyset
from tests import tokens
from tests.deployment.template import properties

PATTERN = "mysql://{username}:{password}@db.example:3306/ytbackend?ssl-ca=ca.pem"
ODD_PASSWORD = "a/b:c@d?e#f%g&h{i}\\j'k"
KEPT = {"kid", "kty", "alg", "use", "n", "e"}


class KeyAddress:
    """Where a pool publishes its keys; ``answer`` is what it says now."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.answer: bytes | Callable[[], Iterator[bytes]] = tokens.key_set("old").encode()
        self.location = ""


class Handler(BaseHTTPRequestHandler):
    address: KeyAddress

    def do_GET(self) -> None:
        moved = self.address.location and not self.path.startswith("/elsewhere")
        self.send_response(302 if moved else self.address.status)
        if moved:
            self.send_header("Location", self.address.location)
        self.end_headers()
        answer = self.address.answer
        try:
            for part in answer() if callable(answer) else [answer]:
                self.wfile.write(part)
                self.wfile.flush()
        except OSError:
            pass  # whoever asked has had enough

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def key_address(monkeypatch) -> Iterator[KeyAddress]:
    address = KeyAddress()
    with serving(type("Handler", (Handler,), {"address": address})) as where:
        address.url = f"{where}/.well-known/jwks.json"
        monkeypatch.setenv("KEYS_URL", address.url)
        yield address


@pytest.fixture
def secret(aws, monkeypatch) -> Callable[[str], None]:
    """The database's secret; calling it is a rotation."""
    client = boto3.client("secretsmanager", region_name="us-east-1")
    arn = client.create_secret(Name=f"db-{uuid.uuid4()}", SecretString="{}")["ARN"]

    def rotate(password: str) -> None:
        client.put_secret_value(SecretId=arn, SecretString=json.dumps({"username": "yt", "password": password}))

    rotate("first")
    monkeypatch.setenv("SECRET", arn)
    monkeypatch.setenv("DATABASE_URL_PATTERN", PATTERN)
    return rotate


@pytest.fixture
def django_key(aws, monkeypatch) -> Callable[[str], None]:
    """The secret with Django's key; calling it puts another one in."""
    client = boto3.client("secretsmanager", region_name="us-east-1")
    arn = client.create_secret(Name=f"django-{uuid.uuid4()}", SecretString="first-key")["ARN"]
    monkeypatch.setenv("DJANGO_SECRET", arn)
    return lambda key: client.put_secret_value(SecretId=arn, SecretString=key)


class Function:
    """One function as Lambda keeps it; calling it gives its variables as they are now.

    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html: what names an old revision
    is refused. moto has no revisions of functions.
    """

    def __init__(self) -> None:
        self.variables = {"LOG_LEVEL": "INFO", "COGNITO_JWKS": "none yet"}
        self.revision = 1
        self.busy = False
        self.written_meanwhile = False
        self.unreadable = False

    def __call__(self) -> dict[str, str]:
        return self.variables


class LambdaHandler(BaseHTTPRequestHandler):
    function: Function

    def do_GET(self) -> None:
        if not self.path.endswith("/functions/api/configuration"):
            self._answer(404, {"Message": "no such function"}, "ResourceNotFoundException")
            return
        variables: dict[str, Any] = {"Variables": self.function.variables}
        if self.function.unreadable:
            variables = {"Error": {"ErrorCode": "KMSAccessDeniedException", "Message": "no access to the key"}}
        self._answer(200, {"RevisionId": str(self.function.revision), "Environment": variables})
        self.function.revision += self.function.written_meanwhile

    def do_PUT(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.function.busy:
            self._answer(409, {"Message": "an update is in progress"}, "ResourceConflictException")
        elif wanted["RevisionId"] != str(self.function.revision):
            self._answer(412, {"Message": "not the latest revision"}, "PreconditionFailedException")
        else:
            self.function.variables = wanted["Environment"]["Variables"]
            self.function.revision += 1
            self._answer(200, {})

    def _answer(self, status: int, body: dict[str, Any], error: str = "") -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def api(monkeypatch) -> Iterator[Function]:
    """The API's function, deployed."""
    function = Function()
    with serving(type("Handler", (LambdaHandler,), {"function": function})) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", address)
        monkeypatch.setenv("FUNCTION", "api")
        yield function


@pytest.fixture
def refresher(monkeypatch, key_address, secret, django_key) -> types.ModuleType:
    """The code in the template."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")  # Lambda sets it
    module = types.ModuleType("index")
    exec(compile(properties("Refresher")["Code"]["ZipFile"], "index.py", "exec"), module.__dict__)
    return module


def run(refresher: types.ModuleType) -> Any:
    return refresher.handler({}, None)


def test_it_brings_keys_and_password(refresher, api):
    assert run(refresher) == ["COGNITO_JWKS", "DATABASE_URL", "DJANGO_SECRET_KEY"]

    assert StaticKeySet(api()["COGNITO_JWKS"]).key(tokens.jwk("old")["kid"])
    assert dj_database_url.parse(api()["DATABASE_URL"])["PASSWORD"] == "first"


def test_it_leaves_every_other_variable_alone(refresher, api):
    run(refresher)

    assert api()["LOG_LEVEL"] == "INFO"


def test_it_writes_nothing_over_variables_that_it_cannot_read(refresher, api):
    """https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html: Variables, or else Error."""
    before = dict(api())
    api.unreadable = True

    with pytest.raises(KeyError, match="Variables"):
        run(refresher)
    assert api() == before


def test_it_changes_nothing_where_nothing_is_new(refresher, api):
    run(refresher)

    assert run(refresher) == []


def test_it_brings_a_new_key_beside_the_old_one(refresher, api, key_address):
    run(refresher)
    key_address.answer = tokens.key_set("old", "new").encode()

    assert run(refresher) == ["COGNITO_JWKS"]
    keys = StaticKeySet(api()["COGNITO_JWKS"])
    assert all(keys.key(tokens.jwk(name)["kid"]) for name in ("old", "new"))


def test_the_order_of_the_keys_is_no_news(refresher, api, key_address):
    key_address.answer = tokens.key_set("old", "new").encode()
    run(refresher)
    key_address.answer = tokens.key_set("new", "old").encode()

    assert run(refresher) == []


def test_it_keeps_only_what_checking_a_signature_takes(refresher, api, key_address):
    entry = tokens.jwk("old", x5c=["x" * 3000])
    key_address.answer = json.dumps({"keys": [entry], "note": "y" * 3000}).encode()
    run(refresher)

    assert [set(key) for key in json.loads(api()["COGNITO_JWKS"])["keys"]] == [KEPT]


def test_it_writes_what_configure_writes(refresher, api, key_address):
    key_address.answer = tokens.key_set("old", "new").encode()
    run(refresher)

    assert api()["COGNITO_JWKS"] == keyset.fetch(key_address.url)


@pytest.mark.parametrize("password", [ODD_PASSWORD, "{username}", "100%", "ü€"])
def test_it_brings_a_rotated_password_whatever_is_in_it(refresher, api, secret, password):
    run(refresher)
    secret(password)

    assert run(refresher) == ["DATABASE_URL"]
    url = api()["DATABASE_URL"]
    assert urllib.parse.unquote(urllib.parse.urlsplit(url).password) == password
    assert dj_database_url.parse(url)["HOST"] == "db.example"


def slowly() -> Iterator[bytes]:
    while True:
        yield b" "
        time.sleep(0.05)


def silently() -> Iterator[bytes]:
    time.sleep(3)
    yield b""


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b'{"keys": []}'),
        (200, b"{}"),
        (200, b"[]"),
        (200, b"<html>Bad gateway</html>"),
        (200, b""),
        (200, b"\xff\xfe"),
        (200, b"[" * 60_000),
        (200, b" " * 100_000 + tokens.key_set("old").encode()),
        (200, json.dumps({"keys": [tokens.jwk("old", kty="EC")]}).encode()),
        (200, json.dumps({"keys": [tokens.jwk("old", alg="HS256")]}).encode()),
        (200, json.dumps({"keys": [tokens.jwk("old", use="enc")]}).encode()),
        (200, json.dumps({"keys": [tokens.jwk("old", kid="")]}).encode()),
        (200, json.dumps({"keys": [tokens.jwk("old", n="AQAB")]}).encode()),
        (200, json.dumps({"keys": [tokens.jwk("old"), None]}).encode()),
        (500, tokens.key_set("old").encode()),
        (404, b""),
        (200, slowly),
        (200, silently),
    ],
    ids=["none", "object", "list", "html", "nothing", "bytes", "deep", "long", "ec", "hs256", "enc", "nameless",
         "short", "null", "500", "404", "slow", "silent"],
)  # fmt: skip
def test_it_keeps_the_old_keys_and_fails_loudly(refresher, api, key_address, status, answer):
    run(refresher)
    before = api()["COGNITO_JWKS"]
    key_address.status, key_address.answer = status, answer
    if callable(answer):
        vars(refresher).update(STEP=0.5, SECONDS=1)  # less patience than there: nothing good comes any more

    with pytest.raises(RuntimeError, match="COGNITO_JWKS stays as it is"):
        run(refresher)
    assert api()["COGNITO_JWKS"] == before


def test_it_follows_no_redirect(refresher, api, key_address):
    key_address.location = key_address.url.replace("/.well-known", "/elsewhere")

    with pytest.raises(RuntimeError, match="COGNITO_JWKS stays as it is"):
        run(refresher)


def test_it_brings_the_password_also_while_the_keys_cannot_be_had(refresher, api, key_address, secret):
    run(refresher)
    key_address.status = 503
    secret("second")

    with pytest.raises(RuntimeError, match="COGNITO_JWKS"):
        run(refresher)
    assert ":second@" in api()["DATABASE_URL"]


def test_it_brings_the_keys_also_while_the_secret_cannot_be_read(refresher, api, monkeypatch):
    monkeypatch.setenv("SECRET", "no-such-secret")

    with pytest.raises(RuntimeError, match="DATABASE_URL stays as it is: ResourceNotFoundException"):
        run(refresher)
    assert api()["COGNITO_JWKS"].startswith('{"keys"')


def test_it_never_tells_a_password_or_a_key(refresher, api, secret, django_key, capsys):
    secret("only-between-us")
    django_key("between-us-as-well")
    run(refresher)

    assert "between-us" not in "".join(capsys.readouterr())


def test_it_has_nothing_to_do_before_the_first_deployment(refresher, api, monkeypatch):
    monkeypatch.setenv("FUNCTION", "no-such-function")

    assert run(refresher) == "The API is not deployed yet."


@pytest.mark.parametrize("state", ["busy", "written_meanwhile"])
def test_it_never_overwrites_what_somebody_else_has_just_written(refresher, api, capsys, state):
    setattr(api, state, True)
    run(refresher)

    assert api() == {"LOG_LEVEL": "INFO", "COGNITO_JWKS": "none yet"}
    assert "the next run tries again" in capsys.readouterr().out


def test_it_tries_again_once_nobody_else_writes(refresher, api):
    api.busy = True
    run(refresher)
    api.busy = False

    assert run(refresher) == ["COGNITO_JWKS", "DATABASE_URL", "DJANGO_SECRET_KEY"]


def test_it_brings_a_new_key_of_django_and_keeps_the_one_before(refresher, api, django_key):
    run(refresher)
    django_key("second-key")

    assert run(refresher) == ["DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY_FALLBACKS"]
    assert (api()["DJANGO_SECRET_KEY"], api()["DJANGO_SECRET_KEY_FALLBACKS"]) == ("second-key", "first-key")
    django_key("third-key")
    run(refresher)
    assert (api()["DJANGO_SECRET_KEY"], api()["DJANGO_SECRET_KEY_FALLBACKS"]) == ("third-key", "second-key")
    assert run(refresher) == []


def test_it_keeps_djangos_keys_while_their_secret_cannot_be_read(refresher, api, django_key, monkeypatch):
    run(refresher)
    django_key("second-key")
    run(refresher)
    before = dict(api())
    monkeypatch.setenv("DJANGO_SECRET", "no-such-secret")

    with pytest.raises(RuntimeError, match="DJANGO_SECRET_KEY stays as it is: ResourceNotFoundException"):
        run(refresher)
    assert api() == before


def test_it_is_given_the_address_over_https():
    assert properties("Refresher")["Environment"]["Variables"]["KEYS_URL"] == {
        "Fn::Sub": "${UserPool.ProviderURL}/.well-known/jwks.json"
    }
