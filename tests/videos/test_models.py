"""The state machine of a video, and what the database itself forbids."""

import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from tests import builders
from tests.tokens import ALICE, BOB
from transcripts.models import Transcript
from videos.models import Deletion, Video

pytestmark = pytest.mark.django_db


def expire_lease(video):
    Video.objects.filter(pk=video.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def state(video):
    video.refresh_from_db()
    return video.status, video.attempt, video.fence


# --- claims


def test_it_is_claimed_by_one_worker_only():
    video = builders.queued()

    first, second = Video.objects.claim(video.pk), Video.objects.claim(video.pk)

    assert (first is not None, second) == (True, None)
    assert state(video) == ("processing", 1, 1)


def test_it_is_not_claimed_before_its_time():
    video = builders.processing()
    video.release("source_refused", "Not now.", delay=60)

    assert Video.objects.claim(video.pk) is None


def test_it_is_claimed_when_its_time_has_come():
    video = builders.processing()
    video.release("source_refused", "Not now.", delay=-1)

    assert Video.objects.claim(video.pk).attempt == 2


def test_it_is_not_claimed_from_a_worker_even_when_the_lease_has_expired():
    video = builders.processing()
    expire_lease(video)

    assert Video.objects.claim(video.pk) is None


@pytest.mark.parametrize("ended", ["failed", "completed"])
def test_it_is_not_claimed_when_it_has_ended(ended):
    assert Video.objects.claim(getattr(builders, ended)().pk) is None


def test_it_is_not_claimed_when_it_does_not_exist():
    assert Video.objects.claim(uuid.uuid4()) is None


def test_it_is_claimed_also_when_fewer_attempts_are_allowed_than_it_has_had(settings):
    video = builders.processing()
    video.release("source_refused", "Not now.", delay=-1)
    settings.MAX_ATTEMPTS = 1

    assert Video.objects.claim(video.pk).attempt == 2


def test_it_forgets_the_last_error_when_work_begins_again():
    video = builders.processing()
    video.release("source_refused", "Not now.", delay=-1)

    again = Video.objects.claim(video.pk)

    assert (again.error_code, again.error_detail, again.error_retryable) == ("", "", False)


# --- a worker's writes

WRITES = {
    "extend": lambda v: v.extend(),
    "describe": lambda v: v.describe(title="t", channel="c", duration_ms=1),
    "advance": lambda v: v.advance(Video.Stage.AUDIO, 20),
    "complete": lambda v: v.complete(source=Video.Source.SPEECH, language="en"),
    "fail": lambda v: v.fail("no_audio", "No sound.", retryable=False),
    "release": lambda v: v.release("source_refused", "Not now.", delay=1),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_it_takes_the_writes_of_the_worker_that_holds_it(write):
    assert write(builders.processing())


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_it_takes_no_write_of_a_worker_that_was_overtaken(write):
    stale = builders.processing()
    expire_lease(stale)
    assert Video.objects.get(pk=stale.pk).abandon()
    Video.objects.claim(stale.pk)
    before = Video.objects.values().get(pk=stale.pk)

    assert not write(stale)
    assert Video.objects.values().get(pk=stale.pk) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_it_takes_no_write_after_it_was_deleted(write):
    video = builders.processing()
    Video.objects.filter(pk=video.pk).delete()

    assert not write(video)


def test_it_lives_on_while_the_lease_is_extended():
    video = builders.processing()
    expire_lease(video)

    assert video.extend()
    assert not Video.objects.abandoned().exists()


def test_it_is_complete_with_source_language_and_time():
    video = builders.processing()
    video.complete(source=Video.Source.SPEECH, language="pt-BR")
    video.refresh_from_db()

    assert (video.status, video.progress, video.stage, video.source, video.language) == (
        "completed", 100, "", "speech", "pt-BR",
    )  # fmt: skip
    assert video.completed_at is not None
    assert (video.lease_token, video.lease_expires_at) == ("", None)


def test_it_goes_back_into_the_queue_with_the_cause_and_a_later_time():
    video = builders.processing()
    video.release("source_refused", "x" * 900, delay=60)
    video.refresh_from_db()

    assert (video.status, video.enqueued_at, video.error_code) == ("queued", None, "source_refused")
    assert video.error_detail == "x" * 500
    assert video.retry_at > video.updated_at
    assert not Video.objects.unsent(resend_after=0).exists()


# --- retry, sent, sweep


def test_it_starts_again_only_after_a_failure():
    assert builders.failed().retry()
    assert not builders.processing().retry()
    assert not builders.completed().retry()


def test_it_is_stamped_as_sent_only_while_it_is_queued_under_the_same_fence():
    video = builders.queued()
    claimed = Video.objects.claim(video.pk)

    assert not video.sent()
    claimed.release("x", "x", delay=-1)
    assert not video.sent()


def test_it_is_sent_again_only_when_its_message_is_old():
    video = builders.queued()
    video.sent()
    assert not Video.objects.unsent(resend_after=60).exists()

    Video.objects.update(enqueued_at=F("enqueued_at") - timedelta(seconds=61))
    assert Video.objects.unsent(resend_after=60).exists()


def test_it_is_not_abandoned_while_its_lease_lives():
    assert not builders.processing().abandon()


def test_it_goes_back_into_the_queue_when_its_worker_is_gone():
    video = builders.processing()
    expire_lease(video)

    assert video.abandon()
    assert state(video) == ("queued", 1, 2)


def test_it_is_abandoned_only_once():
    video = builders.processing()
    expire_lease(video)
    again = Video.objects.get(pk=video.pk)

    assert [video.abandon(), again.abandon()] == [True, False]


def test_it_fails_when_it_has_lost_its_worker_too_often(settings):
    settings.MAX_ATTEMPTS = 1
    video = builders.processing()
    expire_lease(video)

    assert video.abandon()
    video.refresh_from_db()
    assert (video.status, video.error_code, video.error_retryable) == ("failed", "worker_lost", True)


def test_a_deletion_is_looked_at_once_more_after_its_grace():
    deletion = Deletion.objects.create(prefix="videos/x/")

    deletion.succeeded()
    assert not Deletion.objects.due().exists()

    deletion.refresh_from_db()
    deletion.succeeded()
    assert not Deletion.objects.exists()


def test_a_deletion_that_failed_waits_longer_each_time_and_lets_others_go_first():
    deletion = Deletion.objects.create(prefix="videos/x/")
    deletion.failed()
    deletion.refresh_from_db()
    first = deletion.due_at - deletion.requested_at
    Deletion.objects.update(requested_at=deletion.requested_at - timedelta(minutes=10))
    deletion.refresh_from_db()
    deletion.failed()
    deletion.refresh_from_db()

    assert first >= Deletion.RETRY
    assert deletion.due_at - deletion.requested_at > timedelta(minutes=19)


# --- what the database forbids


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "done"},
        {"status": "failed"},
        {"status": "processing"},
        {"status": "completed"},
        {"lease_expires_at": Now()},
        {"progress": 101},
        {"mode": "magic"},
        {"source": "magic"},
        {"user_id": "nobody"},
    ],
    ids=str,
)
def test_the_database_refuses_a_row_that_makes_no_sense(columns):
    video = builders.queued()

    def write():
        with transaction.atomic():
            Video.objects.filter(pk=video.pk).update(**columns)
            connection.check_constraints()

    with pytest.raises(DatabaseError):
        write()


