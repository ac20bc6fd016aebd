"""``Idempotency-Key``: the same request twice is one, and another request with its key is refused."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from tests import builders
from tests.conftest import client_of, messages
from tests.tokens import ALICE
from tests.videos.test_services import lost_answers
from videos import idempotency, quotas, services, sweeping
from videos.idempotency import key_in
from videos.models import IdempotencyKey, Video

LINK = "https://youtu.be/dQw4w9WgXcQ"
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"

database = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs")]


def with_database(test):
    for mark in database:
        test = mark(test)
    return test


def post(client, key: str | None = KEY, **body):
    headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
    return client.post("/analyze", {"url": LINK, **body}, **headers)


# --- what a key is


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (f'"{KEY}"', KEY),
        (KEY, KEY),
        (f"  {KEY}\t", KEY),
        ('"with blanks, and \\"quotes\\" \\\\"', 'with blanks, and "quotes" \\'),
        ("x" * 255, "x" * 255),
        ('"' + '\\"' * 255 + '"', '"' * 255),
    ],
)
def test_a_key_is_a_string_of_structured_fields_or_bare(header, key):
    assert key_in(header) == key
    assert re.fullmatch(idempotency.PATTERN, header.strip())


@pytest.mark.parametrize(
    "header",
    [
        "",
        '""',
        '"',
        '"a',
        'a"',
        '"a"b',
        '"a";b=1',
        "a b",
        "a,b",
        '"\\a"',
        '"é"',
        "é",
        '"\x07"',
        "x" * 256,
        '"' + "x" * 256 + '"',
    ],
)
def test_anything_else_is_none(header):
    with pytest.raises(idempotency.MalformedKey, match="1 to 255 ASCII characters"):
        key_in(header)
    assert not re.fullmatch(idempotency.PATTERN, header.strip())


@with_database
@pytest.mark.parametrize("header", ["", "a b", "x" * 300])
def test_a_request_with_a_malformed_key_is_refused(alice, header):
    answer = post(alice, header)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
    assert not Video.objects.exists()


# --- the same request again


@with_database
def test_it_gets_the_same_answer_and_is_counted_once(alice, sqs, settings):
    first, second = post(alice), post(alice, f'"{KEY}"')

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json()["id"] == first.json()["id"]
    assert second["Location"] == first["Location"]
    assert (quotas.standing(ALICE).submissions.used, len(messages(sqs, settings))) == (1, 1)


@with_database
def test_it_gets_the_video_as_it_is_now_and_starts_nothing(alice):
    Video.objects.claim(post(alice).json()["id"]).fail("video_private", "This video is private.", retryable=True)

    again = post(alice)

    assert (again.status_code, again.json()["status"]) == (202, "failed")
    assert quotas.standing(ALICE).submissions.used == 1


@with_database
def test_an_answer_that_started_nothing_is_repeated_as_well(alice):
    post(alice, None)
    first = post(alice)
    Video.objects.claim(first.json()["id"]).fail("video_private", "This video is private.", retryable=True)

    assert (first.status_code, post(alice).status_code) == (200, 200)


@with_database
def test_it_is_the_same_in_another_shape(alice):
    first = post(alice)

    again = alice.post(
        "/analyze",
        {"mode": "auto", "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=1"},
        HTTP_IDEMPOTENCY_KEY=KEY,
    )

    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


@with_database
def test_it_is_answered_beyond_the_quota(alice, settings):
    settings.QUOTA_SUBMISSIONS_PER_DAY = 1
    post(alice)

    assert post(alice).status_code == 202


@with_database
def test_a_request_that_was_refused_may_come_again_with_its_key(alice, settings):
    settings.QUOTA_VIDEOS = 1
    other = alice.post("/analyze", {"url": "https://youtu.be/aaaaaaaaaaa"}).json()
    refused = post(alice)
    alice.delete(f"/videos/{other['id']}")

    assert (refused.status_code, post(alice).status_code) == (429, 202)


@with_database
def test_what_was_deleted_does_not_come_back(alice):
    video = post(alice).json()
    alice.delete(f"/videos/{video['id']}")

    again = post(alice)

    assert (again.status_code, again.json()["state"]) == (409, "deleted")
    assert "Use a new key" in again.json()["detail"]
    assert not Video.objects.exists()


@with_database
def test_without_keys_it_does_come_back(alice):
    video = post(alice, None).json()
    alice.delete(f"/videos/{video['id']}")

    assert post(alice, None).status_code == 202


@with_database
def test_many_at_once_are_one(alice, sqs, settings):
    builders.user()

    def call(_):
        try:
            return post(client_of(ALICE, "alice@example.com"))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(call, range(8)))

    assert [answer.status_code for answer in answers] == [202] * 8
    assert {answer.json()["id"] for answer in answers} == {str(Video.objects.get().pk)}
    assert (quotas.standing(ALICE).submissions.used, len(messages(sqs, settings))) == (1, 1)


@with_database
def test_one_whose_answer_was_lost_is_remembered_once_and_sent(sqs, settings):
    user = builders.user()

    with lost_answers():
        video, started = services.submit_video(user=user, youtube_id="dQw4w9WgXcQ", mode="auto", language="", key=KEY)

    assert (started, IdempotencyKey.objects.count()) == (True, 1)
    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]


# --- another request with its key


@with_database
@pytest.mark.parametrize(
    "other", [{"url": "https://youtu.be/aaaaaaaaaaa"}, {"mode": "captions"}, {"language": "de"}], ids=str
)
def test_another_request_is_refused_and_creates_nothing(alice, other):
    post(alice)

    answer = post(alice, **other)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert "Use a new key" in answer.json()["detail"]
    assert (Video.objects.count(), quotas.standing(ALICE).submissions.used) == (1, 1)


@with_database
def test_the_key_of_another_user_is_another_key(alice, bob):
    hers, his = post(alice), post(bob, url="https://youtu.be/aaaaaaaaaaa")

    assert (hers.status_code, his.status_code) == (202, 202)


@with_database
def test_keys_that_differ_by_case_alone_are_two(alice):
    assert [post(alice, key, url=f"https://youtu.be/{key * 11}").status_code for key in "aA"] == [202, 202]


# --- for how long


@with_database
def test_the_sweep_forgets_keys_of_yesterday_and_no_others(alice):
    post(alice, "old"), post(alice, "new")
    a_day = timedelta(seconds=idempotency.REMEMBERED_SECONDS)
    old = IdempotencyKey.objects.filter(key_hash=idempotency.fingerprint("old"))
    old.update(created_at=F("created_at") - a_day)

    sweeping.sweep()

    assert IdempotencyKey.objects.get().key_hash == idempotency.fingerprint("new")
    assert post(alice, "old", mode="captions").status_code == 200


@with_database
def test_a_key_of_yesterday_is_new_also_where_no_sweep_has_run(alice):
    first = post(alice, "old").json()["id"]
    yesterday = timedelta(seconds=idempotency.REMEMBERED_SECONDS)
    IdempotencyKey.objects.update(created_at=F("created_at") - yesterday)

    assert post(alice, "old", url="https://youtu.be/aaaaaaaaaaa").json()["id"] != first
    assert post(alice, "old").status_code == 422  # it belongs to the second body now


@with_database
def test_only_a_hash_of_the_key_is_kept(alice):
    post(alice, "my-secret-key")

    assert "my-secret-key" not in str(IdempotencyKey.objects.values().get())
