"""The cases of ``attacks.json`` as what is sent. Every token is really signed.

A case changes what is sent in one place. ``header`` and ``payload`` are laid over those of a good access token, where
"ABSENT" takes a name away, or stand as text in their place; ``header_more`` and ``payload_more`` are written behind the
last name. ``sign`` is who signs, and how. ``token`` puts header, payload and signature together, ``lines`` are the
request's headers. ``keys`` is what the key server does, ``user`` what became of the user before, ``uses`` which
kinds of token are accepted. ``{now+60}``, ``{token}`` and the like are filled in; ``{{`` and ``}}`` are braces.
"""

import functools
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests import tokens
from tests.tokens import ALICE, CLIENT_ID, ISSUER, encoded, jwk, private_key

Case = dict[str, Any]
CASES: list[Case] = json.loads(Path(__file__).with_name("attacks.json").read_text())
KID = "kid-1+abc/DEF="
ORIGIN = "b1"

HEADER = {"kid": KID, "alg": "RS256"}
PAYLOAD = {
    "sub": "{sub}",
    "iss": "{issuer}",
    "client_id": "{client}",
    "origin_jti": ORIGIN,
    "event_id": "e1",
    "token_use": "access",
    "scope": "aws.cognito.signin.user.admin",
    "auth_time": "now-60",
    "exp": "now+3600",
    "iat": "now-60",
    "jti": "a1",
    "username": "alice",
}


class Request(NamedTuple):
    """What is sent; ``lines`` are header lines without their ends."""

    method: str
    path: str
    lines: list[str]
    body: str


def request_of(case: Case, now: int) -> Request:
    """The case at this moment, in seconds since 1970."""
    words = {
        "sub": ALICE,
        "issuer": ISSUER,
        "client": CLIENT_ID,
        "digits": "9" * 5000,
        "zeros": "0" * 4000,
        "nested": '{"a":' + "[" * 2900 + "]" * 2900 + "}",
        "dots": "." * 1_000_000,
        "dots60": "." * 60_000,
        "commas60": "," * 60_000,
        "quotes60": '"' * 60_000,
        "blanks60": " " * 60_000,
        "bearers60": "Bearer " * 8_500,
    }
    fill = functools.partial(_filled, words=words, now=now)
    header = _part(case.get("header", {}), HEADER, case.get("header_more", ""), fill, now)
    payload = _part(case.get("payload", {}), PAYLOAD, case.get("payload_more", ""), fill, now)
    signed = f"{encoded(header)}.{encoded(payload)}".encode()
    kept = f"{encoded(_part({}, HEADER, '', fill, now))}.{encoded(_part({}, PAYLOAD, '', fill, now))}".encode()
    raw = encoded(header).encode() + b"." + payload
    signature = encoded(_signature(case.get("sign", "k1"), signed, kept, raw))
    words |= {"h": encoded(header), "p": encoded(payload), "s": signature}
    words |= {"cut": signature[:-1], "other": _other_spelling(signature), "p_other": _other_spelling(words["p"])}
    words["token"] = fill(case.get("token", "{h}.{p}.{s}"))
    lines = [fill(line) for line in case.get("lines", ["Authorization: Bearer {token}"])]
    return Request(case.get("method", "GET"), fill(case.get("path", "/me")), lines, fill(case.get("body", "")))


def _part(change: Any, good: dict[str, Any], more: str, fill: Callable[[str], str], now: int) -> bytes:
    """Header or payload as it is sent, before base64."""
    if change in ("utf-16", "latin-1"):
        return json.dumps(_resolved({**good, "kid": "é", "username": "é"}, fill, now), ensure_ascii=False).encode(
            change
        )
    if isinstance(change, str):
        return fill(change).encode()
    values = {name: value for name, value in (good | change).items() if value != "ABSENT"}
    resolved = _resolved(values, fill, now)
    try:
        text = json.dumps(resolved, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a pair, which only JSON's escapes can carry
        text = json.dumps(resolved).encode()
    return text[:-1] + b"," + fill(more).encode() + b"}" if more else text


def _resolved(value: Any, fill: Callable[[str], str], now: int) -> Any:
    if isinstance(value, dict):
        return {fill(name): _resolved(inner, fill, now) for name, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, fill, now) for inner in value]
    if not isinstance(value, str):
        return value
    if match := re.fullmatch(r"(text:)?now([+-]\d+)", value):
        return str(now + int(match[2])) if match[1] else now + int(match[2])
    if match := re.fullmatch(r"repeat:(.):(\d+)", value):
        return match[1] * int(match[2])
    return fill(value)


