"""``manage.py queue``."""

import time
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from accounts import arguments
from accounts.reporting import Failed, OperatorCommand, Report, ago, lasting
from videos import backlog
from videos.backlog import Backlog


class Command(OperatorCommand):
    """What there is to do."""

    help = (
        "Says how many messages wait, are in workers' hands, delayed, or dead, beside what the rows say: what is "
        "queued, never sent, in work, without a worker. Changes nothing. With --watch a line each so many seconds, "
        "until Ctrl-C."
    )
    examples = """
        queue
        queue --watch 5
        queue --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watch", type=arguments.seconds, metavar="S", help="Again each S seconds.")

    def run(self, report: Report, *, watch: float | None = None, **options: Any) -> None:
        if watch is None:
            found = backlog.look()
            report.document(found.document())
            _show(report, found)
            if found.trouble:
                raise Failed(f"The queue could not be asked: {found.trouble} `manage.py doctor` says what to do.")
            return
        with report.stopping() as stopping:
            for number in range(10**9):
                found = backlog.look()
                report.line({"at": timezone.now()} | found.document())
                if number % 20 == 0:
                    report.say(_HEAD)
                report.say(_line(found))
                if stopping.wait(watch):
                    return


def _show(report: Report, found: Backlog) -> None:
    if messages := found.messages:
        dead = "no dead-letter queue" if found.dead is None else f"{found.dead:,} dead"
        report.say(
            f"messages  {messages.waiting:,} wait, {messages.in_flight:,} in workers' hands, "
            f"{messages.delayed:,} delayed, {dead}"
        )
    report.say(
        f"queued    {found.queued:,} videos: {found.unsent:,} for the next sweep to send, "
        f"{found.waiting_for_retry:,} wait for their retry"
    )
    report.say(f"oldest    {'nothing waits' if found.oldest is None else f'could have begun {ago(found.oldest)}'}")
    report.say(f"in work   {found.processing:,} videos, {found.abandoned:,} of them without a worker")
    report.say(f"deletions {found.deletions:,} due")
    refuses = found.youtube_refuses_since
    report.say(f"YouTube   {'answers' if refuses is None else f'refuses everything, since {ago(refuses)}'}")
    for sentence in _advice(found):
        report.say(f"→ {sentence}", "WARNING")


def _advice(found: Backlog) -> list[str]:
    advice = []
    if found.dead:
        advice.append("Dead letters: `manage.py redrive` explains each.")
    if found.abandoned or found.deletions or found.unsent:
        advice.append("What waits for a sweep goes on within a minute. If not, it does not run: `manage.py sweep`.")
    if found.youtube_refuses_since:
        advice.append("`manage.py check_youtube ID` on the worker's machine says what YouTube answers.")
    if found.oldest and not found.processing and not found.youtube_refuses_since and _seconds(found) > _SOON_SECONDS:
        advice.append("Nobody works. Is a worker running? `deploy_worker.sh status` on its machine.")
    return advice


_SOON_SECONDS = 60  # by then a worker that is there has begun


def _seconds(found: Backlog) -> float:
    """For how long the oldest waits."""
    return (timezone.now() - found.oldest).total_seconds() if found.oldest else 0


_HEAD = "   time  wait  flight  delayed  dead | queued  unsent  later  in work  lost | oldest"


def _line(found: Backlog) -> str:
    waiting, flight, delayed = found.messages or ("?", "?", "?")
    dead = "?" if found.dead is None else found.dead
    oldest = "-" if found.oldest is None else lasting(_seconds(found))
    return (
        f"{time.strftime('%H:%M:%S')}{waiting:>5}{flight:>8}{delayed:>9}{dead:>6} |{found.queued:>7}{found.unsent:>8}"
        f"{found.waiting_for_retry:>7}{found.processing:>9}{found.abandoned:>6} | {oldest}"
    )
