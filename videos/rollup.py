"""Counts what has happened into hours, and how things stand into snapshots; the sweep calls it every minute.

An hour is counted from its rows, all of it, as often as it may still change: to count it twice does no harm. After a
pause the missing hours follow, the newest first, some with each sweep; what is counted late is what would have been
counted in time, but for videos that were deleted meanwhile.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import Error
from django.db.models import Count, Max, QuerySet, Sum
from django.utils import timezone

from accounts.models import User
from videos.columns import VideoColumns
from videos.deadline import Deadline
from videos.figures import Hour, Snapshot, class_of
from videos.models import Attempt, Video

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
DAYS_SHOWN = 30
DAYS_KEPT = 400
HOURS_A_RUN = 48
SETTLED = timedelta(minutes=10)  # after its end: transactions that were under way have ended, clocks differ by less
EVERY = timedelta(minutes=5)  # at most: the running hour, and how many videos are in which state
USERS_EVERY = timedelta(hours=1)  # at most
SHARE = 1000  # counting may take one part of so many of the time: what takes 10 ms is counted every 10 s
USERS_NAMED = 10
USERS_SECONDS = 15  # that must be left to begin: it walks through thirty days of videos, and again for each user named

_USERS_TRIED = "users tried"


def roll_up(deadline: Deadline | None = None, *, now: datetime | None = None) -> int:
    """Brings hours and snapshots up to date as far as time allows; returns how many hours were counted.

    A database that fails is logged and left to the next run: figures are not worth a sweep.
    """
    deadline, now = deadline or Deadline(), now or timezone.now()
    try:
        counted = _count_hours(deadline, now)
        if not deadline.passed():
            _renew_states(now)
        if deadline.left() >= USERS_SECONDS:
            _renew_users(deadline, now)
    except Error as error:
        log.warning("the figures for the admin's front page were not brought up to date: %s", error)
        return 0
    return counted


def _count_hours(deadline: Deadline, now: datetime) -> int:
    counted = 0
    for start in _unsettled(now)[:HOURS_A_RUN]:
        if deadline.passed():
            break
        figures = _timed(partial(figures_of, start))
        Hour.objects.update_or_create(start=start, defaults={"figures": figures, "computed_at": now})
        counted += 1
    if counted:
        Hour.objects.filter(start__lt=now - timedelta(days=DAYS_KEPT)).delete()
    return counted


def _unsettled(now: datetime) -> list[datetime]:
    """The hours that may differ from what is written down, newest first."""
    current = now.replace(minute=0, second=0, microsecond=0)
    # MariaDB answers MIN() from the whole of an index that descends.
    first = Video.objects.order_by("created_at").values_list("created_at", flat=True).first()
    if first is None:
        return []
    oldest = max(first.replace(minute=0, second=0, microsecond=0), current - timedelta(days=DAYS_SHOWN))
    known = dict(Hour.objects.since(oldest).values_list("start", "computed_at"))
    recent = {hour.start: _age(EVERY, hour.figures) for hour in Hour.objects.since(current - HOUR)}
    hours = [current - HOUR * back for back in range(int((current - oldest) / HOUR) + 1)]
    return [start for start in hours if _may_differ(start, known.get(start), recent.get(start, EVERY), now)]


def _may_differ(start: datetime, computed_at: datetime | None, age: timedelta, now: datetime) -> bool:
    if computed_at is None:
        return True
    return computed_at < start + HOUR + SETTLED and now - computed_at >= age


def figures_of(start: datetime) -> dict[str, Any]:
    """What happened within the hour that begins then, from two ranges of two indexes.

    ``submitted``; ``completed`` by source, and their ``seconds`` of video; ``failed`` (for good) by code; ``troubles``
    (attempts that came to nothing and are followed by others) by code; ``refusals`` (of YouTube, however the attempt
    ended) by code; ``waiting`` (from being asked for to the first attempt) and ``working`` (of attempts that completed)
    in counts by class.
    """
    submitted = Video.objects.filter(created_at__gte=start, created_at__lt=start + HOUR).count()
    counters: dict[str, Counter[str]] = {
        name: Counter() for name in ("completed", "failed", "troubles", "refusals", "waiting", "working", "seconds")
    }
    ended = Attempt.objects.filter(ended_at__gte=start, ended_at__lt=start + HOUR)
    columns = "outcome", "error_code", "number", "requested_at", "started_at", "ended_at"
    for row in ended.values_list(*columns, "video__source", "video__duration_ms").iterator():
        _count(counters, *row)
    return {"submitted": submitted} | {name: dict(counter) for name, counter in counters.items()}


def _count(
    counters: dict[str, "Counter[str]"],
    outcome: str,
    code: str,
    number: int,
    requested_at: datetime | None,
    started_at: datetime,
    ended_at: datetime,
    source: str,
    duration_ms: int | None,
) -> None:
    if outcome == Attempt.Outcome.COMPLETED:
        counters["completed"][source or "unknown"] += 1  # unknown: it is being done anew
        counters["seconds"][source or "unknown"] += (duration_ms or 0) // 1000
        counters["working"][str(class_of((ended_at - started_at).total_seconds()))] += 1
    elif outcome == Attempt.Outcome.FAILED:
        counters["failed"][code] += 1
    elif code and outcome != Attempt.Outcome.CANCELLED:
        counters["troubles"][code] += 1
    if code.startswith("source_"):
        counters["refusals"][code] += 1
    if number == 1 and requested_at:
        counters["waiting"][str(class_of((started_at - requested_at).total_seconds()))] += 1


def _is_old(name: str, most: timedelta, now: datetime) -> bool:
    """Whether a snapshot is to be taken anew: of a small table everything is as of the last sweep."""
    last = Snapshot.objects.filter(pk=name, computed_at__gt=now - most).first()
    return last is None or now - last.computed_at >= _age(most, last.figures)


def _timed(figures: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Figures, and ``took``: the seconds that they cost."""
    began = time.monotonic()
    found = figures()
    return found | {"took": round(time.monotonic() - began, 6)} if found else {}