def _filled(text: str, *, words: dict[str, str], now: int) -> str:
    def fill(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        return str(now + int(match[2])) if match[2] else words[match[1]]

    return re.sub(r"\{\{|\}\}|\{([a-z]\w*)([+-]\d+)?\}", fill, text)


def _other_spelling(part: str) -> str:
    """The same bytes, with a bit set that base64 drops, or what comes nearest to it."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + alphabet[(alphabet.index(part[-1]) + 1) % 64] if part else part


# --- who signs


@functools.cache
def weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


@functools.cache
def curve_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


RSA_KEYS = {"k1": "pool", "k2": "second", "evil": "evil", "rot": "rot", "leaked": "evil", "rs512": "evil"}
PUBLIC = {
    "PEM": lambda key: key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    "DER": lambda key: key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    "JWK": lambda key: json.dumps(jwk(kid=KID)).encode(),
    "secret": lambda key: b"secret",
    "empty": lambda key: b"",
}


def _signature(how: str, signed: bytes, kept: bytes, raw: bytes) -> bytes:
    key = private_key("pool")
    if how in RSA_KEYS:
        return tokens.rs256(RSA_KEYS[how])(signed)
    if how.startswith("hmac "):
        return hmac.digest(PUBLIC[how.removeprefix("hmac ")](key.public_key()), signed, hashlib.sha256)
    match how:
        case "weak":
            return weak_key().sign(signed, padding.PKCS1v15(), hashes.SHA256())
        case "RS1":
            return key.sign(signed, padding.PKCS1v15(), hashes.SHA1())
        case "RS512":
            return key.sign(signed, padding.PKCS1v15(), hashes.SHA512())
        case "PS256":
            return key.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        case "ES256":
            r, s = decode_dss_signature(curve_key().sign(signed, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        case "kept":
            return tokens.rs256()(kept)
        case "unencoded":
            return tokens.rs256()(raw)
        case "flipped":
            good = tokens.rs256()(signed)
            return good[:100] + bytes([good[100] ^ 1]) + good[101:]
        case "zeros":
            return bytes(256)
        case "nothing":
            return b""
    raise LookupError(how)


# --- what the key server has


def _numbers(key: rsa.RSAPrivateKey) -> dict[str, str]:
    public = key.public_key().public_numbers()
    return {"n": encoded(public.n.to_bytes((public.n.bit_length() + 7) // 8, "big")), "e": "AQAB"}


def _curve() -> dict[str, str]:
    public = curve_key().public_key().public_numbers()
    return {"x": encoded(public.x.to_bytes(32, "big")), "y": encoded(public.y.to_bytes(32, "big"))}


def key_set(state: str = "normal") -> str:
    """The pool's key set, with keys in it that are not fit for signatures, and what became of it."""
    secret = {"kty": "oct", "k": encoded("secret")}
    first, second = jwk("pool", kid=KID), jwk("second", kid="kid-2")
    unfit = [
        jwk("evil", kid="leaked-1", d=encoded("secret")),
        jwk("evil", kid="rs512-1", alg="RS512"),
        {"kid": "weak-1", "kty": "RSA", "alg": "RS256", "use": "sig", **_numbers(weak_key())},
        {"kid": "ec-1", "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", **_curve()},
        {"kid": "oct-1", "alg": "HS256", "use": "sig", **secret},
    ]
    found = {
        "normal": [first, second],
        "rotated": [jwk("rot", kid="rot-1"), second],
        "withdrawn": [second],
        "oct": [{"kid": KID, "alg": "HS256", **secret}, second],
        "enc": [jwk("pool", kid=KID, use="enc"), second],
        "doubled": [first, second, jwk("evil", kid="kid-2")],
    }
    return json.dumps({"keys": [*unfit, *found[state]]})
