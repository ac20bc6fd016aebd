"""SQL that is written once: it gives what its queryset gives, with any values, also from another thread."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError, ProgrammingError, connection
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Parameter, Prepared, PreparedUpdate
from tests import builders
from tests.tokens import ALICE, BOB, CHARLIE
from videos.models import Video


def of_user() -> Prepared[tuple]:
    columns = ["id", "user_id", "created_at", "retry_at", "error_retryable", "progress"]
    mine = Parameter("user", User._meta.pk)
    return Prepared(lambda: Video.objects.filter(user=mine).order_by("id").values_list(*columns), tuple)


@pytest.mark.django_db
@pytest.mark.parametrize("user", [ALICE, BOB])
def test_it_gives_what_the_queryset_gives(user):
    builders.failed(ALICE, retryable=True)
    builders.queued(BOB, retry_at=timezone.now())
    videos = Video.objects.filter(user=user).order_by("id")
    columns = ["id", "user_id", "created_at", "retry_at", "error_retryable", "progress"]

    assert of_user()(user=user) == list(videos.values_list(*columns))


@pytest.mark.django_db
def test_the_sql_is_written_once():
    builders.queued(ALICE)
    builders.queued(BOB)
    built = []
    mine = Parameter("user", User._meta.pk)

    def build():
        built.append(1)
        return Video.objects.filter(user=mine).values_list("user_id")

    question = Prepared(build, tuple)

    assert (question(user=ALICE), question(user=BOB), built) == ([(ALICE,)], [(BOB,)], [1])


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["id", "created_at"])
def test_ids_and_times_go_in_as_python_has_them(column):
    video = builders.queued()
    wanted = Parameter("wanted", Video._meta.get_field(column))  # type: ignore[arg-type]
    question = Prepared(lambda: Video.objects.filter((column, wanted)).values_list("id"), tuple)

    assert question(wanted=getattr(video, column)) == [(video.pk,)]
    assert question(wanted=uuid.uuid4() if column == "id" else video.created_at + timedelta(days=1)) == []


@pytest.mark.django_db(transaction=True)
def test_it_may_be_asked_by_any_number_of_threads():
    builders.queued()
    question, found = of_user(), []

    def ask() -> None:
        try:
            found.append(len(question(user=ALICE)))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [1] * 8


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mysql", reason="SQLite has no connection that could be lost.")
def test_a_connection_that_was_killed_is_replaced_unseen():
    builders.queued()
    question = of_user()
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        (lost,) = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("KILL %s", [lost])
    other.close()

    assert len(question(user=ALICE)) == 1


@pytest.mark.django_db(transaction=True)
def test_what_the_database_refuses_is_not_asked_again():
    question = of_user()
    question(user=ALICE)
    question._sql, question._parameters = "SELECT nothing FROM nowhere", []
    before = connection.connection

    with pytest.raises((OperationalError, ProgrammingError)):
        question(user=ALICE)

    assert connection.connection is before


@pytest.mark.django_db
def test_an_update_changes_what_is_meant_and_says_how_much():
    mine, other = builders.queued(progress=1), builders.queued(BOB, progress=1)
    more = PreparedUpdate(
        lambda: Video.objects.filter(user=Parameter("user", User._meta.pk)),
        progress=F("progress") + Parameter("more", Video._meta.get_field("progress")),
    )

    assert (more(user=ALICE, more=4), more(user=CHARLIE, more=4)) == (1, 0)

    assert Video.objects.get(pk=mine.pk).progress == 5
    assert Video.objects.get(pk=other.pk).progress == 1
