"""A million ways to spoil a header: none may be let in, and none may be anything but refused.

    python -m tests.accounts.fuzz --inputs 1000000 --seed 1

Genuine tokens are changed in ways that know their structure (parts, base64, JSON, claims, the scheme and blanks before
them), some are signed anew by an attacker's key or an old signature is kept, and what comes out goes the way of a
request. A header may only be accepted if it carries a genuine token, letter by letter; anything that is raised but
``InvalidToken`` and ``KeysUnavailable`` is a failure. So that the checks behind the signature are reached as well, some
are signed anew by the pool's own key: of those only what ``could_be_cognitos`` says is accepted, a second opinion.
The same seed gives the same inputs, keys apart.
"""

import argparse
import base64
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from accounts.cognito import Identity, InvalidToken, KeysUnavailable, Verifier, bearer_token
from accounts.keyset import StaticKeySet
from tests import tokens
from tests.tokens import ALICE, CLIENT_ID, ISSUER, NOW

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ODD = "\x00\t\n\r\x0b\x1f \x7f\x85\xa0\xe9\u200b\u2028\u202e\ufeff\ud800\U0001f3ac=+/.,;:\"'\\{}[]()<>%~"
_JSON = [
    *json.loads(
        """[null, true, false, 0, -1, 1, 0.5, 1e308, 1800000000, -1800000000, 1800003600, 1800000000000, 1800000000.0,
        1799990000, 1800000029, 1800086401, 10000000000000000000000000000000000000000, [], {}, [null], [[]], {"": {}},
        "", " ", "null", "0", "1800003600", "RS256", "none", "HS256", "access", "id", "\\u0000", "\\ud800", "é"]"""
    ),
    *(ALICE, f"{ALICE} ", [ALICE], ISSUER, f"{ISSUER}/", CLIENT_ID, [CLIENT_ID], "x" * 300),
]
_TEXT = [*re.findall(r"\S+", "1e999 -1e999 NaN Infinity 1_000 0x7f +1 -0"), "9" * 5000, "[" * 1500 + "]" * 1500]
_NAMES = re.findall(
    r"\S+",
    "alg kid typ jku jwk x5u x5c crit b64 zip cty sub iss aud client_id token_use exp iat nbf auth_time email "
    "origin_jti cognito:groups __proto__",
)
_SCHEMES = ["", *re.findall(r"[^|]+", "Bearer |bearer |BEARER |Bearer  |Bearer\t|Bearer|Basic |Bearer Bearer |JWT |\0")]
_UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", re.ASCII)


class Found(NamedTuple):
    """What became of all inputs, and the surprises among them."""

    counts: Counter[str]
    surprises: list[str]


class Genuine(NamedTuple):
    """A token that is good, in its parts."""

    token: str
    header: str
    payload: str
    signature: str


def genuine_tokens() -> list[Genuine]:
    """Of both kinds, with and without rare claims."""
    groups: dict[str, Any] = {"cognito:groups": ["staff", "editors"]}
    made = [
        tokens.access_token(now=NOW),
        tokens.access_token(tokens.BOB, now=NOW, nbf=NOW - 60),
        tokens.id_token(now=NOW, email="alice@example.com"),
        tokens.id_token(tokens.CHARLIE, now=NOW, **groups),
    ]
    return [Genuine(token, *token.split(".")) for token in made]


# --- ways to spoil


def _characters(pick: random.Random, text: str) -> str:
    """A few characters put in, taken out, exchanged or doubled."""
    for _ in range(pick.choice((1, 1, 1, 2, 5))):
        at = pick.randrange(len(text) + 1)
        new = pick.choice(_ODD if pick.random() < 0.4 else _ALPHABET)
        end = at + pick.choice((0, 1, 1, 1, 4, 50))
        text = text[:at] + pick.choice((new, new, "", text[at : at + 8] * 2)) + text[end:]
    return text


