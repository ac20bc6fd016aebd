"""The worker: takes messages one by one, claims what they name, and settles how each ended."""

import logging
import os
import random
import socket
import time
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, close_old_connections, connection, connections
from django.db import Error as DatabaseFailed
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from transcripts.models import Transcript
from transcripts.worker import alone, circuit, errors, pipeline, scratch, turn
from transcripts.worker.alarm import TimeUp
from transcripts.worker.claim import Claim, ClaimLost
from transcripts.worker.hands import Hands
from transcripts.worker.measures import Job, measured, refused
from transcripts.worker.stopping import Stopped, Stopping
from videos import facts, files, queue, services, traces
from videos.models import Breaker, Video
from videos.transactions import is_passing, repeated

log = logging.getLogger(__name__)

POLL_SECONDS = 20  # SQS's longest
BUSY_POLL_SECONDS = 2  # with jobs in hand
SETTLE_SECONDS = 60  # for a database that is down when a job has ended
_LONGEST_BACKOFF_SECONDS = 6 * 3600
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0  # while queue or database are down
_PAUSED_SECONDS = 0.2  # in one piece
_WAITED = [errors.EngineBusy.code]  # who stands in line has tried nothing
_NOTHING_TRIED = (errors.WorkerStopped, errors.EngineBusy)  # it is as if the message had waited in the queue


class Worker:
    """Deals with messages until a signal ends it (see ``stopping``): with ``WORKER_JOBS`` at a time.

    One at a time it does in the main thread, more by ``hands``.
    """

    def __init__(self, *, poll_seconds: int = POLL_SECONDS) -> None:
        self.name = f"{socket.gethostname()} {os.getpid()}"
        self.stopping = Stopping()
        self._poll_seconds = poll_seconds
        self._pause = _FIRST_PAUSE_SECONDS

    def run(self, *, max_messages: int | None = None, idle_exit: float | None = None) -> int:
        """Works until it is told to stop, has handled ``max_messages``, or was idle for ``idle_exit`` seconds.

        Returns how many messages it has handled. Takes SIGTERM and SIGINT over while it runs.
        """
        if left := scratch.tidy():
            log.warning("removed %d temporary folders of workers that were killed", left)
        log.info("waiting for messages")
        at_once = 1 if max_messages == 1 else settings.WORKER_JOBS
        with self.stopping:
            if at_once == 1:
                handled = self._run(None, max_messages, idle_exit)
            else:
                with Hands(at_once, self._deal_with, self.stopping) as hands:
                    handled = self._run(hands, max_messages, idle_exit)
        log.info("stopped after %d messages", handled)
        return handled

    def _run(self, hands: Hands | None, max_messages: int | None, idle_exit: float | None) -> int:
        handled = 0
        idle_since = time.monotonic()
        while not self.stopping.requested and handled != max_messages:
            if self.handle_one(hands):
                handled += 1
                idle_since = time.monotonic()
            elif idle_exit is not None:
                idle_since = max(idle_since, hands.free_since() if hands else 0)
                if time.monotonic() - idle_since >= idle_exit:
                    break
        return handled

    def handle_one(self, hands: Hands | None = None) -> bool:
        """Waits for one message and deals with it, or has one of the hands do that; False where none came."""
        close_old_connections()
        try:
            message = self._next_message(hands)
            if message is None:
                self._pause = _FIRST_PAUSE_SECONDS
                return False
        except Stopped:
            self.stopping.calm()
            return False
        except queue.QueueUnavailable as error:
            log.warning("no messages: %s", error)
            self._rest()
            return False
        if hands is None:
            self._deal_with(message)
        elif message.video_id is None or not alone.is_wanted(message.video_id):
            hands.give(message)
        elif not turn.is_far() and hands.end_within(alone.PATIENCE_SECONDS):
            self._deal_with(message)
        else:
            alone.later(message, message.video_id)
        return True

    def _next_message(self, hands: Hands | None) -> queue.Message | None:
        if hands:
            with self.stopping.waiting():
                hands.wait()
            if hands.are_busy():
                # Not left at a signal: SQS would give to it, when nobody listens any more, what the hands give back.
                message = queue.receive(wait_seconds=min(self._poll_seconds, BUSY_POLL_SECONDS))
                if message and self.stopping.requested:
                    queue.extend(message, 0)
                    return None
                return message
        with self.stopping.waiting():
            return queue.receive(wait_seconds=self._poll_seconds)

    def _deal_with(self, message: queue.Message) -> None:
        with facts.during(video_id=str(message.video_id or "")):
            try:
                handle(message, worker=self.name, stopping=self.stopping)
                self._pause = _FIRST_PAUSE_SECONDS
            except queue.QueueUnavailable as error:
                log.warning("a message stays in the queue, which does no harm: %s", error)
            except Exception:
                log.exception("a message was not dealt with; it comes back by itself")
                self._rest()

    def _rest(self) -> None:
        """Longer each time, until something works again."""
        try:
            with self.stopping.waiting():
                end = time.monotonic() + self._pause * random.uniform(0.75, 1.25)  # noqa: S311 - no secret hangs on it
                while (left := end - time.monotonic()) > 0:
                    time.sleep(min(left, _PAUSED_SECONDS))
        except Stopped:
            self.stopping.calm()
            return
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)


