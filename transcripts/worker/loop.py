"""The worker: takes messages one by one, claims what they name, and settles how it ended."""

import logging
import random
import signal
import time
import uuid
from types import FrameType

from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db import close_old_connections
from django.utils import timezone

from transcripts.worker import errors, pipeline
from transcripts.worker.claim import Claim, ClaimLost
from videos import files, queue, services
from videos.models import Video

log = logging.getLogger(__name__)

POLL_SECONDS = 20  # SQS's longest
PAUSE_SECONDS = 1  # while queue or database are down
MAX_BACKOFF_SECONDS = 6 * 3600


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Worker:
    """One message at a time. A signal ends it: at once when idle, after the job when busy, at once when repeated."""

    def __init__(self, *, poll_seconds: int = POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._busy = False
        self._stopping = False

    def run(self, *, max_messages: int | None = None, idle_exit: float | None = None) -> int:
        """Works until it is told to stop, has handled ``max_messages``, or was idle for ``idle_exit`` seconds.

        Returns how many messages it has handled. Takes SIGTERM and SIGINT over while it runs.
        """
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        log.info("waiting for messages")
        handled = 0
        idle_since = time.monotonic()
        try:
            while not self._stopping and handled != max_messages:
                if self.handle_one():
                    handled += 1
                    idle_since = time.monotonic()
                elif idle_exit is not None and time.monotonic() - idle_since >= idle_exit:
                    break
        except _Stop:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)
        log.info("stopped after %d messages", handled)
        return handled

    def handle_one(self) -> bool:
        """Waits for one message and deals with it; False where none came."""
        close_old_connections()
        try:
            message = queue.receive(wait_seconds=self._poll_seconds)
        except queue.QueueUnavailable as error:
            log.warning("no messages: %s", error)
            time.sleep(PAUSE_SECONDS)
            return False
        if message is None:
            return False
        self._busy = True
        try:
            handle(message)
        except queue.QueueUnavailable as error:
            log.warning("a message stays in the queue, which does no harm: %s", error)
        except Exception:
            log.exception("a message was not dealt with; it comes back by itself")
            time.sleep(PAUSE_SECONDS)
        finally:
            self._busy = False
        return True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        if not self._busy:
            # Where Python swallows the exception (in a finaliser, say), the alarm raises it again.
            signal.signal(signal.SIGALRM, self._on_signal)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            raise _Stop
        for again in _SIGNALS:
            signal.signal(again, signal.SIG_DFL)  # ends the process also where C code never gives way to Python
        log.info("%s: the job in hand is finished first; once more ends it now", signal.Signals(number).name)


class _Stop(BaseException):
    """Leaves a long poll: nothing on the way may catch it."""


def handle(message: queue.Message) -> None:
    """Works on the video that a message names, if it still wants work.

    Raises ``QueueUnavailable`` or what the database raises; the message then comes back by itself.
    """
    if message.video_id is None:
        log.error("a message that is not ours is left to the dead-letter queue: %.200r", message.body)
        return
    video = services.claim_video(message.video_id)
    if video is None:
        _not_claimed(message, message.video_id)
        return
    log.info("video %s: attempt %d begins", video.pk, video.attempt)
    try:
        with Claim(video, message) as claim:
            pipeline.process(claim)
    except ClaimLost:
        _leave(video)
        return  # the message comes back, and the row then says what to do with it
    except errors.JobError as error:
        _settle(video, error)
    except DatabaseFailed:
        raise
    except Exception:
        log.exception("video %s: a bug", video.pk)
        _settle(video, errors.InternalError())
    else:
        log.info("video %s: completed", video.pk)
    queue.delete(message)


def _settle(video: Video, error: errors.JobError) -> None:
    """The whole retry rule: a passing cause is tried again until the attempts are used up."""
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    level = logging.INFO if error.permanent and not cause else logging.WARNING
    log.log(level, "video %s: %s: %s%s", video.pk, error.code, error, cause)
    if error.permanent or video.attempt >= settings.MAX_ATTEMPTS:
        ended = services.end_attempt(video, lambda: video.fail(error.code, str(error), retryable=error.retryable))
    else:
        delay = _backoff(video.attempt)
        ended = services.end_attempt(video, lambda: video.release(error.code, str(error), delay=delay))
        if ended and delay < queue.MAX_DELAY_SECONDS:  # else the sweep sends it when it is due
            services.send(video, delay=delay + 1)
    if not ended:
        _leave(video)


def _leave(video: Video) -> None:
    """The claim is gone, and our files with it; unless it is gone because the video is completed, with them."""
    if Video.objects.filter(pk=video.pk, status=Video.Status.COMPLETED, fence=video.fence).exists():
        return
    log.info("video %s was deleted or taken over", video.pk)
    files.delete_below(video.attempt_prefix)


def _backoff(attempt: int) -> float:
    """Seconds to wait after the first, second … attempt: growing, and never in step with other jobs."""
    seconds = min(settings.RETRY_BASE_SECONDS * 2 ** (attempt - 1), MAX_BACKOFF_SECONDS)
    return float(seconds * random.uniform(0.75, 1.25))  # noqa: S311 - no secret hangs on it


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
