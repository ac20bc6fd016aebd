"""What a signal does to a worker, whatever it is doing."""

import signal
import time

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
