"""How much each user may use, how much is left, and what happens when nothing is.

Counted are submissions a day and speech a month; videos and bytes kept are what the rows say. A rule is asked and
its count written under the user's lock, in the transaction of what it counts: any number of callers
get exactly as much as there is, and a transaction that is undone has used nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import JSONArray
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Parameter, Prepared
from videos.models import Reservation, Usage, Video
from videos.usage import UserErased, lock

__all__ = ["Allowance", "QuotaExceeded", "Standing", "admit", "count_submission", "lock", "reserve", "standing"]

DAY_SECONDS = 86_400
MINUTE_MS = 60_000
GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class Allowance:
    """How one kind stands, in its unit. ``limit`` None: there is none. What is kept has no period."""

    name: str
    limit: int | None
    used: int
    reserved: int = 0
    began_at: datetime | None = None
    renews_at: datetime | None = None

    @property
    def remaining(self) -> int | None:
        """Never below 0, also where a limit was lowered."""
        return None if self.limit is None else max(0, self.limit - self.used - self.reserved)

    def seconds_left(self, now: datetime) -> int:
        """Until it is worth asking again; a day for what renews by deleting alone."""
        return max(1, math.ceil((self.renews_at - now).total_seconds())) if self.renews_at else DAY_SECONDS


class Standing(NamedTuple):
    """Everything that a user may use."""

    submissions: Allowance  # a day
    speech: Allowance  # milliseconds, a month
    videos: Allowance  # kept
    bytes: Allowance  # of their files, kept


class QuotaExceeded(Exception):
    """There is not enough left. ``str()`` is a sentence for the user."""

    def __init__(self, allowance: Allowance, now: datetime, *, wanted: int = 1) -> None:
        super().__init__(_sentence(allowance, wanted))
        self.allowance = allowance
        self.retry_after = allowance.seconds_left(now)


def standing(user_id: str, now: datetime | None = None) -> Standing:
    """One statement, so that nothing is counted twice or not at all that moves meanwhile.

    Its cost grows with the videos of the user, in an index, and so what may be kept bounds it: 5,000 are counted within
    a millisecond, 100,000 within fifteen. Raises ``User.DoesNotExist``.
    """
    now = now or timezone.now()
    day, month = _day(now), _month(now)
    found = _one(_standing(user=user_id, day=day.date(), month=month.date()))
    kept_videos, kept_bytes = found["kept"] or (0, 0)
    return Standing(
        submissions=_submissions(found, day),
        speech=Allowance(
            "speech",
            _limit(found["quota__speech_minutes_per_month"], settings.QUOTA_SPEECH_MINUTES_PER_MONTH, MINUTE_MS),
            found["used_speech"] or 0,
            found["reserved_speech"] or 0,
            month,
            _month(month + timedelta(days=31)),
        ),
        videos=Allowance("videos", _limit(found["quota__videos"], settings.QUOTA_VIDEOS), kept_videos),
        bytes=Allowance(
            "bytes",
            _limit(found["quota__gigabytes"], settings.QUOTA_GIGABYTES, GIGABYTE),
            int(kept_bytes),
        ),
    )


def submissions(user_id: str) -> Allowance:
    """How the one kind stands that every answer to a submission tells; costs two looks into indexes."""
    day = _day(timezone.now())
    return _submissions(_one(_submitted(user=user_id, day=day.date())), day)


def admit(user_id: str, now: datetime, *, is_new: bool, mode: str) -> None:
    """Whether this user may have one more video done. Call it under the user's lock. Raises ``QuotaExceeded``.

    How many bytes a video will take is not known yet: those of what is in work may go beyond the limit.
    """
    current = standing(user_id, now)
    wanted = [current.submissions, current.bytes]
    if is_new:
        wanted.append(current.videos)
    if mode == Video.Mode.SPEECH:
        wanted.append(current.speech)
    for allowance in wanted:
        if allowance.remaining == 0:
            raise QuotaExceeded(allowance, now)


def count_submission(user_id: str, now: datetime) -> None:
    """Work has been started on behalf of this user. Call it under the user's lock, in the same transaction."""
    Usage.objects.add(user_id, Usage.Kind.SUBMISSIONS, _day(now).date(), 1)


