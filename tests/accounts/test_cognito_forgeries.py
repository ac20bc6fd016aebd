"""Headers, signatures and spellings that a verifier refuses, whoever made them."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.cognito import InvalidToken
from accounts.keyset import StaticKeySet
from tests import tokens
from tests.tokens import ALICE, CLIENT_ID, ISSUER, NOW, access_token, compact, encoded, refusal_of, verifier

GOOD_HEADER = {"alg": "RS256", "kid": tokens.pool().kid}
GOOD_PAYLOAD = {
    "sub": ALICE,
    "iss": ISSUER,
    "token_use": "access",
    "client_id": CLIENT_ID,
    "iat": NOW - 60,
    "exp": NOW + 3540,
}


@pytest.mark.parametrize("header", [GOOD_HEADER, {**GOOD_HEADER, "typ": "JWT"}])
def test_what_is_spoiled_below_is_a_good_token(header: dict[str, str]) -> None:
    assert verifier().verify(compact(header, GOOD_PAYLOAD)).sub == ALICE


# --- headers that are refused


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "HS256", "RS512", "PS256", "ES256", "rs256", None, ["RS256"]]
)
def test_it_refuses_every_other_algorithm(algorithm: object) -> None:
    assert refusal_of(compact({**GOOD_HEADER, "alg": algorithm}, GOOD_PAYLOAD)) == "alg"


def test_it_refuses_a_header_without_an_algorithm() -> None:
    assert refusal_of(compact({"kid": GOOD_HEADER["kid"]}, GOOD_PAYLOAD)) == "alg"


def _public_key_as(encoding: serialization.Encoding) -> bytes:
    key = tokens.private_key("pool").public_key()
    return key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "secret",
    [
        _public_key_as(serialization.Encoding.PEM),
        _public_key_as(serialization.Encoding.DER),
        json.dumps(tokens.jwk()).encode(),
        b"",
    ],
    ids=["pem", "der", "jwk", "empty"],
)
def test_the_public_key_is_no_secret(secret: bytes) -> None:
    def sign(signed: bytes) -> bytes:
        return hmac.digest(secret, signed, hashlib.sha256)

    assert refusal_of(compact({**GOOD_HEADER, "alg": "HS256"}, GOOD_PAYLOAD, sign=sign)) == "alg"
    assert refusal_of(compact(GOOD_HEADER, GOOD_PAYLOAD, sign=sign)) == "signature"


@pytest.mark.parametrize(
    "parameter",
    [
        {"jku": "https://evil.example/jwks.json"},
        {"jwk": tokens.jwk("evil")},
        {"x5u": "https://evil.example/chain.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "x"},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"typ": "JWE"},
        {"typ": None},
        {"typ": ["JWT"]},
        {"": ""},
    ],
)
def test_it_refuses_a_header_that_says_more(parameter: dict[str, Any]) -> None:
    assert refusal_of(compact({**GOOD_HEADER, **parameter}, GOOD_PAYLOAD)) == "header_param"


@pytest.mark.parametrize("kid", [None, "", 7, ["x"], {"x": 1}, "x" * 257])
def test_it_refuses_a_key_id_that_is_none(kid: object) -> None:
    assert refusal_of(compact({"alg": "RS256", "kid": kid}, GOOD_PAYLOAD)) == "kid"


def test_it_refuses_a_header_without_a_key_id() -> None:
    assert refusal_of(compact({"alg": "RS256"}, GOOD_PAYLOAD)) == "kid"


@pytest.mark.parametrize("kid", ["another", "x", "x" * 256, "../../dev/null", "' OR 1=1 --"])
def test_it_refuses_a_key_that_the_pool_does_not_have(kid: str) -> None:
    assert refusal_of(compact({"alg": "RS256", "kid": kid}, GOOD_PAYLOAD)) == "unknown_kid"


# --- signatures that are refused


def test_it_refuses_a_signature_by_another_key() -> None:
    assert refusal_of(compact(GOOD_HEADER, GOOD_PAYLOAD, sign=tokens.rs256("evil"))) == "signature"


def test_it_refuses_a_signature_by_another_key_of_the_pool() -> None:
    keys = StaticKeySet(tokens.key_set("pool", "second"))

    assert refusal_of(compact(GOOD_HEADER, GOOD_PAYLOAD, sign=tokens.rs256("second")), keys=keys) == "signature"


def _pss(signed: bytes) -> bytes:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return tokens.private_key("pool").sign(signed, pss, hashes.SHA256())


def _sha512(signed: bytes) -> bytes:
    return tokens.private_key("pool").sign(signed, padding.PKCS1v15(), hashes.SHA512())


@pytest.mark.parametrize("sign", [_pss, _sha512, lambda signed: b"\x00" * 256, lambda signed: b"\x00"])
def test_it_refuses_a_signature_of_another_kind(sign: Callable[[bytes], bytes]) -> None:
    assert refusal_of(compact(GOOD_HEADER, GOOD_PAYLOAD, sign=sign)) == "signature"


def test_it_refuses_another_payload_under_a_good_signature() -> None:
    header, _, signature = access_token(ALICE, now=NOW).split(".")

    assert refusal_of(f"{header}.{encoded({**GOOD_PAYLOAD, 'sub': tokens.BOB})}.{signature}") == "signature"


def test_it_refuses_another_header_under_a_good_signature() -> None:
    _, payload, signature = access_token(now=NOW).split(".")

    assert refusal_of(f"{encoded({**GOOD_HEADER, 'typ': 'JWT'})}.{payload}.{signature}") == "signature"


def _other_spelling(part: str) -> str:
    """The same bytes in base64, with the bits set that a decoder drops."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 in (2, 3)
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def test_it_refuses_another_spelling_of_a_good_signature() -> None:
    signed, _, signature = access_token(now=NOW).rpartition(".")

    assert refusal_of(f"{signed}.{_other_spelling(signature)}") == "signature"


