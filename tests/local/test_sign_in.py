"""The stand-in of the pool's sign-in page does what Cognito does, and refuses what it refuses."""

import base64
import hashlib
import json
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from local.cognito import CLIENT_ID
from local.sign_in import sign_in_page
from tests.tokens import pool

BACK = "http://127.0.0.1:8000/admin/signed-in"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": BACK,
    "state": "s",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def ask(address: str, form: dict[str, str] | None = None):
    data = urlencode(form).encode() if form else None
    try:
        with urllib.request.build_opener(NoRedirect).open(address, data, timeout=5) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


@pytest.fixture(scope="module")
def page():
    with sign_in_page(pool()) as address:
        yield address


def code_from(page: str, **changes: str) -> str:
    _, headers, _ = ask(f"{page}/oauth2/authorize?{urlencode(ASKED | {'as': 'operator'} | changes)}")
    return parse_qs(urlsplit(headers["Location"]).query)["code"][0]


def tokens(page: str, **changes: str):
    form = {"grant_type": "authorization_code", "client_id": CLIENT_ID, "redirect_uri": BACK, "code_verifier": VERIFIER}
    status, _, text = ask(f"{page}/oauth2/token", form | changes)
    return status, json.loads(text)


def test_it_gives_a_code_and_for_that_a_token_with_nonce_and_groups(page):
    status, found = tokens(page, code=code_from(page))

    payload = found["id_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert status == 200
    assert (claims["nonce"], claims["cognito:groups"]) == ("n", ["staff", "staff-operators"])


def test_a_code_serves_once(page):
    code = code_from(page)

    assert [tokens(page, code=code)[0] for _ in range(2)] == [200, 400]


@pytest.mark.parametrize("change", [{"code_verifier": "w" * 43}, {"client_id": "x"}, {"redirect_uri": "http://x/"}])
def test_a_code_serves_only_who_asked_for_it(page, change):
    assert tokens(page, code=code_from(page), **change)[0] == 400


@pytest.mark.parametrize(
    "change", [{"code_challenge_method": "plain"}, {"code_challenge": ""}, {"redirect_uri": "https://evil.example/"}]
)
def test_it_refuses_what_is_not_pkce_or_leads_away(page, change):
    assert ask(f"{page}/oauth2/authorize?{urlencode(ASKED | change)}")[0] == 400


def test_signing_out_leads_back(page):
    status, headers, _ = ask(f"{page}/logout?{urlencode({'client_id': CLIENT_ID, 'logout_uri': BACK})}")

    assert (status, headers["Location"]) == (302, BACK)
