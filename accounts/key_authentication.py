"""From the ``Authorization`` header to ``request.user``, for API keys: DRF's side of ``accounts.api_keys``."""

import logging

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import api_key_text
from accounts.authentication import CognitoAuthentication
from accounts.models import ApiKey, User

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
