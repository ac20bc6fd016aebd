"""Everything that is known of one person, and how it goes (GDPR, article 17)."""

from collections.abc import Callable
from typing import NamedTuple

from django.db import transaction
from django.db.models import ForeignObjectRel, Model, QuerySet

from accounts.models import User
from videos import services
from videos.models import Video

BATCH = 100

KEPT = (
    "the account in Cognito: `aws cognito-idp admin-delete-user`, or the next call makes a new, empty user",
    "backups of the database, until they expire, and old versions of files where the bucket keeps them",
    "log lines with the user's id, until the log group forgets them",
    "messages under way: SQS forgets them after at most 14 days; they lead to nothing",
)


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
    False then: the same call goes on. Raises what the database raises.
    """
    User.objects.filter(pk=user.pk).update(is_active=False)
    while batch := list(Video.objects.filter(user=user)[:BATCH]):
        for video in batch:
            services.delete_video(video)
            if not proceed(1):
                return False
    with transaction.atomic():
        for relation in _relations():
            if relation.related_model is not Video:
                _rows(relation, user).delete()
        User.objects.filter(pk=user.pk).delete()
    return True


def _relations() -> list[ForeignObjectRel]:
    return [relation for relation in User._meta.related_objects if not relation.many_to_many]


def _table(relation: ForeignObjectRel) -> str:
    return str(relation.related_model._meta.db_table)


def _rows(relation: ForeignObjectRel, user: User) -> "QuerySet[Model]":
    return relation.related_model._base_manager.filter(**{relation.field.name: user})
