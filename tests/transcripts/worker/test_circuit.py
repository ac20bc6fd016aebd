"""The breaker towards YouTube as workers live with it."""

import dataclasses
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from local.youtube import Video as Clip
from tests import builders
from tests.conftest import messages
from tests.youtube_scenarios import answers, refused
from transcripts.worker import loop
from videos import queue, services
from videos.models import Breaker, Video

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs", "_signals")]

CAPTIONED = "SampleCapt1"
PRIVATE = "privatevid0"


def refusing(youtube_id: str) -> Clip:
    return refused(youtube_id, "Sign in to confirm you’re not a bot", status="LOGIN_REQUIRED")


def work() -> None:
    loop.Worker(poll_seconds=0).run(idle_exit=0)


def submit(youtube_id: str) -> Video:
    video = builders.queued(youtube_id=youtube_id)
    services.send(video)
    return video


def look(video: Video) -> tuple[str, int, str]:
    video.refresh_from_db()
    return video.status, video.attempt, video.error_code


def come_due() -> None:
    """The time has come for a probe, and the sweep has sent what waits for it."""
    Breaker.objects.update(retry_at=Now() - timedelta(seconds=1))
    Video.objects.filter(status="queued").update(retry_at=None)


@pytest.fixture
def three_refused(stand_in) -> list[Video]:
    """YouTube refuses whatever it is asked, and three jobs have found out."""
    ids = [f"blockedvid{number}" for number in range(3)]
    stand_in.videos |= {youtube_id: refusing(youtube_id) for youtube_id in ids}
    videos = [submit(youtube_id) for youtube_id in ids]
    work()
    return videos


def test_the_third_refusal_in_a_row_opens_it_and_uses_no_attempt_up(three_refused, alice):
    first, _, third = three_refused

    assert Breaker.objects.youtube().is_open
    assert look(first) == ("queued", 1, "source_refused")
    assert look(third) == ("queued", 0, "source_unavailable")
    shown = alice.get(f"/videos/{third.pk}").json()
    assert (shown["error"]["code"], shown["error"]["retryable"]) == ("source_unavailable", True)
    assert shown["retry_at"]


def test_while_it_is_open_nothing_is_asked_and_what_comes_waits(three_refused, stand_in, sqs, settings):
    stand_in.log.clear()
    video = submit(CAPTIONED)

    work()

    assert look(video) == ("queued", 0, "source_unavailable")
    assert Breaker.objects.youtube().retry_at < video.retry_at < timezone.now() + timedelta(seconds=90)
    assert not video.attempts.exists()
    assert stand_in.log == []
    assert str(video.pk) not in [message["video_id"] for message in messages(sqs, settings)]


def test_a_probe_that_is_answered_lets_everybody_in(three_refused):
    come_due()
    video = submit(CAPTIONED)

    work()

    assert look(video) == ("completed", 1, "")
    assert not Breaker.objects.youtube().is_open


def test_a_refusal_of_one_video_is_an_answer(three_refused, stand_in):
    stand_in.videos[PRIVATE] = refused(PRIVATE, "Private video", status="LOGIN_REQUIRED")
    come_due()
    video = submit(PRIVATE)

    work()

    assert look(video) == ("failed", 1, "video_private")
    assert not Breaker.objects.youtube().is_open


def test_a_probe_that_is_refused_waits_for_longer_and_uses_no_attempt_up(three_refused):
    *_, third = three_refused
    come_due()
    services.send(third)

    work()

    assert look(third) == ("queued", 0, "source_unavailable")
    assert Breaker.objects.youtube().retry_at > timezone.now() + timedelta(seconds=100)


def test_who_has_probed_in_vain_lets_the_others_try_first(three_refused):
    *_, third = three_refused
    come_due()
    services.send(third)
    work()
    other = submit(CAPTIONED)
    work()

    third.refresh_from_db()
    other.refresh_from_db()
    assert other.retry_at + timedelta(seconds=60) < third.retry_at


def test_while_one_probes_the_others_wait_for_a_moment_only(three_refused):
    come_due()
    assert Breaker.objects.youtube().probe()
    video = submit(CAPTIONED)

    work()

    assert look(video) == ("queued", 0, "source_unavailable")
    assert video.retry_at < timezone.now() + timedelta(seconds=15)


def test_a_message_that_leads_to_no_work_gives_its_probe_back(three_refused, sqs, settings):
    come_due()
    queue.send(builders.processing())

    work()

    assert Breaker.objects.youtube().probe()


def test_what_has_waited_for_too_long_ends_with_an_honest_reason(three_refused):
    video = submit(CAPTIONED)
    Video.objects.filter(pk=video.pk).update(requested_at=Now() - timedelta(hours=25))
    Breaker.objects.update(opened_at=Now() - timedelta(hours=25))

    work()

    assert look(video) == ("failed", 0, "source_unavailable")
    assert "Try again later" in video.error_detail


def test_what_has_long_waited_for_its_turn_is_not_given_up_at_the_first_look(three_refused):
    video = submit(CAPTIONED)
    Video.objects.filter(pk=video.pk).update(requested_at=Now() - timedelta(hours=25))

    work()

    assert look(video) == ("queued", 0, "source_unavailable")


def test_what_is_refused_for_a_day_ends_with_the_refusal(three_refused):
    *_, third = three_refused
    Video.objects.filter(pk=third.pk).update(requested_at=Now() - timedelta(hours=25))
    third.attempts.update(started_at=Now() - timedelta(hours=24, minutes=30))
    come_due()
    services.send(third)

    work()

    assert look(third) == ("failed", 1, "source_refused")


def test_captions_that_are_refused_to_everybody_open_it_too(stand_in):
    for youtube_id in ("limitedvid0", "limitedvid1", "limitedvid2"):
        clip = dataclasses.replace(stand_in.videos[CAPTIONED], id=youtube_id, faults={"timedtext": answers(429)})
        stand_in.videos[youtube_id] = clip
        submit(youtube_id)

    work()

    assert Breaker.objects.youtube().is_open


def test_a_message_of_a_video_that_has_ended_is_deleted_also_while_it_is_open(three_refused, sqs, settings):
    queue.send(builders.completed())

    work()

    assert messages(sqs, settings) == []


def test_an_answer_in_between_begins_the_count_anew(stand_in):
    ids = [f"blockedvid{number}" for number in range(3)]
    stand_in.videos |= {youtube_id: refusing(youtube_id) for youtube_id in ids}
    for youtube_id in (ids[0], ids[1], CAPTIONED, ids[2]):
        submit(youtube_id)
        work()

    assert not Breaker.objects.youtube().is_open


def test_it_waits_for_as_long_as_youtube_asks(stand_in):
    stand_in.videos[CAPTIONED].faults["timedtext"] = answers(429, Retry_After="1234")
    video = submit(CAPTIONED)

    work()

    assert look(video) == ("queued", 1, "source_rate_limited")
    assert timedelta(seconds=1200) < video.retry_at - timezone.now() < timedelta(seconds=1240)
