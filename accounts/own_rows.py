"""Calls that read the caller's own rows: one question to the database finds them and whether the caller may see them.

Every other call asks first who is calling (:mod:`accounts.authentication`), and then for rows. Here the rows are only
found for a caller who is let in. Where none are found, and before anything else is answered, the caller is asked for
after all: so nobody who was signed out or switched off gets any answer but 401. Who was erased is a new caller, as
everywhere (:mod:`ytbackend.erasure`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import Error as DatabaseFailed
from django.db.models import Q
from django.http import HttpRequest
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import CognitoAuthentication, admitted
from accounts.cognito import Identity
from accounts.models import User, ended
from accounts.prepared import Parameter


class Unconfirmed:
    """A caller with a good token, of whom the database has not been asked yet."""

    is_authenticated = True

    def __init__(self, identity: Identity) -> None:
        self.pk, self.identity = identity.sub, identity


class CognitoUnconfirmed(CognitoAuthentication):
    """Looks at the token alone."""

    def authenticate(self, request: Request) -> tuple[Unconfirmed, Identity] | None:  # type: ignore[override]
        """None without credentials. Raises as its base does."""
        identity = self.identify(request)
        return (Unconfirmed(identity), identity) if identity else None


class OwnRows(APIView):
    """A view whose GET answers rows that ``let_in`` found, and calls ``confirm`` before it answers anything else."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """As usual, but what is only read is asked for by the token alone."""
        asked = super().initialize_request(request, *args, **kwargs)
        if request.method in ("GET", "HEAD"):
            usual = asked.authenticators or ()
            asked.authenticators = [
                CognitoUnconfirmed() if type(one) is CognitoAuthentication else one for one in usual
            ]
        return asked

    def confirm(self) -> None:
        """Asks for the caller. Raises ``AuthenticationFailed``."""
        if not hasattr(self.request, "_user"):  # nobody has looked at the token yet
            self.perform_authentication(self.request)
        user = getattr(self.request, "_user", None)  # by ``user``, DRF would look once more at a token that has failed
        if isinstance(user, Unconfirmed):
            self.request.user = admitted(user.identity)

    def handle_exception(self, exc: Exception) -> Response:
        """A caller who is not let in learns nothing, not even what is wrong with the request."""
        if isinstance(exc, APIException):
            try:
                self.confirm()
            except (APIException, DatabaseFailed) as refused:
                exc = refused
        return super().handle_exception(exc)

    def credentials(self) -> dict[str, Any]:
        """The values of the parameters of ``let_in``."""
        user = self.request.user
        if isinstance(user, Unconfirmed):
            signed_in = datetime.fromtimestamp(user.identity.auth_time, UTC)
            return {"sub": user.pk, "auth_time": signed_in, "origin_jti": user.identity.origin_jti}
        # The user of an API key, who is let in: signing out deletes the keys.
        return {"sub": user.pk, "auth_time": datetime.max.replace(tzinfo=UTC), "origin_jti": ""}

    def is_news(self, email: str) -> bool:
        """Whether the token tells another e-mail than this, the stored one."""
        user = self.request.user
        return isinstance(user, Unconfirmed) and user.identity.email not in ("", email)


def let_in() -> Q:
    """Rows with a column ``user`` that belong to the caller, as long as the caller's token is worth something.

    The same conditions as those of :func:`accounts.authentication.admitted`.
    """
    after = Parameter("auth_time", User._meta.get_field("tokens_valid_after"))
    still = Q(user__tokens_valid_after=None) | Q(user__tokens_valid_after__lte=after)
    return Q(~ended("user"), still, user=Parameter("sub", User._meta.pk), user__is_active=True)


def columns(*names: str) -> Sequence[str]:
    """These, and the stored e-mail, for ``is_news``."""
    return [*names, "user__email"]
