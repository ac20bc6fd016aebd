"""Hours and snapshots: what the sweep counts for the admin's front page."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from tests import builders
from tests.tokens import ALICE, BOB
from videos import figures, rollup
from videos.deadline import Deadline
from videos.models import Attempt, Hour, Snapshot, Video

pytestmark = pytest.mark.django_db

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)
NOON = TEN + timedelta(hours=2)


def at(video: Video, moment: datetime) -> Video:
    """As if it had been submitted then."""
    Video.objects.filter(pk=video.pk).update(created_at=moment)
    return video


def attempted(video: Video, *, asked: datetime, waited: float, worked: float) -> None:
    """As if its attempt had been made then; seconds."""
    started = asked + timedelta(seconds=waited)
    ended = started + timedelta(seconds=worked)
    Attempt.objects.filter(video=video).update(requested_at=asked, started_at=started, ended_at=ended)


def hour(start: datetime = TEN) -> Hour:
    return Hour.objects.get(start=start)


def all_counted() -> list[Hour | Snapshot]:
    return [*Hour.objects.all(), *Snapshot.objects.all()]


def test_an_hour_counts_what_was_submitted_in_it_and_nothing_of_its_neighbours():
    for moment in (TEN - timedelta(microseconds=1), TEN, TEN + timedelta(minutes=59), TEN + timedelta(hours=1)):
        at(builders.queued(), moment)

    rollup.roll_up(now=NOON)

    assert [hour(TEN + timedelta(hours=n)).count("submitted") for n in (-1, 0, 1)] == [1, 2, 1]


def test_an_hour_counts_what_ended_in_it_by_source_and_by_code():
    videos = [builders.completed(), builders.failed(code="video_private"), builders.processing()]
    videos[2].release("source_refused", "Not now.", delay=60)
    for video in videos:
        attempted(at(video, TEN), asked=TEN, waited=1, worked=60)

    rollup.roll_up(now=NOON)

    assert hour().counts("completed") == {"captions": 1}
    assert hour().counts("failed") == {"video_private": 1}
    assert hour().counts("troubles") == hour().counts("refusals") == {"source_refused": 1}


def test_waiting_is_counted_for_first_attempts_and_working_for_completed_ones():
    done, tried = builders.completed(), builders.failed()
    attempted(at(done, TEN), asked=TEN, waited=10, worked=100)
    attempted(at(tried, TEN), asked=TEN, waited=40, worked=5)
    Attempt.objects.filter(video=tried).update(number=2)

    rollup.roll_up(now=NOON)

    assert figures.percentile(hour().counts("waiting"), 0.95) == pytest.approx(10, rel=0.09)
    assert figures.percentile(hour().counts("working"), 0.5) == pytest.approx(100, rel=0.09)
    assert sum(hour().counts("waiting").values()) == 1


def test_a_claim_remembers_when_the_video_had_been_asked_for():
    video = builders.processing()

    assert video.attempts.get().requested_at == video.requested_at


@pytest.fixture
def _large(monkeypatch) -> None:
    """Whatever is counted takes as long as if the tables were large."""
    monkeypatch.setattr(rollup, "SHARE", 10**9)


@pytest.mark.usefixtures("_large")
def test_counting_twice_changes_nothing_and_a_settled_hour_is_left_alone():
    at(builders.queued(), TEN)
    rollup.roll_up(now=NOON)
    first = list(Hour.objects.order_by("start").values())

    counted = rollup.roll_up(now=NOON + timedelta(minutes=1))

    assert counted == 0
    assert list(Hour.objects.order_by("start").values()) == first


def test_an_hour_is_counted_anew_until_it_can_change_no_more():
    at(builders.queued(), TEN)
    rollup.roll_up(now=TEN + timedelta(minutes=30))
    at(builders.queued(), TEN + timedelta(minutes=59))

    rollup.roll_up(now=TEN + timedelta(minutes=70))

    assert hour().count("submitted") == 2


def test_after_a_pause_the_newest_hours_come_first_and_the_rest_follows(monkeypatch):
    monkeypatch.setattr(rollup, "HOURS_A_RUN", 2)
    at(builders.queued(), TEN)

    rollup.roll_up(now=NOON)
    after_one = list(Hour.objects.order_by("start").values_list("start", flat=True))
    rollup.roll_up(now=NOON)

    assert after_one == [TEN + timedelta(hours=1), NOON]
    assert hour().count("submitted") == 1


def test_it_stops_at_the_deadline():
    at(builders.queued(), TEN)

    assert rollup.roll_up(Deadline(-1), now=NOON) == 0
    assert not Hour.objects.exists()


def test_it_forgets_hours_that_nobody_looks_at():
    Hour.objects.create(start=NOON - timedelta(days=500), computed_at=NOON)
    at(builders.queued(), TEN)

    rollup.roll_up(now=NOON)

    assert not Hour.objects.filter(start__lt=NOON - timedelta(days=rollup.DAYS_KEPT)).exists()


def test_nothing_is_counted_where_nothing_was_ever_submitted():
    assert rollup.roll_up(now=NOON) == 0


def test_a_database_that_fails_is_logged_and_ends_no_sweep(monkeypatch, caplog):
    def fails(*args: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(rollup, "_count_hours", fails)

    assert rollup.roll_up(now=NOON) == 0
    assert "not brought up to date" in caplog.text


def test_a_snapshot_says_how_many_there_are_in_which_state_and_why():
    builders.queued(), builders.completed(), builders.failed(code="no_captions"), builders.failed(code="no_captions")

    rollup.roll_up()

    states = Snapshot.objects.get(pk="states")
    assert states.value("videos") == {"queued": 1, "completed": 1, "failed": 2}
    assert states.value("failed") == {"no_captions": 2}


def test_a_snapshot_says_who_uses_it_and_what_they_use():
    for _ in range(2):
        builders.completed(ALICE, duration_ms=90_000)
    builders.queued(BOB)

    rollup.roll_up()

    users = Snapshot.objects.get(pk="users").figures
    assert (users["all"], users["active_day"], users["active_month"]) == (2, 2, 2)
    assert [(one["id"], one["submitted"], one["seconds"]) for one in users["most"]] == [
        (ALICE, 2, {"captions": 180}),
        (BOB, 1, {}),
    ]


def test_where_counting_is_quick_all_is_as_of_the_last_sweep():
    at(builders.queued(), NOON)
    rollup.roll_up(now=NOON)
    for row in all_counted():
        row.figures["took"] = 0.01
        row.save()
    at(builders.queued(), NOON)

    rollup.roll_up(now=NOON + timedelta(seconds=9))
    at_nine = hour(NOON).count("submitted"), Snapshot.objects.get(pk="states").value("videos")
    rollup.roll_up(now=NOON + timedelta(seconds=10))

    assert at_nine == (1, {"queued": 1})
    assert (hour(NOON).count("submitted"), Snapshot.objects.get(pk="states").value("videos")) == (2, {"queued": 2})
    assert Snapshot.objects.get(pk="users").computed_at == NOON + timedelta(seconds=10)


def test_each_count_tells_what_it_cost():
    at(builders.queued(), NOON)

    rollup.roll_up(now=NOON)

    assert all(0 < row.figures["took"] < 60 for row in all_counted())


@pytest.mark.usefixtures("_large")
def test_snapshots_are_renewed_only_when_they_are_old():
    now = datetime.now(UTC)
    rollup.roll_up(now=now)
    builders.queued()

    rollup.roll_up(now=now + timedelta(minutes=4))
    before = dict(Snapshot.objects.get(pk="states").figures)
    rollup.roll_up(now=now + timedelta(minutes=6))

    assert (before["videos"], Snapshot.objects.get(pk="states").value("videos")) == ({}, {"queued": 1})


class Impatient(Deadline):
    """Passes after it was asked so often."""

    def __init__(self, patience: int) -> None:
        super().__init__()
        self._patience = patience

    def passed(self) -> bool:
        self._patience -= 1
        return self._patience < 0


def users_are_counted(deadline: Deadline | None = None, *, now: datetime = NOON) -> bool:
    """Whether this run does it."""
    rollup.roll_up(deadline, now=now)
    return Snapshot.objects.filter(pk="users", computed_at=now).exists()


def test_users_are_counted_only_with_enough_time_left():
    assert not users_are_counted(Deadline(rollup.USERS_SECONDS - 1))
    assert users_are_counted(Deadline(rollup.USERS_SECONDS + 30))


def test_the_time_is_asked_for_before_each_statement_about_users():
    builders.queued(ALICE), builders.queued(BOB)
    enough = 6  # two about all of them, two about each of the two

    assert [rollup._users(Impatient(patience), NOON) == {} for patience in range(enough + 1)] == [True] * 6 + [False]


def test_a_count_of_users_that_was_cut_off_is_tried_again_after_an_hour_and_the_one_of_before_stays(caplog):
    builders.queued()
    now = datetime.now(UTC)
    assert users_are_counted(now=now)
    rollup.roll_up(now=now)
    later = now + timedelta(minutes=61)
    patience = 3  # the running hour and the one before, states; then it is over

    assert not users_are_counted(Impatient(patience), now=later)
    assert "the next try is in an hour" in caplog.text
    assert Snapshot.objects.get(pk="users").value("all") == 1
    assert not users_are_counted(now=later + timedelta(minutes=59))
    assert users_are_counted(now=later + timedelta(minutes=60))


def test_a_count_of_users_that_failed_is_tried_again_after_an_hour(monkeypatch):
    def fails(*args: object) -> None:
        raise DatabaseError("it took too long")

    with monkeypatch.context() as broken:
        broken.setattr(rollup, "_users", fails)
        rollup.roll_up(now=NOON)

    assert not users_are_counted(now=NOON + timedelta(minutes=59))
    assert users_are_counted(now=NOON + timedelta(minutes=60))


def test_an_hour_takes_few_statements_however_much_happened(django_assert_num_queries):
    for _ in range(5):
        attempted(at(builders.completed(), TEN), asked=TEN, waited=1, worked=1)

    with django_assert_num_queries(2):
        rollup.figures_of(TEN)


@pytest.mark.usefixtures("_large")
def test_a_sweep_with_nothing_to_count_asks_little():
    at(builders.queued(), TEN)
    rollup.roll_up(now=NOON)
    from django.db import connection

    with CaptureQueriesContext(connection) as asked:
        rollup.roll_up(now=NOON + timedelta(minutes=1))

    assert len(asked) <= 5


@given(st.lists(st.floats(0.2, 1e6), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_percentile_is_within_nine_percent_of_the_true_one(seconds, share):
    counts: dict[str, int] = {}
    for value in seconds:
        key = str(figures.class_of(value))
        counts[key] = counts.get(key, 0) + 1
    true = sorted(seconds)[max(0, -(-len(seconds) * int(share * 100) // 100) - 1)]

    assert figures.percentile(counts, share) == pytest.approx(true, rel=0.0951)


def test_the_percentile_of_nothing_is_not_zero():
    assert figures.percentile({}, 0.5) is None


def test_hours_add_up_to_the_percentile_of_their_days():
    one, other = {"10": 3, "20": 1}, {"20": 6}

    assert figures.percentile(figures.added([one, other]), 0.5) == figures.percentile({"20": 1}, 0.5)
