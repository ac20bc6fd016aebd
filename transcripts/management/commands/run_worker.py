"""``manage.py run_worker``."""

import logging
import os
import sys
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from transcripts.worker import decoding, speech
from transcripts.worker.errors import DecoderFailed
from transcripts.worker.loop import POLL_SECONDS, Worker

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """Takes jobs from the queue and turns videos into transcripts."""

    help = (
        "Takes jobs from SQS and turns videos into transcripts until it gets SIGTERM: idle it ends at once, busy it "
        "finishes what is nearly done and gives anything else back to the queue; at a second signal it ends now. "
        "It does WORKER_JOBS of them side by side, and listens to one."
    )
    # Django's look at all that the API is: 14 MB that an idle worker keeps. deploy_worker.sh runs `check` before.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Handle one message at most, then end.")
        parser.add_argument("--max-messages", type=int, metavar="N", help="End after N messages.")
        parser.add_argument("--idle-exit", type=float, metavar="S", help="End when idle for S seconds.")

    def handle(self, *, once: bool, max_messages: int | None, idle_exit: float | None, **options: Any) -> None:
        speech.check()
        str(settings.YOUTUBE_PROXY_URL)  # where it names a secret that cannot be read, that is said now
        if not settings.SQS_QUEUE_URL:
            raise CommandError("SQS_QUEUE_URL is not set. Set it to the URL of the queue that the API sends to.")
        if (max_messages is not None and max_messages < 1) or (idle_exit is not None and idle_exit < 0):
            raise CommandError("--max-messages must be at least 1, and --idle-exit at least 0.")
        if once:
            max_messages, idle_exit = 1, 0.0
        poll = POLL_SECONDS if idle_exit is None else max(1, min(POLL_SECONDS, int(idle_exit)))
        look_at_the_decoder()
        worker = Worker(poll_seconds=poll)
        handled = worker.run(max_messages=max_messages, idle_exit=idle_exit)
        self.stdout.write(f"{handled} messages handled")
        if worker.stopping.requested:
            _end_in_spite_of_threads()


def look_at_the_decoder() -> None:
    """Say at once what would else only be known when a hostile file comes by."""
    try:
        if lacking := decoding.lacking():
            log.warning(
                "the decoder is not kept from everything that it should be: %s. It works all the same; docs/worker.md "
                "says what a machine has to allow.",
                lacking,
            )
    except DecoderFailed as error:
        log.error(  # noqa: TRY400 - its cause says it all
            "no decoder can be started (%s): videos without captions will fail. See docs/worker.md.", error.__cause__
        )


def _end_in_spite_of_threads() -> None:
    """A request of yt-dlp's that was left goes on in a thread, for which Python would wait."""
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
