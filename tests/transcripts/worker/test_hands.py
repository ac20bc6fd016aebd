"""Several jobs side by side in one process: real threads, a real queue protocol, the real yt-dlp."""

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db.backends.signals import connection_created
from django.db.models.functions import Now

from local.youtube import Site
from tests import builders
from tests.conftest import messages
from transcripts.worker import alarm, loop, turn
from videos import queue, services, sweeping
from videos.models import Video

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs", "_signals")]

CAPTIONED, VOICE = "SampleCapt1", "SampleVoice"
HANDS = 3


@pytest.fixture(autouse=True)
def _side_by_side(settings) -> None:
    settings.WORKER_JOBS = HANDS


def work(*, max_messages: int | None = None, idle_exit: float = 0) -> int:
    """Sends what is to be sent, and handles it."""
    sweeping.sweep()
    return loop.Worker(poll_seconds=1).run(max_messages=max_messages, idle_exit=idle_exit)


def copies(stand_in, number: int) -> list[Video]:
    """As many queued videos with captions."""
    clip = stand_in.videos[CAPTIONED]
    ids = [f"Captioned{n:02}" for n in range(number)]
    stand_in.videos |= {id: type(clip)(id, duration_ms=clip.duration_ms, tracks=clip.tracks) for id in ids}
    return [builders.queued(youtube_id=id) for id in ids]


def statuses() -> list[str]:
    return list(Video.objects.order_by("youtube_id").values_list("status", flat=True))


def test_jobs_are_done_at_the_same_time(stand_in):
    """YouTube answers none of them before all were asked about."""
    together = threading.Barrier(HANDS)

    def wait_for_the_others(site: Site) -> bool:
        together.wait(60)
        return False

    for video in copies(stand_in, HANDS):
        stand_in.videos[video.youtube_id].faults["timedtext"] = wait_for_the_others

    work()

    assert statuses() == ["completed"] * HANDS


def test_there_are_never_more_of_them_than_hands(stand_in):
    inside, most = set(), []

    def count(site: Site) -> bool:
        inside.add(site.video.id)
        most.append(len(inside))
        time.sleep(0.05)  # for others to come in, if they could
        inside.discard(site.video.id)
        return False

    for video in copies(stand_in, 3 * HANDS):
        stand_in.videos[video.youtube_id].faults["timedtext"] = count

    assert work() == 3 * HANDS

    assert max(most) <= HANDS


def test_a_limit_of_messages_counts_those_of_all_hands(stand_in):
    copies(stand_in, 5)

    handled = work(max_messages=4)

    assert (handled, statuses().count("completed")) == (4, 4)


def test_one_message_is_done_by_the_main_thread(stand_in):
    threads: set[str] = set()

    def look(site: Site) -> bool:
        threads.update(thread.name for thread in threading.enumerate() if thread.name.startswith("hand"))
        return False

    video = copies(stand_in, 1)[0]
    stand_in.videos[video.youtube_id].faults["timedtext"] = look

    work(max_messages=1)

    assert (statuses(), threads) == (["completed"], set())


def test_nothing_is_left_of_the_hands(stand_in):
    copies(stand_in, 2)

    work()

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("hand")] == []


def test_each_connection_to_the_database_ends_with_its_hand(stand_in):
    opened = {}

    def note(connection, **_) -> None:
        opened[threading.current_thread().name] = connection

    connection_created.connect(note)
    copies(stand_in, 4)
    try:
        work()
    finally:
        connection_created.disconnect(note)

    left = [name for name, connection in opened.items() if name.startswith("hand") and connection.connection]
    assert (len(opened) > 1, left) == (True, [])


def test_it_is_idle_when_all_hands_are(stand_in):
    """A job that takes longer than the time after which an idle worker ends is not left."""
    video = copies(stand_in, 1)[0]

    def be_slow(site: Site) -> bool:
        time.sleep(1.5)  # that time passes is the very thing under test
        return False

    stand_in.videos[video.youtube_id].faults["timedtext"] = be_slow

    work(idle_exit=0.1)

    assert statuses() == ["completed"]


# --- one engine for all


@pytest.fixture
def busy_engine() -> Iterator[None]:
    """Another job listens, and will for long."""
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(turn.take, lambda: math.inf).result(10)
        yield
        elsewhere.submit(turn.give_back)


def test_captions_are_fetched_while_the_engine_is_busy(stand_in, busy_engine):
    copies(stand_in, 4)

    work()

    assert statuses() == ["completed"] * 4


def test_what_needs_the_engine_is_given_back_uncounted_before_its_sound_is_asked_for(stand_in, busy_engine):
    video = builders.queued(youtube_id=VOICE)

    work(max_messages=2, idle_exit=0)

    video.refresh_from_db()
    assert (video.status, video.attempt, video.error_code) == ("queued", 0, "speech_engine_busy")
    assert [attempt.outcome for attempt in video.attempts.all()] == ["interrupted"]
    assert "media" not in [request.endpoint for request in stand_in.log]


def test_it_comes_back_soon_for_another_machine(stand_in, busy_engine):
    video = builders.queued(youtube_id=VOICE)

    work()

    video.refresh_from_db()
    assert 5 < (video.retry_at - video.updated_at).total_seconds() < 15
    assert video.enqueued_at is not None


@pytest.mark.parametrize("known", [{"mode": "speech"}, {"error_code": "speech_engine_busy"}])
def test_what_is_known_to_need_the_engine_makes_no_attempt_and_asks_youtube_nothing(stand_in, busy_engine, known):
    video = builders.queued(youtube_id=VOICE)
    Video.objects.update(**known)

    work()

    video.refresh_from_db()
    assert (video.status, video.attempt, video.error_code) == ("queued", 0, "speech_engine_busy")
    assert (list(video.attempts.all()), stand_in.log) == ([], [])
    assert 10 < (video.retry_at - video.updated_at).total_seconds() < 40


