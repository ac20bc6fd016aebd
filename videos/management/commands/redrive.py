"""``manage.py redrive``."""

import contextlib
from collections import Counter
from typing import Any

from django.core.management.base import CommandParser

from accounts import arguments
from accounts.reporting import Failed, OperatorCommand, Report, Stopped
from videos import dead_letters, queue
from videos.dead_letters import Letter


class Command(OperatorCommand):
    """Dead letters."""

    changes = True
    help = (
        "Looks at the dead letters, which SQS has put aside because they were received too often, and explains each. "
        "Without options it changes nothing. The sweep clears ours away by itself, because the row decides whether "
        "there is work; what stays is not ours. --send does at once what the sweep would: a video that waits gets a "
        "new message, and the letter is cleared away. --drop deletes letters, also those that are not ours."
    )
    examples = """
        redrive
        redrive --json --limit 1000
        redrive --send
        redrive --drop --foreign --dry-run
        redrive --drop --foreign --yes
    """

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--send", action="store_true", help="Send again what still wants work, clear the rest of ours."
        )
        what.add_argument("--drop", action="store_true", help="Delete the letters; no video of ours is lost by that.")
        parser.add_argument("--foreign", action="store_true", help="Only letters that are not ours.")
        parser.add_argument("--limit", type=arguments.number, default=100, metavar="N", help="At most so many (100).")
        parser.add_argument("--yes", action="store_true", help="Do not ask before letters are dropped.")

    def run(self, report: Report, *, send: bool, drop: bool, foreign: bool, limit: int, **options: Any) -> None:
        try:
            self._run(report, send=send, drop=drop, foreign=foreign, limit=limit, yes=options["yes"])
        except queue.QueueUnavailable as error:
            raise Failed(f"The queue failed: {error} What was done is done; the same call goes on.") from error

    def _run(self, report: Report, *, send: bool, drop: bool, foreign: bool, limit: int, yes: bool) -> None:
        url = queue.dead_letter_url()
        if not url:
            raise Failed(
                "The queue has no dead-letter queue: a message that nobody can read comes back for ever. Give it a "
                "redrive policy with a maxReceiveCount of 10."
            )
        letters = dead_letters.look(url, limit=limit)
        settled: list[Letter] = []
        try:
            chosen = [letter for letter in letters if not (foreign and letter.is_ours)]
            self._settle(report, url, chosen, settled, send=send, drop=drop, yes=yes)
        finally:
            with contextlib.suppress(queue.QueueUnavailable):  # they then come back by themselves in half a minute
                for letter in letters:
                    if letter not in settled:
                        queue.release_dead(url, letter.message)

    def _settle(self, report: Report, url: str, letters: list[Letter], settled: list[Letter], **wanted: bool) -> None:
        for letter in letters:
            report.say(f"{letter.reason}: {letter.message.body[:200]}")
        if not letters:
            report.say("There are no such dead letters.", "SUCCESS")
        acts = (wanted["send"] or wanted["drop"]) and not report.dry_run
        if acts and wanted["drop"] and letters:
            report.confirm(f"Delete {len(letters)} dead letters for ever?", yes=wanted["yes"])
        done: Counter[str] = Counter()
        with report.stopping() as stopping:
            for letter in letters:
                result = "left"
                if acts and not stopping.requested and (letter.is_ours or wanted["drop"]):
                    result = dead_letters.drop(url, letter) if wanted["drop"] else dead_letters.send_again(url, letter)
                    settled.append(letter)
                done[result] += 1
                about = {"body": letter.message.body, "reason": letter.reason, "ours": letter.is_ours}
                report.line(about | {"result": result})
        report.line({"summary": dict(done)})
        if acts:
            report.say(", ".join(f"{number} {name}" for name, number in done.items()) or "Nothing was done.")
        elif letters:
            report.say(f"{len(letters)} looked at, none changed. --send sends again what wants work, --drop deletes.")
        if stopping.requested:
            raise Stopped("The same call goes on with the rest.")
