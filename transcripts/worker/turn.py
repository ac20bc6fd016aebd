"""Whose turn it is to have the speech engine, which serves one job at a time, where several are done side by side.

Who cannot have it soon gives his job back: another machine may have an engine that is free, and captions need none.
"""

import math
import random
import threading
import time
from collections.abc import Callable

# A job that needs it waits for its turn, if that is near.
PATIENCE_SECONDS = 20.0
# When it is looked at again after that, by how much is left to do.
# A look costs a few queries and nothing of YouTube's, an engine that stands idle costs all of its time.
LEAST_SECONDS, MOST_SECONDS = 15.0, 30.0
_LOOK_SECONDS = 0.1


class _Turn:
    """Who has it, and who waits for it: threads. Whoever leaves at any line gives it back by ``give_back``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._waiter: int | None = None
        self._left: Callable[[], float] = lambda: math.inf

    def is_far(self, patience: float = PATIENCE_SECONDS) -> bool:
        if self._holder in (None, threading.get_ident()):
            return False
        return self._waiter not in (None, threading.get_ident()) or self._left() > patience

    def take(self, left: Callable[[], float]) -> bool:
        me = threading.get_ident()
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with self._lock:
                if self.is_far(end - time.monotonic()):
                    self._waiter = None if self._waiter == me else self._waiter
                    return False
                if self._holder in (None, me):
                    self._holder, self._left = me, left
                    self._waiter = None if self._waiter == me else self._waiter
                    return True
                self._waiter = me
            time.sleep(_LOOK_SECONDS)

    def give_back(self) -> None:
        me = threading.get_ident()
        with self._lock:
            if self._holder == me:
                self._holder = None
            if self._waiter == me:
                self._waiter = None

    def left(self) -> float:
        return self._left()


_turn = _Turn()


def is_far() -> bool:
    """Whether a job of this process has the engine, and will for longer than one waits; or somebody waits already."""
    return _turn.is_far()


def take(left: Callable[[], float]) -> bool:
    """Takes it for this thread, at once or after a short wait; False where it will not be free soon.

    ``left`` says how many seconds this job will need it, as far as one knows. One alone waits: the others would keep
    captions from being fetched.
    """
    return _turn.take(left)


def give_back() -> None:
    """For whoever has it or waits for it; does nothing for anybody else."""
    _turn.give_back()


def comes_in() -> float:
    """After how many seconds to ask again, for a job that is known to need it."""
    left = _turn.left()  # infinite, until its job has listened for a moment
    seconds = LEAST_SECONDS if math.isinf(left) else min(max(left, LEAST_SECONDS), MOST_SECONDS)
    return seconds * random.uniform(1, 1.25)  # noqa: S311 - no secret hangs on it