def _age(most: timedelta, figures: dict[str, Any]) -> timedelta:
    """How old figures may become that took so long."""
    return min(most, timedelta(seconds=figures.get("took", 0) * SHARE))


def _renew_states(now: datetime) -> None:
    if _is_old("states", EVERY, now):
        Snapshot.objects.update_or_create(name="states", defaults={"figures": _timed(_states), "computed_at": now})


def _renew_users(deadline: Deadline, now: datetime) -> None:
    """One that fails is tried again in an hour: the try is written down first, beside the figures of before."""
    tried = Snapshot.objects.filter(pk=_USERS_TRIED)
    if not _is_old("users", USERS_EVERY, now) or tried.filter(computed_at__gt=now - USERS_EVERY).exists():
        return
    Snapshot.objects.update_or_create(name=_USERS_TRIED, defaults={"computed_at": now})
    figures = _timed(partial(_users, deadline, now))
    if not figures:
        log.warning("who uses the service was not counted within the time of a sweep; the next try is in an hour")
        return
    Snapshot.objects.update_or_create(name="users", defaults={"figures": figures, "computed_at": now})
    tried.delete()


def _states() -> dict[str, Any]:
    """How many videos are in which state, and the failed ones by their code: two walks along an index."""
    states = dict(Video.objects.order_by().values_list("status").annotate(Count("pk")))
    failed = Video.objects.filter(status=VideoColumns.Status.FAILED).order_by()
    return {"videos": states, "failed": dict(failed.values_list("error_code").annotate(Count("pk")))}


def _users(deadline: Deadline, now: datetime) -> dict[str, Any]:
    """How many users there are, how many submitted something lately, and who submitted most in thirty days.

    Nothing where time ran out: it is asked for before each statement.
    """
    recent = Video.objects.filter(created_at__gte=now - timedelta(days=DAYS_SHOWN)).order_by()
    by_user = dict(recent.values_list("user_id").annotate(Count("pk")))
    most = sorted(by_user, key=lambda pk: (-by_user[pk], pk))[:USERS_NAMED]
    figures: dict[str, Any] = {"active_month": len(by_user)}
    day = Video.objects.filter(created_at__gte=now - timedelta(days=1)).order_by()
    named: dict[str, dict[str, Any]] = {pk: {"id": pk, "submitted": by_user[pk]} for pk in most}
    steps: list[tuple[dict[str, Any], str, Callable[[], Any]]] = [
        (figures, "all", User.objects.count),
        (figures, "active_day", day.values("user_id").distinct().count),
    ]
    for pk, one in named.items():
        mine = recent.filter(user_id=pk)
        steps += [(one, "seconds", partial(_seconds, mine)), (one, "last", partial(_last, mine))]
    for into, name, count in steps:
        if deadline.passed():
            return {}
        into[name] = count()
    return figures | {"most": list(named.values())}


def _seconds(videos: QuerySet[Video]) -> dict[str, int]:
    done = videos.filter(status=VideoColumns.Status.COMPLETED).values("source")
    return {row["source"]: (row["ms"] or 0) // 1000 for row in done.annotate(ms=Sum("duration_ms"))}


def _last(videos: QuerySet[Video]) -> str:
    last: datetime | None = videos.aggregate(last=Max("created_at"))["last"]
    return last.isoformat() if last else ""
