"""The state machine of a video, and what the database itself forbids."""

import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

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


# --- what no fault of the video's is not counted


def test_it_gets_its_attempt_back_when_it_was_interrupted():
    video = builders.processing()
    video.release("storage_unavailable", "Not now.", delay=-1, counted=False)

    assert state(video) == ("queued", 0, 2)
    assert Video.objects.claim(video.pk).attempt == 1


def test_it_waits_in_the_queue_without_an_attempt_while_youtube_does_not_answer():
    video = builders.queued()
    video.sent()

    assert video.park("source_unavailable", "YouTube does not answer.", until=timezone.now() + timedelta(minutes=1))
    assert state(video) == ("queued", 0, 1)
    assert (video.error_code, video.error_retryable, video.enqueued_at) == ("source_unavailable", True, None)
    assert Video.objects.claim(video.pk) is None


def test_it_is_not_stamped_as_sent_by_whoever_sent_it_before_it_was_parked():
    sender = builders.queued()
    Video.objects.get(pk=sender.pk).park("source_unavailable", "Not now.", until=timezone.now())

    assert not sender.sent()


def test_it_is_given_up_when_it_has_waited_for_too_long():
    video = builders.queued()

    assert video.give_up("source_unavailable", "YouTube has not answered for a day.")
    assert state(video) == ("failed", 0, 1)
    assert video.error_retryable


@pytest.mark.parametrize("state_", ["processing", "completed", "failed"])
def test_it_neither_waits_nor_is_given_up_unless_it_is_queued(state_):
    video = getattr(builders, state_)()
    before = Video.objects.values().get(pk=video.pk)

    assert not video.park("x", "x", until=timezone.now())
    assert not video.give_up("x", "x")
    assert Video.objects.values().get(pk=video.pk) == before


# --- cancel, reprocess

ANY = list(Video.Status)
ENDED = [Video.Status.COMPLETED, Video.Status.FAILED]


@pytest.mark.parametrize("state_", ["queued", "processing"])
def test_it_is_cancelled_while_it_waits_or_is_in_work(state_):
    video = getattr(builders, state_)()
    fence = video.fence

    assert video.cancel()
    assert state(video)[::2] == ("failed", fence + 1)
    assert (video.error_code, video.error_retryable) == ("cancelled", True)


@pytest.mark.parametrize("state_", ["completed", "failed"])
def test_it_is_not_cancelled_when_it_has_ended(state_):
    video = getattr(builders, state_)()
    before = Video.objects.values().get(pk=video.pk)

    assert not video.cancel()
    assert Video.objects.values().get(pk=video.pk) == before


def test_a_worker_writes_nothing_to_what_was_cancelled():
    video = builders.processing()
    Video.objects.get(pk=video.pk).cancel()
    before = Video.objects.values().get(pk=video.pk)

    assert not any(write(video) for write in WRITES.values())
    assert Video.objects.values().get(pk=video.pk) == before


@pytest.mark.parametrize("state_", ["queued", "processing", "completed", "failed"])
def test_it_is_started_anew_from_the_states_that_are_named(state_):
    video = getattr(builders, state_)()
    video.refresh_from_db()
    ended = state_ in ("completed", "failed")

    assert video.reprocess(from_states=ENDED) == ended
    video.refresh_from_db()
    fence = video.fence
    assert video.reprocess(from_states=ANY, mode="speech")
    assert state(video) == ("queued", 0, fence + 1)
    assert (video.mode, video.error_code, video.completed_at, video.enqueued_at) == ("speech", "", None, None)


def test_it_keeps_its_transcript_while_it_is_made_anew():
    video = builders.completed(s3_path="videos/x/1/audio.webm")
    content = video.transcript.content

    video.reprocess(from_states=ENDED)
    Video.objects.claim(video.pk).fail("no_audio", "No sound.", retryable=False)

    video.refresh_from_db()
    assert (video.status, video.s3_path, video.transcript.content) == ("failed", "videos/x/1/audio.webm", content)


def test_a_claim_that_is_repeated_after_its_answer_was_lost_is_the_same_claim():
    video = builders.queued()
    first = Video.objects.claim(video.pk, token="t" * 32)

    again = Video.objects.claim(video.pk, token="t" * 32)

    assert (again.pk, again.fence, again.attempt) == (first.pk, first.fence, 1)
    assert video.attempts.count() == 1


def test_a_completion_that_is_repeated_after_its_answer_was_lost_has_happened():
    video = builders.processing()

    assert [video.complete(source=Video.Source.SPEECH, language="en") for _ in range(2)] == [True, True]


# --- the record of attempts


def record(video) -> list[tuple]:
    return list(video.attempts.order_by("fence").values_list("number", "outcome", "stage", "error_code"))


def test_each_claim_is_recorded_with_its_worker_and_its_beginning():
    video = Video.objects.claim(builders.queued().pk, worker="host 7")

    attempt = video.attempts.get()
    assert (attempt.number, attempt.fence, attempt.worker, attempt.outcome) == (1, 1, "host 7", "running")
    assert abs(attempt.started_at - timezone.now()) < timedelta(minutes=1)
    assert attempt.ended_at is None


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (WRITES["complete"], ("completed", "")),
        (WRITES["fail"], ("failed", "no_audio")),
        (WRITES["release"], ("released", "source_refused")),
        (lambda v: v.release("no_space_left", "Full.", delay=1, counted=False), ("interrupted", "no_space_left")),
        (lambda v: expire_lease(v) or v.abandon(), ("lost", "worker_lost")),
        (lambda v: v.cancel(), ("cancelled", "cancelled")),
        (lambda v: v.reprocess(from_states=ANY), ("superseded", "")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_each_end_is_recorded_with_the_stage_that_was_reached(end, expected):
    video = builders.processing()
    video.advance(Video.Stage.SPEECH, 50)

    assert end(video)

    outcome, code = expected
    assert record(video) == [(1, outcome, "speech", code)]
    assert video.attempts.get().ended_at is not None


def test_an_end_that_did_not_happen_is_not_recorded():
    stale = builders.processing()
    expire_lease(stale)
    Video.objects.get(pk=stale.pk).abandon()
    Video.objects.claim(stale.pk)

    WRITES["fail"](stale)

    assert [outcome for _, outcome, *_ in record(stale)] == ["lost", "running"]


def test_an_interrupted_attempt_is_followed_by_its_like():
    video = builders.processing()
    video.release("no_space_left", "Full.", delay=-1, counted=False)
    again = Video.objects.claim(video.pk)
    again.release("source_refused", "Not now.", delay=-1)
    Video.objects.claim(video.pk)

    assert [(number, outcome) for number, outcome, *_ in record(video)] == [
        (1, "interrupted"), (1, "released"), (2, "running"),
    ]  # fmt: skip


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
