"""``/keys``: made, listed, used, revoked by their user, over HTTP."""

import json
import re
import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import api_key_text
from accounts.api_keys import MOST_PER_USER
from accounts.models import ApiKey, User
from tests import builders
from tests.tokens import ABSENT, ALICE, BOB

pytestmark = pytest.mark.django_db

BARE = 'Bearer realm="shri"'
INVALID = 'Bearer realm="shri", error="invalid_token"'
DAY = timedelta(days=1)


def made(client, **fields) -> dict[str, str]:
    answer = client.post("/keys", {"name": "backup", "scopes": ["read", "write"]} | fields)
    assert answer.status_code == 201, answer.content
    return answer.json()


def script(key: str, *, scheme: str = "Bearer ") -> APIClient:
    """A program that has a key and no token."""
    client = APIClient()
    client.default_format = "json"
    client.credentials(HTTP_AUTHORIZATION=f"{scheme}{key}")
    return client


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- make


def test_it_makes_a_key_and_says_where_it_is(alice):
    answer = alice.post("/keys", {"name": "backup", "scopes": ["write", "read"]})

    key = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"/keys/{key['id']}"
    assert key.keys() == {
        "id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "key",
    }  # fmt: skip
    assert (key["name"], key["scopes"], key["last_used_at"]) == ("backup", ["read", "write"], None)
    assert re.fullmatch(r"shri_[0-9A-Za-z]{49}", key["key"])
    assert key["key"].startswith(key["prefix"])


def test_it_shows_the_key_once_and_lets_nobody_keep_that_answer(alice):
    answer = alice.post("/keys", {"name": "backup", "scopes": ["read"]})
    key = answer.json().pop("key")

    assert answer["Cache-Control"] == "no-store"
    for address in ("/keys", answer["Location"]):
        assert key[9:] not in alice.get(address).content.decode()


def test_it_answers_what_it_then_shows(alice):
    key = made(alice)
    del key["key"]

    assert alice.get(f"/keys/{key['id']}").json() == key
    assert alice.get("/keys").json() == {"next": None, "previous": None, "results": [key]}


def test_a_key_lives_for_90_days_if_nothing_else_is_said(alice):
    key = made(alice)

    assert abs(moment(key["expires_at"]) - moment(key["created_at"]) - 90 * DAY) < timedelta(seconds=10)


