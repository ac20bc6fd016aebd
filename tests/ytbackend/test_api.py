"""What all endpoints share: open addresses, errors, headers."""

from typing import Any, cast

import pytest
from django.db import OperationalError
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import ApiKey, User
from tests.tokens import ALICE
from videos.models import Breaker

pytestmark = pytest.mark.django_db


def test_it_says_what_it_is(stranger):
    answer = stranger.get("/").json()

    assert answer["docs"] == "http://testserver/docs"
    assert answer["schema"] == "http://testserver/schema"
    assert answer["name"]
    assert answer["version"]


def test_it_says_that_it_is_alive_with_one_question_to_the_database(stranger, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert stranger.get("/health").json()["status"] == "ok"


def test_it_says_that_youtube_answers(stranger):
    assert stranger.get("/health").json()["youtube"] == {"status": "ok", "since": None, "retry_at": None}


def test_it_says_since_when_youtube_does_not_answer_and_when_it_is_asked_again(stranger):
    for _ in range(3):
        Breaker.objects.youtube().failed("source_refused")

    health = stranger.get("/health").json()

    assert (health["status"], health["youtube"]["status"]) == ("degraded", "unavailable")
    assert health["youtube"]["since"] < health["youtube"]["retry_at"]


def test_it_shows_its_docs_without_any_other_host(stranger):
    page = stranger.get("/docs").content.decode()

    assert "swagger-ui" in page
    assert "https://" not in page
    assert "//cdn" not in page


def test_it_serves_the_assets_of_docs_and_admin(stranger):
    for address in (
        "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js",
        "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css",
        "/static/admin/css/base.css",
    ):
        answer = stranger.get(address)
        assert answer.status_code == 200
        assert len(b"".join(answer)) > 1000


@pytest.mark.parametrize(
    "address", ["/videos", "/videos/x", "/videos/x/audio", "/transcripts", "/transcripts/x", "/me", "/keys", "/keys/x"]
)
def test_it_wants_a_token_everywhere_else(stranger, address):
    assert stranger.get(address).status_code == 401


@pytest.mark.parametrize("address", ["/nothing", "/videos/", "/analyze/", "/.env", "/videos/x/y/z"])
def test_it_answers_a_problem_where_nothing_is(alice, address):
    answer = alice.get(address)

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json().keys() == {"type", "title", "status", "code", "detail"}


def test_it_says_so_to_whoever_posts_there_without_a_cookie():
    answer = Client(enforce_csrf_checks=True).post("/analize", {}, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_it_answers_the_same_problem_while_debugging(alice, settings):
    settings.DEBUG = True

    assert alice.get("/nothing").json()["code"] == "not_found"


@pytest.mark.parametrize("address", ["/docs", "/schema"])
def test_it_refuses_odd_methods_on_its_documentation(stranger, address):
    assert [getattr(stranger, method)(address).status_code for method in ("options", "post")] == [405, 405]


@pytest.mark.parametrize("query", ["?=x", "?%00=1", "?cursor=", "?page_size=+5"])
def test_it_survives_odd_queries(alice, query):
    assert alice.get(f"/videos{query}").status_code in (200, 400)


@pytest.mark.parametrize("method", ["put", "patch", "post"])
def test_it_answers_a_problem_for_a_method_that_is_not_there(alice, method):
    answer = getattr(alice, method)("/videos")

    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"
    assert "GET" in answer["Allow"]
    assert "GET" in answer.json()["detail"]


def test_it_refuses_a_host_that_is_not_ours_with_a_problem(stranger):
    answer = stranger.get("/", HTTP_HOST="evil.example")

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_it_lets_only_the_frontend_call_from_a_browser(stranger):
    ours, other = (
        stranger.options("/analyze", HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST")
        for origin in ("https://shri.software", "https://evil.example")
    )

    assert ours["Access-Control-Allow-Origin"] == "https://shri.software"
    assert "authorization" in ours["Access-Control-Allow-Headers"]
    assert not other.has_header("Access-Control-Allow-Origin")


def test_it_lets_the_frontend_read_errors_too(stranger):
    answer = stranger.get("/videos", HTTP_ORIGIN="https://shri.software")

    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (401, "https://shri.software")


def test_it_answers_503_while_the_database_is_away(alice, monkeypatch):
    def away(*_, **__):
        raise OperationalError(2003, "Can't connect to MySQL server on 'db.internal'")

    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", away)

    answer = alice.get("/videos")

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "db.internal" not in answer.content.decode()


def test_it_hides_a_bug_from_the_caller(alice, monkeypatch, caplog):
    def bug(*_, **__):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("django.db.models.query.QuerySet._fetch_all", bug)
    alice.raise_request_exception = False

    answer = alice.get("/videos")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.content.decode()
    assert "secret detail" in caplog.text


def test_a_caller_does_not_get_into_the_admin(alice):
    alice.get("/me")
    browser = Client()
    browser.force_login(User.objects.get())

    assert browser.get("/admin/").status_code == 302


def test_the_admin_is_found_without_its_slash():
    assert APIClient().get("/admin")["Location"] == "/admin/"


def test_the_admin_keeps_its_own_page_for_what_is_not_there():
    user = User.objects.create_superuser("root", "correct horse battery")
    browser = Client()
    browser.force_login(user)

    assert b"<h1>Not Found</h1>" in browser.get("/admin/nothing/").content


@pytest.mark.parametrize(
    "ask",
    [
        lambda caller: caller.get("/me"),
        lambda caller: caller.post("/analyze", {"url": "https://youtu.be/dQw4w9WgXcQ"}, format="json"),
    ],
    ids=["read", "submit"],
)
def test_who_is_erased_while_the_request_is_under_way_is_answered_as_if_it_had_been_before(ask):
    caller = APIClient(raise_request_exception=False)
    erased = User(id=ALICE)  # whose credentials were looked at before the erasure
    caller.force_authenticate(erased, cast(Any, ApiKey(user=erased, scope="read write")))

    answer = ask(caller)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer["WWW-Authenticate"] == 'Bearer realm="shri", error="invalid_token"'
