"""From the ``Authorization`` header to ``request.user``: DRF's side of ``accounts.cognito``."""

import functools
import logging
from typing import cast

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from accounts import cognito
from accounts.keyset import KeySet, KeysUnavailable, keys_from
from accounts.models import User

log = logging.getLogger(__name__)


class AuthenticationUnavailable(APIException):
    """503: the token may be fine, but there is no key to check it with."""

    status_code = 503
    default_code = "authentication_unavailable"
    default_detail = "Tokens cannot be checked at the moment. Try again soon."
    wait = 5  # seconds, for Retry-After


class CognitoAuthentication(BaseAuthentication):
    """Accepts the pool's ID and access tokens, with ``Bearer`` or bare; makes the user's row at the first call."""

    def authenticate(self, request: Request) -> tuple[User, cognito.Identity] | None:
        """None without credentials. Raises ``AuthenticationFailed`` or ``AuthenticationUnavailable``."""
        identity = self.identify(request)
        return (admitted(identity), identity) if identity else None

    def identify(self, request: Request) -> cognito.Identity | None:
        """What the token says, without a look at the database. Raises as ``authenticate`` does."""
        try:
            token = cognito.bearer_token(request.META.get("HTTP_AUTHORIZATION"))
            if token is None:
                return None
            return _verifier(
                settings.COGNITO_USER_POOL_ID,
                tuple(settings.COGNITO_CLIENT_IDS),
                tuple(settings.COGNITO_TOKEN_USE),
                settings.COGNITO_JWKS,
            ).verify(token)
        except cognito.InvalidToken as error:
            log.info("token refused: %s", error.code)
            raise AuthenticationFailed from error
        except KeysUnavailable as error:
            log.exception("no key to check a token with")
            raise AuthenticationUnavailable from error

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401 (RFC 6750 section 3)."""
        return 'Bearer realm="shri"'


def admitted(identity: cognito.Identity) -> User:
    """The user of a good token. Raises ``AuthenticationFailed`` where it was made worthless since it was issued."""
    user = User.objects.seen(identity.sub, identity.email, identity.origin_jti)
    if not user.is_active or user.is_signed_out(identity.auth_time):
        log.info("token refused: %s", "revoked" if user.is_active else "inactive")
        raise AuthenticationFailed
    return user


def caller(request: Request) -> User:
    """Who is calling, in a view that wants a token."""
    return cast(User, request.user)


def id_token_verifier() -> cognito.Verifier:
    """Of who signs in to the admin: ID tokens of the first app client alone. Raises ``KeysUnavailable``."""
    clients = tuple(settings.COGNITO_CLIENT_IDS[:1])
    return _verifier(settings.COGNITO_USER_POOL_ID, clients, ("id",), settings.COGNITO_JWKS)


@functools.lru_cache(maxsize=8)
def _verifier(pool: str, client_ids: tuple[str, ...], token_uses: tuple[str, ...], jwks: str) -> cognito.Verifier:
    """One a process for each kind of caller."""
    if not pool or not client_ids:
        raise KeysUnavailable("COGNITO_USER_POOL_ID and COGNITO_CLIENT_IDS are not set")
    try:
        issuer = cognito.issuer_of(pool)
        keys = _keys(issuer, jwks)
    except ValueError as error:  # the system check says the same before the first caller does
        raise KeysUnavailable(f"COGNITO_USER_POOL_ID or COGNITO_JWKS: {error}") from error
    return cognito.Verifier(issuer=issuer, client_ids=client_ids, token_uses=token_uses, keys=keys)


@functools.lru_cache(maxsize=8)
def _keys(issuer: str, jwks: str) -> KeySet:
    """One a process: its cool-down between two fetches is that of all verifiers together. Raises ``ValueError``."""
    return keys_from(jwks, issuer=issuer)
