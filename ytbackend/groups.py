"""What staff may do: ``viewers`` see everything, ``operators`` also mend. Superusers may do all."""

from typing import Any

from django.contrib.auth.models import Group, Permission

VIEWERS = "viewers"
OPERATORS = "operators"

_SEEN = ("accounts", "videos", "transcripts", "admin", "axes")  # admin: the log of who did what
# Rows of the machine have no form: these open the actions, which go through the same services as the API.
_DONE = ("change_video", "delete_video", "change_user")


def bring_up_to_date(**kwargs: Any) -> None:
    """Makes the two groups with their permissions. Runs after ``migrate``, which has then made the permissions.

    So also a new table is seen by viewers; what somebody has added to a group by hand stays.
    """
    seen = Permission.objects.filter(codename__startswith="view_", content_type__app_label__in=_SEEN)
    done = Permission.objects.filter(codename__in=_DONE, content_type__app_label__in=("accounts", "videos"))
    for name, permissions in ((VIEWERS, list(seen)), (OPERATORS, [*seen, *done])):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*permissions)
