"""What staff may do: viewers look at everything, operators also act on videos; superusers also make staff."""

from enum import StrEnum

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from accounts.models import User


class Role(StrEnum):
    """The name of the group, but for superusers, who need none."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERUSER = "superuser"


_OURS = ("accounts", "videos", "transcripts")
_ACTED_ON = ("videos", "transcripts")


def group(role: Role) -> Group:
    """The role's group, made where there is none, with the permissions that this version knows of."""
    allowed = Q(content_type__app_label__in=_OURS, codename__startswith="view_")
    if role == Role.OPERATOR:
        acts = Q(codename__startswith="change_") | Q(codename__startswith="delete_")
        allowed |= Q(acts, content_type__app_label__in=_ACTED_ON)
    found, _ = Group.objects.get_or_create(name=role.value)
    found.permissions.set(Permission.objects.filter(allowed))
    return found


def grant(user: User, role: Role) -> None:
    """Makes a saved user staff with this role, and takes other roles away."""
    with transaction.atomic():
        user.is_staff = user.is_active = True
        user.is_superuser = role == Role.SUPERUSER
        user.save(update_fields=["is_staff", "is_active", "is_superuser"])
        user.groups.remove(*Group.objects.filter(name__in=[Role.VIEWER, Role.OPERATOR]))
        if role != Role.SUPERUSER:
            user.groups.add(group(role))


def role_of(user: User) -> str:
    """For a list; empty where staff has a permission or two of its own, and no role."""
    if user.is_superuser:
        return Role.SUPERUSER
    names = {group.name for group in user.groups.all()}
    return next((role.value for role in (Role.OPERATOR, Role.VIEWER) if role.value in names), "")
