"""A deep look at the service: who may have it, and what it tells to do."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests import tokens
from tests.tokens import ALICE
from videos.models import Breaker
from ytbackend import doctor, views

pytestmark = pytest.mark.django_db


def member_of(groups: object) -> APIClient:
    caller = APIClient()
    claims: dict[str, Any] = {"cognito:groups": groups}
    caller.credentials(HTTP_AUTHORIZATION=tokens.access_token(ALICE, **claims))
    return caller


@pytest.fixture
def staff() -> APIClient:
    return member_of(["editors", "staff"])


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

    assert {"database", "queue", "storage", "YouTube"} <= {found["name"] for found in answer["findings"]}
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


def test_it_tells_what_the_doctor_tells(staff, sqs):
    found = staff.get("/health?deep=1").json()["findings"]

    assert [one["name"] for one in found] == [one.name for one in doctor.examine()]


def test_it_answers_before_the_gateway_gives_up_and_says_what_was_left_out(staff, sqs, monkeypatch):
    monkeypatch.setattr(views, "DEEP_SECONDS", -1)

    answer = staff.get("/health?deep=1").json()

    assert {one["status"] for one in answer["findings"]} == {"warning"}
    assert all("not looked at: no time left. Run `manage.py doctor`" in one["detail"] for one in answer["findings"])
    assert answer["status"] == "ok"


def test_it_says_what_to_do_where_something_is_not_well(staff, sqs):
    for _ in range(3):
        Breaker.objects.youtube().failed("source_refused")

    answer = staff.get("/health?deep=1").json()

    assert answer["status"] == "degraded"
    assert "YOUTUBE_PROXY_URL" in next(one["detail"] for one in answer["findings"] if one["name"] == "YouTube")
