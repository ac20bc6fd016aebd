"""The one timer of a process, shared: something is to be left after a time, also where it waits for the network.

A signal is the only thing that gets Python out of a call that blocks. It reaches the main thread alone, so
that is where a job is done; elsewhere nothing here has any effect.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_SECONDS = 0.2  # where Python swallows the exception (in a finaliser, say), it is raised again


class TimeUp(BaseException):
    """Nothing on the way may catch it."""


class _Alarm:
    """Calls that are to be made, each at its moment and then again and again until it is taken back."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[float, Callable[[], None]]] = {}
        self._number = 0
        self._before: tuple[Callable[[int, FrameType | None], object] | int | None, float, float] | None = None

    def set(self, seconds: float, call: Callable[[], None]) -> int:
        if threading.current_thread() is not threading.main_thread():
            return 0
        if self._before is None:
            handler = signal.signal(signal.SIGALRM, self._on_alarm)
            self._before = handler, signal.getitimer(signal.ITIMER_REAL)[0], time.monotonic()
        self._number += 1
        self._calls[self._number] = time.monotonic() + seconds, call
        self._wind()
        return self._number

    def take_back(self, number: int) -> None:
        if self._calls.pop(number, None) is None:
            return
        if self._calls or self._before is None:
            self._wind()
            return
        handler, rest, since = self._before
        self._before = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if rest:  # somebody else's timer
            signal.setitimer(signal.ITIMER_REAL, max(0.001, rest - (time.monotonic() - since)))

    def clear(self) -> None:
        for number in list(self._calls):
            self.take_back(number)

    def _wind(self) -> None:
        first = min(moment for moment, _ in self._calls.values())
        signal.setitimer(signal.ITIMER_REAL, max(0.001, first - time.monotonic()))

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        due = [key for key, (moment, _) in self._calls.items() if moment <= now]
        for key in due:
            self._calls[key] = now + _AGAIN_SECONDS, self._calls[key][1]
        if self._calls:
            self._wind()
        for key in due:
            self._calls[key][1]()


_alarm = _Alarm()


def set_alarm(seconds: float, call: Callable[[], None]) -> int:
    """``call`` is made after so many seconds, and then again until ``take_back``; it may raise. Returns its number."""
    return _alarm.set(seconds, call)


def take_back(number: int) -> None:
    """The call is not to be made any more."""
    _alarm.take_back(number)


def clear() -> None:
    """No call is to be made any more: for whoever has left everything, and cannot know what was taken back."""
    _alarm.clear()


@contextmanager
def limited(seconds: float, error: Exception) -> Iterator[None]:
    """What is done in here may take so long. Raises ``error``, and no other limit's."""
    up = TimeUp()

    def leave() -> None:
        raise up

    number = set_alarm(seconds, leave)
    try:
        try:
            yield
        finally:
            take_back(number)
    except TimeUp as raised:
        if raised is not up:
            raise
        take_back(number)  # it may have come just before the other one
        raise error from None
