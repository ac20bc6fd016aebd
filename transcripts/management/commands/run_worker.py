"""``manage.py run_worker``."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from transcripts.worker import speech
from transcripts.worker.loop import POLL_SECONDS, Worker


class Command(BaseCommand):
    """Takes jobs from the queue and turns videos into transcripts."""

    help = (
        "Takes jobs from SQS and turns videos into transcripts until it gets SIGTERM: idle it ends at once, "
        "busy it finishes the job, at a second signal it ends now. Run as many as there are cores."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Handle one message at most, then end.")
        parser.add_argument("--max-messages", type=int, metavar="N", help="End after N messages.")
        parser.add_argument("--idle-exit", type=float, metavar="S", help="End when idle for S seconds.")

    def handle(self, *, once: bool, max_messages: int | None, idle_exit: float | None, **options: Any) -> None:
        speech.check()
        if not settings.SQS_QUEUE_URL:
            raise CommandError("SQS_QUEUE_URL is not set. Set it to the URL of the queue that the API sends to.")
        if (max_messages is not None and max_messages < 1) or (idle_exit is not None and idle_exit < 0):
            raise CommandError("--max-messages must be at least 1, and --idle-exit at least 0.")
        if once:
            max_messages, idle_exit = 1, 0.0
        poll = POLL_SECONDS if idle_exit is None else max(1, min(POLL_SECONDS, int(idle_exit)))
        handled = Worker(poll_seconds=poll).run(max_messages=max_messages, idle_exit=idle_exit)
        self.stdout.write(f"{handled} messages handled")
