"""Tokens as Cognito makes them, and as nobody should. All are really signed.

``id_token(ALICE)`` and ``access_token(BOB)`` are good ones; overrides make them bad, and ``ABSENT``
takes a claim away. ``compact`` signs any header and payload, also text that is no JSON.
``refusal_of`` is the code that a verifier, whose clock stands at ``NOW``, refuses a token with.
"""

import functools
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from accounts.cognito import InvalidToken, Verifier
from accounts.keyset import StaticKeySet
from local.cognito import CLIENT_ID, ISSUER, POOL_ID, Pool

__all__ = ["CLIENT_ID", "ISSUER", "POOL_ID"]

ALICE = "a11ce000-0000-4000-8000-000000000001"
BOB = "b0b00000-0000-4000-8000-000000000002"
CHARLIE = "c4a511e0-0000-4000-8000-000000000003"

ABSENT = object()
NOW = 1_800_000_000


@functools.cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """One RSA key a name and process: made once, because that takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def pool(name: str = "pool") -> Pool:
    return Pool(private_key(name))


def key_set(*names: str) -> str:
    """The key set of the pool, or of the keys with these names."""
    return json.dumps({"keys": [jwk(name) for name in names or ("pool",)]})


def jwk(name: str = "pool", **overrides: Any) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(pool(name).jwks())["keys"][0]
    return _without_absent(entry | overrides)


def id_token(sub: Any = ALICE, *, now: float | None = None, key: str = "pool", **overrides: Any) -> str:
    """What a front end sends after signing in with Amplify. Odd names: ``**{"cognito:groups": …}``."""
    claims = {"aud": CLIENT_ID, "cognito:username": sub, "email": f"{sub}@example.com", "email_verified": True}
    return _token("id", sub, now, key, claims | overrides)


def access_token(sub: Any = ALICE, *, now: float | None = None, key: str = "pool", **overrides: Any) -> str:
    claims = {"client_id": CLIENT_ID, "username": sub, "scope": "aws.cognito.signin.user.admin"}
    return _token("access", sub, now, key, claims | overrides)


def _token(token_use: str, sub: str, now: float | None, key: str, claims: dict[str, Any]) -> str:
    issued_at = int(time.time() if now is None else now) - 60
    common = {
        "sub": sub,
        "iss": ISSUER,
        "token_use": token_use,
        "auth_time": issued_at,
        "iat": issued_at,
        "exp": issued_at + 3600,
        "jti": "2e51b8a5-5a5c-4b1f-9d5e-000000000001",
        "origin_jti": "2e51b8a5-5a5c-4b1f-9d5e-000000000002",
    }
    return compact({"alg": "RS256", "kid": pool(key).kid}, _without_absent(common | claims), sign=rs256(key))


def compact(header: Any, payload: Any, *, sign: Callable[[bytes], bytes] | None = None) -> str:
    """The compact form of a JWS. Bytes and text are taken as they are, everything else as JSON."""
    signed = f"{encoded(header)}.{encoded(payload)}"
    return f"{signed}.{encoded((sign or rs256())(signed.encode()))}"


def encoded(value: Any) -> str:
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    return urlsafe_b64encode(text.encode() if isinstance(text, str) else text).rstrip(b"=").decode()


def rs256(key: str = "pool") -> Callable[[bytes], bytes]:
    return lambda signed: private_key(key).sign(signed, padding.PKCS1v15(), hashes.SHA256())


def is_signed(token: str, key: str = "pool") -> bool:
    """Whether the last part is a signature of the first two, as cryptography sees it."""
    signed, _, signature = token.rpartition(".")
    try:
        made = urlsafe_b64decode(signature + "==")
        private_key(key).public_key().verify(made, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def verifier(**overrides: Any) -> Verifier:
    """One that accepts both kinds of token from the pool, at ``NOW``."""
    arguments: dict[str, Any] = {
        "issuer": ISSUER,
        "client_ids": [CLIENT_ID],
        "token_uses": ["id", "access"],
        "keys": StaticKeySet(key_set()),
        "now": lambda: float(NOW),
    }
    return Verifier(**arguments | overrides)


def refusal_of(token: str, **overrides: Any) -> str:
    try:
        identity = verifier(**overrides).verify(token)
    except InvalidToken as refusal:
        return refusal.code
    raise AssertionError(f"accepted as {identity}")


def _without_absent(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not ABSENT}
