"""The sign-in page of the user pool on this machine: authorization code with PKCE, as Amazon Cognito's does it.

https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html and …/token-endpoint.html.
Instead of a password it asks who you are. On loopback only: whoever reaches it can be anybody.
"""

import base64
import contextlib
import hashlib
import html
import json
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from local.cognito import CLIENT_ID, Pool


class Person(NamedTuple):
    """Who may be chosen."""

    sub: str
    email: str
    groups: tuple[str, ...]


PEOPLE = {
    "operator": Person("0dd0a11c-e000-4000-8000-0000000000a1", "operator@example.com", ("staff", "staff-operators")),
    "viewer": Person("0dd0a11c-e000-4000-8000-0000000000a2", "viewer@example.com", ("staff",)),
    "nobody": Person("0dd0a11c-e000-4000-8000-0000000000a3", "nobody@example.com", ()),
}
_PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Who are you?</title><h1>Who are you?</h1><p>This stands in for the user pool's own page.</p>{}"""


class _Asked(NamedTuple):
    """What a code was given for."""

    person: Person
    redirect: str
    challenge: str
    nonce: str


class _Far(ThreadingHTTPServer):
    """The page with its pool, and the codes that were given and not yet used."""

    daemon_threads = True

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.codes: dict[str, _Asked] = {}
        super().__init__(("127.0.0.1", 0), _Handler)


@contextlib.contextmanager
def sign_in_page(pool: Pool) -> Iterator[str]:
    """Serves it, and gives its address, for ``COGNITO_DOMAIN``."""
    with _Far(pool) as server:
        threading.Thread(target=server.serve_forever, name="sign-in page", daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: _Far

    def do_GET(self) -> None:
        link = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(link.query).items()}
        if link.path == "/oauth2/authorize":
            self._authorize(query)
        elif link.path == "/logout" and query.get("client_id") == CLIENT_ID:
            self._redirect(query.get("logout_uri", "/"))
        else:
            self._answer(404, b"There is no such page.")

    def do_POST(self) -> None:
        if self.path != "/oauth2/token":
            self._answer(404, b"There is no such page.")
            return
        length = min(int(self.headers.get("Content-Length") or 0), 20_000)
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        found = self._tokens(form)
        headers = {"Content-Type": "application/json", "Access-Control-Allow-Origin": self.headers.get("Origin", "*")}
        self._answer(400 if "error" in found else 200, json.dumps(found).encode(), headers)

    def log_message(self, *_: Any) -> None:
        """Nothing: no line for each request."""

    def _authorize(self, query: dict[str, str]) -> None:
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        redirect = query.get("redirect_uri", "")
        wrong = [name for name, value in wanted.items() if query.get(name) != value]
        if wrong or not query.get("code_challenge") or urlsplit(redirect).hostname not in ("127.0.0.1", "localhost"):
            self._answer(400, f"Cognito would refuse this: {', '.join(wrong) or 'challenge or address'}".encode())
        elif query.get("as") in PEOPLE:
            code = secrets.token_urlsafe(16)
            asked = _Asked(PEOPLE[query["as"]], redirect, query["code_challenge"], query.get("nonce", ""))
            self.server.codes[code] = asked
            self._redirect(f"{redirect}?{urlencode({'code': code, 'state': query.get('state', '')})}")
        else:
            links = "".join(
                f'<p><a href="?{html.escape(urlencode(query | {"as": name}))}">{name}</a> '
                f"({quote(person.email, safe='@')}, {', '.join(person.groups) or 'in no group'})</p>"
                for name, person in PEOPLE.items()
            )
            self._answer(200, _PAGE.format(links).encode(), {"Content-Type": "text/html; charset=utf-8"})

    def _tokens(self, form: dict[str, str]) -> dict[str, Any]:
        """RFC 7636, 4.6: a code serves once, for who knows what its challenge was made of."""
        asked = self.server.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if form.get("grant_type") != "authorization_code" or form.get("client_id") != CLIENT_ID or asked is None:
            return {"error": "invalid_request"}
        if asked.challenge != challenge or asked.redirect != form.get("redirect_uri"):
            return {"error": "invalid_grant"}
        claims = {"nonce": asked.nonce, "cognito:groups": list(asked.person.groups)}
        token = self.server.pool.issue(asked.person.sub, asked.person.email, token_use="id", claims=claims)
        return {"id_token": token, "token_type": "Bearer", "expires_in": 3600}

    def _redirect(self, address: str) -> None:
        self._answer(302, b"", {"Location": address})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
