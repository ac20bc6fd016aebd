"""What the service did, hour by hour, and how it stood lately: small tables, so that nobody counts the large ones.

The sweep writes them (``videos.rollup``), the front page of the admin reads them.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from django.db import models

# Times are kept as counts in classes that grow by a quarter of an octave: hours can be added up to days, and what is
# read from them is within 9 % of the truth, whatever the number of videos. (Percentiles of hours cannot be added up.)
_CLASSES_AN_OCTAVE = 4
_SHORTEST_SECONDS = 0.1


def class_of(seconds: float) -> int:
    """Which class a time is counted in; 0 is anything up to a tenth of a second."""
    if seconds <= _SHORTEST_SECONDS:
        return 0
    return math.ceil(round(_CLASSES_AN_OCTAVE * math.log2(seconds / _SHORTEST_SECONDS), 9))


def percentile(counts: Mapping[str, int], share: float) -> float | None:
    """The time in seconds that so large a share of all did not exceed, from counts by class; None of none."""
    rank = math.ceil(share * sum(counts.values()))
    passed = 0
    for number in sorted(map(int, counts)):
        passed += counts[str(number)]
        if passed >= rank:
            middle = number - 0.5 if number else 0
            return float(_SHORTEST_SECONDS * 2 ** (middle / _CLASSES_AN_OCTAVE))
    return None


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts by key, of several hours together."""
    total: dict[str, int] = {}
    for some in counts:
        for key, number in some.items():
            total[key] = total.get(key, 0) + number
    return total


class HourQuerySet(models.QuerySet["Hour"]):
    """The question that is asked about hours."""

    def since(self, moment: datetime) -> Self:
        """The hours from then on, oldest first; one that nothing happened in may be missing."""
        return self.filter(start__gte=moment).order_by("start")


class Hour(models.Model):
    """What happened within one hour, in UTC. ``figures`` holds counts by name (``videos.rollup.figures_of``)."""

    start = models.DateTimeField(primary_key=True)
    figures = models.JSONField(default=dict)
    computed_at = models.DateTimeField(help_text="Once this is well after the hour's end, nothing of it changes.")

    objects: ClassVar[models.Manager["Hour"]] = HourQuerySet.as_manager()

    class Meta:
        db_table = "hours"

    def __str__(self) -> str:
        return f"{self.start.astimezone(UTC):%Y-%m-%d %H:00}"

    def count(self, name: str) -> int:
        """How many there were of something."""
        return int(self.figures.get(name, 0))

    def counts(self, name: str) -> dict[str, int]:
        """How many there were of something, by kind."""
        found: dict[str, int] = self.figures.get(name, {})
        return found


class Snapshot(models.Model):
    """How something stood when it was last counted, which is too much work to be done for each look at it."""

    name = models.CharField(primary_key=True, max_length=20)
    figures = models.JSONField(default=dict)
    computed_at = models.DateTimeField()

    class Meta:
        db_table = "snapshots"

    def __str__(self) -> str:
        return f"{self.name}, {self.computed_at:%Y-%m-%d %H:%M}"

    @classmethod
    def all_by_name(cls) -> dict[str, "Snapshot"]:
        """Every one there is."""
        return {snapshot.name: snapshot for snapshot in cls.objects.all()}

    def value(self, name: str, default: Any = None) -> Any:
        """One of its figures."""
        return self.figures.get(name, default)
