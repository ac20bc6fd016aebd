"""What the admin's front page shows: few questions, none of which counts a large table.

Hours and snapshots are written by the sweep (``videos.rollup``); only what is in work and what waits is counted as it
is now, by an index. The queue is asked by a request of the page's own, so that one that does not answer delays nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Min
from django.utils import timezone

from accounts.models import User
from videos import queue
from videos.figures import Hour, Snapshot, added, percentile
from videos.models import Breaker, Video
from videos.rollup import DAYS_SHOWN, HOUR

HOURS_SHOWN = 48
CODES_SHOWN = 12


class Span(NamedTuple):
    """One column of a plot: an hour or a day, and the hours that were counted of it."""

    label: str
    hours: list[Hour]

    def count(self, name: str) -> int:
        """How many there were of something."""
        return sum(hour.count(name) for hour in self.hours)

    def counts(self, name: str) -> dict[str, int]:
        """How many there were of something, by kind."""
        return added(hour.counts(name) for hour in self.hours)


def shown() -> dict[str, Any]:
    """The page's context. Six questions for hours, snapshots, breaker and names, five for what is under way."""
    now = timezone.now()
    snapshots = Snapshot.all_by_name()
    hours = list(Hour.objects.since(now.replace(minute=0, second=0, microsecond=0) - timedelta(days=DAYS_SHOWN)))
    by_hour, by_day = _hours(hours, now), _days(hours, now)
    plots = list(_plots(by_hour, by_day))
    return {
        "states": _states(now, snapshots.get("states")),
        "waits": [_times("last 24 hours", by_hour[-24:]), _times(f"last {DAYS_SHOWN} days", by_day)],
        "plots": plots,
        "figures": [plot["drawn"] for plot in plots],
        "failures": _failures(by_hour[-24:], by_day),
        "breaker": Breaker.objects.youtube(),
        "users": _users(snapshots.get("users")),
        "users_age": _age(now, snapshots.get("users")),
        "hours_of": max((hour.computed_at for hour in hours), default=None),
        "states_of": snapshots["states"].computed_at if "states" in snapshots else None,
        "now": now,
    }


def queue_shown() -> dict[str, Any]:
    """How full the queue is and how many dead letters there are; or that it does not answer, and what to do."""
    try:
        depth = queue.depth()
        dead_url = queue.dead_letter_url()
        dead = queue.depth(dead_url).waiting if dead_url else None
    except queue.QueueUnavailable as error:
        return {"error": f"The queue does not answer: {error} Jobs wait in the database, and the sweep sends them."}
    return {**depth._asdict(), "dead": dead, "error": ""}


def _hours(hours: Iterable[Hour], now: datetime) -> list[Span]:
    known = {hour.start: hour for hour in hours}
    current = now.replace(minute=0, second=0, microsecond=0)
    starts = [current - HOUR * back for back in reversed(range(HOURS_SHOWN))]
    return [Span(f"{start:%d %b %H:00}", [known[start]] if start in known else []) for start in starts]


def _days(hours: Iterable[Hour], now: datetime) -> list[Span]:
    days = [(now - timedelta(days=back)).date() for back in reversed(range(DAYS_SHOWN))]
    by_day: dict[Any, list[Hour]] = {day: [] for day in days}
    for hour in hours:
        if hour.start.date() in by_day:
            by_day[hour.start.date()].append(hour)
    return [Span(f"{day:%d %b}", found) for day, found in by_day.items()]


def _states(now: datetime, counted: Snapshot | None) -> list[dict[str, Any]]:
    """Each state with how many there are; those under way as of now, the others as they were last counted."""
    ended = counted.value("videos", {}) if counted else {}
    age = _age(now, counted)
    queued = Video.objects.filter(status=Video.Status.QUEUED)
    never_sent = queued.filter(enqueued_at=None).count()
    oldest = queued.aggregate(oldest=Min("enqueued_at"))["oldest"]
    lost = Video.objects.abandoned().count()
    waited = f"the longest for {_spelled((now - oldest).total_seconds())}" if oldest else ""
    return [
        _state("queued", queued.count(), [waited, f"{never_sent} not sent" if never_sent else ""]),
        _state(
            "processing",
            Video.objects.filter(status=Video.Status.PROCESSING).count(),
            [f"{lost} have lost their worker" if lost else ""],
        ),
        _state("completed", ended.get("completed", 0) if counted else None, [age]),
        _state("failed", ended.get("failed", 0) if counted else None, [age]),
    ]


def _age(now: datetime, counted: Snapshot | None) -> str:
    """Of when a tile is that is not of now."""
    if counted is None:
        return "not counted yet"
    seconds = max(0, int((now - counted.computed_at).total_seconds()))
    return f"counted {seconds} s ago" if seconds < 120 else f"counted {seconds // 60} min ago"


