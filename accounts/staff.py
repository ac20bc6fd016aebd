"""Who may look behind the API: members of the pool's group ``staff``. The admin's staff are others, with a login."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.cognito import Identity

GROUP = "staff"


class IsStaff(BasePermission):
    """A verified token that names the group. Without a token 401, without the group 403."""

    message = f"Only members of the user pool's group {GROUP} may see this. Ask an operator to add you to it."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the token does; whatever else can be signed in with, names no groups."""
        return isinstance(request.auth, Identity) and GROUP in request.auth.groups
