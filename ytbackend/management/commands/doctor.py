"""``manage.py doctor``."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser

from accounts.reporting import NotHealthy, OperatorCommand, Report
from videos.finding import Verdict
from ytbackend.doctor import EXAMINATIONS, Examination, examine

_STYLES = {Verdict.OK: "SUCCESS", Verdict.WARNING: "WARNING", Verdict.FAILED: "ERROR"}


class Command(OperatorCommand):
    """Whether all is well."""

    requires_system_checks: list[str] = []  # they are among what is told
    help = (
        "Looks at everything that the service stands on, and says of each what to do: settings, database and its "
        "migrations, queue and its dead letters, storage by writing, reading and deleting a file, the key set, clocks, "
        "YouTube; on a worker's machine also the way to YouTube through the proxy, yt-dlp and its age, the speech "
        "model and the disk. Takes a few seconds, and half a minute where nobody answers. A warning is no failure: "
        "the exit code is 3 where something does not work, with --strict also where something is doubtful."
    )
    examples = """
        doctor
        doctor --json
        doctor --strict --without-worker
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--without-worker", action="store_true", help="Not what only a worker's machine has.")
        parser.add_argument("--strict", action="store_true", help="Take doubts for failures.")

    def run(self, report: Report, *, without_worker: bool, strict: bool, **options: Any) -> None:
        found = []
        for finding in examine([*EXAMINATIONS, *(() if without_worker else _of_worker(report))]):
            found.append(finding)
            report.say(f"{finding.verdict.upper():8} {finding.name:15} {finding.detail}", _STYLES[finding.verdict])
            if finding.advice:
                report.say(f"{'':24} → {finding.advice}")
        report.document({"healthy": _is_well(found, strict), "findings": [finding._asdict() for finding in found]})
        if not _is_well(found, strict):
            counts = Counter(finding.verdict for finding in found)
            raise NotHealthy(f"{counts[Verdict.FAILED]} failed, {counts[Verdict.WARNING]} doubtful.")


def _is_well(found: Iterable[Any], strict: bool) -> bool:
    return not any(f.verdict == Verdict.FAILED or (strict and f.verdict == Verdict.WARNING) for f in found)


def _of_worker(report: Report) -> tuple[Examination, ...]:
    try:
        from transcripts.worker import doctor
    except ImportError:
        report.say("(This is no worker's machine: yt-dlp, speech model and the way to YouTube are not looked at.)")
        return ()
    return doctor.EXAMINATIONS
