"""The breaker towards YouTube, which all workers share."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from videos import breaker
from videos.models import Breaker

pytestmark = pytest.mark.django_db


def youtube() -> Breaker:
    return Breaker.objects.youtube()


def fail(times: int = 1, probe: str = "", **more) -> None:
    for _ in range(times):
        youtube().failed("source_refused", probe, **more)


def opened() -> Breaker:
    fail(3)
    return youtube()


def come_due() -> None:
    Breaker.objects.update(retry_at=Now() - timedelta(seconds=1))


def wait() -> float:
    return (youtube().retry_at - timezone.now()).total_seconds()


def test_it_is_closed_as_long_as_nothing_has_failed():
    assert not youtube().is_open


def test_it_opens_after_three_failures_in_a_row():
    fail(2)
    assert not youtube().is_open

    fail()

    assert youtube().is_open
    assert youtube().code == "source_refused"
    assert 50 < wait() <= 60


def test_it_begins_to_count_anew_after_an_answer():
    fail(2)
    youtube().answered()
    fail(2)

    assert not youtube().is_open


def test_it_waits_for_as_long_as_the_source_asks():
    fail(2)
    fail(at_least=300)

    assert 290 < wait() <= 300


def test_nobody_probes_before_its_time():
    assert opened().probe() == ""


def test_one_at_a_time_probes_when_its_time_has_come():
    opened()
    come_due()

    probes = [youtube().probe() for _ in range(3)]

    assert [bool(probe) for probe in probes] == [True, False, False]
    assert 100 < wait() <= breaker.PROBE_SECONDS


def test_another_one_probes_when_the_prober_is_lost():
    opened()
    come_due()
    first = youtube().probe()
    come_due()

    second = youtube().probe()

    assert second
    assert second != first


def test_a_probe_that_is_answered_closes_it():
    opened()
    come_due()
    youtube().answered(youtube().probe())

    assert not youtube().is_open
    assert (youtube().failures, youtube().retry_at) == (0, None)


def test_a_probe_that_fails_makes_the_wait_longer_each_time_up_to_a_bound():
    opened()
    waits = []
    for _ in range(6):
        come_due()
        fail(probe=youtube().probe())
        waits.append(round(wait() / 60))

    assert waits == [2, 4, 8, 15, 15, 15]
    assert youtube().is_open


def test_it_begins_with_a_short_wait_when_it_opens_the_next_time():
    opened()
    come_due()
    fail(probe=youtube().probe())
    come_due()
    youtube().answered(youtube().probe())

    fail(3)

    assert 50 < wait() <= 60


def test_a_probe_that_was_not_made_is_given_back():
    opened()
    come_due()
    youtube().untried(youtube().probe())

    assert youtube().probe()


def test_what_was_asked_before_it_opened_neither_closes_nor_prolongs_it():
    before = opened().retry_at
    youtube().answered()
    fail()

    assert youtube().is_open
    assert youtube().retry_at == before


def test_a_failure_of_a_prober_that_was_overtaken_changes_nothing():
    opened()
    come_due()
    late = youtube().probe()
    come_due()
    youtube().probe()
    before = youtube().retry_at
    fail(probe=late)

    assert youtube().retry_at == before


def test_an_answer_that_took_longer_than_a_probe_may_closes_it_all_the_same():
    opened()
    come_due()
    late = youtube().probe()
    come_due()
    youtube().probe()
    youtube().answered(late)

    assert not youtube().is_open
