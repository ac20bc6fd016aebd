"""What SIGTERM and SIGINT do to a worker: idle it ends at once, busy it gives back what is not nearly done."""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from transcripts.worker import alarm

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """Leaves what is being done: nothing on the way may catch it."""


class Stopping:
    """Takes both signals over, as a context manager, in the main thread.

    The first one ends what may be left at any moment: a long poll (``waiting``), and work that will take longer
    than the grace time (``working``). In between nothing is torn apart; the second signal ends the process now.
    """

    def __init__(self) -> None:
        self.requested = False
        self._patience: Callable[[], float] | None = None  # how long to leave alone what is being done, in seconds
        self._alarm = 0
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def calm(self) -> None:
        """Nothing is to be left any more: for whoever has just left, at whatever line."""
        self._patience = None
        alarm.clear()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What is done in here is left at once. Raises ``Stopped``."""
        with self._interruptible(lambda: 0):
            yield

    @contextmanager
    def working(self, patience: Callable[[], float]) -> Iterator[None]:
        """What is done in here is left after as many seconds as ``patience`` says at the signal. Raises ``Stopped``."""
        with self._interruptible(patience):
            yield

    @contextmanager
    def _interruptible(self, patience: Callable[[], float]) -> Iterator[None]:
        try:
            try:
                self._patience = patience
                if self.requested:  # it came just before
                    self._leave_in(patience())
                yield
            finally:
                self._patience = None
        finally:
            self._patience = None  # the signal may have come just before the other one
            alarm.take_back(self._alarm)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for again in _SIGNALS:
            signal.signal(again, signal.SIG_DFL)  # ends the process also where C code never gives way to Python
        if self._patience is None:
            return
        patience = self._patience()
        if patience > 0:
            name = signal.Signals(number).name
            log.info("%s: %d seconds to finish what is in hand; once more ends it now", name, patience)
        self._leave_in(patience)

    def _leave_in(self, seconds: float) -> None:
        self._alarm = alarm.set_alarm(max(seconds, 0), self._leave)
        if seconds <= 0:
            self._leave()

    def _leave(self) -> None:
        if self._patience is not None:
            raise Stopped
