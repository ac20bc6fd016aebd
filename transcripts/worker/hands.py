"""Several jobs side by side in one process: threads that deal with one message each, handed to them by the main one.

The main thread alone asks the queue and hears signals: so there is one long poll however many hands there are, and
whoever is told to stop hears it at once. What a job does is the same in either.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from django.db import close_old_connections, connection

from transcripts.worker import alarm, turn
from transcripts.worker.stopping import Stopping
from videos.queue import Message

log = logging.getLogger(__name__)

_LOOK_SECONDS, _SHORTLY_SECONDS = 0.2, 0.05


class _Hand(threading.Thread):
    """Deals with messages until it is given None. It has a connection to the database of its own."""

    def __init__(self, number: int, deal: Callable[[Message], None], free: "queue.SimpleQueue[_Hand]") -> None:
        super().__init__(name=f"hand {number}")
        self.given: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.is_busy = False
        self.free_since = time.monotonic()
        self._deal, self._free = deal, free

    def run(self) -> None:
        """Work (threading's name for it)."""
        try:
            self._free.put(self)
            while (message := self.given.get()) is not None:
                try:
                    self._deal_with(message)
                finally:  # whatever it was, nobody waits for this one for ever
                    self.free_since, self.is_busy = time.monotonic(), False
                    self._free.put(self)
        finally:
            connection.close()

    def _deal_with(self, message: Message) -> None:
        try:
            close_old_connections()
            self._deal(message)
        except BaseException:
            log.exception("a message was not dealt with; it comes back by itself")
        finally:
            _calm()
            turn.give_back()


def _calm() -> None:
    """Nothing that was meant for this job reaches the next one."""
    try:
        alarm.clear()
    except BaseException:  # noqa: BLE001 - which came just before
        alarm.clear()


class Hands:
    """So many of them, between ``with`` and its end, which waits for what they have in hand."""

    def __init__(self, number: int, deal: Callable[[Message], None], stopping: Stopping) -> None:
        self._free: queue.SimpleQueue[_Hand] = queue.SimpleQueue()
        self._hands = [_Hand(n + 1, deal, self._free) for n in range(number)]
        self._next: _Hand | None = None
        self._stopping = stopping

    def __enter__(self) -> Self:
        for hand in self._hands:
            hand.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for hand in self._hands:
            hand.given.put(None)
        waited_for = set(self._hands)
        while waited_for:
            next(iter(waited_for)).join(_LOOK_SECONDS)
            late = self._stopping.give_back_what_is_not_left()
            waited_for = {hand for hand in waited_for if hand.is_alive() and hand.ident not in late}

    def wait(self) -> None:
        """Returns when one is free."""
        self._next = self._next or self._free.get()

    def give(self, message: Message) -> None:
        """To the one that is free."""
        self.wait()
        hand, self._next = self._next, None
        if hand:
            hand.is_busy = True
            hand.given.put(message)

    def end_within(self, seconds: float) -> bool:
        """Waits for all that is in hand; False where that takes longer, or the worker is told to stop."""
        end = time.monotonic() + seconds
        while self.are_busy():
            if self._stopping.requested or time.monotonic() > end:
                return False
            time.sleep(_SHORTLY_SECONDS)
        return True

    def are_busy(self) -> bool:
        """Whether one of them has something in hand."""
        return any(hand.is_busy for hand in self._hands)

    def free_since(self) -> float:
        """When the last of them became free, by ``time.monotonic``; now, where one is not."""
        if self.are_busy():
            return time.monotonic()
        return max(hand.free_since for hand in self._hands)