@pytest.mark.parametrize("pattern", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dt%H:%M:%S.5z", "%Y-%m-%d %H:%M:%S+05:30"])
def test_a_key_lives_for_as_long_as_is_said(alice, pattern):
    sent = (timezone.now() + 30 * DAY).strftime(pattern)

    shown = made(alice, expires_at=sent)["expires_at"]

    assert moment(shown) == moment(sent.upper())
    assert shown.endswith("Z")


def test_a_key_may_live_for_365_days(alice):
    assert made(alice, expires_at=(timezone.now() + 365 * DAY).isoformat())


BAD_BODIES = {
    "no object": ([], "#", "must be a JSON object"),
    "nothing": ({}, "#/name", "required"),
    "no name": ({"name": ABSENT}, "#/name", "required"),
    "an empty name": ({"name": ""}, "#/name", "blank"),
    "a blank name": ({"name": "  "}, "#/name", "blank"),
    "a name of 101 characters": ({"name": "n" * 101}, "#/name", "100 characters"),
    "a name that is a number": ({"name": 7}, "#/name", "valid string"),
    "a name of two lines": ({"name": "one\ntwo"}, "#/name", "cannot be printed"),
    "a name that runs backwards": ({"name": "a\u202eb"}, "#/name", "cannot be printed"),
    "a name with a zero": ({"name": "a\x00b"}, "#/name", ""),
    "no scopes": ({"scopes": ABSENT}, "#/scopes", "required"),
    "empty scopes": ({"scopes": []}, "#/scopes", "at least one scope: read, write."),
    "scopes as text": ({"scopes": "read"}, "#/scopes", "list"),
    "scopes as an object": ({"scopes": {"read": True}}, "#/scopes", "list"),
    "null scopes": ({"scopes": None}, "#/scopes", "null"),
    "an unknown scope": ({"scopes": ["read", "admin"]}, "#/scopes/1", "read, write"),
    "a scope that is a list": ({"scopes": [["read"]]}, "#/scopes/0", "read, write"),
    "a scope twice": ({"scopes": ["read", "read"]}, "#/scopes", "once"),
    "a scope a thousand times": ({"scopes": ["read"] * 1000}, "#/scopes", "once"),
    "no end": ({"expires_at": None}, "#/expires_at", "must expire"),
    "an empty end": ({"expires_at": ""}, "#/expires_at", "RFC 3339"),
    "the past": ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at", "in the past"),
    "the year 9999": ({"expires_at": "9999-12-31T23:59:59-14:00"}, "#/expires_at", "at most 365 days"),
    "the year 1": ({"expires_at": "0001-01-01T00:00:00+14:00"}, "#/expires_at", "in the past"),
    "a time without offset": ({"expires_at": "2027-01-31T12:00:00"}, "#/expires_at", "RFC 3339"),
    "a day": ({"expires_at": "2027-01-31"}, "#/expires_at", "RFC 3339"),
    "a week": ({"expires_at": "2027-W01-1T00:00:00Z"}, "#/expires_at", "RFC 3339"),
    "no such day": ({"expires_at": "2027-02-30T00:00:00Z"}, "#/expires_at", "RFC 3339"),
    "digits of another script": ({"expires_at": "२०२७-01-31T12:00:00Z"}, "#/expires_at", "RFC 3339"),
    "seconds since 1970": ({"expires_at": 1_900_000_000}, "#/expires_at", "RFC 3339"),
    "what only the machine writes": ({"prefix": "shri_mine"}, "#/prefix", "not known"),
    "another's key": ({"user": BOB}, "#/user", "not known"),
    "a key of one's own": ({"key": "shri_" + "0" * 49}, "#/key", "not known"),
    "a hash of one's own": ({"digest": "0" * 64}, "#/digest", "not known"),
}


@pytest.mark.parametrize(("fields", "pointer", "words"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_it_refuses_a_body_that_is_not_right_and_says_where(alice, fields, pointer, words):
    body = fields
    if isinstance(fields, dict) and fields:
        body = {
            name: value for name, value in ({"name": "n", "scopes": ["read"]} | fields).items() if value is not ABSENT
        }

    answer = alice.post("/keys", json.dumps(body), content_type="application/json")

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    complaint = answer.json()["errors"][0]
    assert complaint["pointer"] == pointer
    assert words in complaint["detail"]
    assert not ApiKey.objects.exists()


def test_a_key_may_not_live_for_longer_than_365_days(alice):
    beyond = timezone.now() + 365 * DAY + timedelta(minutes=5)

    answer = alice.post("/keys", {"name": "n", "scopes": ["read"], "expires_at": beyond.isoformat()})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "#/expires_at")


@pytest.mark.parametrize("name", ["x", "n" * 100, "日本語 🙂", "<script>alert(1)</script>", "=HYPERLINK(1)"])
def test_a_name_is_any_text_on_one_line(alice, name):
    assert made(alice, name=name)["name"] == name


def test_it_says_what_to_do_when_there_are_as_many_keys_as_there_may_be(alice):
    for _ in range(MOST_PER_USER):
        last = made(alice)

    refused = alice.post("/keys", {"name": "one more", "scopes": ["read"]})

    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_keys")
    assert "DELETE /keys/{id}" in refused.json()["detail"]
    assert alice.delete(f"/keys/{last['id']}").status_code == 204
    assert made(alice)


# --- list and read


def test_it_lists_the_newest_first_in_pages(alice):
    ids = [made(alice, name=str(number))["id"] for number in range(3)]

    first = alice.get("/keys?page_size=2").json()
    second = alice.get(first["next"]).json()

    assert [key["id"] for key in first["results"] + second["results"]] == ids[::-1]
    assert second["next"] is None
    assert alice.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize("query", ["page_size=0", "cursor=nonsense", "user=" + BOB, "name=backup"])
def test_it_refuses_a_query_that_it_does_not_know(alice, query):
    answer = alice.get(f"/keys?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, query.partition("=")[0])


def test_it_shows_expired_keys_until_they_are_deleted(alice):
    key = made(alice)
    ApiKey.objects.update(expires_at=timezone.now() - DAY)

    assert [shown["id"] for shown in alice.get("/keys").json()["results"]] == [key["id"]]


@pytest.mark.parametrize("method", ["get", "delete"])
def test_the_keys_of_others_are_not_there(alice, bob, method):
    key = made(alice)

    answers = [getattr(bob, method)(f"/keys/{which}") for which in (key["id"], uuid.uuid4(), "nonsense")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len({answer.content for answer in answers}) == 1
    assert bob.get("/keys").json()["results"] == []
    assert script(key["key"]).get("/me").status_code == 200


# --- use


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "", " Bearer "])
def test_a_key_is_sent_as_tokens_are(alice, scheme):
    key = made(alice)["key"]

    assert script(key, scheme=scheme).get("/me").status_code == 200


def test_a_key_is_its_user(alice):
    video = builders.queued(ALICE)
    builders.queued(BOB)

    program = script(made(alice)["key"])

    assert program.get("/me").json()["id"] == ALICE
    assert program.get("/me").json()["token_use"] == "key"
    assert [shown["id"] for shown in program.get("/videos").json()["results"]] == [str(video.pk)]


def test_its_use_is_shown(alice):
    key = made(alice)
    before = timezone.now()

    script(key["key"]).get("/videos")

    assert before <= moment(alice.get(f"/keys/{key['id']}").json()["last_used_at"]) <= timezone.now()


def test_a_call_with_a_key_asks_the_database_once_more_than_the_call_itself(alice, django_assert_num_queries):
    program = script(made(alice)["key"])
    program.get("/videos")

    with django_assert_num_queries(2):
        program.get("/videos")


def assert_refused_like_everybody(answer, stranger) -> None:
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, INVALID)
    assert answer.content == stranger.get("/me").content


def test_a_key_that_was_revoked_opens_nothing(alice, stranger):
    key = made(alice)

    revoked = alice.delete(f"/keys/{key['id']}")

    assert (revoked.status_code, revoked.content) == (204, b"")
    assert_refused_like_everybody(script(key["key"]).get("/me"), stranger)
    assert alice.get(f"/keys/{key['id']}").status_code == 404
    assert alice.delete(f"/keys/{key['id']}").status_code == 404


def test_a_key_that_has_expired_opens_nothing(alice, stranger):
    key = made(alice)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert_refused_like_everybody(script(key["key"]).get("/me"), stranger)
    assert ApiKey.objects.get().last_used_at is None


def test_the_keys_of_a_user_who_is_switched_off_open_nothing_at_once(alice, stranger):
    key = made(alice)
    assert script(key["key"]).get("/me").status_code == 200
    User.objects.update(is_active=False)

    assert_refused_like_everybody(script(key["key"]).get("/me"), stranger)


BROKEN = {
    "cut off": lambda key: key[:-1],
    "with one more": lambda key: key + "0",
    "with a wrong checksum": lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
    "with a wrong character": lambda key: key[:20] + ("a" if key[20] != "a" else "b") + key[21:],
    "never made": lambda key: api_key_text.made(),
    "its beginning": lambda key: key[:9],
    "its hash": api_key_text.digest,
    "with a hash": lambda key: "shri_" + api_key_text.digest(key),
    "the mark alone": lambda key: "shri_",
    "twice": lambda key: f"{key},{key}",
    "like a JWT": lambda key: f"{key}.{key}.{key}",
    "within a JWT": lambda key: f"eyJhbGciOiJub25lIn0.{key}.x",
    "very long": lambda key: key + "0" * 100_000,
    "not ASCII": lambda key: key[:-1] + "\xe9",
}


@pytest.mark.parametrize("scheme", ["Bearer ", ""])
@pytest.mark.parametrize("breaks", BROKEN.values(), ids=BROKEN)
def test_what_is_no_key_opens_nothing_and_nobody_is_told_why(alice, stranger, breaks, scheme):
    sent = breaks(made(alice)["key"])

    answer = script(sent, scheme=scheme).get("/me")

    if "." in sent or sent.startswith("shri_") or scheme:
        assert_refused_like_everybody(answer, stranger)
    else:  # a bare word may be the name of a scheme
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, BARE)


