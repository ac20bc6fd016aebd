"""From the ``Authorization`` header to ``request.user``, for API keys: DRF's side of ``accounts.api_keys``."""

import logging
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import api_key_text
from accounts.authentication import CognitoAuthentication
from accounts.models import ApiKey, User
from accounts.permissions import NeedsToken

if TYPE_CHECKING:
    from drf_spectacular.openapi import AutoSchema  # which imports DRF's views, and they this module

log = logging.getLogger(__name__)


class ApiKeyAuthentication(BaseAuthentication):
    """Accepts keys, with ``Bearer`` or bare. Asked before Cognito's, which refuses what it does not know."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """None where the header is about no key. Raises ``AuthenticationFailed``."""
        text = api_key_text.sent(request.META.get("HTTP_AUTHORIZATION"))
        if text is None:
            return None
        now = timezone.now()
        try:
            key = ApiKey.objects.good(text, now=now)
        except api_key_text.InvalidKey as error:
            log.info("API key refused: %s", error.code)
            raise AuthenticationFailed from error
        key.note_use(now)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """The challenge is the same, whatever was sent."""
        return CognitoAuthentication().authenticate_header(request)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes it."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_requirement(self, auto_schema: "AutoSchema") -> dict[str, list[Any]] | list[dict[str, list[Any]]]:
        """Nothing where a key is refused."""
        refused = any(isinstance(permission, NeedsToken) for permission in auto_schema.view.get_permissions())
        return [] if refused else {self.name: []}

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A bearer token, too."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "shri_…",
            "description": "An API key of `POST /keys`, with or without `Bearer`. "
            "GET, HEAD and OPTIONS need its scope `read`, everything else `write`.",
        }
