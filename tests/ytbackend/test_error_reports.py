"""What Sentry is told: one event for each bug, and nothing that the log would not tell."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import builders, sentry, tokens
from transcripts.worker import loop, youtube
from videos import facts, sweeping
from ytbackend import error_reports, lambda_handler, watching
from ytbackend.log_lines import one_line

ROOT = Path(__file__).parents[2]
TOKEN = tokens.id_token(tokens.ALICE, email="alice@example.com")
HOSTILE = f"Bees\nforged \x1b[2J\u202e alice@example.com {TOKEN} http://user:hunter2@proxy"


@pytest.fixture
def far_side(settings) -> Iterator[sentry.Ingest]:
    """Sentry is switched on, and this is where."""
    with sentry.ingest() as there:
        settings.SENTRY_DSN = there.dsn
        watching.start()
        yield there
        watching.stop()


def one_event(far_side) -> dict:
    watching.flush()
    (event,) = far_side.events()
    return event


def assert_tells_no_secret(far_side) -> None:
    sent = "\n".join(far_side.envelopes)
    assert not re.search("hunter2|alice|eyJ|a-session|restless|Authorization|REMOTE_ADDR|only-for-tests", sent)
    assert "\\u001b" not in sent
    assert "\\u202e" not in sent.replace("\\\\u202e", "")


@pytest.mark.django_db
def test_a_bug_in_a_view_is_one_event_without_anything_of_the_request(far_side, alice, settings):
    settings.ROOT_URLCONF = "tests.ytbackend.failing_urls"
    alice.raise_request_exception = False

    answer = alice.get(f"/failing/bug?token={TOKEN}", HTTP_COOKIE="sessionid=a-session")

    event = one_event(far_side)
    assert answer.status_code == 500
    (raised,) = event["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("RuntimeError", "swordfish")
    assert raised["stacktrace"]["frames"][-1]["function"] == "get"
    assert event["tags"] == {"request_id": answer["X-Request-Id"]}
    assert event["release"] == settings.VERSION
    assert event.keys() & {"request", "user", "breadcrumbs", "extra", "modules", "contexts"} == set()
    assert "vars" not in str(raised)
    assert_tells_no_secret(far_side)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqs", "_signals")
def test_a_bug_in_a_job_is_one_event_that_names_the_video(far_side, monkeypatch, settings):
    def extract(youtube_id: str, *, thorough: bool) -> None:
        secret_words = "the bees are restless tonight"
        raise RuntimeError(f"{HOSTILE} {len(secret_words)}") from ValueError(HOSTILE)

    monkeypatch.setattr(youtube, "extract", extract)
    video = builders.queued()
    sweeping.sweep()
    loop.Worker(poll_seconds=0).run(idle_exit=0)

    event = one_event(far_side)
    assert [raised["type"] for raised in event["exception"]["values"]] == ["ValueError", "RuntimeError"]
    assert (
        r"Bees\nforged \x1b[2J\u202e [e-mail] [token] http://[hidden]@proxy" in event["exception"]["values"][1]["value"]
    )
    assert event["tags"] == {"video_id": str(video.pk), "attempt": "1"}
    assert event["message"] == f"video {video.pk}: a bug"
    assert_tells_no_secret(far_side)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqs", "_signals", "stand_in")
def test_what_users_meet_is_no_event(far_side, alice):
    alice.get("/videos/nothing")
    alice.post("/analyze", {"url": "nonsense"})
    alice.get("/", HTTP_HOST="evil.example")
    builders.queued(youtube_id="SampleVoice", mode="captions")  # fails: there are none
    sweeping.sweep()
    loop.Worker(poll_seconds=0).run(idle_exit=0)
    logging.getLogger("videos").error("a sentence without an exception")

    watching.flush()

    assert far_side.envelopes == []


def test_what_lambda_alone_would_see_is_an_event(far_side, monkeypatch):
    class Handler:
        @staticmethod
        def lambda_handler(event, context):
            raise LookupError(HOSTILE)

    monkeypatch.setattr("importlib.import_module", lambda name: SimpleNamespace(LambdaHandler=Handler))

    with pytest.raises(LookupError):
        lambda_handler.handler({"command": "x"}, None)
    with pytest.raises(lambda_handler.Refused):
        lambda_handler.handler({"raw_command": "x"}, None)

    (event,) = far_side.events()  # sent before the handler has returned
    assert event["exception"]["values"][0]["type"] == "LookupError"
    assert_tells_no_secret(far_side)


def test_a_far_side_that_is_away_costs_nobody_more_than_its_time(settings, far_side, caplog):
    watching.stop()
    settings.SENTRY_DSN = "http://public@127.0.0.1:9/7"
    watching.start()

    with facts.during(request_id="r"):
        logging.getLogger("videos").exception("failed", exc_info=RuntimeError("x"))
    watching.flush()

    assert far_side.envelopes == []


@pytest.mark.parametrize(("dsn", "loaded"), [("https://key@127.0.0.1/1", True), ("", False)])
def test_nothing_of_it_is_loaded_unless_it_is_switched_on(dsn, loaded, tmp_path):
    script = "import django, sys; django.setup(); print(any(name.startswith('sentry_sdk') for name in sys.modules))"
    environment = {"DJANGO_SECRET_KEY": "k" * 50, "DATA_DIR": str(tmp_path), "SENTRY_DSN": dsn,
                   "DJANGO_SETTINGS_MODULE": "ytbackend.settings", "PATH": os.environ["PATH"]}  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert (done.stdout.strip(), done.stderr) == (str(loaded), "")


def test_an_event_is_cleaned_whatever_it_holds():
    frame = {"function": "f", "vars": {"token": TOKEN}, "context_line": f"x = {HOSTILE!r}"}
    event: Any = {
        "exception": {"values": [{"type": "E", "value": HOSTILE, "stacktrace": {"frames": [frame]}}]},
        "user": {"email": "alice@example.com"},
        "request": {"data": HOSTILE},
        "logentry": {"formatted": HOSTILE},
    }

    told = str(error_reports.told(event, {}))

    assert not re.search("hunter2|alice|eyJ", told)
    assert one_line(told) == told