def test_what_is_no_key_is_not_taken_for_a_token(alice, settings):
    settings.COGNITO_USER_POOL_ID = ""  # who is asked for a token's keys answers 503

    assert script(api_key_text.made()).get("/me").status_code == 401


@pytest.mark.parametrize("scheme", ["Basic ", "Token ", "ApiKey ", "Bearers "])
def test_a_key_in_another_scheme_is_no_credential(alice, scheme):
    answer = script(made(alice)["key"], scheme=scheme).get("/me")

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, BARE)


def test_a_key_in_the_address_is_no_credential(alice, stranger):
    key = made(alice)["key"]

    assert stranger.get(f"/me?key={key}&access_token={key}&api_key={key}").status_code == 401


def test_a_key_needs_no_user_pool(alice, settings):
    program = script(made(alice)["key"])
    settings.COGNITO_USER_POOL_ID = ""

    assert program.get("/me").status_code == 200


def test_no_key_is_logged(alice, caplog, stranger):
    caplog.set_level("DEBUG")
    key = made(alice)
    text = key["key"]
    for sent in (text, text[:-1], api_key_text.made()):
        script(sent).get("/me")
        assert sent[9:] not in caplog.text
    script(text).get("/keys")
    alice.delete(f"/keys/{key['id']}")

    assert text[9:] not in caplog.text
    assert api_key_text.digest(text) not in "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("django.db")
    )
    assert [record.getMessage() for record in caplog.records if record.name == "accounts.key_views"] == [
        f"API key {key['id']} made by user {ALICE}",
        f"API key {key['id']} deleted by user {ALICE}",
    ]
