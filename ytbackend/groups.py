"""What staff may do: ``viewers`` see everything, ``operators`` also mend. Superusers may do all."""

from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

VIEWERS = "viewers"
OPERATORS = "operators"

_SEEN = ("accounts", "videos", "transcripts", "admin", "axes")  # admin: the log of who did what
# Rows of the machine have no form: these open the actions, which go through the same services as the API.
_DONE = (
    *("change_video", "delete_video", "change_user", "delete_apikey"),
    *("add_userquota", "change_userquota", "delete_userquota"),
)


def bring_up_to_date(**kwargs: Any) -> None:
    """Makes the two groups with their permissions, those first that Django makes in the order of the applications.

    Runs after each ``migrate``, so that also a new table is seen by viewers; what was added to a group by hand stays.
    """
    for label in _SEEN:
        create_permissions(apps.get_app_config(label), verbosity=0)
    seen = Permission.objects.filter(codename__startswith="view_", content_type__app_label__in=_SEEN)
    done = Permission.objects.filter(codename__in=_DONE, content_type__app_label__in=("accounts", "videos"))
    for name, permissions in ((VIEWERS, list(seen)), (OPERATORS, [*seen, *done])):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*permissions)
