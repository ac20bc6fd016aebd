"""The text of an API key: made, recognised, checked for typing errors and hashed. Knows neither Django nor the ORM.

``shri_``, 43 random characters, 6 of a checksum: ``shri_[0-9A-Za-z]{49}`` finds keys that lie where they should not,
and nearly nothing else. The shape is GitHub's
(https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/).

No JWT begins like that: its first character stands for the ``{`` of its header or for white space before it, which in
base64url is one of ``e``, ``I``, ``C`` and ``D``. And no key has the dots of a JWT.
"""

import hashlib
import re
import secrets
import string
import zlib

MARK = "shri_"
SHOWN_CHARACTERS = len(MARK) + 4  # of a key that may be shown again: more than 2**232 keys begin with them

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_CHARACTERS = 43  # 62**43 is just above 2**256
_CHECK_CHARACTERS = 6  # 62**6 is above 2**32
_KEY = re.compile(rf"{MARK}[0-9A-Za-z]{{{_SECRET_CHARACTERS + _CHECK_CHARACTERS}}}")
_SENT = re.compile(rf"(?:(?ai:bearer) )?({MARK}[^ \t]*)")


class InvalidKey(Exception):
    """The key opens nothing. ``code`` says why, for our logs only: a caller is not told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def made() -> str:
    """A new key, of 256 random bits."""
    body = MARK + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARACTERS))
    return body + _checksum(body)


def sent(authorization: str | None) -> str | None:
    """What an ``Authorization`` header has in the place of a key, with ``Bearer`` or bare; None: it is about no key."""
    found = _SENT.fullmatch((authorization or "").strip(" \t"))
    return found[1] if found else None


def check(text: str) -> None:
    """Raises ``InvalidKey`` for what we cannot have made, so that no typing error costs a query."""
    if not _KEY.fullmatch(text):
        raise InvalidKey("malformed")
    if _checksum(text[:-_CHECK_CHARACTERS]) != text[-_CHECK_CHARACTERS:]:  # no secret: whoever can count can make it
        raise InvalidKey("checksum")


def digest(text: str) -> str:
    """What is stored in the place of a key: its SHA-256, 64 hexadecimal digits.

    Neither slow nor salted, which only secrets need that can be guessed: NIST SP 800-63B, 5.1.2.2, asks for a plain
    one-way function from 112 bits on (https://pages.nist.gov/800-63-3/sp800-63b.html).
    """
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECK_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
