"""How an operator's command speaks: to a person at a terminal, to a log, or with ``--json`` to a script.

It lies here because every app has commands, and imports point down.
"""

import contextlib
import importlib.util
import json
import re
import signal
import sys
import textwrap
import threading
import time
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable
from datetime import datetime
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error as DatabaseFailed
from django.utils import timezone

EXIT_CODES = """\
exit codes:
  0    done
  1    something failed, or a part of it; what, stands on stderr
  2    wrong call: nothing was done
  3    nothing found, or not healthy
  130  stopped by Ctrl-C or SIGTERM: what was done stays done, and the same call goes on
"""
PLAIN_SECONDS = 10.0  # between two lines of progress where there is no terminal
_NAP_SECONDS = 0.1

# Titles and transcripts are strangers' text: control characters could redraw the terminal, and those that turn the
# reading direction around could make a line say something else (https://trojansource.codes).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Failed(CommandError):
    """Something, or a part of it, failed. Exit code 1."""

    code = 1

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, returncode=self.code)


class WrongCall(Failed):
    """Nothing was done, because the call makes no sense. Exit code 2, as argparse's own."""

    code = 2


class NothingFound(Failed):
    """What was asked for is not there. Exit code 3."""

    code = 3


class NotHealthy(Failed):
    """What was looked at is not as it should be. Exit code 3."""

    code = 3


class Stopped(Failed):
    """Somebody pressed Ctrl-C; what was done stays done. Exit code 130, as a shell's own."""

    code = 130


class Stopping:
    """Ctrl-C and SIGTERM between ``with`` and its end: the first asks to stop after this step, the second ends now."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.requested = False
        self._tell = tell
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopping":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._tell("Stopping after this step. Once more to end at once.")

    def wait(self, seconds: float) -> bool:
        """Lets time pass; True at once where it is asked to stop."""
        end = time.monotonic() + seconds
        while not self.requested and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _NAP_SECONDS))
        return self.requested


class Progress:
    """How far a batch is: a bar on a terminal; elsewhere a plain line, once in ``PLAIN_SECONDS``."""

    def __init__(self, report: "Report", total: int | None, unit: str) -> None:
        self.done = 0
        self._report, self._total, self._unit = report, total, unit
        self._begun = self._told = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        # Lambda has no terminal, and its package no tqdm.
        if sys.stderr.isatty() and importlib.util.find_spec("tqdm"):
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit=f" {self._unit}", file=sys.stderr, leave=False, dynamic_ncols=True)
            self._report.bar = self._bar
        return self

    def __exit__(self, *_: object) -> None:
        self._report.bar = None
        if self._bar is not None:
            self._bar.close()

    def advance(self, number: int = 1) -> None:
        """So many more are dealt with."""
        self.done += number
        if self._bar is not None:
            self._bar.update(number)
        elif time.monotonic() - self._told >= PLAIN_SECONDS:
            self._told = time.monotonic()
            of = "" if self._total is None else f" of {self._total:,}"
            self._report.note(f"{self.done:,}{of} {self._unit}, {self.per_second:,.0f} a second")

    @property
    def per_second(self) -> float:
        """How many, on the average until now."""
        return self.done / max(time.monotonic() - self._begun, 1e-3)


class Report:
    """What a command says. With ``--json`` only JSON goes to stdout; progress and warnings go to stderr."""

    def __init__(self, command: BaseCommand, *, as_json: bool, dry_run: bool = False) -> None:
        self._command = command
        self.as_json = as_json
        self.dry_run = dry_run
        self.bar: Any = None  # of tqdm's, while there is one: it makes room for a line

    def say(self, text: str = "", style: str = "") -> None:
        """A line for people alone; ``style`` is one of Django's, such as SUCCESS or ERROR."""
        if not self.as_json:
            self._write(self._command.stdout, text, style)

    def note(self, text: str) -> None:
        """A line about how far it is, also beside JSON."""
        self._write(self._command.stderr if self.as_json else self._command.stdout, text, "")

    def warn(self, text: str) -> None:
        """A line about what went wrong, also where nobody reads the rest."""
        self._write(self._command.stderr, text, "WARNING")

    def _write(self, out: Any, text: str, style: str) -> None:
        with self._room():
            out.write(plain(text), getattr(self._command.style, style) if style else str)

    def line(self, document: dict[str, Any]) -> None:
        """One line of JSON, for scripts alone."""
        if self.as_json:
            self._put(json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False))

    def document(self, document: Any) -> None:
        """The one JSON document, for scripts alone."""
        if self.as_json:
            self._put(json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))

    def _put(self, text: str) -> None:
        with self._room():
            self._command.stdout.write(text, str)

    def _room(self) -> contextlib.AbstractContextManager[None]:
        if self.bar is None:
            return contextlib.nullcontext()
        room: contextlib.AbstractContextManager[None] = self.bar.external_write_mode(file=sys.stderr)
        return room

    def progress(self, total: int | None, unit: str) -> Progress:
        """How far a batch is, between ``with`` and its end."""
        return Progress(self, total, unit)

    def stopping(self) -> Stopping:
        """Ctrl-C as a question that is asked between two steps."""
        return Stopping(self.warn)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Raises ``WrongCall`` unless a person agrees or ``--yes`` was given."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise WrongCall(f"{question} Nobody is there to ask: add --yes.")
        self._command.stderr.write(f"{plain(question)} Type yes: ", str, ending="")
        self._command.stderr.flush()
        if sys.stdin.readline().strip().lower() != "yes":
            raise WrongCall("Nothing was done.")


