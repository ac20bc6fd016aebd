"""What callers read all the time: their own videos, with SQL that is written once a process."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from accounts.own_rows import columns, let_in
from accounts.prepared import Parameter, Prepared, Question
from videos.models import Video
from videos.shown import COLUMNS, ShownColumns

# By order, and by whether one state is asked for. MySQL is told these names, so none of them may be dropped or renamed
# while code that tells it runs (ytbackend.migration_safety).
_INDEXES = {
    ("created_at", False): "videos_newest",
    ("created_at", True): "videos_by_status",
    ("title", False): "videos_by_title",
}


def own_videos(
    credentials: Mapping[str, Any], *, order: str, status: str, words: Sequence[str]
) -> Question[ShownColumns]:
    """A caller's videos, in this state and with these words in title or channel, where any are given.

    ``credentials`` is of :meth:`accounts.own_rows.OwnRows.credentials`.
    """
    asked = {f"word{number}": word for number, word in enumerate(words)}
    shape = (bool(status), len(words))
    values = {**credentials, **asked, "status": status}
    index = _INDEXES.get((order.lstrip("-"), bool(status)), "")
    return Question(Video, _matching, shape, ShownColumns._make, values, order, index)


def _matching(has_status: bool, words: int) -> "QuerySet[Any, Any]":
    videos = _own_rows()
    if has_status:
        videos = videos.filter(status=Parameter("status", Video._meta.get_field("status")))
    for number in range(words):
        word = Parameter(f"word{number}", Video._meta.get_field("title"))
        videos = videos.filter(Q(title__icontains=word) | Q(channel__icontains=word))
    return videos


def find_own_video(credentials: Mapping[str, Any], video_id: uuid.UUID) -> ShownColumns | None:
    """A caller's video of this id; None also where there is no such caller any more."""
    found = _with_id(**credentials, id=video_id)
    return found[0] if found else None


def _own_rows() -> "QuerySet[Any, Any]":
    return Video.objects.filter(let_in()).values_list(*columns(*COLUMNS))


_with_id = Prepared(lambda: _own_rows().filter(pk=Parameter("id", Video._meta.pk)), ShownColumns._make)
