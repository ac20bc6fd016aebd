"""What staff may do: viewers look at everything, operators also act on videos; superusers also make staff.

Local accounts have the role that ``manage.py staff`` gives; who signs in by Cognito has that of the pool's groups.
"""

from collections.abc import Iterable
from enum import StrEnum

from django.contrib.auth.models import Group
from django.db import transaction

from accounts import staff
from accounts.models import User
from ytbackend import groups


class Role(StrEnum):
    """One of them."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERUSER = "superuser"


# The user pool's groups; the pool has none for superusers.
POOL_GROUPS = {Role.VIEWER: staff.GROUP, Role.OPERATOR: f"{staff.GROUP}-operators"}
# Ours; superusers need none.
_GROUPS = {Role.VIEWER: (groups.VIEWERS,), Role.OPERATOR: (groups.VIEWERS, groups.OPERATORS)}


def grant(user: User, role: Role) -> None:
    """Makes a saved user staff with this role, and takes other roles away. Who is switched off stays so."""
    with transaction.atomic():
        user.is_staff = True
        user.is_superuser = role == Role.SUPERUSER
        user.save(update_fields=["is_staff", "is_superuser"])
        _put_into_groups(user, role)


def follow_pool(user: User, pool_groups: Iterable[str]) -> str:
    """Gives a saved user the role that the pool's groups say, none too; superusers stay. Returns ``role_of``."""
    role = next((role for role in (Role.OPERATOR, Role.VIEWER) if POOL_GROUPS[role] in pool_groups), None)
    with transaction.atomic():
        user.is_staff = role is not None or user.is_superuser
        user.save(update_fields=["is_staff"])
        _put_into_groups(user, role)
    return role_of(user)


def role_of(user: User) -> str:
    """For a list; empty where staff has a permission or two of its own, and no role."""
    if user.is_superuser:
        return Role.SUPERUSER
    names = {group.name for group in user.groups.all()}
    return next((role.value for role in (Role.OPERATOR, Role.VIEWER) if _GROUPS[role][-1] in names), "")


def _put_into_groups(user: User, role: Role | None) -> None:
    """Into those of the role; out of the others of ours. Groups that were made by hand stay."""
    names = _GROUPS.get(role, ()) if role else ()
    ours = Group.objects.filter(name__in=[groups.VIEWERS, groups.OPERATORS])
    user.groups.remove(*ours.exclude(name__in=names))
    user.groups.add(*ours.filter(name__in=names))