def test_it_waits_for_the_engine_however_long_that_takes(stand_in, busy_engine, settings):
    """Not as for what fails: it is as if its message had waited in the queue."""
    settings.GIVE_UP_HOURS = 0
    video = builders.queued(youtube_id=VOICE)

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("queued", "speech_engine_busy")


def test_one_listens_after_the_other(stand_in, small_model, monkeypatch):
    """Both are completed, whichever waited; the engine has never had two at once."""
    monkeypatch.setattr(turn, "PATIENCE_SECONDS", math.inf)
    stand_in.videos["SampleVoic2"] = type(stand_in.videos[VOICE])(
        "SampleVoic2", duration_ms=stand_in.videos[VOICE].duration_ms, media=stand_in.videos[VOICE].media
    )
    for id in (VOICE, "SampleVoic2"):
        builders.queued(youtube_id=id)

    work()

    assert statuses() == ["completed"] * 2


# --- a video whose worker was lost


def lost(video: Video) -> Video:
    """Its worker was heard of no more."""
    assert Video.objects.claim(video.pk)
    Video.objects.filter(pk=video.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    return video


@pytest.mark.parametrize("swept", [True, False], ids=["taken back by the sweep", "found by who takes its message"])
def test_a_video_whose_worker_was_lost_is_tried_alone(stand_in, swept):
    beside: list[set[str]] = []
    under_way: set[str] = set()

    def begin(site: Site) -> bool:
        under_way.add(site.video.id)
        return False

    def end(site: Site) -> bool:
        if site.video.id == suspect.youtube_id:
            beside.append(under_way - {site.video.id})
        under_way.discard(site.video.id)
        return False

    suspect, *others = copies(stand_in, 7)
    for video in (suspect, *others):
        stand_in.videos[video.youtube_id].faults |= {"watch": begin, "timedtext": end}
    lost(suspect)
    if not swept:
        queue.send(suspect)
        for video in others:
            services.send(video)
        loop.Worker(poll_seconds=1).run(idle_exit=0)
    else:
        work()

    assert (statuses(), beside) == (["completed"] * 7, [set()])


def test_it_comes_back_later_where_the_others_will_take_long(stand_in, busy_engine):
    video = lost(copies(stand_in, 1)[0])

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code, [a.outcome for a in video.attempts.all()]) == (
        "queued",
        "worker_lost",
        ["lost"],
    )
    assert 50 < (video.retry_at - video.updated_at).total_seconds() < 70


def test_it_waits_no_longer_than_for_a_while(stand_in, busy_engine):
    video = lost(copies(stand_in, 1)[0])
    sweeping.sweep()
    video.attempts.update(ended_at=Now() - timedelta(minutes=16))

    loop.Worker(poll_seconds=1).run(idle_exit=0)

    assert statuses() == ["completed"]


# --- what goes wrong


def test_a_far_side_that_drips_does_not_keep_a_hand(stand_in, settings):
    settings.YOUTUBE_PATIENCE_SECONDS = 1
    ended = threading.Event()

    def drip(site: Site) -> bool:
        site.send_response(200)
        site.send_header("Content-Length", "1000000")
        site.end_headers()
        try:
            while not ended.wait(0.1):
                site.wfile.write(b" ")
                site.wfile.flush()
        except OSError:
            pass
        return True

    slow, fine = copies(stand_in, 2)
    stand_in.videos[slow.youtube_id].faults["watch"] = drip

    work()

    ended.set()
    slow.refresh_from_db()
    fine.refresh_from_db()
    assert (slow.status, slow.error_code, fine.status) == ("queued", "source_too_slow", "completed")


class Mishap(BaseException):
    """What nobody expects."""


def test_a_hand_survives_whatever_comes_of_a_job(stand_in, monkeypatch, caplog):
    """Three of them stumble, one each, and there is a hand for the others."""
    stumbled: list[queue.Message] = []

    def handle(original, message, **options) -> None:
        if len(stumbled) < HANDS:
            stumbled.append(message)
            raise Mishap
        original(message, **options)

    original = loop.handle
    monkeypatch.setattr(loop, "handle", lambda message, **options: handle(original, message, **options))
    copies(stand_in, HANDS + 2)

    work()

    assert statuses().count("completed") == 2
    assert caplog.text.count("it comes back by itself") == HANDS


def test_a_time_limit_that_nobody_took_back_does_not_reach_the_next_job(stand_in, monkeypatch, settings):
    settings.WORKER_JOBS = 2
    original = loop.handle

    def handle(message: queue.Message, **options) -> None:
        original(message, **options)
        alarm.set_alarm(0.05, lambda: alarm.TimeUp)

    monkeypatch.setattr(loop, "handle", handle)
    copies(stand_in, 4)

    work()

    assert statuses() == ["completed"] * 4


def test_a_message_that_comes_after_the_signal_is_left_to_others(stand_in, sqs, settings):
    """What is in hand is finished, because it is nearly done."""
    ours, others = copies(stand_in, 2)
    Video.objects.filter(pk=others.pk).update(enqueued_at=Now())

    def tell_to_stop(site: Site) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        queue.send(others)
        return False

    stand_in.videos[ours.youtube_id].faults["timedtext"] = tell_to_stop

    work(idle_exit=30)

    assert statuses() == ["completed", "queued"]
    assert [message["video_id"] for message in messages(sqs, settings)] == [str(others.pk)]
