"""What SIGTERM and SIGINT do to a worker: idle it ends at once, busy it gives back what is not nearly done."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from transcripts.worker import alarm

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LEAVING_SECONDS = 2.0  # for a thread to come round and leave; one that waits in a call of C takes longer


class Stopped(BaseException):
    """Leaves what is being done: nothing on the way may catch it."""


class _InHand:
    """What one thread is doing, which may be left."""

    def __init__(self, patience: Callable[[], float], give_back: Callable[[], None] | None) -> None:
        self.patience = patience  # how long to leave it alone, in seconds
        self.give_back = give_back
        self.until: float | None = None  # by ``time.monotonic``, once it is to be left
        self.alarm = 0


class Stopping:
    """Takes both signals over, as a context manager, in the main thread; any thread may work under it.

    The first one ends what may be left at any moment: a long poll (``waiting``), and work that will take longer
    than the grace time (``working``). In between nothing is torn apart; the second signal ends the process now.
    """

    def __init__(self) -> None:
        self.requested = False
        self._in_hand: dict[int, _InHand] = {}  # by thread
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def calm(self) -> None:
        """Nothing is to be left any more in this thread: for whoever has just left, at whatever line."""
        self._in_hand.pop(threading.get_ident(), None)
        alarm.clear()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What is done in here is left at once. Raises ``Stopped``."""
        with self._interruptible(lambda: 0):
            yield

    @contextmanager
    def working(self, patience: Callable[[], float], give_back: Callable[[], None] | None = None) -> Iterator[None]:
        """What is done in here is left after as many seconds as ``patience`` says at the signal. Raises ``Stopped``.

        ``give_back`` is for a thread that then does not come round, see ``give_back_what_is_not_left``.
        """
        with self._interruptible(patience, give_back):
            yield

    def give_back_what_is_not_left(self) -> set[int]:
        """Does in the place of other threads what they should have done by now, each once; returns who they are.

        They wait in some call of C, and will not be waited for.
        """
        late = set()
        for thread, work in list(self._in_hand.items()):
            if work.give_back and work.until is not None and time.monotonic() > work.until + _LEAVING_SECONDS:
                late.add(thread)
                give_back, work.give_back = work.give_back, None
                give_back()
        return late

    @contextmanager
    def _interruptible(
        self, patience: Callable[[], float], give_back: Callable[[], None] | None = None
    ) -> Iterator[None]:
        me, work = threading.get_ident(), _InHand(patience, give_back)
        try:
            try:
                self._in_hand[me] = work
                if self.requested:  # it came just before
                    self._leave_in(me, work, patience())
                yield
            finally:
                self._in_hand.pop(me, None)
        finally:
            self._in_hand.pop(me, None)  # the signal may have come just before the other one
            alarm.take_back(work.alarm)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for again in _SIGNALS:
            signal.signal(again, signal.SIG_DFL)  # ends the process also where C code never gives way to Python
        # Our own last, because that may leave from here.
        for thread, work in sorted(self._in_hand.items(), key=lambda item: item[0] == threading.get_ident()):
            patience = work.patience()
            if patience > 0:
                name = signal.Signals(number).name
                log.info("%s: %d seconds to finish what is in hand; once more ends it now", name, patience)
            self._leave_in(thread, work, patience)

    def _leave_in(self, thread: int, work: _InHand, seconds: float) -> None:
        if work.until is not None:
            return
        work.until = time.monotonic() + max(seconds, 0)

        def leave() -> type[BaseException] | None:
            return Stopped if self._in_hand.get(thread) is work else None

        work.alarm = alarm.set_alarm(max(seconds, 0), leave, thread=thread)
        if seconds <= 0 and thread == threading.get_ident():
            raise Stopped
