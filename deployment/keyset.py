"""The user pool's public keys, as small as a Lambda's variables want them.

All variables of a function together have 4 KB
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); a pool's two keys have about 1 KB.
The refresher in ``infrastructure.yaml`` makes the same text of the same keys; a test holds them together.
"""

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

MAX_BYTES = 65_536
MAX_SECONDS = 10.0  # for the whole answer
STEP_SECONDS = 5.0  # for each step of the connection
LEAST_MODULUS_BYTES = 256  # 2048 bits
_KEPT = ("kid", "kty", "alg", "use", "n", "e")  # what checking a signature takes


class KeysRefused(Exception):
    """The key set could not be had, or is none. The message says which, and what to do."""


def fetch(url: str) -> str:
    """The key set at ``url`` as the text of COGNITO_JWKS. Raises ``KeysRefused``."""
    return compact(_download(url), where=url)


def compact(text: bytes, *, where: str) -> str:
    """A key set with only what checking a signature takes, in one order. Raises ``KeysRefused``."""
    try:
        keys = [{name: key[name] for name in _KEPT} for key in json.loads(text)["keys"] if _is_fit(key)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise KeysRefused(f"What {where} answers is no key set (RFC 7517). Is that the address of a pool?") from None
    if not keys:
        raise KeysRefused(f"The key set at {where} has no RSA key for RS256 signatures. Look at it in a browser.")
    return json.dumps({"keys": sorted(keys, key=lambda key: str(key["kid"]))}, separators=(",", ":"))


def _is_fit(key: dict[str, Any]) -> bool:
    wanted = key.get("kty") == "RSA" and key.get("alg") == "RS256" and key.get("use") == "sig" and key.get("kid")
    return bool(wanted) and len(base64.urlsafe_b64decode(key["n"] + "==")) >= LEAST_MODULUS_BYTES


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The pool's address is known: nobody may name another one."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _download(url: str) -> bytes:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise KeysRefused(f"{url} is not https. Keys are fetched over TLS only.")
    end, body = time.monotonic() + MAX_SECONDS, b""
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=STEP_SECONDS) as answer:
            while part := answer.read1(MAX_BYTES):
                body += part
                if len(body) > MAX_BYTES or time.monotonic() > end:
                    raise KeysRefused(f"What {url} answers is too long or comes too slowly to be a key set.")
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise KeysRefused(f"The key set at {url} cannot be had: {why}. Check the network and try again.") from None
    return body
