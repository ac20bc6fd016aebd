"""The timer that gets a job out of a call that blocks."""

import signal
import socket
import sys
import time

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
