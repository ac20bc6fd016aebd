"""``manage.py sweep``."""

import logging
import time
from typing import Any

from django.contrib.sessions.models import Session
from django.core.management.base import CommandError, CommandParser
from django.db import Error, close_old_connections
from django.utils import timezone

from accounts import arguments, sign_out
from accounts.reporting import OperatorCommand, Report
from transcripts import stored
from videos import backlog, metrics, rollup, sweeping
from videos.deadline import SECONDS, Deadline
from videos.metrics import Metric

log = logging.getLogger(__name__)

MOST_SESSIONS = 500  # at once, so that nobody waits for the sweep; the next one goes on

_JOINED = str.maketrans("", "", " _-")


class Command(OperatorCommand):
    """Puts right what an outage or a crash has left behind."""

    changes = True
    examples = """
        sweep
        sweep --dry-run
        sweep --every 60
    """
    help = (
        "Sends what was never sent, takes back videos whose worker is gone, sends due retries, finishes deletions, "
        "clears dead letters away, deletes files that no row names, mends rows whose files are gone, forgets ended "
        "sign-ins that no token can belong to, deletes expired sessions of the admin, and counts what its front page "
        "shows. Run it every minute; it is safe to repeat and to run twice at once. What it cannot do in its time the "
        "next run does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every", type=arguments.seconds, metavar="SECONDS", help="Go on until ended, once every so many seconds."
        )
        parser.add_argument(
            "--within",
            type=arguments.seconds,
            metavar="SECONDS",
            default=SECONDS,
            help="How long one run may take (%(default)s).",
        )

    def run(self, report: Report, *, every: float | None, within: float, **options: Any) -> None:
        if report.dry_run:
            self._tell(report, sweeping.outlook() | stored.outlook())
            return
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
                    self._tell(report, done)
            time.sleep(every)
        try:
            self._tell(report, self._sweep(within))
        except Error as error:
            raise CommandError(f"The database failed: {error}. Has `manage.py migrate` been run?") from error

    def _sweep(self, within: float) -> dict[str, int]:
        began = time.monotonic()
        deadline = Deadline(within)
        swept = sweeping.sweep(deadline)
        unnamed, restored = stored.reconcile(deadline)
        forgotten = sign_out.forget(deadline.passed)
        sessions = _forget_sessions()
        rollup.roll_up(deadline)
        done = swept._asdict() | {
            "files without rows": unnamed,
            "rows without files": restored,
            "sign-ins forgotten": forgotten,
            "sessions forgotten": sessions,
        }
        if metrics.are_on():
            self._measure(done, time.monotonic() - began)
        return done

    def _measure(self, done: dict[str, int], took: float) -> None:
        """All of it without dimensions: there is one sweep."""
        left = backlog.rows()
        oldest = (timezone.now() - left["oldest"]).total_seconds() if left["oldest"] else 0
        metrics.emit(
            [
                *(Metric("Sweep" + name.title().translate(_JOINED), number) for name, number in done.items()),
                Metric("SweepTime", round(took * 1000, 1), "Milliseconds"),
                Metric("VideosWaiting", left["queued"] - left["waiting_for_retry"]),
                Metric("VideosParked", left["waiting_for_retry"]),
                Metric("VideosWorking", left["processing"]),
                Metric("OldestWaiting", round(max(0, oldest), 1), "Seconds"),
            ]
        )

    def _tell(self, report: Report, done: dict[str, int]) -> None:
        report.line(done)
        would = "would do: " if report.dry_run else ""
        report.say(would + ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in done.items()))


def _forget_sessions() -> int:
    """Deletes some of the admin's sessions that have expired, which Django leaves to whoever runs it.

    https://docs.djangoproject.com/en/5.2/topics/http/sessions/#clearing-the-session-store
    """
    expired = list(Session.objects.filter(expire_date__lt=timezone.now()).values_list("pk", flat=True)[:MOST_SESSIONS])
    return Session.objects.filter(pk__in=expired).delete()[0]
