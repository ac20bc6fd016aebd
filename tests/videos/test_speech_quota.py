"""Speech is set aside before it is listened to, charged afterwards, and given back where nothing came of it."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest
from django.db import OperationalError, connection
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from accounts.models import User
from tests import builders
from tests.tokens import ALICE
from tests.videos.test_services import lost_answers
from transcripts.models import Transcript
from videos import quotas, reprocessing, services, sweeping
from videos.clock import from_now
from videos.deadline import Deadline
from videos.models import Deletion, Reservation, Usage, Video
from videos.transactions import repeated

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs")]

MINUTE = 60_000


@pytest.fixture(autouse=True)
def ten_minutes(settings) -> None:
    settings.QUOTA_SPEECH_MINUTES_PER_MONTH = 10


def speech() -> tuple[float, float]:
    """What is charged and what is set aside, in minutes."""
    found = quotas.standing(ALICE).speech
    return found.used / MINUTE, found.reserved / MINUTE


def charge(minutes: int) -> None:
    builders.user()
    Usage.objects.add(ALICE, Usage.Kind.SPEECH, datetime.now(UTC).date().replace(day=1), minutes * MINUTE)


def listening(minutes: int = 4, *, progress: int = 0) -> Video:
    """A video that a worker listens to; ``progress`` is of the whole job."""
    video = builders.processing()
    video.describe(title="Bees", channel="", duration_ms=minutes * MINUTE)
    assert quotas.reserve(video, minutes * MINUTE)
    if progress:
        video.advance(Video.Stage.SPEECH, progress)
    return video


def complete(video: Video, *, minutes: float) -> bool:
    return video.complete(source=Video.Source.SPEECH, language="en", listened_ms=int(minutes * MINUTE))


# --- set aside


def test_what_is_set_aside_is_nobody_elses():
    listening(4)

    assert speech() == (0, 4)
    assert quotas.standing(ALICE).speech.remaining == 6 * MINUTE


def test_what_is_not_there_cannot_be_set_aside():
    charge(3)
    listening(4)
    video = builders.processing()

    with pytest.raises(quotas.QuotaExceeded, match="takes 4 min, and of the 10 min that you have in a month 3 min are"):
        quotas.reserve(video, 4 * MINUTE)

    assert speech() == (3, 4)


def test_what_a_month_does_not_have_can_never_be_set_aside():
    with pytest.raises(quotas.QuotaExceeded, match="takes 11 min, which is more than the 10 min that you have in a"):
        quotas.reserve(builders.processing(), 11 * MINUTE)


def test_all_that_is_there_can_be_set_aside():
    listening(4), listening(6)

    assert speech() == (0, 10)


def test_a_claim_that_was_lost_sets_nothing_aside():
    video = builders.processing()
    services.cancel_video(video)

    assert not quotas.reserve(video, MINUTE)
    assert not Reservation.objects.exists()


def test_a_claim_whose_user_was_erased_is_lost():
    video = builders.processing()
    services.delete_video(video)
    User.objects.all().delete()

    assert quotas.reserve(video, MINUTE) is False


def test_a_claim_that_was_taken_over_leaves_what_the_other_has():
    video = listening(2)
    abandon(video)
    other = services.claim_video(video.pk)
    quotas.reserve(other, 3 * MINUTE)

    assert not quotas.reserve(video, 5 * MINUTE)
    assert (speech(), Reservation.objects.get().fence) == ((0, 3), other.fence)


def test_a_claim_that_asks_again_does_not_get_it_twice():
    video = listening(8)

    assert quotas.reserve(video, 9 * MINUTE)
    assert speech() == (0, 9)


def test_a_claim_that_is_refused_more_keeps_what_it_has():
    video = listening(8)

    with pytest.raises(quotas.QuotaExceeded):
        quotas.reserve(video, 11 * MINUTE)

    assert speech() == (0, 8)


def test_a_video_of_unknown_length_gets_what_is_left(settings):
    charge(7)

    assert quotas.reserve(builders.processing(), None)
    assert speech() == (7, 3)


def test_a_video_of_unknown_length_gets_no_more_than_it_may_have(settings):
    settings.QUOTA_SPEECH_MINUTES_PER_MONTH = 0
    settings.MAX_VIDEO_MINUTES = 90

    assert quotas.reserve(builders.processing(), None)
    assert speech() == (0, 90)


def test_a_video_of_unknown_length_gets_nothing_where_nothing_is_left():
    charge(10)

    with pytest.raises(quotas.QuotaExceeded):
        quotas.reserve(builders.processing(), None)


def test_a_reservation_whose_answer_was_lost_is_there_once():
    video = builders.processing()

    with lost_answers():
        assert repeated(lambda: quotas.reserve(video, 6 * MINUTE), seconds=10)

    assert speech() == (0, 6)


# --- charged, or given back


def abandon(video: Video) -> bool:
    Video.objects.filter(pk=video.pk, status="processing").update(lease_expires_at=from_now(-1))
    return services.end_attempt(video, video.abandon)


ENDS = {
    "completed": (lambda video: complete(video, minutes=3.5), 3.5),
    "completed by sound that is longer than YouTube said": (lambda video: complete(video, minutes=5), 4),
    "failed": (lambda video: video.fail("video_private", "It is private.", retryable=False), 0),
    "failed when all was heard": (lambda v: v.fail("no_speech", "Nobody.", retryable=False, listened_ms=4 * MINUTE), 4),
    "released": (lambda video: video.release("source_failing", "Not now.", delay=0), 0),
    "interrupted": (lambda video: video.release("worker_stopped", "Stopped.", delay=0, counted=False), 0),
    "abandoned": (abandon, 0),
    "started anew by an operator": (lambda video: services.reprocess_video(video, force=True), 0),
    "cancelled before it was begun": (lambda video: services.cancel_video(video), 0),
    "deleted before it was begun": (services.delete_video, 0),
}


@pytest.mark.parametrize("way", ENDS)
def test_however_an_attempt_ends_nothing_stays_set_aside(way):
    end, charged = ENDS[way]

    assert end(listening(4)) is not False

    assert speech() == (charged, 0)


@pytest.mark.parametrize("end", [services.cancel_video, services.delete_video])
@pytest.mark.parametrize(("progress", "share"), [(29, 0), (30, 0), (64, 34 / 67), (97, 1), (99, 1)])
def test_who_does_not_want_it_any_more_pays_for_what_was_listened_to(end, progress, share):
    end(listening(4, progress=progress))

    used, reserved = speech()
    assert (round(used, 3), reserved) == (round(4 * share, 3), 0)


def test_captions_cost_nothing():
    video = builders.processing()
    video.describe(title="Bees", channel="", duration_ms=4 * MINUTE)
    video.advance(Video.Stage.STORING, 97)

    services.cancel_video(video)

    assert speech() == (0, 0)


def test_the_next_attempt_sets_it_aside_once():
    video = listening(6)
    abandon(video)
    again = services.claim_video(video.pk)

    assert quotas.reserve(again, 6 * MINUTE)

    assert speech() == (0, 6)


def test_what_an_attempt_lost_is_not_charged_when_its_worker_comes_back():
    video = listening(6)
    abandon(video)

    assert not complete(video, minutes=6)
    assert speech() == (0, 0)


def test_a_completion_whose_answer_was_lost_is_charged_once():
    video = listening(4)

    with lost_answers():
        assert repeated(lambda: complete(video, minutes=4), seconds=10)

    assert speech() == (4, 0)


def test_it_is_charged_to_the_month_in_which_it_was_set_aside():
    video = listening(4)
    last_month = date(2020, 1, 1)
    Usage.objects.update(period=last_month)
    Reservation.objects.update(month=last_month)

    complete(video, minutes=4)

    assert (speech(), Usage.objects.get().amount) == ((0, 0), 4 * MINUTE)


def test_the_sweep_gives_back_what_older_code_has_left_behind():
    kept, ended, gone, taken_over = (listening(2) for _ in range(4))
    Video.objects.filter(pk=ended.pk).update(status="queued", lease_expires_at=None)
    Video.objects.filter(pk=taken_over.pk).update(fence=9)
    Reservation.objects.filter(pk=gone.pk).update(video_id="00000000-0000-4000-8000-000000000000")

    sweeping.sweep()

    assert list(Reservation.objects.values_list("pk", flat=True)) == [kept.pk]
    assert speech() == (0, 2)


class OneLook(Deadline):
    """Time is up when somebody has looked at it once."""

    def passed(self) -> bool:
        self.looked, before = True, getattr(self, "looked", False)
        return before


def test_the_sweep_sends_first_and_tidies_afterwards_if_there_is_time():
    video = listening(2)
    Video.objects.filter(pk=video.pk).update(status="queued", lease_expires_at=None)

    assert sweeping.sweep(OneLook()).sent == 1

    assert Reservation.objects.exists()


def test_a_database_that_fails_while_the_sweep_tidies_ends_nothing(caplog):
    video, _ = listening(2), builders.queued()
    Reservation.objects.filter(pk=video.pk).update(fence=9)
    Deletion.objects.create(prefix="videos/x/", due_at=from_now(-1))

    def locked(execute, sql, *arguments):
        if sql.startswith("DELETE") and "speech_reservations" in sql:
            raise OperationalError(1205, "Lock wait timeout exceeded")
        return execute(sql, *arguments)

    with connection.execute_wrapper(locked):
        swept = sweeping.sweep()

    assert (swept.sent, swept.deletions) == (1, 1)
    assert "the next sweep goes on tidying" in caplog.text
    assert Reservation.objects.exists()


# --- asked for by an operator


def test_what_an_operator_forces_is_free_also_where_a_worker_was_busy_with_it():
    video = listening(4)
    reprocessing.start([video.pk], states=[Video.Status.PROCESSING])
    charge(10)

    claimed = services.claim_video(video.pk)
    assert quotas.reserve(claimed, 4 * MINUTE)
    complete(claimed, minutes=4)

    assert speech() == (10, 0)


@pytest.mark.parametrize("again", ["retry", "submit"])
def test_what_its_user_asks_for_afterwards_is_charged_again(again):
    video = builders.failed()
    services.reprocess_video(video)
    services.cancel_video(video)

    if again == "retry":
        services.retry_video(video)
    else:
        services.submit_video(user=video.user, youtube_id=video.youtube_id, mode="auto", language="")
    quotas.reserve(services.claim_video(video.pk), 4 * MINUTE)

    assert speech() == (0, 4)


# --- the size of files


def test_a_video_keeps_the_size_of_its_files_until_the_next_transcript():
    video = builders.processing()
    video.complete(source=Video.Source.SPEECH, language="en", s3_path="videos/x/1/audio.webm", bytes_kept=1000)
    services.reprocess_video(video)
    kept = [Video.objects.get().bytes_kept]
    services.claim_video(video.pk).complete(source=Video.Source.CAPTIONS, language="en", bytes_kept=10)

    assert [*kept, Video.objects.get().bytes_kept] == [1000, 10]


# --- all together


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time: it cannot happen there")
def test_many_workers_at_once_get_exactly_what_there_is():
    videos = [builders.processing() for _ in range(24)]

    def reserve(video: Video) -> bool:
        try:
            return quotas.reserve(video, 2 * MINUTE)
        except quotas.QuotaExceeded:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(24) as workers:
        got = list(workers.map(reserve, videos))

    assert (got.count(True), speech()) == (5, (0, 10))


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time: it cannot happen there")
def test_what_is_charged_meanwhile_is_never_left_out(settings):
    """Completions and cancellations turn what is set aside into what is used while others ask for the rest."""
    settings.MAX_ATTEMPTS = 100
    most: list[float] = []

    def work(number: int) -> None:
        try:
            for _ in range(3):
                video = builders.processing()
                video.describe(title="Bees", channel="", duration_ms=MINUTE)
                try:
                    quotas.reserve(video, MINUTE)
                except quotas.QuotaExceeded:
                    continue
                most.append(sum(speech()))
                complete(video, minutes=1) if number % 2 else services.cancel_video(listened(video))
                most.append(sum(speech()))
        finally:
            connection.close()

    def listened(video: Video) -> Video:
        video.advance(Video.Stage.SPEECH, 97)
        return video

    builders.user()
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(work, range(8)))

    assert (max(most), speech()) == (10, (10, 0))


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "reserve", "advance", *ENDS]), st.integers(0, 3), st.integers(1, 7)),
    max_size=25,
)


@how(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_in_no_order_of_events_is_more_used_than_there_is(steps):
    for model in (Transcript, Reservation, Usage, Video):
        model.objects.all().delete()
    builders.user()
    videos: list[Video] = []
    for what, which, minutes in steps:
        if what == "begin" or not videos:
            videos.insert(0, builders.processing())
            videos[0].describe(title="Bees", channel="", duration_ms=minutes * MINUTE)
            continue
        video = videos[which % len(videos)]
        if what == "reserve":
            with contextlib.suppress(quotas.QuotaExceeded):
                quotas.reserve(video, minutes * MINUTE)
        elif what == "advance":
            video.advance(Video.Stage.SPEECH, minutes * 14)
        else:
            ENDS[what][0](video)
        used, reserved = speech()
        assert used + reserved <= 10
        in_work = Video.objects.filter(status="processing").values_list("pk", "fence")
        assert set(Reservation.objects.values_list("pk", "fence")) <= set(in_work)
    for video in videos:
        services.cancel_video(video)
    assert speech()[1] == 0
