"""``manage.py sweep``."""

import time
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, close_old_connections

from videos import services


def seconds(text: str) -> float:
    """An argument that is a time to wait."""
    value = float(text)
    if not 0 < value < 1e6:
        raise ArgumentTypeError("it must be a number of seconds above 0")
    return value


class Command(BaseCommand):
    """Puts right what an outage or a crash has left behind."""

    help = (
        "Sends what was never sent, takes back videos whose worker is gone, sends due retries and finishes "
        "deletions. Run it every minute; it is safe to repeat and to run twice at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every", type=seconds, metavar="SECONDS", help="Go on until ended, once every so many seconds."
        )

    def handle(self, *, every: float | None, **options: Any) -> None:
        while every is not None:
            close_old_connections()
            try:
                swept = services.sweep()
            except Error as error:  # it comes back, and there will be more to do then
                self.stderr.write(f"The database failed: {error}")
            else:
                if any(swept):
                    self._tell(swept)
            time.sleep(every)
        try:
            self._tell(services.sweep())
        except Error as error:
            raise CommandError(f"The database failed: {error}. Has `manage.py migrate` been run?") from error

    def _tell(self, swept: services.Swept) -> None:
        self.stdout.write(
            f"sent {swept.sent}, taken back {swept.taken_back}, given up {swept.given_up}, deletions {swept.deletions}"
        )
