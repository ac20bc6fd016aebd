"""The timer that gets a job out of a call that blocks."""

import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from transcripts.worker import alarm


class TooSlow(Exception):
    pass


def wait_for_nothing() -> None:
    """Blocks as a far side does that never says a word; ends by itself after a while."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(30)
        here.recv(1)


def test_it_leaves_a_call_that_blocks():
    began = time.monotonic()

    with pytest.raises(TooSlow), alarm.limited(0.1, TooSlow()):
        wait_for_nothing()

    assert time.monotonic() - began < 10


def test_it_leaves_in_peace_what_is_done_in_time():
    with alarm.limited(0.05, TooSlow()):
        done = True
    time.sleep(0.1)  # that nothing comes later is what is tested

    assert done


def test_it_is_not_stopped_by_code_that_catches_every_exception():
    def stubborn() -> None:
        for _ in range(100):
            try:
                wait_for_nothing()
            except Exception:  # noqa: BLE001
                continue

    with pytest.raises(TooSlow), alarm.limited(0.1, TooSlow()):
        stubborn()


def test_it_raises_again_where_python_swallows_the_first_one(monkeypatch):
    swallowed = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: swallowed.append(unraisable.exc_type))

    class Swallowing:
        def __del__(self) -> None:
            time.sleep(1)

    def leave_it_and_wait() -> None:
        Swallowing()
        wait_for_nothing()

    with pytest.raises(TooSlow), alarm.limited(0.1, TooSlow()):
        leave_it_and_wait()

    assert [issubclass(kind, alarm.TimeUp) for kind in swallowed] == [True]


def test_the_nearer_of_two_limits_comes_first_and_as_itself():
    with (
        pytest.raises(TooSlow, match="inner"),
        alarm.limited(30, TooSlow("outer")),
        alarm.limited(0.1, TooSlow("inner")),
    ):
        wait_for_nothing()


def test_the_outer_limit_goes_through_the_inner_one():
    with (
        pytest.raises(TooSlow, match="outer"),
        alarm.limited(0.1, TooSlow("outer")),
        alarm.limited(30, TooSlow("inner")),
    ):
        wait_for_nothing()


def test_it_gives_the_timer_back_as_it_was():
    called = []
    before = signal.signal(signal.SIGALRM, lambda *_: called.append(True))
    timer = signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        with pytest.raises(TooSlow), alarm.limited(0.1, TooSlow()):
            wait_for_nothing()

        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
        signal.raise_signal(signal.SIGALRM)
        assert called == [True]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


# --- in a thread, which no signal reaches


def in_a_thread(work):
    """What comes of work in a thread of its own: what it returns, or what it raises."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def wait_in_turns(seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.02)


def test_it_leaves_what_waits_in_turns_in_a_thread():
    def work() -> None:
        with alarm.limited(0.1, TooSlow()):
            wait_in_turns()

    with pytest.raises(TooSlow):
        in_a_thread(work)


def test_it_is_raised_in_a_thread_until_that_leaves():
    swallowed = []

    def work() -> None:
        with alarm.limited(0.05, TooSlow()):
            while True:
                try:
                    wait_in_turns()
                except BaseException as error:
                    swallowed.append(error)
                    if len(swallowed) == 3:
                        raise

    with pytest.raises(TooSlow):
        in_a_thread(work)

    assert all(isinstance(error, alarm.TimeUp) for error in swallowed)


@pytest.mark.parametrize(("outer", "inner", "first"), [(30, 0.1, "inner"), (0.1, 30, "outer")])
def test_each_limit_ends_its_own_block_in_a_thread(outer, inner, first):
    def work() -> None:
        with alarm.limited(outer, TooSlow("outer")), alarm.limited(inner, TooSlow("inner")):
            wait_in_turns()

    with pytest.raises(TooSlow, match=first):
        in_a_thread(work)


def test_nothing_is_raised_in_a_thread_after_its_block():
    """However close the two come: what is not due at the end of the block is never raised."""

    def work() -> int:
        late = 0
        for _ in range(300):
            try:
                with alarm.limited(0.002, TooSlow()):
                    time.sleep(0.002)
            except TooSlow:
                late += 1
            sum(range(1000))
        return late

    assert 0 <= in_a_thread(work) <= 300


def test_a_limit_in_one_thread_is_none_in_another():
    def limited() -> None:
        with alarm.limited(0.05, TooSlow()):
            wait_in_turns()

    with ThreadPoolExecutor(2) as threads:
        ended, left = threads.submit(wait_in_turns, 0.3), threads.submit(limited)

    assert (ended.exception(), type(left.exception())) == (None, TooSlow)


def test_a_thread_that_has_gone_is_forgotten():
    number = in_a_thread(lambda: alarm.set_alarm(0.01, lambda: alarm.TimeUp))

    end = time.monotonic() + 10
    while number in alarm._watch._calls and time.monotonic() < end:
        time.sleep(0.01)

    assert number not in alarm._watch._calls