def _state(name: str, number: int | None, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "number": "–" if number is None else f"{number:,}",
        "notes": ", ".join(note for note in notes if note),
    }


def _times(name: str, spans: Sequence[Span]) -> dict[str, Any]:
    """Median and 95th of what was waited and worked."""
    found: dict[str, Any] = {"name": name}
    for kind in ("waiting", "working"):
        counts = added(span.counts(kind) for span in spans)
        found[kind] = {"median": _spelled(percentile(counts, 0.5)), "most": _spelled(percentile(counts, 0.95))}
    return found


def _failures(day: Sequence[Span], month: Sequence[Span]) -> list[dict[str, Any]]:
    """Codes that videos failed with, the most frequent first; and what was tried again."""
    rows = []
    for kind in ("failed", "troubles"):
        lately, long = added(span.counts(kind) for span in day), added(span.counts(kind) for span in month)
        for code in sorted(long, key=lambda code: (-long[code], code))[:CODES_SHOWN]:
            rows.append({"kind": kind, "code": code, "day": lately.get(code, 0), "month": long[code]})
    return rows


def _users(counted: Snapshot | None) -> dict[str, Any] | None:
    if counted is None:
        return None
    names = dict(
        User.objects.filter(pk__in=[one["id"] for one in counted.value("most", [])]).values_list("pk", "email")
    )
    most = [
        {
            **one,
            "name": names.get(one["id"]) or one["id"],
            "speech": _spelled(one["seconds"].get("speech", 0)),
            "captions": _spelled(one["seconds"].get("captions", 0)),
        }
        for one in counted.value("most", [])
    ]
    return {**counted.figures, "most": most, "of": counted.computed_at}


def _plots(by_hour: Sequence[Span], by_day: Sequence[Span]) -> Iterable[dict[str, Any]]:
    jobs: dict[str, Callable[[Span], float | None]] = {
        "submitted": lambda span: span.count("submitted"),
        "completed": lambda span: sum(span.counts("completed").values()),
        "failed": lambda span: sum(span.counts("failed").values()),
    }
    yield _plot("jobs-hours", f"Jobs by hour, last {HOURS_SHOWN} hours", by_hour, jobs)
    yield _plot("jobs-days", f"Jobs by day, last {DAYS_SHOWN} days", by_day, jobs)
    times: dict[str, Callable[[Span], float | None]] = {
        f"{kind}, {name}": lambda span, kind=kind, share=share: percentile(span.counts(kind), share)  # type: ignore[misc]
        for kind in ("waiting", "working")
        for name, share in (("median", 0.5), ("95th", 0.95))
    }
    yield _plot("times-hours", f"Waiting and working by hour, last {HOURS_SHOWN} hours", by_hour, times, unit="seconds")
    yield _plot("times-days", f"Waiting and working by day, last {DAYS_SHOWN} days", by_day, times, unit="seconds")
    for name, title, spans in (
        ("refusals-hours", f"YouTube's refusals by hour, last {HOURS_SHOWN} hours", by_hour),
        ("refusals-days", f"YouTube's refusals by day, last {DAYS_SHOWN} days", by_day),
    ):
        kinds = added(span.counts("refusals") for span in spans)
        series: dict[str, Callable[[Span], float | None]] = {
            code: lambda span, code=code: span.counts("refusals").get(code, 0)  # type: ignore[misc]
            for code in sorted(kinds, key=lambda code: (-kinds[code], code))
        }
        yield _plot(name, title, spans, series, stacked=True)


def _plot(
    name: str,
    title: str,
    spans: Sequence[Span],
    series: dict[str, Callable[[Span], float | None]],
    *,
    unit: str = "",
    stacked: bool = False,
) -> dict[str, Any]:
    """One plot: ``drawn`` is for the script, ``rows`` are for those who read it as a table."""
    values = {label: [_rounded(value_of(span)) for span in spans] for label, value_of in series.items()}
    labels = [span.label for span in spans]
    rows = [(label, [numbers[i] for numbers in values.values()]) for i, label in enumerate(labels)]
    drawn = {"id": name, "labels": labels, "series": values, "unit": unit, "stacked": stacked}
    return {
        "id": name,
        "title": title,
        "unit": unit,
        "drawn": drawn,
        "columns": list(values),
        "rows": [row for row in reversed(rows) if any(row[1])],
    }


def _rounded(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else round(value, 1)


def _spelled(seconds: float | None) -> str:
    """A length of time for people, to two places."""
    if seconds is None:
        return "–"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
