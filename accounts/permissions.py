"""What an API key may do. Tokens of Cognito may do everything that their user may."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request

from accounts.api_keys import Scope
from accounts.models import ApiKey

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module


class InScope(BasePermission):
    """A key needs ``read`` for the safe methods (RFC 9110, 9.2.1) and ``write`` for all others.

    Named by ``REST_FRAMEWORK``; a view that sets ``permission_classes`` without it or ``NeedsToken`` lets any key in.
    """

    code = "insufficient_scope"  # RFC 6750, 3.1

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether it has; ``message`` tells what it lacks."""
        needed = Scope.READ if request.method in SAFE_METHODS else Scope.WRITE
        self.message = f"This API key lacks the scope {needed}. Send one that has it; POST /keys makes keys."
        return not isinstance(request.auth, ApiKey) or needed in request.auth.scopes


class NeedsToken(IsAuthenticated):
    """For whatever changes the account: a key that was stolen must not make others, nor outlive its owner's will.

    Alone in ``permission_classes`` it is enough: whoever is nobody is refused as everywhere.
    """

    code = "token_required"
    message = "An API key cannot do this. Send a Cognito token: sign in as you do in the app."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether a token of Cognito was sent."""
        return super().has_permission(request, view) and not isinstance(request.auth, ApiKey)