def handle(message: queue.Message, *, worker: str = "", stopping: Stopping | None = None) -> None:
    """Works on the video that a message names, if it still wants work.

    Raises ``QueueUnavailable`` or what the database raises; the message then comes back by itself.
    """
    video_id = message.video_id
    if video_id is None:
        log.error("a message that is not ours is left to the dead-letter queue: %.200r", message.body)
        return
    if turn.is_far() and (waiting := _needs_the_engine(video_id)):
        _wait_for_the_engine(message, waiting)
        return
    try:
        probe = circuit.admit()
    except circuit.Open as refused:
        _park(message, video_id, refused.breaker)
        return
    video = services.claim_video(video_id, worker=worker)
    if video is None:
        if probe:
            circuit.untried(probe)
        _not_claimed(message, video_id)
        return
    about = facts.during(video_id=str(video.pk), user_id=video.user_id, attempt=video.attempt)
    named: traces.Attributes = {"video.id": str(video.pk), "attempt": video.attempt}
    span = traces.span("job", kind="CONSUMER", parent=message.traceparent, about=named)
    with about, span, measured(video) as job:
        log.info("video %s: attempt %d begins", video.pk, video.attempt)
        if _work(video, message, probe, stopping or Stopping(), job):
            queue.delete(message)


def _work(video: Video, message: queue.Message, probe: str, stopping: Stopping, job: Job) -> bool:
    """Does the job and writes down how it ended; False where the row is not ours any more."""

    def give_back() -> None:
        try:
            if _settle(video, errors.WorkerStopped(), probe):
                queue.delete(message)
        except Exception:
            log.exception("video %s was not given back; its lease ends by itself", video.pk)

    try:
        try:
            with Claim(video, message, probe=probe, job=job) as claim, stopping.working(claim.patience, give_back):
                pipeline.process(claim)
        finally:
            turn.give_back()  # before it is settled, because this very video may come back at once
    except ClaimLost:
        return _leave(video)
    except (Stopped, TimeUp) as left:
        stopping.calm()
        connection.close()  # it may have been left in the middle of a question
        if connection.in_atomic_block:  # or while a transaction began or ended: this one is of no use any more
            del connections[DEFAULT_DB_ALIAS]
        return _settle(video, errors.WorkerStopped() if isinstance(left, Stopped) else errors.SourceTooSlow(), probe)
    except errors.JobError as error:
        return _settle(video, error, probe)
    except DatabaseFailed as error:
        if not is_passing(error):
            log.exception("video %s: a bug", video.pk)
            return _settle(video, errors.InternalError(), probe)
        log.warning("video %s: the database failed: %s", video.pk, error)
        return _settle(video, errors.DatabaseUnavailable(), probe)
    except Exception:
        log.exception("video %s: a bug", video.pk)
        return _settle(video, errors.InternalError(), probe)
    log.info("video %s: completed", video.pk)
    return True


