"""Who is let into the admin: members of the user pool's groups, or local accounts where those are switched on.

Cognito's page signs people in: authorization code with PKCE (RFC 7636) for a public client. The function has no way to
the internet, so the browser changes the code for a token (``static/staff/sign_in.js``) and hands us the ID token, which
proves everything by itself: its signature, its audience, its age, and by its nonce that it was issued for this
browser's sign-in and not taken from somewhere else (OpenID Connect Core 1.0, 3.1.3.7).
"""

import logging
import time
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare, get_random_string
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import authentication, cognito
from accounts.models import User
from accounts.staff import GROUP
from ytbackend import roles

log = logging.getLogger(__name__)

_NONCE = "staff_nonce"  # a signed cookie, so that a visitor who never signs in leaves no row behind
_PATIENCE_SECONDS = 600  # for typing a password, and a code from another device
_BACKEND = "ytbackend.staff.LocalAccounts"


class LocalAccounts(ModelBackend):
    """Passwords of local accounts, where ``ADMIN_LOCAL_LOGIN`` is on; permissions of everybody."""

    def authenticate(self, request: HttpRequest | None, *args: Any, **credentials: Any) -> User | None:
        """The account, or None."""
        if not settings.ADMIN_LOCAL_LOGIN:
            return None
        found = super().authenticate(request, *args, **credentials)
        return found if isinstance(found, User) else None


class Door(NamedTuple):
    """What the login page shows, and what the browser is to remember until it comes back from Cognito."""

    context: dict[str, Any]
    nonce: str

    def stamped(self, response: HttpResponseBase) -> HttpResponseBase:
        """The page with the cookie."""
        if self.nonce:
            response.set_signed_cookie(
                _NONCE,
                self.nonce,
                salt=_NONCE,
                max_age=_PATIENCE_SECONDS,
                path=reverse("admin:index"),
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",  # it must come along when Cognito sends the browser back
            )
        return response


def door(request: HttpRequest, destination: str) -> Door:
    """How this visitor may come in."""
    nonce = get_random_string(32) if settings.COGNITO_DOMAIN else ""
    context = {
        "local_login": settings.ADMIN_LOCAL_LOGIN,
        "cognito": _far_side(request) | {"nonce": nonce, "next": _safe(request, destination)} if nonce else None,
    }
    return Door(context, nonce)


def signed_in(request: HttpRequest) -> HttpResponseBase:
    """Where Cognito sends the browser back to: the page changes the code for a token, and posts that here."""
    if not settings.COGNITO_DOMAIN:
        return _refused(request, "Signing in by Cognito is not switched on here.", status=404)
    if request.method != "POST":
        return TemplateResponse(request, "staff/signed_in.html", {"cognito": _far_side(request)})
    try:
        identity = authentication.id_token_verifier().verify(request.POST.get("id_token", ""))
    except cognito.KeysUnavailable:
        log.exception("no key to check a staff member's token with")
        return _refused(request, "Tokens cannot be checked at the moment. Try again in a minute.", status=503)
    except cognito.InvalidToken as error:
        log.warning("a sign-in to the admin was refused: %s", error.code)
        return _refused(request, "The token proves nothing. Sign in once more.")
    nonce = request.get_signed_cookie(_NONCE, "", salt=_NONCE, max_age=_PATIENCE_SECONDS)
    if not nonce or not constant_time_compare(nonce, identity.nonce):
        log.warning("a sign-in to the admin was refused: nonce")
        return _refused(request, "This sign-in was not begun in this browser, or too long ago. Sign in once more.")
    if time.time() - identity.issued_at > _PATIENCE_SECONDS:
        log.warning("a sign-in to the admin was refused: old token")
        return _refused(request, "The token is too old. Sign in once more.")
    return _let_in(request, identity)


def _let_in(request: HttpRequest, identity: cognito.Identity) -> HttpResponse:
    """A session for members of the groups. What the groups say is written down anew at each sign-in."""
    user = User.objects.seen(identity.sub, identity.email, identity.origin_jti)
    if user.is_signed_out(identity.auth_time):
        log.warning("user %s was not let into the admin: signed out", user.pk)
        return _refused(request, "This sign-in has been ended. Sign in once more.")
    role = roles.follow_pool(user, identity.groups)
    if not user.is_staff or not user.is_active:
        log.warning("user %s was not let into the admin: %s", user.pk, "no group" if user.is_active else "switched off")
        return _refused(
            request, f"You are signed in, but not a member of the group {GROUP}. Ask an operator to add you to it."
        )
    login(request, user, backend=_BACKEND)
    request.session["by"] = "cognito"
    log.info("user %s has signed in to the admin as %s", user.pk, role)
    answer = HttpResponseRedirect(_safe(request, request.POST.get("next", "")))
    answer.delete_cookie(_NONCE, path=reverse("admin:index"))
    return answer


def farewell(request: HttpRequest) -> dict[str, str] | None:
    """Where Cognito's own session is ended, for whom it has let in; it knows the way back."""
    if not settings.COGNITO_DOMAIN or request.session.get("by") != "cognito":
        return None
    back = request.build_absolute_uri(reverse("admin:login"))
    query = urlencode({"client_id": settings.COGNITO_CLIENT_IDS[0], "logout_uri": back})
    return {"logout": f"{settings.COGNITO_DOMAIN}/logout?{query}"}


def no_passwords(request: HttpRequest) -> HttpResponse:
    """A password where none is taken."""
    return _refused(request, "Passwords of local accounts are not taken here: ADMIN_LOCAL_LOGIN is off.")


def locked_out(request: HttpRequest, credentials: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
    """Who has tried too many passwords; axes calls it, and has logged it."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    said = f"Too many failed sign-ins. Try again in {minutes} minutes, or have an operator run: manage.py axes_reset"
    answer = _refused(request, said, status=429)
    answer["Retry-After"] = str(minutes * 60)
    return answer


def _far_side(request: HttpRequest) -> dict[str, str]:
    """What the scripts of the two pages need to know of Cognito."""
    return {
        "domain": settings.COGNITO_DOMAIN,
        "client": settings.COGNITO_CLIENT_IDS[0] if settings.COGNITO_CLIENT_IDS else "",
        "redirect": request.build_absolute_uri(reverse("admin:signed_in")),
    }


def _safe(request: HttpRequest, destination: str) -> str:
    """A page of ours to go on to."""
    ours = url_has_allowed_host_and_scheme(destination, {request.get_host()}, require_https=request.is_secure())
    return destination if destination and ours else reverse("admin:index")


def _refused(request: HttpRequest, sentence: str, status: int = 403) -> HttpResponse:
    return TemplateResponse(request, "staff/refused.html", {"sentence": sentence}, status=status).render()
