"""Whose token is accepted, what is read in it, and which claims are refused."""

import contextlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.cognito import Identity, InvalidToken, Verifier
from accounts.keyset import KeysUnavailable, StaticKeySet
from tests import tokens
from tests.tokens import ABSENT, ALICE, CLIENT_ID, ISSUER, NOW, access_token, compact, id_token, refusal_of, verifier

DAY = 24 * 3600


class NoKeys:
    """A pool whose keys cannot be had, and that must not even be asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def key(self, kid: str) -> RSAPublicKey | None:
        self.asked.append(kid)
        raise KeysUnavailable("the endpoint is down")


def verify(token: str) -> Identity:
    return verifier().verify(token)


# --- what is accepted


def test_it_accepts_an_id_token() -> None:
    assert verify(id_token(ALICE, now=NOW, email="alice@example.com")) == Identity(
        sub=ALICE,
        email="alice@example.com",
        token_use="id",
        expires_at=NOW + 3540,
        issued_at=NOW - 60,
        auth_time=NOW - 60,
        origin_jti="2e51b8a5-5a5c-4b1f-9d5e-000000000002",
        groups=(),
    )


def test_it_accepts_an_access_token() -> None:
    assert verify(access_token(ALICE, now=NOW)) == Identity(
        sub=ALICE,
        email="",
        token_use="access",
        expires_at=NOW + 3540,
        issued_at=NOW - 60,
        auth_time=NOW - 60,
        origin_jti="2e51b8a5-5a5c-4b1f-9d5e-000000000002",
        groups=(),
    )


def test_it_checks_with_the_key_that_the_header_names() -> None:
    keys = StaticKeySet(tokens.key_set("pool", "second"))

    assert verifier(keys=keys).verify(access_token(now=NOW, key="second")).sub == ALICE


def test_it_keeps_the_case_of_a_sub() -> None:
    assert verify(access_token(ALICE.upper(), now=NOW)).sub == ALICE.upper()


def test_it_accepts_any_of_several_clients() -> None:
    token = access_token(now=NOW, client_id="second")

    assert verifier(client_ids=[CLIENT_ID, "second"]).verify(token).sub == ALICE


def test_it_reads_claims_in_every_script() -> None:
    assert verify(access_token(now=NOW, username="Zoë 🎬")).sub == ALICE


@pytest.mark.parametrize("wait", [0, 3600 - 60, 3600 - 60 + 29])
def test_a_token_is_good_until_half_a_minute_after_its_expiry(wait: int) -> None:
    assert verifier(now=lambda: NOW + wait).verify(access_token(now=NOW)).expires_at == NOW + 3540


def test_a_clock_may_be_half_a_minute_behind_cognitos() -> None:
    assert verifier(now=lambda: NOW - 60 - 30).verify(access_token(now=NOW, nbf=NOW - 60)).issued_at == NOW - 60


def test_a_token_may_live_for_a_day() -> None:
    assert verify(access_token(now=NOW, iat=NOW, exp=NOW + DAY)).expires_at == NOW + DAY


def test_a_token_may_live_for_a_second() -> None:
    assert verify(access_token(now=NOW, iat=NOW, exp=NOW + 1)).expires_at == NOW + 1


@pytest.mark.parametrize("auth_time", [0, NOW - 60, NOW - 60 + 30])
def test_the_sign_in_was_before_the_issue_or_nearly(auth_time: int) -> None:
    assert verify(access_token(now=NOW, auth_time=auth_time)).auth_time == auth_time


def test_where_the_sign_in_is_not_told_it_was_at_the_issue() -> None:
    assert verify(access_token(now=NOW, auth_time=ABSENT)).auth_time == NOW - 60


def test_a_token_of_8192_characters_is_read() -> None:
    lengths = {len(access_token(now=NOW, username="x" * n)): n for n in range(5400, 5600)}

    assert verify(access_token(now=NOW, username="x" * lengths[8192])).sub == ALICE


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (["editors", "staff"], ("editors", "staff")),
        (["editors", 7, None, "a\x00b"], ("editors",)),
        ("editors", ()),
        ({"editors": 1}, ()),
        (None, ()),
    ],
)
def test_it_reads_the_groups(claim: Any, groups: tuple[str, ...]) -> None:
    assert verify(access_token(now=NOW, **{"cognito:groups": claim})).groups == groups


def test_it_reads_an_origin_of_64_characters() -> None:
    assert verify(access_token(now=NOW, origin_jti="x" * 64)).origin_jti == "x" * 64


@pytest.mark.parametrize("claim", [None, 7, ["x"], "x" * 65, "é", "a\x00b", ABSENT])
def test_an_origin_that_cannot_be_stored_is_none(claim: object) -> None:
    assert verify(access_token(now=NOW, origin_jti=claim)).origin_jti == ""


# --- e-mail addresses


@pytest.mark.parametrize(
    ("claim", "email"),
    [
        ("alice@example.com", "alice@example.com"),
        ("zoë@exämple.com", "zoë@exämple.com"),
        ("alice@\x00exam\nple.com", "alice@example.com"),
        ("alice@\u202eexample.com", "alice@example.com"),
        ("alice@\ud800example.com", "alice@example.com"),
        (" alice@example.com ", "alice@example.com"),
        ("a" * 243 + "@example.com", ""),
        ("a" * 242 + "@example.com", "a" * 242 + "@example.com"),
        ("alice", ""),
        ("", ""),
        (None, ""),
        (7, ""),
        (["alice@example.com"], ""),
        ({"@": 1}, ""),
        (ABSENT, ""),
    ],
)
def test_an_address_is_text_that_can_be_stored_and_shown(claim: object, email: str) -> None:
    assert verify(id_token(now=NOW, email=claim)).email == email


def test_an_address_need_not_be_verified() -> None:
    assert verify(id_token(now=NOW, email="alice@example.com", email_verified=False)).email == "alice@example.com"


def test_an_access_token_has_no_address() -> None:
    assert verify(access_token(now=NOW, email="alice@example.com")).email == ""


# --- claims that are refused


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": ISSUER + ".evil.example"}, "iss"),
        ({"iss": ISSUER[:-1]}, "iss"),
        ({"iss": ISSUER.upper()}, "iss"),
        ({"iss": [ISSUER]}, "iss"),
        ({"iss": None}, "iss"),
        ({"iss": ABSENT}, "iss"),
        ({"token_use": "refresh"}, "token_use"),
        ({"token_use": "Access"}, "token_use"),
        ({"token_use": ["access"]}, "token_use"),
        ({"token_use": None}, "token_use"),
        ({"token_use": ABSENT}, "token_use"),
        ({"client_id": "another0client"}, "client"),
        ({"client_id": [CLIENT_ID]}, "client"),
        ({"client_id": ABSENT}, "client"),
        ({"client_id": ABSENT, "aud": CLIENT_ID}, "client"),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": NOW - 3600, "iat": NOW - 7200}, "expired"),
        ({"exp": -1}, "expired"),
        ({"exp": str(NOW + 60)}, "exp"),
        ({"exp": float(NOW + 60)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": ABSENT}, "exp"),
        ({"iat": NOW + 31}, "iat"),
        ({"iat": str(NOW)}, "iat"),
        ({"iat": False}, "iat"),
        ({"iat": ABSENT}, "iat"),
        ({"nbf": NOW + 31}, "nbf"),
        ({"nbf": "soon"}, "nbf"),
        ({"nbf": None}, "nbf"),
        ({"iat": NOW, "exp": NOW + DAY + 1}, "lifetime"),
        ({"exp": 10**4000}, "lifetime"),
        ({"iat": NOW + 20, "exp": NOW + 20}, "lifetime"),
        ({"auth_time": NOW - 60 + 31}, "auth_time"),
        ({"auth_time": -1}, "auth_time"),
        ({"auth_time": "yesterday"}, "auth_time"),
        ({"sub": ABSENT}, "sub"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": [ALICE]}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": ALICE + " "}, "sub"),
        ({"sub": ALICE + "\n"}, "sub"),
        ({"sub": "0" + ALICE}, "sub"),
        ({"sub": ALICE[:-1]}, "sub"),
        ({"sub": ALICE.replace("-", "")}, "sub"),
        ({"sub": "{" + ALICE + "}"}, "sub"),
        ({"sub": "６" + ALICE[1:]}, "sub"),
        ({"sub": "g" + ALICE[1:]}, "sub"),
    ],
)
def test_it_refuses_an_access_token_by_its_claims(overrides: dict[str, Any], code: str) -> None:
    assert refusal_of(access_token(now=NOW, **overrides)) == code


@pytest.mark.parametrize(
    "overrides",
    [{"aud": "another0client"}, {"aud": [CLIENT_ID]}, {"aud": ABSENT}, {"aud": ABSENT, "client_id": CLIENT_ID}],
)
def test_it_refuses_an_id_token_for_somebody_else(overrides: dict[str, Any]) -> None:
    assert refusal_of(id_token(now=NOW, **overrides)) == "client"


def test_it_refuses_an_id_token_where_only_access_tokens_are_accepted() -> None:
    assert refusal_of(id_token(now=NOW), token_uses=["access"]) == "token_use"


def test_it_refuses_an_access_token_where_only_id_tokens_are_accepted() -> None:
    assert refusal_of(access_token(now=NOW), token_uses=["id"]) == "token_use"


# --- when keys are asked for


@pytest.mark.parametrize(
    "token",
    [
        access_token(now=NOW, iss="https://evil.example"),
        access_token(now=NOW, token_use="refresh"),
        access_token(now=NOW, client_id="another0client"),
        compact({"alg": "none", "kid": "x"}, {"iss": ISSUER}),
        "a.b.c",
    ],
)
def test_what_is_not_addressed_to_us_never_asks_for_a_key(token: str) -> None:
    keys = NoKeys()

    refusal_of(token, keys=keys)

    assert keys.asked == []


def test_without_keys_it_does_not_call_a_token_invalid() -> None:
    with pytest.raises(KeysUnavailable):
        verifier(keys=NoKeys()).verify(access_token(now=NOW))


# --- what a verifier needs


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"issuer": ""}, "needs the issuer and at least one app client id."),
        ({"client_ids": []}, "needs the issuer and at least one app client id."),
        ({"client_ids": [CLIENT_ID, ""]}, "needs the issuer and at least one app client id."),
        ({"token_uses": []}, "accepts id tokens, access tokens or both."),
        ({"token_uses": ["id", "refresh"]}, "accepts id tokens, access tokens or both."),
    ],
)
def test_it_does_not_start_without_somebody_to_trust(overrides: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=f"^A verifier {told}$"):
        verifier(**overrides)


def test_the_clock_is_the_wall_clock() -> None:
    now = Verifier(issuer=ISSUER, client_ids=[CLIENT_ID], token_uses=["access"], keys=StaticKeySet(tokens.key_set()))

    assert now.verify(access_token()).sub == ALICE


# --- whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CLAIMS = st.dictionaries(
    st.sampled_from(["sub", "iss", "token_use", "aud", "iat", "exp", "nbf", "auth_time", "email", "origin_jti"]),
    JSON,
    max_size=3,
)


@settings(deadline=None)
@given(CLAIMS)
def test_any_claims_give_an_identity_that_can_be_stored_or_are_refused(claims: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidToken):
        identity = verify(id_token(now=NOW, **claims))
        assert len(identity.sub.encode("ascii")) == 36
        assert len(identity.email.encode()) <= 1016
