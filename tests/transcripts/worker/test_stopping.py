"""What a signal does to a worker, whatever it is doing."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from transcripts.worker.stopping import Stopped, Stopping

pytestmark = pytest.mark.usefixtures("_signals")


@pytest.fixture
def stopping():
    with Stopping() as stopping:
        yield stopping


def told_to_stop() -> None:
    signal.raise_signal(signal.SIGTERM)


def test_what_only_waits_is_left_at_once(stopping):
    with pytest.raises(Stopped), stopping.waiting():
        told_to_stop()

    assert stopping.requested


def test_work_that_takes_too_long_is_left_at_once(stopping):
    with pytest.raises(Stopped), stopping.working(lambda: 0):
        told_to_stop()

    assert stopping.requested


def test_work_that_is_nearly_done_is_finished(stopping):
    with stopping.working(lambda: 30):
        told_to_stop()
        done = True

    assert done


def test_work_that_was_thought_to_be_nearly_done_is_left_after_all(stopping):
    def work() -> None:
        told_to_stop()
        time.sleep(30)

    with pytest.raises(Stopped), stopping.working(lambda: 0.05):
        work()

    assert stopping.requested


def test_what_begins_after_the_signal_is_left_as_well(stopping):
    told_to_stop()

    with pytest.raises(Stopped), stopping.working(lambda: 0):
        pass

    assert stopping.requested


def test_nothing_is_torn_apart_in_between(stopping):
    told_to_stop()

    assert stopping.requested


def test_the_second_signal_is_the_systems_own(stopping):
    told_to_stop()

    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_the_signals_are_given_back_at_the_end():
    before = signal.getsignal(signal.SIGTERM)

    with Stopping():
        assert signal.getsignal(signal.SIGTERM) != before

    assert signal.getsignal(signal.SIGTERM) == before


# --- work in other threads, which no signal reaches


@pytest.fixture
def elsewhere(stopping):
    """Begins to work in a thread of its own; gives what that comes to."""
    with ThreadPoolExecutor(1) as thread:

        def begin(patience: float, work: Callable[[], None], give_back: Callable[[], None] | None = None) -> Future:
            begun = threading.Event()

            def under_way() -> None:
                with stopping.working(lambda: patience, give_back):
                    begun.set()
                    work()

            future = thread.submit(under_way)
            assert begun.wait(10)
            return future

        yield begin


def in_turns(until: threading.Event) -> None:
    while not until.wait(0.02):
        pass


def test_work_in_a_thread_is_left_when_it_will_take_too_long(elsewhere):
    work = elsewhere(0, lambda: in_turns(threading.Event()))

    told_to_stop()

    assert isinstance(work.exception(10), Stopped)


def test_work_in_a_thread_is_left_when_its_time_is_over(elsewhere):
    work = elsewhere(0.1, lambda: in_turns(threading.Event()))

    told_to_stop()

    assert isinstance(work.exception(10), Stopped)


def test_work_in_a_thread_that_is_nearly_done_is_finished(elsewhere):
    done = threading.Event()
    work = elsewhere(30, lambda: in_turns(done))

    told_to_stop()
    done.set()

    assert work.exception(10) is None


def test_work_that_begins_in_a_thread_after_the_signal_is_left(elsewhere):
    told_to_stop()

    work = elsewhere(0.1, lambda: in_turns(threading.Event()))

    assert isinstance(work.exception(10), Stopped)


def test_work_in_a_thread_that_does_not_come_round_is_given_back_by_another_once(elsewhere, stopping, monkeypatch):
    monkeypatch.setattr("transcripts.worker.stopping._LEAVING_SECONDS", 0)
    given_back, done = [], threading.Event()
    elsewhere(0, done.wait, lambda: given_back.append("it"))
    told_to_stop()

    late = [stopping.give_back_what_is_not_left() for _ in range(2)]

    done.set()
    assert ([len(threads) for threads in late], given_back) == ([1, 0], ["it"])


def test_work_that_may_still_be_finished_is_not_given_back(elsewhere, stopping, monkeypatch):
    monkeypatch.setattr("transcripts.worker.stopping._LEAVING_SECONDS", 0)
    done = threading.Event()
    work = elsewhere(30, done.wait, pytest.fail)
    told_to_stop()

    assert stopping.give_back_what_is_not_left() == set()

    done.set()
    assert work.exception(10) is None
