"""A claim on a video while a worker works on it: kept alive in the background, and known to be lost."""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import Error, connection

from transcripts.worker.measures import Job
from videos import facts, files, queue, traces
from videos.columns import PERCENT
from videos.models import Video
from videos.transactions import is_passing, repeated

log = logging.getLogger(__name__)

_SOON_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0  # between two tries to store a file
_SPANS = {Video.Stage.AUDIO: "download", Video.Stage.STORING: "store"}  # others are named as their stage


class ClaimLost(Exception):
    """The video was deleted or taken over: stop, write nothing, remove your own files."""


class Claim:
    """Extends the lease in the database, which decides, and beside it the message's visibility, which does not.

    Two threads, because a queue that hangs must not cost the lease. Use it as a context manager around
    the work; call ``step`` often, it is cheap. ``probe`` is the right to find out whether YouTube answers
    again, see ``videos.breaker``; most claims have none. ``job`` is told what the work costs.
    """

    def __init__(self, video: Video, message: queue.Message, *, probe: str = "", job: Job | None = None) -> None:
        self.video = video
        self.probe = probe
        self.job = job or Job()
        self._message = message
        self._done = threading.Event()
        self._lost = threading.Event()
        self._threads = [
            threading.Thread(target=self._heart(beat), name=f"{beat.__name__} {video.pk}", daemon=True)
            for beat in (self._extend_lease, self._extend_visibility)
        ]
        self._written: tuple[Video.Stage, int, float] | None = None
        self._stage: Video.Stage | None = None
        self._stage_began = time.monotonic()
        self._fraction = 0.0
        self._span = ExitStack()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._span.__exit__(kind, error, at)
        self._done.set()
        for thread in self._threads:
            thread.join()

    def step(self, stage: Video.Stage, fraction: float = 0.0) -> None:
        """Tells how far the work is: ``fraction`` (0 to 1) of this stage. Raises ``ClaimLost``.

        Writes at most once a second within a stage. A database that is down for a while does not end the
        work: how far it has come is only told later.
        """
        if self._lost.is_set():
            raise ClaimLost
        begin, end = PERCENT[stage]
        self._fraction = min(max(fraction, 0.0), 1.0)
        percent = int(begin + (end - begin) * self._fraction)
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._stage_began = stage, now
            self.job.enter(stage)
            self._span.close()
            self._span.enter_context(traces.span(_SPANS.get(stage, stage.value)))
        if self._written:
            last_stage, last_percent, last_time = self._written
            if stage == last_stage and (percent == last_percent or now - last_time < 1):
                return
        self._written = (stage, percent, now)
        try:
            self.hold(self.video.advance(stage, percent))
        except Error as error:
            if not is_passing(error):
                raise
            log.warning("could not tell how far video %s is: %s", self.video.pk, error)
            connection.close()

    def write(self, transition: Callable[[], bool]) -> None:
        """Does one of the video's transitions, and waits for a database that is down. Raises ``ClaimLost``.

        The transition may be run again, so it must know its own earlier success.
        """
        self.hold(repeated(transition, seconds=settings.PATIENCE_SECONDS))

    def upload(self, save: Callable[[], str]) -> str:
        """Stores a file, and waits for storage that is down: what is stored was expensive. Returns its path.

        Raises ``ClaimLost``, and at last what storage raises.
        """
        end = time.monotonic() + settings.PATIENCE_SECONDS
        pause = 0.5
        while True:
            try:
                return save()
            except files.errors() as error:
                if time.monotonic() + pause > end:
                    raise
                log.warning("storage failed, and is asked again for video %s: %s", self.video.pk, error)
            if self._lost.wait(pause):
                raise ClaimLost
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def hold(self, written: bool) -> None:
        """Takes the answer of one of the video's transitions. Raises ``ClaimLost`` if it did not happen."""
        if not written:
            self._lost.set()
            raise ClaimLost

    def patience(self) -> float:
        """For how many seconds a worker that is told to stop goes on: for none, if they would not be enough.

        What is listened to takes its time; how long, the part that is done tells. All else is a matter of seconds.
        """
        if self._stage == Video.Stage.AUDIO:
            return 0
        if self._stage == Video.Stage.SPEECH:
            return settings.GRACE_SECONDS if self.left() <= settings.GRACE_SECONDS else 0
        return settings.GRACE_SECONDS

    def left(self) -> float:
        """How many seconds there are to listen, by how long the part took that is done; infinite while none is."""
        done = self._fraction  # once: another thread or a signal may ask while it changes
        if self._stage != Video.Stage.SPEECH or not done:
            return math.inf
        taken = time.monotonic() - self._stage_began
        return taken / done - taken

    def _heart(self, beat: Callable[[], bool]) -> Callable[[], None]:
        return facts.carried(lambda: self._every(beat))

    def _every(self, beat: Callable[[], bool]) -> None:
        """Beats four times a lease; after one that failed soon again, to be there before the sweep is."""
        pause = usual = settings.LEASE_SECONDS / 4
        try:
            while not self._done.wait(pause) and not self._lost.is_set():
                connection.close_if_unusable_or_obsolete()  # a lost connection is one missed beat, not all of them
                pause = usual if beat() else min(usual, _SOON_SECONDS)
        except Exception:
            log.exception("the heart of video %s has stopped", self.video.pk)
            raise
        finally:
            connection.close()  # this thread's own

    def _extend_lease(self) -> bool:
        try:
            if not self.video.extend():
                self._lost.set()
        except Error as error:
            # Not known to be lost: every write checks the fence.
            log.warning("could not extend the lease of video %s: %s", self.video.pk, error)
            return False
        return True

    def _extend_visibility(self) -> bool:
        try:
            queue.extend(self._message, settings.LEASE_SECONDS)
        except queue.QueueUnavailable as error:
            log.warning("could not hide the message of video %s any longer: %s", self.video.pk, error)
            return False
        return True
