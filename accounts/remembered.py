"""Tokens that were verified before, so that the next request does not check the same signature again.

What is kept is a hash of the token, never the token: who reads this memory has nothing to send. Only genuine tokens
get in here, and a forged one differs from each of them, so it has another hash.
"""

import hashlib
import threading
from typing import Generic, NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MOST_TOKENS = 1024
LONGEST_TOKEN = 4096  # characters; with their groups, tokens of this length take 20 MB altogether at most

Content = TypeVar("Content")


class Verified(NamedTuple, Generic[Content]):
    """A token that was good, and what it was good by."""

    content: Content
    kid: str
    key: RSAPublicKey
    not_before: int
    expires_at: int


class Remembered(Generic[Content]):
    """At most ``MOST_TOKENS``; the one that has been here longest makes room. Safe to share between threads."""

    def __init__(self) -> None:
        self._verified: dict[bytes, Verified[Content]] = {}  # in the order in which they came
        self._writing = threading.Lock()  # one look into a dict needs none

    def __len__(self) -> int:
        return len(self._verified)

    def find(self, token: str) -> Verified[Content] | None:
        """What is known of exactly this token, which must be ASCII. Whether that still holds, the caller decides."""
        return self._verified.get(_name(token)) if len(token) <= LONGEST_TOKEN else None

    def add(self, token: str, verified: Verified[Content]) -> None:
        """Keep it, unless the token is too long."""
        if len(token) > LONGEST_TOKEN:
            return
        with self._writing:
            self._verified.pop(_name(token), None)
            while len(self._verified) >= MOST_TOKENS:
                del self._verified[next(iter(self._verified))]
            self._verified[_name(token)] = verified

    def forget(self, token: str) -> None:
        """It is of no use any more."""
        with self._writing:
            self._verified.pop(_name(token), None)


def _name(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