def _settle(video: Video, error: errors.JobError, probe: str) -> bool:
    """The whole retry rule: a passing cause is tried again until the attempts are used up.

    What is no fault of the video's does not use them up; it is tried again for ``GIVE_UP_HOURS``.
    """
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    level = logging.INFO if error.permanent and not cause else logging.WARNING
    log.log(level, "video %s: %s: %s%s", video.pk, error.code, error, cause)
    refused(error)
    wait = circuit.trouble(error, probe) if isinstance(error, errors.SourceTrouble) else None
    shown = error if wait is None else errors.SourceUnavailable()

    def fail() -> bool:
        sentence = str(error) if error.permanent else f"{error} It was tried several times; try again later."
        return services.end_attempt(
            video,
            lambda: video.fail(error.code, sentence, retryable=error.retryable, listened_ms=error.listened_ms),
        )

    def release() -> bool:
        delay = max(error.wait, _backoff(video, shown)) if wait is None else wait
        return services.end_attempt(
            video, lambda: video.release(shown.code, str(shown), delay=delay, counted=shown.counted)
        )

    last = error.permanent or repeated(lambda: _is_used_up(video, shown), seconds=SETTLE_SECONDS)
    if not repeated(fail if last else release, seconds=SETTLE_SECONDS):
        return _leave(video)
    if not last:
        services.send_when_due(video)
    return True


def _is_used_up(video: Video, error: errors.JobError) -> bool:
    if error.counted:
        return video.attempt >= settings.MAX_ATTEMPTS
    return not isinstance(error, _NOTHING_TRIED) and video.was_tried_for(settings.GIVE_UP_HOURS, but=_WAITED)


def _leave(video: Video) -> bool:
    """The claim is gone, and our files with it; unless it is gone because the work is done, and a row names them.

    Always False: the message comes back, and the row then says what to do with it.
    """
    named = Transcript.objects.filter(video_id=video.pk, s3_path__startswith=video.attempt_prefix)
    if not repeated(named.exists, seconds=SETTLE_SECONDS):
        log.info("video %s was deleted or taken over", video.pk)
        files.delete_below(video.attempt_prefix)
    return False


def _backoff(video: Video, error: errors.JobError) -> float:
    """Seconds to wait after the first, second … try: growing, and never in step with other jobs."""
    if isinstance(error, _NOTHING_TRIED):
        return 0
    tries = max(1, video.tries(but=_WAITED).count())
    longest = _LONGEST_BACKOFF_SECONDS if error.counted else queue.MAX_DELAY_SECONDS
    seconds = min(settings.RETRY_BASE_SECONDS * 2 ** min(tries - 1, 20), longest)
    return float(seconds * random.uniform(0.75, 1.25))  # noqa: S311 - no secret hangs on it


def _park(message: queue.Message, video_id: uuid.UUID, breaker: Breaker) -> None:
    """Nothing may be asked of YouTube now: a queued video waits for the next probe, and makes no attempt."""
    video = Video.objects.filter(pk=video_id, status=Video.Status.QUEUED).first()
    if video is None:
        _not_claimed(message, video_id)
        return
    why = errors.SourceUnavailable()
    now = timezone.now()
    long_ago = now - timedelta(hours=settings.GIVE_UP_HOURS)
    if video.requested_at < long_ago and breaker.opened_at and breaker.opened_at < long_ago:
        video.give_up(why.code, "YouTube has not answered this service for a long time. Try again later.")
    else:
        # While somebody probes, it is known in a moment.
        until = now if breaker.probe_token else breaker.retry_at or now
        video.park(why.code, str(why), until=until + timedelta(seconds=circuit.spread()))
    queue.delete(message)


def _needs_the_engine(video_id: uuid.UUID) -> Video | None:
    """The queued video, if it is known that there will be no captions: YouTube is not asked only to find that again."""
    known = Q(mode=Video.Mode.SPEECH) | Q(error_code=errors.EngineBusy.code)
    due = Q(retry_at=None) | Q(retry_at__lte=Now())  # another one waits for something else
    return Video.objects.filter(known, due, pk=video_id, status=Video.Status.QUEUED).first()


def _wait_for_the_engine(message: queue.Message, video: Video) -> None:
    """It comes back when the job before it may be done, and makes no attempt."""
    why = errors.EngineBusy()
    until = timezone.now() + timedelta(seconds=turn.comes_in())
    if video.park(why.code, str(why), until=until):
        services.send_when_due(video)
    queue.delete(message)


def _not_claimed(message: queue.Message, video_id: uuid.UUID) -> None:
    """The row says what becomes of a message that leads to no work."""
    video = Video.objects.filter(pk=video_id).first()
    if video is None or video.status in (Video.Status.COMPLETED, Video.Status.FAILED):
        queue.delete(message)
    elif video.retry_at:
        # The row's time is the database's, whose clock may differ from ours: never so short that it would spin.
        remaining = (video.retry_at - timezone.now()).total_seconds()
        queue.extend(message, max(remaining, 0) + 10)
    # else: another worker has it; the message comes back when its visibility ends
