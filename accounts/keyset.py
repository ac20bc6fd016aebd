"""The public keys of a Cognito user pool, by key id: given as text, or fetched and kept.

Cognito may rotate its signing keys, and asks callers to cache them by ``kid`` and to refresh
(https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html).
What is kept here outlives a failing endpoint, and no stream of made-up key ids makes it fetch more often.
Knows neither Django nor tokens.
"""

import http.client
import json
import logging
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import InvalidKeyError
from jwt.algorithms import RSAAlgorithm

logger = logging.getLogger(__name__)

FRESH_SECONDS = 3600  # after this, keys are renewed, and serve on if that fails
USABLE_SECONDS = 24 * 3600  # after this, a key that Cognito may have withdrawn is trusted no longer
COOL_DOWN_SECONDS = 30  # between two attempts, also failed ones; see FetchedKeySet for the one that need not wait
# The limits of API Gateway's own authorizer, which fetches the same document
# (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html).
TIMEOUT_SECONDS = 1.5
MAX_BYTES = 150_000
# A time-out is of one step: name server, each address, TLS, answer. This is all that a caller waits for them together.
PATIENCE_SECONDS = 3.0

_LEAST_BITS, _MOST_BITS = 2048, 8192  # RFC 7518, 3.3; a larger key only makes every check slower


class KeysUnavailable(Exception):
    """The keys cannot be had at the moment; whether a token is genuine is not known."""


class KeySet(Protocol):
    """Public keys by their id."""

    def key(self, kid: str) -> RSAPublicKey | None:
        """Return the key, or None where the pool has no such key; :class:`KeysUnavailable` where nobody can tell."""


def keys_from(setting: str, issuer: str) -> KeySet:
    """Make the key set that ``COGNITO_JWKS`` asks for: JSON text, the path of a file, or empty for the pool's own.

    ``ValueError`` with a sentence where the text or file cannot be used.
    """
    if not setting:
        return FetchedKeySet(f"{issuer}/.well-known/jwks.json")
    if setting.lstrip().startswith("{"):
        return StaticKeySet(setting)
    try:
        text = Path(setting).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"The key set is neither JSON text nor a file that can be read: {error}") from error
    return StaticKeySet(text)


class StaticKeySet:
    """Keys given as JSON text, for where the network cannot reach Cognito. Renewed by a restart."""

    def __init__(self, text: str) -> None:
        self._keys = _rsa_keys(text)
        if not self._keys:
            raise ValueError("The key set has no RSA key of at least 2048 bits for RS256 signatures.")

    def key(self, kid: str) -> RSAPublicKey | None:
        """Return the key with this id, if there is one."""
        return self._keys.get(kid)


