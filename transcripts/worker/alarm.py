"""The timers of a process: something is to be left after a time, also where it waits for the network.

In the main thread a signal does it (SIGALRM), the only thing that gets Python out of a call that blocks. It reaches no
other thread: there a thread that watches has the exception raised, before the next line of Python that is run
(https://docs.python.org/3/c-api/threads.html, PyThreadState_SetAsyncExc). So what is done in such a thread may wait for
nothing without coming round: sockets have time-outs, and whoever waits for a child does it in turns.
"""

import ctypes
import itertools
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_SECONDS = 0.2  # where Python swallows the exception (in a finaliser, say), it is raised again

# Says at its moment what is to be raised; None: nothing any more.
Call = Callable[[], type[BaseException] | None]


class TimeUp(BaseException):
    """Nothing on the way may catch it."""


class _Alarm:
    """The main thread's calls, each made at its moment and then again and again until it is taken back."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[float, Call]] = {}
        self._before: tuple[Callable[[int, FrameType | None], object] | int | None, float, float] | None = None

    def set(self, number: int, seconds: float, call: Call) -> None:
        if self._before is None:
            handler = signal.signal(signal.SIGALRM, self._on_alarm)
            self._before = handler, signal.getitimer(signal.ITIMER_REAL)[0], time.monotonic()
        self._calls[number] = time.monotonic() + seconds, call
        self._wind()

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
            leave = self._calls[key][1]()
            if leave:
                raise leave
            self.take_back(key)


class _Watch:
    """The other threads' calls, of which each takes back its own."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[float, int, Call]] = {}
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Held where something is raised and where that is taken back: what is taken back is not raised afterwards. A
        # plain lock, which a `with` takes and leaves whatever is raised in between.
        self._raising = threading.Lock()
        self._raised: set[int] = set()  # in which threads, and they have not said since that they want none

    def set(self, number: int, seconds: float, call: Call, thread: int) -> None:
        self._calls[number] = time.monotonic() + seconds, thread, call
        self._news.put(None)
        with self._raising:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
                self._thread.start()

    def take_back(self, number: int) -> None:
        with self._raising:
            self._calls.pop(number, None)
            self._withdraw()  # another one's, if it was that, comes again

    def clear(self) -> None:
        me = threading.get_ident()
        with self._raising:
            for number in [number for number, (_, thread, _) in list(self._calls.items()) if thread == me]:
                del self._calls[number]
            self._withdraw()

    def _withdraw(self) -> None:
        """What was to be raised in this thread, and was not yet, is not to be. Only with the lock."""
        me = threading.get_ident()
        if me not in self._raised:
            return
        # Python can be told that there is nothing to raise, but then for ever looks for what it would be, at every loop
        # and call of every thread, and under a tracer never gets beyond that: so something is raised that is caught.
        while me in self._raised:
            try:
                _raise_in(me, _Withdrawn)
                for _ in range(1000):  # it comes at the end of a turn, if no finaliser that runs just then swallows it
                    pass
            except _Withdrawn:
                self._raised.discard(me)

    def _watch(self) -> None:
        while True:
            first = min((moment for moment, _, _ in list(self._calls.values())), default=None)
            try:
                self._news.get(timeout=None if first is None else max(0.0, first - time.monotonic()))
            except queue.Empty:
                self._raise_what_is_due(time.monotonic())

    def _raise_what_is_due(self, now: float) -> None:
        with self._raising:
            for number, (moment, thread, call) in list(self._calls.items()):
                if moment > now:
                    continue
                leave = call()
                if leave and _raise_in(thread, leave):
                    self._raised.add(thread)
                    self._calls[number] = now + _AGAIN_SECONDS, thread, call
                else:
                    del self._calls[number]


class _Withdrawn(BaseException):
    """Takes the place of what was to be raised."""


def _raise_in(thread: int, leave: type[BaseException]) -> bool:
    """False where there is no such thread (https://docs.python.org/3/c-api/threads.html, PyThreadState_SetAsyncExc)."""
    return bool(ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(leave)))


_numbers = itertools.count(1)
_alarm, _watch = _Alarm(), _Watch()


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def set_alarm(seconds: float, call: Call, *, thread: int = 0) -> int:
    """What ``call`` says is raised after so many seconds, and then again until ``take_back``. Returns its number.

    ``thread``: by its ``ident``, where that is not this one.
    """
    number = next(_numbers)
    if thread and thread != threading.get_ident():
        _watch.set(number, seconds, call, thread)
    elif _is_main():
        _alarm.set(number, seconds, call)
    else:
        _watch.set(number, seconds, call, threading.get_ident())
    return number


def take_back(number: int) -> None:
    """Nothing is to be raised in this thread by the call of this number any more."""
    (_alarm if _is_main() else _watch).take_back(number)


def clear() -> None:
    """Nor by any other: for whoever has left everything, and cannot know what was taken back."""
    (_alarm if _is_main() else _watch).clear()


@contextmanager
def limited(seconds: float, error: Exception) -> Iterator[None]:
    """What is done in here may take so long. Raises ``error``, and no other limit's."""

    class Up(TimeUp):
        """Of this limit alone."""

    number = set_alarm(seconds, lambda: Up)
    try:
        try:
            yield
        finally:
            take_back(number)
    except Up:
        take_back(number)  # it may have come just before the other one
        raise error from None
