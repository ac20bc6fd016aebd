"""``manage.py prune``."""

import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db.models import QuerySet

from accounts import arguments
from accounts.reporting import OperatorCommand, Report, Stopped, WrongCall
from videos import reprocessing, retention
from videos.models import Video


class Command(OperatorCommand):
    """Deletes what has been kept for long enough."""

    changes = True
    help = (
        "Deletes audio that was completed longer ago than RETAIN_AUDIO_DAYS, and videos with their transcripts and "
        "files that ended longer ago than RETAIN_TRANSCRIPTS_DAYS; 0 keeps for ever, which is the default. Run it "
        "once a day. What waits or is in work is never touched. It may be stopped, and the same call goes on."
    )
    examples = """
        prune --dry-run
        prune
        prune --audio-days 30 --transcripts-days 0
    """

    def add_arguments(self, parser: CommandParser) -> None:
        for name, what in (("audio", "audio"), ("transcripts", "videos and transcripts")):
            parser.add_argument(
                f"--{name}-days",
                type=_days,
                metavar="N",
                help=f"Keep {what} for N days instead of what the setting says; 0: for ever.",
            )
        parser.add_argument("--limit", type=arguments.number, metavar="N", help="At most so many of each.")

    def run(
        self, report: Report, *, audio_days: int | None, transcripts_days: int | None, limit: int | None, **options: Any
    ) -> None:
        audio = settings.RETAIN_AUDIO_DAYS if audio_days is None else audio_days
        transcripts = settings.RETAIN_TRANSCRIPTS_DAYS if transcripts_days is None else transcripts_days
        if not audio and not transcripts:
            raise WrongCall(
                "Everything is kept for ever. Set RETAIN_AUDIO_DAYS or RETAIN_TRANSCRIPTS_DAYS, or give --audio-days."
            )
        done = {"videos": 0, "audio": 0}
        stopped = False
        if transcripts:  # first: its audio goes with it
            rows = retention.ended_before(transcripts)
            done["videos"], stopped = self._each(report, rows, retention.delete, "videos", transcripts, limit)
        if audio and not stopped:
            rows = retention.with_old_audio(audio)
            done["audio"], stopped = self._each(report, rows, retention.forget_audio, "audio files", audio, limit)
        report.document(done | {"dry_run": report.dry_run, "stopped": stopped})
        if stopped:
            raise Stopped("The same call goes on with the rest.")

    def _each(
        self,
        report: Report,
        rows: "QuerySet[Video]",
        act: Callable[[uuid.UUID, "QuerySet[Video]"], bool],
        unit: str,
        days: int,
        limit: int | None,
    ) -> tuple[int, bool]:
        """How many, and whether it was stopped."""
        counts = reprocessing.counted(rows)
        total = None if counts is None else min(sum(counts.values()), limit or 10**9)
        if report.dry_run:
            report.say(f"Would delete {'?' if total is None else f'{total:,}'} {unit} older than {days} days.")
            return total or 0, False
        done, stopped = 0, False
        with report.stopping() as stopping, report.progress(total, unit) as progress:
            for pk in retention.each(rows):
                if (stopped := stopping.requested) or done == limit:
                    break
                done += act(pk, rows)
                progress.advance()
        report.say(f"{done:,} {unit} older than {days} days are deleted.")
        return done, stopped


def _days(text: str) -> int:
    return 0 if text == "0" else arguments.number(text)