class _Teaching(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Examples and exit codes keep their lines."""


class OperatorCommand(BaseCommand):
    """A command with ``--json``, examples in its ``--help``, and exit codes that mean something.

    Subclasses write ``run(report, **options)``; those that change something say so, and have ``--dry-run``.
    """

    suppressed_base_arguments = {"--version", "-v", "--settings", "--pythonpath", "--force-color", "--skip-checks"}
    changes = False
    _typed = False
    examples = ""  # one a line, without "manage.py"

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django's, which also teaches."""
        shown = "".join(f"  manage.py {line.strip()}\n" for line in self.examples.strip().splitlines())
        kwargs |= {"epilog": f"examples:\n{shown}\n{EXIT_CODES}", "formatter_class": _Teaching}
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.description = textwrap.fill(" ".join(self.help.split()), 100)
        if self.changes:
            parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and change nothing.")
        parser.add_argument(
            "--json", action="store_true", help="JSON for scripts on stdout; progress and what goes wrong on stderr."
        )
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        """Django's, which does not tell ``execute`` that a person waits for the answer."""
        self._typed = True
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Django's, which would put the name of a class of ours before the sentence. Raises it to ``call_command``."""
        try:
            return super().execute(*args, **options)
        except Failed as error:
            if not self._typed or options["traceback"]:
                raise
            self.stderr.write(plain(str(error)))
            sys.exit(error.returncode)

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs it; whatever the database raises becomes a sentence."""
        report = Report(self, as_json=options.pop("json", False), dry_run=options.pop("dry_run", False))
        try:
            self.run(report, **options)
        except DatabaseFailed as error:
            raise Failed(
                f"The database failed: {error}. `manage.py doctor` says what is wrong; the same call goes on."
            ) from error
        except KeyboardInterrupt:
            raise Stopped("Stopped at once. What was done stays done.") from None

    def run(self, report: Report, *args: Any, **options: Any) -> None:
        """What the command does."""
        raise NotImplementedError


def plain(text: str) -> str:
    """Text that does nothing to a terminal but stand there."""
    return _UNSAFE.sub("�", text)


def ago(moment: datetime | None) -> str:
    """How long ago, or in how long, as a person says it."""
    if moment is None:
        return "never"
    seconds = (timezone.now() - moment).total_seconds()
    return f"{lasting(seconds)} ago" if seconds >= 0 else f"in {lasting(-seconds)}"


def lasting(seconds: float) -> str:
    """A length of time in the two largest units that matter."""
    whole = int(seconds)
    for size, unit, smaller, rest in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {rest}"
    return f"{whole} s" if whole or not seconds else f"{seconds:.2f} s"
