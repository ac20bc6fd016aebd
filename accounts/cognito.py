"""Whose token is this? Verifies what Amazon Cognito issues; knows neither Django nor DRF nor the ORM.

The signature itself is checked by PyJWT and cryptography. What stands around it is ours and strict,
because libraries accept more than Cognito ever sends: padded base64, repeated JSON keys, times as text
(RFC 8725, https://www.rfc-editor.org/rfc/rfc8725). The rules are those of
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
"""

import base64
import json
import re
import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from accounts.keyset import KeySet, KeysUnavailable
from accounts.remembered import Remembered, Verified

__all__ = ["Identity", "InvalidToken", "KeysUnavailable", "Verifier", "bearer_token", "issuer_of", "origin"]

MAX_CHARACTERS = 8192  # API Gateway passes on 10,240 bytes of headers altogether
LEEWAY_SECONDS = 30  # between Cognito's clock and ours
MAX_LIFETIME_SECONDS = 24 * 3600  # the longest that an app client can be set to
_CLIENT_CLAIM = {"id": "aud", "access": "client_id"}  # by token_use

_COMPACT_JWS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")  # RFC 7515, 7.1
_CREDENTIALS = re.compile(r" [A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1, with exactly one blank
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# The region is the part before the underscore: us-east-1, us-gov-west-1, eusc-de-east-1.
_USER_POOL_ID = re.compile(r"([a-z]{2,8}(?:-[a-z]{2,16}){0,3}-[0-9]{1,2})_[0-9A-Za-z]{1,55}")
_RS256 = jwt.get_algorithm_by_name("RS256")


class InvalidToken(Exception):
    """The token proves nothing. ``code`` says why, for our logs only: a caller is not told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Identity(NamedTuple):
    """What a verified token says. Times are seconds since 1970, UTC."""

    sub: str
    """The user's id in the pool: a UUID of 36 characters, in the case that Cognito sent."""
    email: str
    """A label, empty in access tokens. It may be unverified: show it, but grant nothing because of it."""
    token_use: str
    """``id`` or ``access``."""
    expires_at: int
    issued_at: int
    auth_time: int
    """When the user signed in; stays the same when a token is refreshed. ``issued_at`` where it is not told."""
    origin_jti: str
    """What all tokens of one sign-in share, which is what Cognito revokes; may be empty."""
    groups: tuple[str, ...]
    """Names of the pool's groups. The API grants nothing because of them; who may enter the admin, they tell."""
    nonce: str = ""
    """What the page that began the sign-in gave along, in ID tokens of the hosted page; else empty."""


class Verifier:
    """Accepts the tokens of one user pool, issued to known app clients. Safe to share between threads."""

    def __init__(
        self,
        *,
        issuer: str,
        client_ids: Collection[str],
        token_uses: Collection[str],
        keys: KeySet,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Remember whom to trust; ``ValueError`` where that is nobody or no kind of token."""
        if not issuer or not client_ids or "" in client_ids:
            raise ValueError("A verifier needs the issuer and at least one app client id.")
        if not token_uses or not _CLIENT_CLAIM.keys() >= set(token_uses):
            raise ValueError("A verifier accepts id tokens, access tokens or both.")
        self._issuer, self._keys, self._now = issuer, keys, now
        self._client_ids, self._token_uses = frozenset(client_ids), frozenset(token_uses)
        self._remembered = Remembered[Identity]()

    def verify(self, token: str) -> Identity:
        """Return who the token was issued to.

        :class:`InvalidToken` where it proves nothing, :class:`KeysUnavailable` where nobody can tell now.
        What is not addressed to us is refused before any key is looked up, so it never causes a fetch.
        What was accepted before is remembered, never past its ``exp`` nor past its key's life in the set.
        """
        if len(token) > MAX_CHARACTERS:
            raise InvalidToken("too_large")
        parts = _COMPACT_JWS.fullmatch(token)
        if parts is None:
            raise InvalidToken("malformed_authorization")
        if remembered := self._remembered.find(token):
            if self._still_holds(remembered):
                return remembered.content
            self._remembered.forget(token)
        kid = _kid(_json_object(parts[1], "bad_header"))
        claims = _json_object(parts[2], "bad_payload")
        kind = self._kind(claims)
        key = self._checked_key(kid, f"{parts[1]}.{parts[2]}".encode(), parts[3])
        identity = self._identity(kind, claims)
        not_before = max(identity.issued_at, claims.get("nbf", 0))
        self._remembered.add(token, Verified(identity, kid, key, not_before, identity.expires_at))
        return identity

    def _still_holds(self, verified: Verified[Identity]) -> bool:
        """Tell whether all would be found again that can have changed since: the time, and the key with this id.

        Without the leeway, so that nothing is remembered past its expiry. A key that was renewed is another object,
        and the signature is checked anew; :class:`KeysUnavailable` where the keys are too old to be trusted.
        """
        if not verified.not_before <= self._now() < verified.expires_at:
            return False
        return self._keys.key(verified.kid) is verified.key

    def _kind(self, claims: dict[str, Any]) -> str:
        """Return the ``token_use`` of a token that comes from our pool and was issued to our clients.

        The client is in ``aud`` of an ID token and in ``client_id`` of an access token: looking at
        whichever is there would let one pass for the other.
        """
        if claims.get("iss") != self._issuer:
            raise InvalidToken("iss")
        kind = claims.get("token_use")
        if not isinstance(kind, str) or kind not in self._token_uses:
            raise InvalidToken("token_use")
        client = claims.get(_CLIENT_CLAIM[kind])
        if not isinstance(client, str) or client not in self._client_ids:
            raise InvalidToken("client")
        return kind

    def _checked_key(self, kid: str, signed: bytes, signature: str) -> RSAPublicKey:
        """Return the key that has made the signature."""
        key = self._keys.key(kid)
        if key is None:
            raise InvalidToken("unknown_kid")
        if not _RS256.verify(signed, key, _decoded(signature, "signature")):
            raise InvalidToken("signature")
        return key

    def _identity(self, kind: str, claims: dict[str, Any]) -> Identity:
        now = self._now()
        expires_at, issued_at = _seconds(claims, "exp"), _seconds(claims, "iat")
        if expires_at <= now - LEEWAY_SECONDS:
            raise InvalidToken("expired")
        if issued_at > now + LEEWAY_SECONDS:
            raise InvalidToken("iat")
        if "nbf" in claims and _seconds(claims, "nbf") > now + LEEWAY_SECONDS:
            raise InvalidToken("nbf")
        if not 0 < expires_at - issued_at <= MAX_LIFETIME_SECONDS:
            raise InvalidToken("lifetime")
        auth_time = _seconds(claims, "auth_time") if "auth_time" in claims else issued_at
        if not 0 <= auth_time <= issued_at + LEEWAY_SECONDS:
            raise InvalidToken("auth_time")
        sub = claims.get("sub")
        if not isinstance(sub, str) or not _UUID.fullmatch(sub):
            raise InvalidToken("sub")
        return Identity(
            sub=sub,
            email=_email(claims.get("email")) if kind == "id" else "",
            token_use=kind,
            expires_at=expires_at,
            issued_at=issued_at,
            auth_time=auth_time,
            origin_jti=origin(claims.get("origin_jti")),
            groups=_groups(claims.get("cognito:groups")),
            nonce=_nonce(claims.get("nonce")) if kind == "id" else "",
        )


def issuer_of(user_pool_id: str) -> str:
    """Return the ``iss`` of a pool's tokens, below which its key set lies; ``ValueError`` for no such id."""
    match = _USER_POOL_ID.fullmatch(user_pool_id)
    if match is None:
        raise ValueError(f"{user_pool_id!r} is not the id of a user pool, which is like us-east-1_AbCdEfGhI.")
    domain = "amazonaws.eu" if match[1].startswith("eusc-") else "amazonaws.com"
    return f"https://cognito-idp.{match[1]}.{domain}/{user_pool_id}"


def bearer_token(header: str | None) -> str | None:
    """Take the token out of an ``Authorization`` header: ``Bearer`` and one blank before it, or nothing.

    None where the header is missing or empty or of another scheme, so that no token was sent at all;
    :class:`InvalidToken` where one was meant but cannot be read (RFC 6750, 3.1 tells the two apart).
    A token without a scheme is told from a lone scheme by its dots. A header may come folded, with line breaks.
    """
    credentials = (header or "").strip(" \t")
    if not re.match(r"(?ai)bearer(?!\S)", credentials):
        has_blank = " " in credentials or "\t" in credentials
        return None if has_blank or "." not in credentials else credentials
    token = credentials[len("bearer") :]
    if len(token) > MAX_CHARACTERS + 1:
        raise InvalidToken("too_large")
    if not _CREDENTIALS.fullmatch(token):
        raise InvalidToken("malformed_authorization")
    return token[1:]


def _kid(header: dict[str, Any]) -> str:
    """Check the header and return the key's id.

    ``jku``, ``jwk``, ``x5u`` and ``x5c`` would let a caller bring the key along, ``crit``, ``b64`` and
    ``zip`` change what is signed; Cognito sends none of them, so whatever is not known is refused.
    """
    if not header.keys() <= {"alg", "kid", "typ"} or header.get("typ", "JWT") != "JWT":
        raise InvalidToken("header_param")
    if header.get("alg") != "RS256":
        raise InvalidToken("alg")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= 256:
        raise InvalidToken("kid")
    return kid


def _decoded(part: str, code: str) -> bytes:
    """Decode base64url in its one canonical spelling, so that no two texts are the same token (RFC 4648, 3.5)."""
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise InvalidToken(code) from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise InvalidToken(code)
    return decoded


def _json_object(part: str, code: str) -> dict[str, Any]:
    """Read a JSON object without repeated keys, NaN or Infinity, which parsers disagree about (RFC 8725, 2.4)."""
    data = _decoded(part, code)
    try:
        value = json.loads(data.decode(), object_pairs_hook=_without_repetition, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidToken(code) from None
    except ValueError:  # no JSON, no UTF-8, or a number of thousands of digits
        raise InvalidToken("bad_json") from None
    if not isinstance(value, dict):
        raise InvalidToken(code)
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidToken("duplicate_key")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _seconds(claims: dict[str, Any], name: str) -> int:
    """Return a time as a whole number; ``True``, ``"1700000000"`` and ``1e9`` are none."""
    value = claims.get(name)
    if type(value) is not int:  # a bool is an int to isinstance()
        raise InvalidToken(name)
    return value


def _email(value: object) -> str:
    """Make an address that can be stored and shown: no control or direction characters, no lone surrogates.

    Whether Cognito has verified it does not matter, because nothing is granted by it.
    """
    address = "".join(c for c in value if c.isprintable()).strip() if isinstance(value, str) else ""
    return address if "@" in address and len(address) <= 254 else ""


def origin(value: object) -> str:
    """Return the id of a sign-in, or nothing where it could not be stored."""
    return value if isinstance(value, str) and len(value) <= 64 and value.isascii() and value.isprintable() else ""


def _nonce(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 128 and value.isascii() and value.isprintable() else ""


def _groups(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else []
    return tuple(name for name in names if isinstance(name, str) and name.isprintable())
