"""``manage.py drill``."""

import importlib.util
import subprocess
import sys

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from accounts.reporting import Failed


class Command(BaseCommand):
    """Plays disasters against a stack of its own: a program beside this one, which reads none of these settings."""

    requires_system_checks: list[str] = []
    help = "Plays disasters against a scratch database, queue and bucket, and says which promises held."

    def run_from_argv(self, argv: list[str]) -> None:
        """Hands all arguments over, ``--help`` too."""
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("local") is None:
            self.stderr.write(str(_NOT_HERE))
            sys.exit(1)
        call = [sys.executable, "-m", "local.drill", *argv[2:]]
        try:
            done = subprocess.run(call, cwd=settings.BASE_DIR, check=False)  # noqa: S603 - our own program
        except KeyboardInterrupt:  # it got the same signal, and says so
            sys.exit(130)
        sys.exit(done.returncode)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("arguments", nargs="*")

    def handle(self, *args: str, **options: object) -> None:
        raise _NOT_HERE


_NOT_HERE = Failed(
    "The drill needs the embedded stack, which a deployment does not have. In a clone: make demo, then "
    ".venv/bin/python -m local.drill."
)
