"""What one user may submit and keep: what is counted, what is refused, and what everybody is told."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.models import F

from tests import builders
from tests.conftest import client_of
from tests.tokens import ALICE
from tests.videos.test_services import lost_answers
from videos import quotas, services
from videos.models import Usage, UserQuota, Video

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs")]


def link(number: int = 0) -> str:
    return f"https://youtu.be/link-{number:06}"


def submit(client, number: int = 0, **body):
    return client.post("/analyze", {"url": link(number), **body})


def left(client, kind: str = "submissions") -> int | None:
    return client.get("/me").json()["quota"][kind]["remaining"]


def counted() -> int:
    return quotas.standing(ALICE).submissions.used


def end(video_id: str) -> Video:
    """It fails, so that it can be tried again."""
    claimed = Video.objects.claim(uuid.UUID(video_id))
    assert claimed.fail("video_private", "This video is private.", retryable=True)
    return claimed


@pytest.fixture
def two_a_day(settings) -> None:
    settings.QUOTA_SUBMISSIONS_PER_DAY = 2


# --- what is counted


def test_a_new_link_is_counted(alice):
    submit(alice)

    assert counted() == 1


def test_a_video_that_is_there_already_is_not_counted(alice):
    assert [submit(alice).status_code for _ in range(3)] == [202, 200, 200]
    assert counted() == 1


def test_a_failed_video_that_starts_again_is_counted(alice):
    video = submit(alice).json()
    end(video["id"])

    assert submit(alice).status_code == 202
    assert counted() == 2


def test_a_retry_is_counted(alice):
    video = submit(alice).json()
    end(video["id"])

    assert alice.post(f"/videos/{video['id']}/retry").status_code == 202
    assert counted() == 2


def test_a_retry_that_cannot_be_is_not_counted(alice):
    video = submit(alice).json()

    assert alice.post(f"/videos/{video['id']}/retry").status_code == 409
    assert counted() == 1


def test_what_operators_start_is_not_counted(alice):
    video = submit(alice).json()
    end(video["id"])

    call_command("reprocess", video["id"])

    assert counted() == 1


def test_what_is_refused_for_its_body_is_not_counted(alice):
    assert alice.post("/analyze", {"url": "https://vimeo.com/1"}).status_code == 400
    assert counted() == 0


# --- what is refused


@pytest.mark.usefixtures("two_a_day")
def test_a_submission_beyond_the_quota_is_refused_and_changes_nothing(alice):
    submit(alice, 1), submit(alice, 2)

    answer = submit(alice, 3)

    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert answer.json()["code"] == "quota_exceeded"
    assert "all 2 links that a day allows" in answer.json()["detail"]
    assert (Video.objects.count(), counted()) == (2, 2)


@pytest.mark.usefixtures("two_a_day")
def test_a_refusal_says_when_the_day_is_over(alice):
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    submit(alice, 1), submit(alice, 2)

    answer = submit(alice, 3)

    wait = (tomorrow - datetime.now(UTC)).total_seconds()
    assert wait <= int(answer["Retry-After"]) < wait + 10
    assert f"{tomorrow:%Y-%m-%d} 00:00 UTC" in answer.json()["detail"]


@pytest.mark.usefixtures("two_a_day")
def test_a_failed_video_is_not_started_again_beyond_the_quota(alice):
    first = submit(alice, 1).json()
    end(first["id"])
    submit(alice, 2)

    answers = [submit(alice, 1), alice.post(f"/videos/{first['id']}/retry")]

    assert [answer.status_code for answer in answers] == [429, 429]
    video = Video.objects.get(pk=first["id"])
    assert (video.status, video.fence, counted()) == ("failed", 1, 2)


@pytest.mark.usefixtures("two_a_day")
def test_what_is_there_already_is_answered_beyond_the_quota(alice):
    submit(alice, 1), submit(alice, 2)

    assert submit(alice, 1).status_code == 200


@pytest.mark.usefixtures("two_a_day")
def test_the_next_day_begins_at_nothing(alice):
    submit(alice, 1), submit(alice, 2)
    Usage.objects.update(period=F("period") - timedelta(days=1))

    assert submit(alice, 3).status_code == 202
    assert counted() == 1


@pytest.mark.usefixtures("two_a_day")
def test_each_user_has_a_quota_of_their_own(alice, bob):
    submit(alice, 1), submit(alice, 2)

    assert submit(bob, 3).status_code == 202


def test_videos_that_are_kept_leave_no_room_until_one_is_deleted(alice, settings):
    settings.QUOTA_VIDEOS = 2
    first, _ = submit(alice, 1).json(), submit(alice, 2)

    refused = submit(alice, 3)
    alice.delete(f"/videos/{first['id']}")

    assert (refused.status_code, refused["Retry-After"]) == (429, "86400")
    assert "Delete some" in refused.json()["detail"]
    assert submit(alice, 3).status_code == 202


def test_a_failed_video_takes_no_more_room_when_it_is_started_again(alice, settings):
    settings.QUOTA_VIDEOS = 1
    video = submit(alice, 1).json()
    end(video["id"])

    assert alice.post(f"/videos/{video['id']}/retry").status_code == 202


def test_files_that_are_kept_leave_no_room_until_they_are_gone(alice, settings):
    settings.QUOTA_GIGABYTES = 1
    large = builders.completed(s3_path="videos/x/1/audio.webm")
    Video.objects.update(bytes_kept=quotas.GIGABYTE)

    refused = submit(alice, 1)
    large.forget_audio(bytes_left=17)

    assert (refused.status_code, refused["Retry-After"]) == (429, "86400")
    assert "1 GB" in refused.json()["detail"]
    assert (submit(alice, 1).status_code, left(alice, "bytes")) == (202, quotas.GIGABYTE - 17)


def test_nobody_can_ask_to_be_listened_to_when_no_speech_is_left(alice, settings):
    settings.QUOTA_SPEECH_MINUTES_PER_MONTH = 1
    alice.get("/me")
    now = datetime.now(UTC)
    Usage.objects.add(ALICE, Usage.Kind.SPEECH, now.date().replace(day=1), 60_000)

    answers = [submit(alice, number, mode=mode) for number, mode in enumerate(("speech", "captions", "auto"))]

    assert [answer.status_code for answer in answers] == [429, 202, 202]
    assert "used up the 1 min of speech of this month. Try again after" in answers[0].json()["detail"]
    assert int(answers[0]["Retry-After"]) <= 31 * 86_400
    assert '"speech";q=60000;w=' in answers[0]["RateLimit-Policy"]


# --- what staff grant


@pytest.mark.usefixtures("two_a_day")
@pytest.mark.parametrize(("granted", "accepted"), [(None, 2), (1, 1), (3, 3), (0, 4)])
def test_staff_grant_one_user_more_or_less(alice, granted, accepted):
    UserQuota.objects.create(user=builders.user(), submissions_per_day=granted)

    assert [submit(alice, number).status_code for number in range(4)].count(202) == accepted


def test_no_limit_is_no_limit(alice, settings):
    settings.QUOTA_SUBMISSIONS_PER_DAY = settings.QUOTA_VIDEOS = settings.QUOTA_GIGABYTES = 0
    settings.QUOTA_SPEECH_MINUTES_PER_MONTH = 0

    answer = submit(alice, mode="speech")

    assert (answer.status_code, answer.has_header("RateLimit")) == (202, False)
    shown = alice.get("/me").json()["quota"]
    assert [(kind["limit"], kind["remaining"]) for kind in shown.values()] == [(None, None)] * 4
    assert shown["submissions"]["used"] == 1


# --- what everybody is told


@pytest.mark.usefixtures("two_a_day")
def test_every_answer_to_a_submission_tells_what_is_left(alice):
    video = submit(alice, 1).json()
    answers = [
        submit(alice, 1),  # 200
        alice.post(f"/videos/{video['id']}/retry"),  # 409
        alice.post("/analyze", {"url": "x"}),  # 400
        submit(alice, 2),  # 202
        submit(alice, 3),  # 429
    ]

    assert [answer.status_code for answer in answers] == [200, 409, 400, 202, 429]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"submissions";q=2;w=86400'}
    assert [answer["RateLimit"].partition(";t=")[0] for answer in answers] == [
        *['"submissions";r=1'] * 3,
        *['"submissions";r=0'] * 2,
    ]
    assert answers[-1]["RateLimit"].partition(";t=")[2] == answers[-1]["Retry-After"]


def test_strangers_are_told_nothing(stranger):
    answer = stranger.post("/analyze", {"url": link()})

    assert (answer.status_code, answer.has_header("RateLimit")) == (401, False)


def test_a_browser_may_read_the_headers_and_send_the_key(alice):
    origin = {"HTTP_ORIGIN": "https://shri.software"}

    asked = alice.options("/analyze", HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST", **origin)
    answer = alice.post("/analyze", {"url": link()}, **origin)

    assert "idempotency-key" in asked["Access-Control-Allow-Headers"]
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(answer["Access-Control-Expose-Headers"].split(", "))


def test_me_shows_all_of_it(alice):
    first, second = submit(alice, 1).json(), submit(alice, 2).json()
    end(first["id"])
    Video.objects.filter(pk=second["id"]).update(bytes_kept=1234)

    shown = alice.get("/me").json()["quota"]

    today = datetime.now(UTC).date()
    month = (today.replace(day=1) + timedelta(days=31)).replace(day=1)
    assert shown == {
        "submissions": {
            "limit": 100,
            "used": 2,
            "reserved": 0,
            "remaining": 98,
            "renews_at": f"{today + timedelta(days=1)}T00:00:00Z",
        },
        "speech": {
            "limit": 36_000_000,
            "used": 0,
            "reserved": 0,
            "remaining": 36_000_000,
            "renews_at": f"{month}T00:00:00Z",
        },
        "videos": {"limit": 5000, "used": 2, "reserved": 0, "remaining": 4998, "renews_at": None},
        "bytes": {
            "limit": 50_000_000_000,
            "used": 1234,
            "reserved": 0,
            "remaining": 49_999_998_766,
            "renews_at": None,
        },
    }


def test_a_limit_that_was_lowered_leaves_nothing_and_no_less(alice, settings):
    submit(alice, 1), submit(alice, 2)
    settings.QUOTA_SUBMISSIONS_PER_DAY = 1

    assert left(alice) == 0


# --- what it costs, what fails, and what happens at once


def test_it_asks_the_database_ten_times(alice, django_assert_num_queries):
    submit(alice, 1)

    with django_assert_num_queries(10):  # BEGIN and COMMIT among them
        submit(alice, 2)
    with django_assert_num_queries(6):
        submit(alice, 2)


def test_what_was_accepted_is_answered_where_the_database_goes_before_the_headers_are_known(alice):
    builders.user()

    def fail_after_the_commit(execute, sql, *rest):
        if "quota_usage" in sql and not connection.in_atomic_block:
            raise OperationalError(2013, "Lost connection to server during query")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail_after_the_commit):
        answer = submit(alice)

    assert (answer.status_code, answer.has_header("RateLimit")) == (202, False)


def test_a_submission_whose_answer_was_lost_is_counted_once():
    user = builders.user()

    with lost_answers():
        services.submit_video(user=user, youtube_id="dQw4w9WgXcQ", mode="auto", language="")

    assert (Video.objects.count(), counted()) == (1, 1)


def test_a_video_that_was_started_again_in_a_lost_answer_is_counted_once_and_sent(settings):
    video = builders.failed(youtube_id="dQw4w9WgXcQ")

    with lost_answers():
        again, started = services.submit_video(user=video.user, youtube_id="dQw4w9WgXcQ", mode="auto", language="")

    again.refresh_from_db()
    assert (started, again.status, again.fence, counted()) == (True, "queued", video.fence + 1, 1)
    assert again.enqueued_at is not None


def test_a_retry_whose_answer_was_lost_is_counted_once():
    video = builders.failed()

    with lost_answers():
        assert services.retry_video(video)

    assert counted() == 1


def test_a_submission_that_was_undone_is_counted_once():
    user, undone = builders.user(), [OperationalError(1213, "Deadlock found")]
    count = quotas.count_submission

    def count_and_fail_once(*what):
        count(*what)
        if undone:
            raise undone.pop()

    with mock.patch.object(quotas, "count_submission", count_and_fail_once):
        services.submit_video(user=user, youtube_id="dQw4w9WgXcQ", mode="auto", language="")

    assert (Video.objects.count(), counted()) == (1, 1)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time: it cannot happen there")
@pytest.mark.parametrize("setting", ["QUOTA_SUBMISSIONS_PER_DAY", "QUOTA_VIDEOS"])
def test_sixty_at_once_get_exactly_what_there_is(settings, setting):
    setattr(settings, setting, 10)
    builders.user()

    def post(number: int) -> int:
        try:
            return submit(client_of(ALICE, "alice@example.com"), number).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(60) as callers:
        statuses = list(callers.map(post, range(60)))

    assert (statuses.count(202), statuses.count(429)) == (10, 50)
    assert (Video.objects.count(), counted()) == (10, 10)
