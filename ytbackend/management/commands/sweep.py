"""``manage.py sweep``."""

import logging
import time
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, close_old_connections

from transcripts import stored
from videos import metrics, sweeping
from videos.backlog import backlog
from videos.deadline import SECONDS, Deadline
from videos.metrics import Metric

log = logging.getLogger(__name__)

_JOINED = str.maketrans("", "", " _")


def seconds(text: str) -> float:
    """An argument that is a time to wait."""
    value = float(text)
    if not 0 < value < 1e6:
        raise ArgumentTypeError("it must be a number of seconds above 0")
    return value


class Command(BaseCommand):
    """Puts right what an outage or a crash has left behind."""

    help = (
        "Sends what was never sent, takes back videos whose worker is gone, sends due retries, finishes deletions, "
        "clears dead letters away, deletes files that no row names and mends rows whose files are gone. Run it every "
        "minute; it is safe to repeat and to run twice at once. What it cannot do in its time the next run does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every", type=seconds, metavar="SECONDS", help="Go on until ended, once every so many seconds."
        )
        parser.add_argument(
            "--within",
            type=seconds,
            metavar="SECONDS",
            default=SECONDS,
            help="How long one run may take (%(default)s).",
        )

    def handle(self, *, every: float | None, within: float, **options: Any) -> None:
        while every is not None:
            close_old_connections()
            try:
                done = self._sweep(within)
            except Error as error:  # it comes back, and there will be more to do then
                self.stderr.write(f"The database failed: {error}")
            except Exception:
                log.exception("a sweep failed; the next one tries again")
            else:
                if any(done.values()):
                    self._tell(done)
            time.sleep(every)
        try:
            self._tell(self._sweep(within))
        except Error as error:
            raise CommandError(f"The database failed: {error}. Has `manage.py migrate` been run?") from error

    def _sweep(self, within: float) -> dict[str, int]:
        began = time.monotonic()
        deadline = Deadline(within)
        swept = sweeping.sweep(deadline)
        unnamed, restored = stored.reconcile(deadline)
        done = swept._asdict() | {"files without rows": unnamed, "rows without files": restored}
        if metrics.are_on():
            self._measure(done, time.monotonic() - began)
        return done

    def _measure(self, done: dict[str, int], took: float) -> None:
        """All of it without dimensions: there is one sweep."""
        left = backlog()
        metrics.emit(
            [
                *(Metric("Sweep" + name.title().translate(_JOINED), number) for name, number in done.items()),
                Metric("SweepTime", round(took * 1000, 1), "Milliseconds"),
                Metric("VideosWaiting", left.waiting),
                Metric("VideosParked", left.parked),
                Metric("VideosWorking", left.working),
                Metric("OldestWaiting", round(left.oldest_seconds, 1), "Seconds"),
            ]
        )

    def _tell(self, done: dict[str, int]) -> None:
        self.stdout.write(", ".join(f"{name.replace('_', ' ')} {number}" for name, number in done.items()))