def test_the_database_refuses_a_second_row_for_the_same_user_and_video():
    builders.queued(youtube_id="dQw4w9WgXcQ")

    with pytest.raises(IntegrityError), transaction.atomic():
        builders.queued(youtube_id="dQw4w9WgXcQ")


def test_the_database_allows_two_users_the_same_video():
    builders.queued(ALICE, youtube_id="dQw4w9WgXcQ")

    assert builders.queued(BOB, youtube_id="dQw4w9WgXcQ").pk


def test_the_database_keeps_every_script_and_emoji_of_a_title():
    video = builders.processing()
    title = "日本語 🙂 Ünïcödé 👩‍👩‍👧‍👦 \N{RIGHT-TO-LEFT OVERRIDE}"

    video.describe(title=title, channel="🎬", duration_ms=2**40)

    video.refresh_from_db()
    assert (video.title, video.channel, video.duration_ms) == (title, "🎬", 2**40)


def test_the_database_keeps_a_transcript_of_five_megabytes():
    line = "Жили-были 'дед' \\ да баба 🙂 " * 4
    count = 5_000_000 // len((line + "\n").encode())
    segments = [builders.Segment(n * 1000, n * 1000 + 900, line.strip()) for n in range(count)]

    transcript = builders.completed(segments=segments).transcript

    transcript.refresh_from_db()
    assert len(transcript.content.encode()) > 4_900_000
    assert transcript.segments == segments


@pytest.mark.django_db(transaction=True)  # MySQL counts rows only once they are committed
def test_the_lists_and_the_sweep_use_their_indexes():
    user = builders.user()
    for number in range(150):  # few of hers are queued, and few of the queued are hers
        builders.completed(ALICE, segments=[])
        builders.queued(ALICE if number < 5 else BOB)
    queries = {
        "videos_newest": Video.objects.for_user(user).order_by("-created_at", "-id")[:20],
        "videos_by_title": Video.objects.for_user(user).order_by("title", "id")[:20],
        "videos_by_status": Video.objects.for_user(user).filter(status="queued").order_by("-created_at", "-id")[:20],
        "videos_leases": Video.objects.abandoned(),
        "deletions_due": Deletion.objects.due().order_by("due_at"),
        "transcripts_newest": Transcript.objects.for_user(user).order_by("-created_at", "-id")[:20],
    }

    used = {index: keys_of(query) for index, query in queries.items()}

    assert {index for index, keys in used.items() if index not in keys} == set()


def keys_of(query) -> str:
    """Which index the database chose; SQLite names it in a sentence, MySQL in the column ``key``."""
    if connection.vendor == "sqlite":
        return query.explain()
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE TABLE {query.model._meta.db_table}")
        sql, parameters = query.query.sql_with_params()
        cursor.execute(f"EXPLAIN {sql}", parameters)
        columns = [column[0] for column in cursor.description]
        return " ".join(str(row[columns.index("key")]) for row in cursor.fetchall())
