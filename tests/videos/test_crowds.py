"""Many submissions at once, of one user and of many: nobody is refused for it, and nothing is there twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from tests import builders
from tests.conftest import client_of, messages
from tests.tokens import ALICE
from transcripts.models import Transcript
from videos import quotas
from videos.models import QuotaLock, Video
from videos.usage import UserErased

AT_ONCE = 40
ONE_WRITER = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer at a time: it cannot happen there"
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs")]


def sub(number: int) -> str:
    return f"c0000000-0000-4000-8000-{number:012}"


def submit(user: str, number: int) -> int:
    try:
        client = client_of(user, f"{user}@example.com")
        return client.post("/analyze", {"url": f"https://youtu.be/crowd{number:06}"}).status_code
    finally:
        connection.close()


def at_once(users: int, links: int) -> list[int]:
    """What forty get who call together, users that nobody has seen before."""
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        return list(crowd.map(lambda number: submit(sub(number % users), number % links), range(AT_ONCE)))


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
        row = cursor.fetchone()
    return int(row[1]) if row else 0  # MySQL does not count them there


@ONE_WRITER
@pytest.mark.parametrize(("users", "links"), [(1, AT_ONCE), (1, 1), (AT_ONCE, AT_ONCE), (AT_ONCE, 1)])
def test_all_are_accepted_once_each(users, links, settings, sqs):
    statuses = at_once(users, links)

    rows = sorted(str(pk) for pk in Video.objects.values_list("pk", flat=True))
    assert statuses.count(202) == len(rows) == max(users, links)
    assert statuses.count(200) == AT_ONCE - len(rows)
    assert sorted(message["video_id"] for message in messages(sqs, settings)) == rows


@ONE_WRITER
def test_the_first_submissions_of_a_user_do_not_lock_each_other_out():
    before = deadlocks()

    at_once(1, AT_ONCE)

    assert deadlocks() == before


@ONE_WRITER
def test_a_transcript_that_is_being_written_does_not_hold_up_what_its_user_submits():
    submit(ALICE, 1)
    video = Video.objects.claim(Video.objects.get().pk)

    with ThreadPoolExecutor(1) as elsewhere, transaction.atomic():
        video.complete(source=Video.Source.CAPTIONS, language="en")
        Transcript.objects.store(builders.transcript(video))
        status = elsewhere.submit(submit, ALICE, 2).result()

    assert status == 202


def test_a_lock_is_made_once():
    user = builders.user()

    for _ in range(2):
        with transaction.atomic():
            quotas.lock(user.pk)

    assert QuotaLock.objects.count() == 1


def test_nothing_is_counted_for_who_has_been_erased():
    with pytest.raises(UserErased), transaction.atomic():
        quotas.lock(ALICE)

    assert not QuotaLock.objects.exists()
