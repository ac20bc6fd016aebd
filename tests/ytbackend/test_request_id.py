"""The id by which a caller's answer and the lines of the log find each other."""

import io
import logging
import re
import types
import uuid
from collections.abc import Iterator

import pytest
from django.urls import clear_script_prefix

from tests import builders
from ytbackend.lambda_handler import handler
from ytbackend.log_lines import LineFormatter

pytestmark = pytest.mark.django_db


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the handlers of the service would have written."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(LineFormatter())
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


def test_every_request_has_an_id_of_its_own(stranger):
    first, second = (stranger.get("/")["X-Request-Id"] for _ in range(2))

    assert uuid.UUID(first) != uuid.UUID(second)


@pytest.mark.parametrize("sent", ["mine", str(uuid.uuid4()), "a\r\nb", "x" * 10_000])
def test_what_a_client_calls_it_is_not_taken(stranger, sent):
    answer = stranger.get("/", HTTP_X_REQUEST_ID=sent, HTTP_X_AMZN_REQUESTID=sent, HTTP_X_AMZN_TRACE_ID=sent)

    assert sent not in answer["X-Request-Id"]


def test_a_bug_is_one_line_of_the_log_with_its_stack_and_the_id_that_the_caller_has(alice, settings, log):
    settings.ROOT_URLCONF = "tests.ytbackend.failing_urls"
    alice.raise_request_exception = False

    answer = alice.get("/failing/bug")

    known = answer.json()["request_id"]
    assert answer.status_code == 500
    assert answer.json().keys() == {"type", "title", "status", "code", "detail", "request_id"}
    assert answer["X-Request-Id"] == known
    assert not re.search("swordfish|Traceback|RuntimeError|SELECT|/tests/|key", answer.content.decode())
    lines = log.getvalue().splitlines()
    assert len(lines) == 1
    assert f" ERROR django.request [{known}]: Internal Server Error: /failing/bug" in lines[0]
    assert "Traceback" in lines[0]
    assert "RuntimeError: swordfish" in lines[0]


def test_a_database_that_is_away_is_no_bug_and_has_no_stack(alice, settings, log):
    settings.ROOT_URLCONF = "tests.ytbackend.failing_urls"

    answer = alice.get("/failing/database")

    assert answer.status_code == 503
    assert "db.internal" not in answer.content.decode()
    assert [line.partition(f" [{answer['X-Request-Id']}]: ")[2] for line in log.getvalue().splitlines()] == [
        """the database is unavailable: (2003, "Can't connect to MySQL server on 'db.internal'")""",
        "Service Unavailable: /failing/database",
    ]


def test_lines_outside_of_requests_have_none(log):
    logging.getLogger("videos").warning("swept")

    assert log.getvalue().endswith(" WARNING videos: swept\n")


def test_what_is_missing_and_what_is_another_users_answer_alike(alice, bob):
    video = builders.completed()

    missing, foreign = bob.get(f"/videos/{uuid.uuid4()}"), bob.get(f"/videos/{video.pk}")

    assert (missing.status_code, missing.content) == (404, foreign.content)


@pytest.mark.parametrize(
    ("of_gateway", "of_invocation", "known"),
    [
        ("c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "8f5b-invocation", "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"),
        ("JKJaXmPLvHcESHA=", "8f5b-invocation", "JKJaXmPLvHcESHA="),
        (None, "8f5b-invocation", "8f5b-invocation"),
        ("a\r\nX-Injected: 1", "8f5b-invocation", None),
        ({"an": "object"}, None, None),
        (None, None, None),
    ],
)
def test_the_gateways_id_is_taken_else_the_invocations_else_one_is_made(of_gateway, of_invocation, known):
    event = {
        "httpMethod": "GET",
        "path": "/",
        "headers": {"Host": "testserver", "X-Request-Id": "the-clients"},
        "requestContext": {"requestId": of_gateway, "stage": "default"},
    }

    answer = handler(event, types.SimpleNamespace(aws_request_id=of_invocation))

    clear_script_prefix()
    (told,) = answer["multiValueHeaders"]["X-Request-Id"]
    assert answer["statusCode"] == 200
    assert (told == known) if known else uuid.UUID(told)
