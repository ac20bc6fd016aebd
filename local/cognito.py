"""A user pool on this machine: a key of its own, and tokens as Amazon Cognito makes them.

For the embedded stack and the tests only. Its region does not exist, so that no token of a real pool
passes for one of these; whoever can read the folder can be any user.

``python -m local.cognito`` prints a token for ``curl``.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from accounts.cognito import issuer_of

POOL_ID = "local-1_Embedded"
CLIENT_ID = "embedded0client000000000000"
ISSUER = issuer_of(POOL_ID)
JWKS_FILE = "jwks.json"

USER_SUB = "0dd0a11c-e000-4000-8000-000000000001"
USER_EMAIL = "you@example.com"


class Pool:
    """One signing key, and what is made with it."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        numbers = self._key.public_key().public_numbers()
        self._public = {"e": _encoded_number(numbers.e), "kty": "RSA", "n": _encoded_number(numbers.n)}
        # RFC 7638, so that the id changes with the key
        self.kid = _encoded(hashlib.sha256(_json(self._public)).digest())

    def jwks(self) -> str:
        """Return the key set as JSON text, in the form of Cognito's ``/.well-known/jwks.json``."""
        return json.dumps({"keys": [{"alg": "RS256", "kid": self.kid, "use": "sig", **self._public}]})

    def issue(
        self, sub: str, email: str, token_use: str, lifetime_s: int = 3600, claims: dict[str, Any] | None = None
    ) -> str:
        """Return a signed token of either kind, with the claims that Cognito's tokens have, and some more."""
        now = int(time.time())
        said: dict[str, Any] = {
            "sub": sub,
            "iss": ISSUER,
            "token_use": token_use,
            "auth_time": now,
            "iat": now,
            "exp": now + lifetime_s,
            "jti": str(uuid.uuid4()),
            "origin_jti": str(uuid.uuid4()),
            "event_id": str(uuid.uuid4()),
        }
        if token_use == "id":
            said |= {"aud": CLIENT_ID, "cognito:username": sub, "email": email, "email_verified": True}
        else:
            said |= {"client_id": CLIENT_ID, "username": sub, "scope": "aws.cognito.signin.user.admin"}
        return self.sign({"kid": self.kid, "alg": "RS256"}, said | (claims or {}))

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Return header and claims as they are, signed with RS256 (RFC 7515, 7.1)."""
        signed = f"{_encoded(_json(header))}.{_encoded(_json(claims))}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"


def pool_in(folder: Path) -> Pool:
    """Return the pool of a folder, made at the first call; processes that share the folder share the pool.

    Its key set is then in ``folder / JWKS_FILE``, for ``COGNITO_JWKS``.
    """
    path = folder / "key.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        written = _written_beside(path, pem)
        with contextlib.suppress(FileExistsError):  # another process was faster: its key counts
            path.hardlink_to(written)
        written.unlink()
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path} is no RSA key. Delete it, and a new one is made.")
    pool = Pool(key)
    _written_beside(path, pool.jwks().encode()).replace(folder / JWKS_FILE)
    return pool


def _written_beside(path: Path, data: bytes) -> Path:
    """Write to a file of another name, so that nobody sees half of it; only its owner may read it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # mode 0600
        file.write(data)
    return Path(file.name)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _encoded_number(number: int) -> str:
    return _encoded(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def main(arguments: list[str] | None = None) -> None:
    """Print a token."""
    data = Path(os.environ.get("DATA_DIR") or Path(__file__).resolve().parent.parent / "data")
    parser = argparse.ArgumentParser(prog="python -m local.cognito", description="Prints a token of the local pool.")
    parser.add_argument("--folder", type=Path, default=data / "cognito", help="where the key lies (%(default)s)")
    parser.add_argument("--sub", default=USER_SUB, help="the user's id, a UUID (%(default)s)")
    parser.add_argument("--email", default=USER_EMAIL, help="the user's address (%(default)s)")
    parser.add_argument("--token-use", choices=["id", "access"], default="id", help="the kind of token (%(default)s)")
    parser.add_argument("--group", action="append", default=[], help="a group of the pool, such as staff; repeatable")
    parser.add_argument("--lifetime", type=int, default=3600, metavar="SECONDS", help="at most a day (%(default)s)")
    options = parser.parse_args(arguments)
    claims = {"cognito:groups": options.group} if options.group else None
    print(pool_in(options.folder).issue(options.sub, options.email, options.token_use, options.lifetime, claims))


if __name__ == "__main__":
    main()
