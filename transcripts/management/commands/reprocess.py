"""``manage.py reprocess``."""

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from accounts import arguments
from accounts.models import User
from accounts.reporting import Failed, NothingFound, OperatorCommand, Progress, Report, Stopped, Stopping, WrongCall
from transcripts.selection import Selection
from videos import reprocessing
from videos.models import Video

_ENDED = [Video.Status.COMPLETED, Video.Status.FAILED]


class Command(OperatorCommand):
    """Starts videos again."""

    changes = True
    help = (
        "Starts completed and failed videos again, from the beginning: those with these ids, or all that the options "
        "select. What they have stays until the new transcript takes its place. Ten at a time are committed and sent; "
        "what could not be sent, the sweep sends. It may be stopped, and the same call goes on where it stopped."
    )
    examples = """
        reprocess 0b9c31f2-1a5e-4a7c-9f5b-0a4bb0a2f7d1
        reprocess --state failed --error-code source_refused --newer-than 12h --dry-run
        reprocess --state failed --error-code source_refused --newer-than 12h --rate 20/s
        reprocess --user alice@example.com --source captions --mode speech
        reprocess --engine faster-whisper --older-than 30d --rate 600/m --limit 5000
        reprocess --state processing --older-than 2h --force
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", type=arguments.video_id, metavar="ID", help="These videos.")
        which = parser.add_argument_group("which, where no ids are given; all must hold")
        which.add_argument("--user", default="", metavar="SUB", help="Of this user: Cognito's sub, or an e-mail.")
        which.add_argument(
            "--state", action="append", choices=Video.Status.values, help="In this state; may be repeated."
        )
        which.add_argument("--error-code", action="append", metavar="CODE", help="With this code; may be repeated.")
        which.add_argument("--source", default="", choices=Video.Source.values, help="Whose text comes from there.")
        which.add_argument("--engine", default="", help="Whose text this engine wrote: youtube, faster-whisper …")
        which.add_argument("--older-than", type=arguments.age, metavar="AGE", help="Last changed longer ago: 7d, 12h.")
        which.add_argument("--newer-than", type=arguments.age, metavar="AGE", help="Last changed since: 90s, 15m.")
        which.add_argument("--limit", type=arguments.number, metavar="N", help="No more than so many.")
        how = parser.add_argument_group("how")
        how.add_argument("--mode", choices=Video.Mode.values, help="In another mode than the user's.")
        how.add_argument(
            "--language", type=arguments.language, metavar="TAG", help="In another language than the user's (BCP 47)."
        )
        how.add_argument("--rate", type=arguments.rate, metavar="N/s", help="No faster than 50/s, 600/m, 1000/h.")
        how.add_argument("--force", action="store_true", help="Also those that wait or are in work.")

    def run(self, report: Report, **options: Any) -> None:
        ids: list[uuid.UUID] = list(dict.fromkeys(options["ids"]))[: options["limit"]]
        selection = _selection(options)
        _check(ids, selection, force=options["force"])
        states = list(Video.Status) if options["force"] else _ENDED
        rows = Video.objects.filter(pk__in=ids) if ids else _videos(selection)
        counts = reprocessing.counted(rows)
        started_from = {key: number for key, number in (counts or {}).items() if key[0] in states}
        total = len(ids) if ids else None if counts is None else sum(started_from.values())
        if not ids and total == 0:
            raise NothingFound("No such video can be started. Leave an option out; with --force also those in work.")
        if report.dry_run:
            _foretell(report, started_from, options["limit"])
            return
        slices = reprocessing.tens(ids) if ids else reprocessing.slices(rows.filter(status__in=states))
        if total and options["limit"]:
            total = min(total, options["limit"])
        _Batch(report, options, states, one_by_one=bool(ids)).run(slices, total)


class _Batch:
    """What has become of the videos until now."""

    def __init__(self, report: Report, options: dict[str, Any], states: list[Video.Status], *, one_by_one: bool):
        self._report, self._states, self._one_by_one = report, states, one_by_one
        self._wanted = {"mode": options["mode"], "language": options["language"]}
        self._rate, self._limit = options["rate"], options["limit"]
        self._results: Counter[str] = Counter()
        self._trouble, self._stopped = "", False

    def run(self, slices: Iterable[list[uuid.UUID]], total: int | None) -> None:
        """Does it, and says how it went. Raises ``Failed``, ``NothingFound`` or ``Stopped`` where not all was done."""
        begun = time.monotonic()
        with self._report.stopping() as stopping, self._report.progress(total, "videos") as progress:
            wanted = self._while_it_goes_well(slices, stopping, begun)
            ahead = 1 if self._rate else reprocessing.SENDERS
            for started in reprocessing.start_all(wanted, states=self._states, ahead=ahead, **self._wanted):
                self._note(started, progress)
        self._report.line({"summary": dict(self._results), "seconds": round(time.monotonic() - begun, 2)})
        if not self._one_by_one:
            self._report.say(f"Started {self._results['queued']:,}, {progress.per_second:,.0f} a second.")
        if self._results["unsent"]:
            self._report.warn(f"{self._results['unsent']:,} of them could not be sent: the next sweep does that.")
        self._end(total=total, minutes=int((time.monotonic() - begun) // 60) + 1)

    def _while_it_goes_well(
        self, slices: Iterable[list[uuid.UUID]], stopping: Stopping, begun: float
    ) -> Iterator[list[uuid.UUID]]:
        handed_out = 0
        for ids in slices:
            self._stopped = stopping.requested
            if self._stopped or self._trouble or handed_out == self._limit:
                return
            some = ids[: self._limit - handed_out] if self._limit else ids
            handed_out += len(some)
            yield some
            if self._rate:
                stopping.wait(begun + handed_out / self._rate - time.monotonic())

    def _note(self, started: reprocessing.Started, progress: Progress) -> None:
        self._trouble = self._trouble or started.trouble
        for video in started.queued:
            self._tell(video.pk, "queued")
        for pk, status in started.left.items():
            self._tell(pk, "locked" if status in self._states else "left", status)
        for pk in started.unknown:
            self._tell(pk, "unknown")
        self._results["unsent"] += len(started.unsent)
        progress.advance(len(started.queued) + len(started.left) + len(started.unknown))

    def _tell(self, pk: uuid.UUID, result: str, status: str = "") -> None:
        self._results[result] += 1
        self._report.line({"video_id": pk, "result": result} | ({"status": status} if status else {}))
        if not self._one_by_one:
            return
        if result == "queued":
            self._report.say(f"{pk}: queued")
        else:
            self._report.warn(f"{pk}: {_WHY_NOT[result].format(status=status)}")

    def _end(self, *, total: int | None, minutes: int) -> None:
        done = f"{self._results['queued']:,}" + (f" of {total:,}" if total else "")
        if self._trouble:
            queued = self._results["queued"]
            rest = "" if queued == total else " The same call goes on with the rest."
            raise Failed(f"The queue failed: {self._trouble} {done} {'is' if queued == 1 else 'are'} started.{rest}")
        if self._stopped:
            raise Stopped(
                f"{done} are started. The same call goes on with the rest; with --older-than {minutes}m it "
                "leaves alone what has ended anew since."
            )
        if self._one_by_one and (others := sum(self._results[name] for name in _WHY_NOT)):
            refusal = NothingFound if self._results["unknown"] == total else Failed
            raise refusal(f"{others} of {total} could not be started.")
        if self._results["locked"]:
            raise Failed(f"{self._results['locked']} videos were locked by somebody else. Start the same call again.")


_WHY_NOT = {
    "unknown": "there is no such video.",
    "left": "it is {status}. Add --force to start it again all the same.",
    "locked": "it is {status}, and locked by somebody else. Try again.",
}


def _selection(options: dict[str, Any]) -> Selection:
    return Selection(
        user=options["user"],
        states=tuple(options["state"] or ()),
        error_codes=tuple(options["error_code"] or ()),
        source=options["source"],
        engine=options["engine"],
        older_than=options["older_than"],
        newer_than=options["newer_than"],
    )


def _check(ids: list[uuid.UUID], selection: Selection, *, force: bool) -> None:
    if bool(ids) == (not selection.is_empty):
        raise WrongCall("Say which videos: either ids, or at least one of --user, --state, --error-code … (--help).")
    if (in_work := set(selection.states) - set(_ENDED)) and not force:
        raise WrongCall(f"What is {' or '.join(sorted(in_work))} goes on by itself. To start it anew, add --force.")


def _videos(selection: Selection) -> "QuerySet[Video]":
    try:
        return selection.videos()
    except User.DoesNotExist:
        raise NothingFound(f"There is no user with the id or e-mail {selection.user!r}.") from None


def _foretell(report: Report, counts: dict[tuple[str, str], int], limit: int | None) -> None:
    total = sum(counts.values())
    by = [{"status": status, "error_code": code, "videos": number} for (status, code), number in counts.items()]
    report.document({"dry_run": True, "videos": min(total, limit or total), "of": by})
    number = min(total, limit or total)
    videos = "1 video" if number == 1 else f"{number:,} videos"
    report.say(f"Would start {videos}" + (f" of these {total:,}:" if number < total else ":"))
    for (status, code), number in sorted(counts.items()):
        report.say(f"  {number:>9,} {status} {code}".rstrip())
