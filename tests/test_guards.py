"""``python -m tests.guards``: what it runs, and for how long."""

import sys

import pytest

from tests.guards import __main__ as guards


@pytest.fixture
def asked(monkeypatch) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """The commands that it would run."""
    commands: list[tuple[tuple[str, ...], dict[str, str]]] = []

    def run(*command: str, **environment: str) -> int:
        commands.append((command, environment))
        return 0

    monkeypatch.setattr(guards, "_run", run)
    return commands


def test_it_runs_all_but_the_audit_unless_told_otherwise(asked, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["guards", "--minutes", "0.5"])

    assert guards.main() == 0
    assert len(asked) == len(guards.RUNS) - 1
    assert not [command for command, _ in asked if "pip_audit" in command]


def test_it_runs_for_as_long_as_is_asked_for(asked, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["guards", "schema", "--minutes", "3"])

    guards.main()

    assert asked[0][1] == {"CONTRACT_SECONDS": "180"}


def test_the_audit_fails_where_it_could_not_look(asked, monkeypatch):
    """Without --strict, pip-audit says that all is well when its data cannot be reached."""
    monkeypatch.setattr(sys, "argv", ["guards", "audit"])

    guards.main()

    assert len(asked) == 3
    assert all({"--strict", "--require-hashes"} <= {*command} for command, _ in asked)


def test_what_a_run_finds_is_said_in_the_end(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["guards", "events", "machine"])
    monkeypatch.setattr(guards, "_run", lambda *command, **environment: int("API_MACHINE_EXAMPLES" in environment))

    assert guards.main() == 1
    assert capsys.readouterr().out == "Found something, or could not look: machine.\n"


@pytest.mark.parametrize(
    ("arguments", "hint"), [(["schemas"], "there are schema, machine"), (["--minutes", "0"], "must be more than 0")]
)
def test_a_mistake_is_explained(monkeypatch, capsys, arguments, hint):
    monkeypatch.setattr(sys, "argv", ["guards", *arguments])

    with pytest.raises(SystemExit):
        guards.main()

    assert hint in capsys.readouterr().err
