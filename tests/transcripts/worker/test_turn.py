"""Whose turn it is to have the speech engine."""

import math
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from transcripts.worker import turn


@pytest.fixture(autouse=True)
def _mine() -> Iterator[None]:
    yield
    turn.give_back()


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Other jobs."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


def far() -> float:
    return math.inf


def near() -> float:
    return 0.1


def test_whoever_comes_first_has_it():
    assert turn.take(far)


def test_whoever_has_it_may_take_it_again():
    turn.take(far)

    assert (turn.is_far(), turn.take(far)) == (False, True)


def test_nobody_else_has_it_meanwhile(elsewhere):
    turn.take(far)

    assert not elsewhere.submit(turn.take, far).result(10)


def test_it_is_the_next_ones_afterwards(elsewhere):
    turn.take(far)
    turn.give_back()

    assert elsewhere.submit(turn.take, far).result(10)

    elsewhere.submit(turn.give_back)


def test_nobody_can_give_back_what_another_has(elsewhere):
    turn.take(far)

    elsewhere.submit(turn.give_back).result(10)

    assert elsewhere.submit(turn.is_far).result(10)


def waiting_for(threads: ThreadPoolExecutor) -> Future:
    """A job waits for its turn, while ours is nearly done."""
    turn.take(near)

    def take() -> bool:
        has_it = turn.take(near)
        turn.give_back()
        return has_it

    future = threads.submit(take)
    while not threads.submit(turn.is_far).result(10):  # which it is as soon as somebody waits
        threading.Event().wait(0.01)
    return future


def test_who_waits_has_it_when_it_is_near(elsewhere):
    waiting = waiting_for(elsewhere)

    turn.give_back()

    assert waiting.result(10)


def test_one_alone_waits_for_it(elsewhere):
    waiting = waiting_for(elsewhere)

    assert not elsewhere.submit(turn.take, near).result(10)

    turn.give_back()
    assert waiting.result(10)


def test_it_is_not_waited_for_longer_than_for_a_while(elsewhere, monkeypatch):
    monkeypatch.setattr(turn, "PATIENCE_SECONDS", 0.3)
    turn.take(near)

    assert not elsewhere.submit(turn.take, near).result(10)


@pytest.mark.parametrize(("left", "least", "most"), [(1, 15, 19), (20, 20, 25), (100, 30, 38), (math.inf, 15, 19)])
def test_what_waits_is_looked_at_again_when_it_may_be_over(left, least, most):
    turn.take(lambda: left)

    assert least <= turn.comes_in() <= most