def fetch(url: str, *, context: ssl.SSLContext | None = None) -> bytes:
    """Get a small document over HTTPS; ``OSError``, ``HTTPException`` or ``ValueError`` where that fails.

    Redirects are not followed: the pool's address is known, and whoever can answer with another one
    must not choose our keys. ``HTTPS_PROXY`` is obeyed, as boto3 does; TLS is checked through it.
    Each step of the connection may take ``TIMEOUT_SECONDS``, the answer have ``MAX_BYTES``.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),  # raises for all but 2xx, redirects among them
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - only HTTPS has a handler
    with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
        body: bytes = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise ValueError(f"the answer is longer than {MAX_BYTES} bytes")
    return body


class _Snapshot(NamedTuple):
    """What the last good answer said; replaced as a whole, so that it is read without a lock."""

    keys: Mapping[str, RSAPublicKey]
    fetched_at: float | None


class FetchedKeySet:
    """Keys from the pool's well-known address, shared by all threads of a process.

    Times are of the wall clock, because a monotonic one may stand still while a Lambda is frozen.
    A known key is answered without waiting, whatever the endpoint does; a caller waits only where
    nothing but a fetch can tell, and then for one that is already under way rather than for its own.

    A fetch that has found the key that it was made for may be followed by one more within the cool-down, if an unknown
    id comes: a key that is published just after a process has started then works at once. Made-up ids find
    nothing, so they never cause a second one.
    """

    def __init__(
        self,
        url: str,
        *,
        fetch: Callable[[str], bytes] = fetch,
        now: Callable[[], float] = time.time,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        if not url.startswith("https://"):
            raise ValueError("A key set is fetched over https only.")
        self._url, self._fetch, self._now, self._patience = url, fetch, now, patience
        self._turn = threading.Lock()  # who holds it may begin a fetch; keys are read without it
        self._latest = _Snapshot({}, None)
        self._attempted_at: float | None = None
        self._may_look_again = False
        self._fetching: threading.Thread | None = None

    def key(self, kid: str) -> RSAPublicKey | None:
        """Return the key, fetching at most once per cool-down; see :class:`KeySet`."""
        latest = self._latest
        known = kid in latest.keys and self._within(USABLE_SECONDS, latest.fetched_at)
        fresh = self._within(FRESH_SECONDS, latest.fetched_at)
        if not (known and fresh):
            fetching = self._begun_fetch(kid)
            if not known and fetching is not None:
                fetching.join(self._patience)
            latest = self._latest
        if not self._within(USABLE_SECONDS, latest.fetched_at):
            raise KeysUnavailable(f"no key set from {self._url}")
        return latest.keys.get(kid)

    def _within(self, seconds: float, since: float | None) -> bool:
        """Tell whether less than ``seconds`` have passed; a clock that was set back counts as long ago."""
        return since is not None and 0 <= self._now() - since < seconds

    def _begun_fetch(self, kid: str) -> threading.Thread | None:
        """Return the fetch that is under way or was the last; begin one for this id, unless that was tried just now.

        In a thread, because no time-out bounds all steps of it together. A fetch that outlasts a caller's
        patience goes on, and its keys are there for a later caller.
        """
        with self._turn:
            early = self._within(COOL_DOWN_SECONDS, self._attempted_at)
            if not early or (self._may_look_again and kid not in self._latest.keys):
                self._attempted_at = self._now()
                self._may_look_again = False
                self._fetching = threading.Thread(target=self._attempt, args=(kid, early), name="key set", daemon=True)
                self._fetching.start()
            return self._fetching

    def _attempt(self, kid: str, early: bool) -> None:
        """Fetch once. A failure is logged and leaves the known keys as they are."""
        try:
            keys = _rsa_keys(self._fetch(self._url).decode())
            if self._latest.keys and not keys:
                raise ValueError("no key in it can be used")  # noqa: TRY301 - one failure as good as another
        except (OSError, http.client.HTTPException, ValueError) as error:
            logger.warning("The key set at %s could not be had: %r", self._url, error)
        else:
            self._latest = _Snapshot(keys, self._now())
            self._may_look_again = not early and kid in keys


def _rsa_keys(text: str) -> dict[str, RSAPublicKey]:
    """Sort out the keys fit for RS256 signatures; ``ValueError`` where the text is no key set (RFC 7517).

    Keys of other kinds are left out rather than refused, so that a kind yet to come does no harm.
    Where two have the same id, the first counts.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The key set is not JSON: {error}") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError('The key set must be a JSON object with a list of "keys", as in …/.well-known/jwks.json.')
    keys: dict[str, RSAPublicKey] = {}
    for entry in entries:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        if isinstance(kid, str) and kid and kid not in keys and (key := _rsa_key(entry)):
            keys[kid] = key
    return keys


def _rsa_key(entry: dict[str, Any]) -> RSAPublicKey | None:
    """Read one key, or None where it is not a public RSA key for RS256 signatures."""
    fit = entry.get("kty") == "RSA" and entry.get("alg", "RS256") == "RS256" and entry.get("use", "sig") == "sig"
    if not fit or "d" in entry:  # a private key that was published is known to everybody
        return None
    try:
        key = RSAAlgorithm.from_jwk({name: entry.get(name) for name in ("kty", "n", "e")})
    except (InvalidKeyError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPublicKey) and _LEAST_BITS <= key.key_size <= _MOST_BITS else None