def _bit(pick: random.Random, part: str) -> str:
    """One bit of what base64 means, spelled canonically."""
    data = bytearray(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    data[pick.randrange(len(data))] ^= 1 << pick.randrange(8)
    return tokens.encoded(bytes(data))


def _spelling(pick: random.Random, part: str) -> str:
    """The same bytes in another base64."""
    return pick.choice(
        (part + "=", part + "==", part.replace("-", "+").replace("_", "/") + "=", _last(part), part[:-1])
    )


def _last(part: str) -> str:
    return part[:-1] + _ALPHABET[_ALPHABET.index(part[-1]) ^ 1]


def _json(pick: random.Random, part: str) -> str:
    """Header or payload with other values, names, or text that is no JSON."""
    values = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    for _ in range(pick.choice((1, 1, 1, 2, 4))):
        name = pick.choice(_NAMES if pick.random() < 0.5 else list(values) or _NAMES)
        if pick.random() < 0.15:
            values.pop(name, None)
        else:
            values[name] = pick.choice(_JSON)
    text = json.dumps(values, ensure_ascii=pick.random() < 0.5)
    match pick.randrange(8):
        case 0:  # a name twice
            name = pick.choice(list(values) or ["x"])
            text = f"{text[:-1]}, {json.dumps(name)}: {json.dumps(pick.choice(_JSON))}}}"
        case 1:
            text = f"{text[:-1]}, {json.dumps(pick.choice(_NAMES))}: {pick.choice(_TEXT)}}}"
        case 2:
            text = _characters(pick, text)
    encoding = pick.choice(("utf-8",) * 6 + ("utf-16", "utf-8-sig"))
    return tokens.encoded(text.encode(encoding, "surrogatepass"))


_PART: tuple[Callable[[random.Random, str], str], ...] = (_characters, _bit, _spelling, _json)


def spoiled(pick: random.Random, all_genuine: list[Genuine]) -> str:
    """A header, nearly always with something wrong in it."""
    good = pick.choice(all_genuine)
    parts = [good.header, good.payload, good.signature]
    for _ in range(pick.choice((0, 1, 1, 1, 1, 2))):
        which = pick.randrange(3)
        way = pick.choice(_PART if which < 2 else _PART[:3])
        try:
            parts[which] = way(pick, parts[which])
        except (ValueError, AttributeError, TypeError, IndexError, RecursionError):  # too spoiled for this way
            parts[which] = _characters(pick, parts[which])
    match pick.randrange(24):
        case 0:
            key = pick.choice(("pool", "pool", "evil"))
            parts = [good.header, _json(pick, good.payload)] if pick.random() < 0.8 else parts[:2]
            parts.append(tokens.encoded(tokens.rs256(key)(".".join(parts).encode("utf-8", "surrogatepass"))))
        case 1:
            parts[pick.randrange(3)] = getattr(
                pick.choice(all_genuine), pick.choice(("header", "payload", "signature"))
            )
        case 2:
            pick.shuffle(parts)
        case 3:
            parts.insert(pick.randrange(4), pick.choice(("", "x", good.payload)))
        case 4:
            parts.pop()
    token = ".".join(parts)
    if pick.random() < 0.1:
        token = _characters(pick, token)
    header = pick.choice(_SCHEMES[:4] if pick.random() < 0.8 else _SCHEMES) + token
    if pick.random() < 0.05:
        header = pick.choice(
            (f"{header}, {header}", f"{header} {token}", header * 9, f" {header}\t", f'"{header}"', header[:40])
        )
    return _characters(pick, header) if pick.random() < 0.03 else header


# --- the way of a request


def could_be_cognitos(token: str) -> bool:
    """Whether the pool's key could have signed it, by the rules alone; the signature is looked at by others."""
    header, payload, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    if tuple(map(tokens.encoded, (header, payload, signature))) != tuple(token.split(".")):
        return False
    head, claims = (json.loads(part.decode(), object_pairs_hook=_once) for part in (header, payload))
    times = [claims.get("exp"), claims.get("iat"), claims.get("nbf", 0), claims.get("auth_time", claims.get("iat"))]
    if not all(type(moment) is int for moment in times):
        return False
    exp, iat, nbf, auth_time = times
    return (
        {"alg": "RS256", "kid": tokens.pool().kid, "typ": "JWT"} == {"typ": "JWT"} | head
        and claims["iss"] == ISSUER
        and claims["aud" if claims["token_use"] == "id" else "client_id"] == CLIENT_ID
        and claims["token_use"] in ("id", "access")
        and isinstance(claims["sub"], str)
        and _UUID.fullmatch(claims["sub"]) is not None
        and max(iat, nbf) - 30 <= NOW < exp + 30
        and iat < exp <= iat + 86_400
        and 0 <= auth_time <= iat + 30
        and b"NaN" not in payload
        and b"Infinity" not in payload
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def run(inputs: int, seed: int) -> Found:
    """Try so many; the genuine tokens themselves are among them and must be accepted each time."""
    pick = random.Random(seed)
    all_genuine = genuine_tokens()
    by_token = {good.token for good in all_genuine}
    verifier = Verifier(
        issuer=ISSUER,
        client_ids=[CLIENT_ID],
        token_uses=["id", "access"],
        keys=StaticKeySet(tokens.key_set()),
        now=lambda: float(NOW),
    )
    counts: Counter[str] = Counter()
    surprises: list[str] = []
    for _ in range(inputs):
        header = spoiled(pick, all_genuine)
        try:
            token = bearer_token(header)
            outcome: object = "no token" if token is None else verifier.verify(token)
        except InvalidToken as refusal:
            outcome = refusal.code
        except KeysUnavailable:
            outcome = "keys_unavailable"
        except Exception as error:  # noqa: BLE001 - which is what is looked for
            outcome = "raised"
            surprises.append(f"{error!r} for {header!r}")
        if isinstance(outcome, Identity):
            outcome = "accepted" if token in by_token else "accepted, newly signed"
            if token not in by_token and not _by_the_rules(token):
                surprises.append(f"accepted: {header!r}")
        elif header.removeprefix("Bearer ") in by_token:
            surprises.append(f"a genuine token was refused: {outcome}")
        counts[str(outcome)] += 1
    return Found(counts, surprises)


def _by_the_rules(token: str | None) -> bool:
    try:
        return token is not None and tokens.is_signed(token) and could_be_cognitos(token)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.accounts.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1_000_000, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the same inputs (%(default)s)")
    options = parser.parse_args()
    began = time.monotonic()
    found = run(options.inputs, options.seed)
    for outcome, count in found.counts.most_common():
        sys.stdout.write(f"{count:>10,}  {outcome}\n")
    for surprise in found.surprises[:20]:
        sys.stdout.write(f"SURPRISE  {surprise[:2000]}\n")
    seconds = time.monotonic() - began
    sys.stdout.write(f"{options.inputs:,} inputs in {seconds:.0f} s, {len(found.surprises)} surprises\n")
    return bool(found.surprises)


if __name__ == "__main__":
    sys.exit(main())
