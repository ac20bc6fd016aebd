"""The breaker towards YouTube, as a job sees it: whether to ask at all, and what the answer was."""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import Error, connection
from django.utils import timezone

from transcripts.worker import errors
from videos.breaker import PROBE_SECONDS, Breaker
from videos.transactions import is_passing, repeated

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5  # for a database that fails in passing
_SPREAD_SECONDS = 10  # what waits for the breaker does not come back all at once


class Open(Exception):
    """Nothing may be asked of YouTube now."""

    def __init__(self, breaker: Breaker) -> None:
        self.breaker = breaker


def admit() -> str:
    """The token of the one that may probe, or nothing where all may ask. Raises ``Open``."""
    breaker = repeated(Breaker.objects.youtube, seconds=PATIENCE_SECONDS)
    if not breaker.is_open:
        return ""
    probe = breaker.probe()
    if not probe:
        raise Open(breaker)
    return probe


@contextmanager
def watched(probe: str) -> Iterator[None]:
    """Around all that is asked about a video: whatever it ends with, except for trouble, closes the breaker."""
    try:
        yield
    except errors.SourceTrouble:
        raise  # told by ``trouble`` when the job is settled
    except errors.JobError:
        _answered(probe)
        raise
    _answered(probe)


def _answered(probe: str) -> None:
    """What the breaker is told must not cost a job: one that has no probe leaves it to the next."""
    patience = settings.PATIENCE_SECONDS if probe else 0
    try:
        repeated(lambda: Breaker(name="youtube").answered(probe), seconds=patience)
    except Error as error:
        if not is_passing(error):
            raise
        log.warning("the breaker was not told that YouTube answers: %s", error)
        connection.close()


def trouble(error: errors.SourceTrouble, probe: str) -> float | None:
    """Tells the breaker. Returns how many seconds there are to wait if it is open now, else None."""

    def tell() -> Breaker:
        Breaker(name="youtube").failed(error.code, probe, at_least=int(error.wait))
        return Breaker.objects.youtube()

    try:
        breaker = repeated(tell, seconds=PATIENCE_SECONDS)
    except Error as failure:
        if not is_passing(failure):
            raise
        log.warning("the breaker was not told of %s: %s", error.code, failure)
        connection.close()
        return None
    if breaker.retry_at is None:
        return None
    # Who has just probed in vain lets the others try first: it may be this one video that is not answered.
    turn = PROBE_SECONDS if probe else 0
    return max(0.0, (breaker.retry_at - timezone.now()).total_seconds()) + turn + spread()


def untried(probe: str) -> None:
    """The prober has not asked after all."""
    repeated(lambda: Breaker(name="youtube").untried(probe), seconds=PATIENCE_SECONDS)


def spread() -> float:
    """Seconds by which one of many that wait for the same moment comes later."""
    return random.uniform(1, _SPREAD_SECONDS)  # noqa: S311 - no secret hangs on it
