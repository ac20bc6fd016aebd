"""Doing a transaction over when the database failed in a way that passes."""

import time

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, transaction

from tests import builders
from videos.models import Video
from videos.transactions import is_passing, repeated

DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")


class Failing:
    """Work that fails so many times before it succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.runs = 0

    def __call__(self) -> str:
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


@pytest.mark.parametrize(
    "error",
    [
        DEADLOCK,
        OperationalError(1205, "Lock wait timeout exceeded"),
        OperationalError(1040, "Too many connections"),
        OperationalError(1045, "Access denied"),
        OperationalError(1290, "The MariaDB server is running with the --read-only option"),
        OperationalError(2002, "Can't connect to local server"),
        OperationalError(2003, "Can't connect to MySQL server"),
        OperationalError(2006, "Server has gone away"),
        OperationalError(2013, "Lost connection to server during query"),
        OperationalError(4031, "The client was disconnected by the server because of inactivity"),
        OperationalError("database is locked"),
        InterfaceError(0, ""),
    ],
    ids=str,
)
def test_it_passes(error):
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        OperationalError(1044, "Access denied to the database"),
        OperationalError(1153, "Got a packet bigger than 'max_allowed_packet' bytes"),
        OperationalError("no such table: videos"),
        OperationalError(),
        IntegrityError(1062, "Duplicate entry"),
        DataError(1406, "Data too long"),
        RuntimeError("database is locked"),
    ],
    ids=str,
)
def test_it_does_not_pass(error):
    assert not is_passing(error)


@pytest.mark.django_db(transaction=True)
def test_work_is_done_again_until_it_succeeds():
    work = Failing(DEADLOCK, OperationalError(2013, "Lost connection"))

    assert repeated(work, seconds=30) == "done"
    assert work.runs == 3


@pytest.mark.django_db(transaction=True)
def test_it_goes_on_with_a_connection_that_works(settings):
    video = builders.queued()

    def lose_it_once() -> str:
        if not lost:
            lost.append(True)
            from django.db import connection

            connection.ensure_connection()
            connection.connection.close()
            raise OperationalError(2006, "Server has gone away")
        return Video.objects.get(pk=video.pk).status

    lost: list[bool] = []

    assert repeated(lose_it_once, seconds=30) == "queued"


@pytest.mark.django_db(transaction=True)
def test_work_is_given_up_when_the_time_is_over():
    work = Failing(*[DEADLOCK] * 1000)
    began = time.monotonic()

    with pytest.raises(OperationalError, match="Deadlock"):
        repeated(work, seconds=0.3)

    assert 1 < work.runs < 10
    assert time.monotonic() - began < 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [IntegrityError("twice"), RuntimeError("a bug")])
def test_work_that_will_fail_again_is_done_once(error):
    work = Failing(error)

    with pytest.raises(type(error)):
        repeated(work, seconds=30)

    assert work.runs == 1


@pytest.mark.django_db
def test_a_part_of_a_transaction_is_done_once():
    work = Failing(DEADLOCK)

    with pytest.raises(OperationalError), transaction.atomic():
        repeated(work, seconds=30)

    assert work.runs == 1
