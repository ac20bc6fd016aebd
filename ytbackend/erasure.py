"""Everything that is known of one person, and how it goes (GDPR, article 17)."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from axes.models import AccessAttempt, AccessFailureLog
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import F, ForeignObjectRel, Model, QuerySet

from accounts.models import User
from videos import services
from videos.models import Snapshot, Video

BATCH = 100

FIRST = (
    "First in Cognito: `aws cognito-idp admin-disable-user`, then `admin-delete-user`. A token that is out there stays "
    "good until it expires, after at most a day, and a call with it makes a new, empty, active user."
)

KEPT = (
    "the account in Cognito, and tokens that it has issued, until they expire after at most a day",
    "what staff did to this user and these videos in the admin: who, when, and the id, without names and titles",
    "the admin's entries about videos that were deleted before this, with their titles",
    "counts of hours and days, which name nobody",
    "backups of the database, until they expire, and old versions of files where the bucket keeps them",
    "log lines with the user's id, until the log group forgets them",
    "messages under way: SQS forgets them after at most 14 days; they lead to nothing",
)


class IsStaff(Exception):
    """What staff did in the admin hangs on their rows, and would go with them."""


class Holding(NamedTuple):
    """How many rows of a table are this user's."""

    table: str
    rows: int


def holdings(user: User) -> list[Holding]:
    """Whatever refers to the user, in whichever app; tables that hold nothing are left out."""
    counted = [Holding(_table(relation), _rows(relation, user).count()) for relation in _relations()]
    return [holding for holding in counted if holding.rows]


def erase(user: User, *, proceed: Callable[[int], bool]) -> bool:
    """Deletes all of it; files now where storage answers, else by the sweep, from deletions that are written down.

    First nobody can call as this user any more. ``proceed(number)`` is told how many videos are gone, and may stop it;
    False then: the same call goes on. Raises ``IsStaff``, and what the database raises.
    """
    if User.objects.staff().filter(pk=user.pk).exists():
        raise IsStaff
    User.objects.filter(pk=user.pk).update(is_active=False)
    while batch := list(Video.objects.filter(user=user)[:BATCH]):
        _blank_history(Video, [str(video.pk) for video in batch])
        for video in batch:
            services.delete_video(video)
            if not proceed(1):
                return False
    with transaction.atomic():
        for relation in _relations():
            if relation.related_model is not Video:
                rows = _rows(relation, user)
                _blank_history(relation.related_model, [str(key) for key in rows.values_list("pk", flat=True)])
                rows.delete()
        _blank_history(User, [user.pk])
        names = {user.pk, user.email} - {""}
        for failures in (AccessAttempt, AccessFailureLog):
            failures.objects.filter(username__in=names).delete()
        Snapshot.objects.filter(pk="users").delete()  # it may name this one; the sweep counts anew
        User.objects.filter(pk=user.pk).delete()
    return True


def _blank_history(model: type[Model], ids: Collection[str]) -> None:
    """The admin's entries about these rows still say who did something when, but tell e-mails and titles no more."""
    about = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model), object_id__in=ids)
    about.update(object_repr=F("object_id"), change_message="")


def _relations() -> list[ForeignObjectRel]:
    return [relation for relation in User._meta.related_objects if not relation.many_to_many]


def _table(relation: ForeignObjectRel) -> str:
    return str(relation.related_model._meta.db_table)


def _rows(relation: ForeignObjectRel, user: User) -> "QuerySet[Model]":
    return relation.related_model._base_manager.filter(**{relation.field.name: user})