def reserve(video: Video, milliseconds: int | None) -> bool:
    """Sets speech aside for a claim, which replaces what it had set aside; False where the claim is lost.

    Where nobody knows how long the video is: as much as it may have, or as there is. Raises ``QuotaExceeded``, also
    where there is no room for its sound. What an operator asked for needs nothing set aside, and so costs nothing.
    """
    with transaction.atomic():
        try:
            now = lock(video.user_id)
        except UserErased:  # and the video with them
            return False
        mine = Video.objects.select_for_update().filter(pk=video.pk, status=Video.Status.PROCESSING, fence=video.fence)
        row = mine.first()
        if row is None:
            return False
        if row.unmetered:
            return True
        Reservation.objects.filter(video_id=video.pk).delete()
        current = standing(video.user_id, now)
        if current.bytes.remaining == 0:
            raise QuotaExceeded(current.bytes, now)
        speech = current.speech
        longest = settings.MAX_VIDEO_MINUTES * MINUTE_MS
        left = longest if speech.remaining is None else speech.remaining
        wanted = milliseconds or max(1, min(left, longest))
        if speech.remaining is not None and speech.remaining < wanted:
            raise QuotaExceeded(speech, now, wanted=wanted)
        Reservation.objects.hold(video, _month(now).date(), wanted)
    return True


# --- What is asked of the database


def _usage(kind: Usage.Kind, period: str) -> Subquery:
    began = Parameter(period, Usage._meta.get_field("period"))
    return Subquery(Usage.objects.filter(user=OuterRef("pk"), kind=kind, period=began).values("amount"))


def _sum(rows: Any, what: Sum | JSONArray) -> Subquery:
    return Subquery(rows.filter(user=OuterRef("pk")).order_by().values("user").annotate(found=what).values("found"))


def _asked(*limits: str, **found: Subquery) -> "QuerySet[Any, Any]":
    return User.objects.filter(pk=Parameter("user", User._meta.pk)).annotate(**found).values_list(*limits, *found)


def _named(*names: str) -> Callable[[Sequence[Any]], dict[str, Any]]:
    return lambda row: dict(zip(names, row, strict=True))


def _one(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        raise User.DoesNotExist
    return rows[0]


_LIMIT_OF_SUBMISSIONS = "quota__submissions_per_day"
_LIMITS = (_LIMIT_OF_SUBMISSIONS, "quota__speech_minutes_per_month", "quota__videos", "quota__gigabytes")
_submitted = Prepared(
    lambda: _asked(_LIMIT_OF_SUBMISSIONS, used_submissions=_usage(Usage.Kind.SUBMISSIONS, "day")),
    _named(_LIMIT_OF_SUBMISSIONS, "used_submissions"),
)
_standing = Prepared(
    lambda: _asked(
        *_LIMITS,
        used_submissions=_usage(Usage.Kind.SUBMISSIONS, "day"),
        used_speech=_usage(Usage.Kind.SPEECH, "month"),
        reserved_speech=_sum(
            Reservation.objects.filter(month=Parameter("month", Reservation._meta.get_field("month"))),
            Sum("milliseconds"),
        ),
        kept=_sum(Video.objects.all(), JSONArray(Count("pk"), Sum("bytes_kept"))),
    ),
    _named(*_LIMITS, "used_submissions", "used_speech", "reserved_speech", "kept"),
)


def _limit(granted: int | None, usual: int, unit: int = 1) -> int | None:
    """0, granted or usual, is no limit."""
    return (usual if granted is None else granted) * unit or None


def _submissions(found: Mapping[str, Any], day: datetime) -> Allowance:
    limit = _limit(found["quota__submissions_per_day"], settings.QUOTA_SUBMISSIONS_PER_DAY)
    return Allowance("submissions", limit, found["used_submissions"] or 0, 0, day, day + timedelta(days=1))


def _day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _month(moment: datetime) -> datetime:
    return _day(moment).replace(day=1)


# --- What users are told


def _sentence(allowance: Allowance, wanted: int) -> str:
    limit = allowance.limit or 0
    renews = f"{allowance.renews_at:%Y-%m-%d %H:%M} UTC" if allowance.renews_at else ""
    match allowance.name:
        case "submissions":
            return f"You have submitted all {limit} links that a day allows. You may submit more at {renews}."
        case "videos":
            return f"You keep all {limit} videos that you may keep. Delete some of them to submit more."
        case "bytes":
            return (
                f"The files of your videos fill all {limit // GIGABYTE} GB that you may keep. "
                "Delete some of your videos to submit more."
            )
    month, takes = f"{limit // MINUTE_MS} min", f"Listening to this video takes {math.ceil(wanted / MINUTE_MS)} min"
    captions = "its captions (mode “captions”), which cost none."
    if wanted > limit:
        return f"{takes}, which is more than the {month} that you have in a month. Ask for {captions}"
    why = f"You have used up the {month} of speech of this month"
    if allowance.remaining:
        why = f"{takes}, and of the {month} that you have in a month {allowance.remaining // MINUTE_MS} min are left"
    return f"{why}. Try again after {renews}, or ask for {captions}"