def test_it_refuses_a_signature_that_was_cut_off() -> None:
    assert refusal_of(access_token(now=NOW)[:-1]) == "signature"


# --- what is no token


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a..c",
        "a.b.",
        ".b.c",
        "a.b.c.d",
        "a.b.c.d.e",
        "a.b.c\n",
        " a.b.c",
        "a.b.c=",
        "a.b .c",
        "a.b+.c",
        "a.b/.c",
        "a.bé.c",
        "a.b\x00.c",
        '"a.b.c"',
        '{"payload":"x","signatures":[]}',
    ],
)
def test_it_refuses_what_is_not_a_compact_jws(token: str) -> None:
    assert refusal_of(token) == "malformed_authorization"


@pytest.mark.parametrize("token", ["." * 8193, "a" * 1_000_000, access_token(now=NOW, username="x" * 9000)])
def test_it_refuses_what_is_too_large_unread(token: str) -> None:
    assert refusal_of(token) == "too_large"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "bad_header"),
        ('"RS256"', "bad_header"),
        ("null", "bad_header"),
        ("{", "bad_json"),
        ("{}W", "bad_json"),  # in base64 it ends with an X, which is no padding
        ("{} {}", "bad_json"),
        ("{'alg': 'RS256'}", "bad_json"),
        (b"\xff\xfe{\x00}\x00", "bad_json"),
        ("\ufeff{}", "bad_json"),
        ('{"alg":"none","alg":"RS256"}', "duplicate_key"),
    ],
)
def test_it_refuses_a_header_that_is_no_plain_json_object(text: str | bytes, code: str) -> None:
    assert refusal_of(compact(text, GOOD_PAYLOAD)) == code


GOOD_TEXT = json.dumps(GOOD_PAYLOAD)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"[{GOOD_TEXT}]", "bad_payload"),
        ("7", "bad_payload"),
        (f'{GOOD_TEXT[:-1]}, "sub": "{tokens.BOB}"}}', "duplicate_key"),
        (f'{GOOD_TEXT[:-1]}, "a": {{"b": 1, "b": 1}}}}', "duplicate_key"),
        (f'{GOOD_TEXT[:-1]}, "a": NaN}}', "bad_json"),
        (f'{GOOD_TEXT[:-1]}, "a": -Infinity}}', "bad_json"),
        (f'{GOOD_TEXT[:-1]}, "a": {"9" * 5000}}}', "bad_json"),
        (f"{GOOD_TEXT},", "bad_json"),
        (GOOD_TEXT.encode("utf-16"), "bad_json"),
        (GOOD_TEXT.replace(ALICE, "\udc80").encode("utf-8", "surrogateescape"), "bad_json"),
        (GOOD_TEXT.replace(str(NOW + 3540), "1e400"), "exp"),
    ],
)
def test_it_refuses_a_payload_that_is_no_plain_json_object(text: str | bytes, code: str) -> None:
    assert refusal_of(compact(GOOD_HEADER, text)) == code


def test_it_refuses_a_payload_nested_without_end() -> None:
    depth = 2900  # as deep as a token has room for

    assert refusal_of(compact(GOOD_HEADER, '{"a":' + "[" * depth + "]" * depth + "}")) in {"bad_payload", "iss"}


@pytest.mark.parametrize("part", [0, 1])
def test_it_refuses_another_spelling_of_header_or_payload(part: int) -> None:
    parts = [encoded(json.dumps(GOOD_HEADER).ljust(91)), encoded(json.dumps(GOOD_PAYLOAD).ljust(301)), "c2ln"]
    parts[part] = _other_spelling(parts[part])

    assert refusal_of(".".join(parts)) == ["bad_header", "bad_payload"][part]


@pytest.mark.parametrize(
    ("token", "code"), [("a.e30.c2ln", "bad_header"), (f"{encoded(GOOD_HEADER)}.a.c2ln", "bad_payload")]
)
def test_it_refuses_base64_of_an_impossible_length(token: str, code: str) -> None:
    assert refusal_of(token) == code


# --- whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.lists(JSON | st.text(alphabet='{}[]":,01eE-+.\\u', max_size=20) | st.binary(), min_size=2, max_size=2))
def test_any_signed_header_and_payload_is_refused(parts: list[Any]) -> None:
    with pytest.raises(InvalidToken):
        verifier().verify(compact(parts[0], parts[1]))
