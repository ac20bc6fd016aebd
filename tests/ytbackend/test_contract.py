"""The API keeps what its OpenAPI document promises, to two users who are signed in and to nobody else."""

import os
import sys
from typing import Any

import pytest
from django.core.servers.basehttp import WSGIRequestHandler
from django.db import connection
from django.db.models import Q

from accounts import strict
from accounts.authentication import CognitoAuthentication
from tests import builders
from tests.guards import contract, document
from tests.guards.ownership import unprepared
from tests.tokens import ALICE
from videos import own_videos, views
from videos import shown as shown_module

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="It is the API's contract that is tested, not the database."
    ),
    pytest.mark.timeout(7200),
]

# A number makes a long run that goes other ways each time; without it, each run goes the same ways.
SECONDS = int(os.environ.get("CONTRACT_SECONDS", "0"))


@pytest.fixture(autouse=True)
def _nothing_in_the_way(monkeypatch, settings) -> None:
    settings.QUOTA_SUBMISSIONS_PER_DAY = 0  # no limit
    # Else a body waits for the acknowledgement of its headers, 40 ms each time.
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)


def test_it_keeps_its_promises(world, live_server, tmp_path):
    how: dict[str, Any] = {"examples": 1000 if SECONDS else 10, "seconds": SECONDS}
    found = contract.run(live_server.url, tmp_path, only="^(?!/me/sign-out$)", **how)
    last = contract.run(
        live_server.url, tmp_path, only="^/me/sign-out$", **how
    )  # whoever has called it gets no further

    sys.stdout.write(found.text + last.text)  # its numbers, with -rP
    assert (found.passed, last.passed) == (True, True), found.text + last.text
    assert found.number(r"Tested: (\d+)") + last.number(r"Tested: (\d+)") == len(document.operations())
    assert found.number(r"(\d+) generated") > 300
    assert found.number(r"API Links: +(\d+) covered") > 5, "nothing was read after it had been made"


# --- teeth: promises that are broken on purpose. (That what was deleted is gone, tests.guards.machine sees better.)

VIDEO = r"^/(analyze|videos/\{id\})$"


def broken(live_server, folder, only: str = VIDEO) -> str:
    """What is said about a promise that is broken."""
    found = contract.run(live_server.url, folder, examples=10, only=only)
    assert not found.passed, found.text
    return found.text


def test_it_sees_that_one_user_reads_what_is_anothers(world, live_server, tmp_path, monkeypatch):
    monkeypatch.setattr(own_videos, "let_in", Q)
    unprepared(monkeypatch)

    assert "received the `Video` that" in broken(live_server, tmp_path)


def test_it_sees_that_no_token_is_asked_for(world, live_server, tmp_path, monkeypatch):
    monkeypatch.setattr(CognitoAuthentication, "authenticate", lambda self, request: (builders.user(ALICE), None))

    assert "without authentication" in broken(live_server, tmp_path).lower()


def test_it_sees_a_server_error(world, live_server, tmp_path, monkeypatch):
    monkeypatch.setattr(views, "own_video", lambda request, video_id: 1 / 0)

    assert "Server error" in broken(live_server, tmp_path)


def test_it_sees_an_answer_that_the_document_does_not_describe(world, live_server, tmp_path, monkeypatch):
    shown = shown_module.shown
    monkeypatch.setattr(views, "shown", lambda video: shown(video) | {"language": ["en"]})

    assert "Response violates schema" in broken(live_server, tmp_path)


def test_it_sees_that_nonsense_is_accepted(world, live_server, tmp_path, monkeypatch):
    monkeypatch.setattr(strict.PageQuery, "parameters", lambda self: {"ordering": "-created_at"})

    assert "Schema-violating request accepted" in broken(live_server, tmp_path, only="^/transcripts$")
