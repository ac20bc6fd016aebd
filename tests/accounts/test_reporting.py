"""How operators' commands speak, and what operators type."""

import io
import os
import pty
import signal
import subprocess
import sys
import termios
from argparse import ArgumentTypeError
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.db import OperationalError

from accounts import arguments, reporting
from accounts.reporting import OperatorCommand, Report, Stopping, lasting, plain

OURS = ("accounts", "videos", "transcripts", "ytbackend")
COMMANDS = {
    name: command
    for name, app in get_commands().items()
    if app in OURS and isinstance(command := load_command_class(app, name), OperatorCommand)
}


def report(**options) -> tuple[Report, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Report(BaseCommand(out, err, no_color=True), **({"as_json": False} | options)), out, err


# --- every command


def test_the_commands_of_operators_are_these():
    first = {"reprocess", "queue", "redrive", "video", "doctor", "prune", "erase_user", "staff", "sweep", "sign_out"}
    assert first <= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_its_help_teaches(name):
    parser = COMMANDS[name].create_parser("manage.py", name)

    said = parser.format_help()
    assert f"  manage.py {name}" in said.partition("examples:")[2]
    assert "3    nothing found, or not healthy" in said
    assert "--json" in said
    assert ("--dry-run" in said) == COMMANDS[name].changes
    assert "--pythonpath" not in said


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_its_examples_can_be_typed(name):
    for line in COMMANDS[name].examples.strip().splitlines():
        command, *words = line.partition("<")[0].split()
        assert command == name
        COMMANDS[name].create_parser("manage.py", name).parse_args(words)


@pytest.mark.django_db
@pytest.mark.parametrize("arguments_", [["queue"], ["video", "dQw4w9WgXcQ"], ["prune", "--audio-days=1"]], ids=str)
def test_a_database_that_fails_is_a_sentence(arguments_, monkeypatch):
    from django.db.models.sql.compiler import SQLCompiler

    def fail(*args, **options):
        raise OperationalError("no such table")

    monkeypatch.setattr(SQLCompiler, "execute_sql", fail)

    with pytest.raises(CommandError, match="doctor"):
        call_command(*arguments_)


def test_at_a_terminal_what_failed_is_a_sentence_and_no_class(capsys):
    command = load_command_class("videos", "prune")

    with pytest.raises(SystemExit) as end:
        command.run_from_argv(["manage.py", "prune"])

    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.strip()
    assert "WrongCall" not in said


# --- what they say


def test_beside_json_people_are_told_only_what_goes_wrong():
    speaker, out, err = report(as_json=True)

    speaker.say("hello")
    speaker.line({"a": "é"})
    speaker.note("half way")
    speaker.warn("careful")

    assert out.getvalue() == '{"a": "é"}\n'
    assert err.getvalue() == "half way\ncareful\n"


def test_without_json_there_is_none():
    speaker, out, err = report()

    speaker.line({"a": 1})
    speaker.document({"a": 1})
    speaker.say("hello")

    assert (out.getvalue(), err.getvalue()) == ("hello\n", "")


@pytest.mark.parametrize("text", ["\x1b[31m", "\x07", "\r", "\x9b2J", "\u202e", "\u2066", "\x00"])
def test_strangers_text_does_nothing_to_a_terminal(text):
    assert "�" in plain(f"a{text}b")
    assert text not in plain(f"a{text}b")
    assert plain("日本語 🙂\n\tok") == "日本語 🙂\n\tok"


def test_progress_is_plain_lines_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr(reporting, "PLAIN_SECONDS", 0)
    speaker, out, _ = report()

    with speaker.progress(20, "videos") as progress:
        progress.advance(10)

    assert out.getvalue().startswith("10 of 20 videos, ")


_TWENTY = """
from django.core.management.base import BaseCommand
from accounts.reporting import Report
with Report(BaseCommand(), as_json=False).progress(20, "videos") as progress:
    progress.advance(20)
    progress._bar.refresh()
"""


def test_progress_is_a_bar_on_a_terminal():
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))

    done = subprocess.run(
        [sys.executable, "-c", _TWENTY], cwd=settings.BASE_DIR, stderr=theirs, stdout=subprocess.PIPE, check=False
    )
    shown = os.read(ours, 4096).decode()
    for end in (ours, theirs):
        os.close(end)

    assert (done.returncode, done.stdout) == (0, b"")
    assert "20/20" in shown


# --- Ctrl-C


def test_the_first_ctrl_c_asks_and_the_second_ends():
    told: list[str] = []
    before = signal.getsignal(signal.SIGINT)

    with Stopping(told.append) as stopping:
        assert not stopping.wait(0)
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping.wait(60)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)

    assert told == ["Stopping after this step. Once more to end at once."]
    assert signal.getsignal(signal.SIGINT) is before


# --- what they are told


@pytest.mark.parametrize(
    ("text", "meant"),
    [("90s", timedelta(seconds=90)), ("15m", timedelta(minutes=15)), ("7D", timedelta(days=7)), ("2 w", timedelta(14))],
)
def test_a_length_of_time_is_understood(text, meant):
    assert arguments.age(text) == meant


@pytest.mark.parametrize(("text", "meant"), [("50/s", 50), ("600/m", 10), ("1800 / h", 0.5)])
def test_a_rate_is_understood(text, meant):
    assert arguments.rate(text) == meant


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (arguments.age, "7"),
        (arguments.age, "-7d"),
        (arguments.age, "٧d"),
        (arguments.rate, "50"),
        (arguments.rate, "0/s"),
        (arguments.number, "0"),
        (arguments.number, "9" * 5000),
        (arguments.number, "1.5"),
        (arguments.seconds, "nan"),
        (arguments.seconds, "x"),
        (arguments.language, "english please"),
        (arguments.video_id, "7"),
    ],
)
def test_what_is_not_understood_is_said_so(read, text):
    with pytest.raises(ArgumentTypeError):
        read(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.25, "0.25 s"), (59, "59 s"), (61, "1 min 1 s"), (3700, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_a_length_of_time_is_said_as_people_do(seconds, said):
    assert lasting(seconds) == said
