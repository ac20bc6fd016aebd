"""The circuit breaker towards YouTube, shared by all workers through the database.

https://martinfowler.com/bliki/CircuitBreaker.html: closed, all goes through. After ``THRESHOLD`` failures in a row
it is open, and nothing is asked of YouTube. When ``retry_at`` has come, one caller may probe; if that
succeeds the breaker is closed, else it stays open for longer.
"""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F
from django.db.models.functions import Least, Now

from videos.clock import from_now

THRESHOLD = 3  # failures in a row, whoever had them
FIRST_WAIT_SECONDS = 60
LONGEST_WAIT_SECONDS = 900
PROBE_SECONDS = 120  # after that the prober is taken for lost, and another one may probe


class BreakerQuerySet(models.QuerySet["Breaker"]):
    """The breakers; there is one."""

    def youtube(self) -> "Breaker":
        """The breaker as it stands; closed where nothing has ever failed."""
        return self.filter(pk="youtube").first() or Breaker(name="youtube")


class Breaker(models.Model):
    """Whether a source answers us at all. Each change is one conditional UPDATE, so that any number may try."""

    name = models.CharField(primary_key=True, max_length=20)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    code = models.CharField(max_length=40, blank=True, default="", help_text="The last failure's.")
    opened_at = models.DateTimeField(null=True, blank=True, help_text="Since when nothing is asked; empty: closed.")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="When the next probe may be made.")
    wait_seconds = models.PositiveIntegerField(default=FIRST_WAIT_SECONDS, help_text="How long the next wait is.")
    probe_token = models.CharField(max_length=32, blank=True, default="")

    objects: ClassVar[models.Manager["Breaker"]] = BreakerQuerySet.as_manager()

    class Meta:
        db_table = "breakers"

    def __str__(self) -> str:
        return f"{self.name}: {'open' if self.is_open else 'closed'}"

    @property
    def is_open(self) -> bool:
        """Whether the source refuses us as a whole, as far as we know."""
        return self.opened_at is not None

    def probe(self) -> str:
        """The right to ask in spite of an open breaker, as a token; empty where it is too soon or another has it."""
        token = uuid.uuid4().hex
        due = self._rows().filter(opened_at__isnull=False, retry_at__lte=Now())
        return token if due.update(probe_token=token, retry_at=from_now(PROBE_SECONDS)) else ""

    def answered(self, probe: str = "") -> None:
        """The source has answered, be it with a refusal of this one video."""
        closed = {"failures": 0, "opened_at": None, "retry_at": None, "probe_token": ""}
        self._rows().filter(opened_at=None, failures__gt=0).update(failures=0)
        if probe:  # also where the answer took so long that another one probes by now
            self._rows().update(**closed)

    def failed(self, code: str, probe: str = "", *, at_least: int = 0) -> None:
        """The source has refused, or could not be reached; ``at_least`` so many seconds it asks us to wait."""
        Breaker.objects.get_or_create(name=self.name)
        self._rows().filter(opened_at=None).update(failures=F("failures") + 1, code=code)
        self._rows().filter(opened_at=None, failures__gte=THRESHOLD).update(
            opened_at=Now(),
            retry_at=from_now(max(FIRST_WAIT_SECONDS, at_least)),
            wait_seconds=FIRST_WAIT_SECONDS * 2,
            probe_token="",
        )
        if not probe:
            return
        mine = self._rows().filter(probe_token=probe)
        for wait in mine.values_list("wait_seconds", flat=True):
            mine.update(
                failures=F("failures") + 1,
                code=code,
                retry_at=from_now(max(wait, at_least)),
                wait_seconds=Least(F("wait_seconds") * 2, LONGEST_WAIT_SECONDS),
                probe_token="",
            )

    def untried(self, probe: str) -> None:
        """The prober has not asked after all: the next one may."""
        self._rows().filter(probe_token=probe).update(probe_token="", retry_at=Now())

    def _rows(self) -> "models.QuerySet[Breaker]":
        return Breaker.objects.filter(pk=self.name)
