"""A deep look at the service: who may have it, and what it tells to do."""

import socket
from typing import Any

import pytest
from django.db.migrations.recorder import MigrationRecorder
from rest_framework.test import APIClient

from tests import tokens
from tests.tokens import ALICE
from videos import queue
from videos.models import Breaker

pytestmark = pytest.mark.django_db


def member_of(groups: object) -> APIClient:
    caller = APIClient()
    claims: dict[str, Any] = {"cognito:groups": groups}
    caller.credentials(HTTP_AUTHORIZATION=tokens.access_token(ALICE, **claims))
    return caller


@pytest.fixture
def staff() -> APIClient:
    return member_of(["editors", "staff"])


def finding(staff: APIClient, name: str) -> tuple[str, str]:
    answer = staff.get("/health?deep=1")
    assert answer.status_code == 200
    return next((found["status"], found["detail"]) for found in answer.json()["findings"] if found["name"] == name)


# --- who may


def test_it_is_for_those_with_a_token(stranger):
    answer = stranger.get("/health?deep=1")

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="shri"')


@pytest.mark.parametrize("groups", [[], ["editors"], ["Staff"], ["staff "], "staff", {"staff": True}])
def test_it_is_for_members_of_the_group_alone(groups):
    answer = member_of(groups).get("/health?deep=1")

    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    assert "WWW-Authenticate" not in answer
    assert "group staff" in answer.json()["detail"]


@pytest.mark.parametrize("query", ["deep=1", "deep=true"])
def test_staff_get_everything(staff, sqs, query):
    answer = staff.get(f"/health?{query}").json()

    assert {"database", "queue", "storage", "youtube"} <= {found["name"] for found in answer["findings"]}
    assert all(found.keys() == {"name", "status", "detail"} for found in answer["findings"])


@pytest.mark.parametrize("query", ["", "?deep=0", "?deep=false", "?deep="])
def test_the_plain_look_stays_open_whatever_token_comes_with_it(query):
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION="Bearer nonsense")

    answer = caller.get(f"/health{query}")

    assert answer.status_code == 200
    assert answer.json().keys() == {"status", "version", "youtube"}


@pytest.mark.parametrize("query", ["deep=yes", "deep=0&deep=1", "deep=1&deep=1", "depth=1"])
def test_a_look_that_is_not_understood_is_refused(staff, query):
    answer = staff.get(f"/health?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


# --- what it finds


def test_it_tells_what_a_deployment_lacks(staff, settings):
    settings.SQS_QUEUE_URL = ""

    assert finding(staff, "check ytbackend.E001")[0] == "failed"
    assert "Set it to the URL of the queue" in finding(staff, "check ytbackend.E001")[1]
    assert finding(staff, "check ytbackend.W002")[0] == "warning"


def test_it_does_not_tell_what_was_silenced(staff, settings):
    settings.SILENCED_SYSTEM_CHECKS = ["ytbackend.W002"]

    names = [found["name"] for found in staff.get("/health?deep=1").json()["findings"]]

    assert "check ytbackend.W002" not in names


def test_it_says_that_checks_find_nothing(staff, settings, monkeypatch):
    monkeypatch.setattr("django.core.checks.registry.registry.registered_checks", set())
    monkeypatch.setattr("django.core.checks.registry.registry.deployment_checks", set())

    assert finding(staff, "checks")[0] == "ok"


def test_it_tells_that_the_database_is_there(staff):
    status, detail = finding(staff, "database")

    assert (status, detail.endswith("answers, and every migration is applied.")) == ("ok", True)


def test_it_names_the_migrations_that_are_missing(staff):
    last = MigrationRecorder.Migration.objects.filter(app="accounts").latest("id")
    last.delete()  # within the transaction of this test

    status, detail = finding(staff, "database")

    assert status == "failed"
    assert "manage.py migrate" in detail
    assert f"accounts.{last.name}" in detail


def test_it_counts_what_waits_and_misses_a_dead_letter_queue(staff, sqs, settings):
    sqs.send_message(QueueUrl=settings.SQS_QUEUE_URL, MessageBody="{}")

    status, detail = finding(staff, "queue")

    assert (status, "About 1 messages wait" in detail, "redrive policy" in detail) == ("warning", True, True)


def test_it_is_content_with_a_queue_that_has_dead_letters(staff, sqs, settings):
    dead = sqs.create_queue(QueueName="dead-of-health")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "10"}}'
    sqs.set_queue_attributes(QueueUrl=settings.SQS_QUEUE_URL, Attributes={"RedrivePolicy": policy})

    assert finding(staff, "queue") == ("ok", "It answers. About 0 messages wait.")


def test_it_tells_that_the_queue_cannot_be_reached(staff, settings, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)  # nobody listens there any more
    settings.SQS_QUEUE_URL = f"{address}/1/q"
    queue._client.cache_clear()

    status, detail = finding(staff, "queue")

    queue._client.cache_clear()
    assert (status, "Look at SQS_QUEUE_URL" in detail) == ("failed", True)


def test_it_tells_that_files_can_be_listed(staff):
    assert finding(staff, "storage") == ("ok", "It answers.")


def test_it_tells_that_the_bucket_is_gone(staff, bucket, settings):
    options = settings.STORAGES["default"]["OPTIONS"] | {"bucket_name": "gone-with-the-wind"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}

    status, detail = finding(staff, "storage")

    assert (status, "Look at S3_BUCKET" in detail) == ("failed", True)


def test_it_tells_since_when_youtube_refuses_and_what_to_do(staff, sqs):
    for _ in range(3):
        Breaker.objects.youtube().failed("source_refused")

    status, detail = finding(staff, "youtube")

    assert (status, "source_refused" in detail, "YOUTUBE_PROXY_URL" in detail) == ("failed", True, True)
    assert staff.get("/health?deep=1").json()["status"] == "degraded"
