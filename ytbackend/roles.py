"""What staff may do: viewers look at everything, operators also act on videos; superusers also make staff.

For local accounts and whom ``manage.py staff`` adds; who signs in by Cognito has the roles of the pool's groups.
"""

from enum import StrEnum

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.models import User
from ytbackend import groups


class Role(StrEnum):
    """One of them."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERUSER = "superuser"


_GROUPS = {Role.VIEWER: groups.VIEWERS, Role.OPERATOR: groups.OPERATORS}  # superusers need none


def grant(user: User, role: Role) -> None:
    """Makes a saved user staff with this role, and takes other roles away."""
    with transaction.atomic():
        user.is_staff = user.is_active = True
        user.is_superuser = role == Role.SUPERUSER
        user.save(update_fields=["is_staff", "is_active", "is_superuser"])
        ours = Group.objects.filter(name__in=_GROUPS.values())
        user.groups.remove(*ours.exclude(name=_GROUPS.get(role)))
        user.groups.add(*ours.filter(name=_GROUPS.get(role)))


def role_of(user: User) -> str:
    """For a list; empty where staff has a permission or two of its own, and no role."""
    if user.is_superuser:
        return Role.SUPERUSER
    names = {group.name for group in user.groups.all()}
    return next((role.value for role in (Role.OPERATOR, Role.VIEWER) if _GROUPS[role] in names), "")
