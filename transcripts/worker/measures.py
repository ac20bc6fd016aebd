"""What a job cost and how it ended, as metrics; docs/watching.md lists them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error as DatabaseFailed

from transcripts.worker import errors
from videos import metrics
from videos.metrics import Metric
from videos.models import Attempt, Video

# What YouTube does to us, as against what is the matter with a video.
_REFUSALS = (errors.SourceTrouble, errors.SourceUnreadable, errors.CaptionsWithheld)


class Job:
    """Filled in by those who do the work."""

    def __init__(self) -> None:
        self.source = ""
        self.speech_ms = 0  # of sound that was listened to, also where that came to nothing
        self.downloaded_bytes = 0  # of audio
        self.stored_bytes = 0
        self._spent: dict[Video.Stage, float] = {}
        self._stage: Video.Stage | None = None
        self._since = self._began = time.monotonic()

    def enter(self, stage: Video.Stage | None) -> None:
        """The work is here from now on; None: it is over."""
        now = time.monotonic()
        if self._stage:
            self._spent[self._stage] = self._spent.get(self._stage, 0) + now - self._since
        self._stage, self._since = stage, now

    def tell(self, video: Video) -> None:
        """Writes it down, with the outcome as the database has it."""
        self.enter(None)
        if not metrics.are_on():
            return
        outcome, code, waited_ms = _record(video)
        told = [
            Metric("Jobs", 1, by=(("Outcome",), ("Outcome", "Source"))),
            _milliseconds("JobTime", time.monotonic() - self._began),
            *(_milliseconds(f"{stage.capitalize()}Time", seconds) for stage, seconds in self._spent.items()),
            Metric("SpeechSeconds", round(self.speech_ms / 1000, 3), "Seconds"),
            Metric("DownloadedBytes", self.downloaded_bytes, "Bytes"),
            Metric("StoredBytes", self.stored_bytes, "Bytes"),
        ]
        if waited_ms is not None:
            told.append(Metric("WaitingTime", waited_ms, "Milliseconds"))
        metrics.emit(told, Outcome=outcome, Source=self.source or "none", code=code)


@contextmanager
def measured(video: Video) -> Iterator[Job]:
    """Around all that is done for a claim."""
    job = Job()
    try:
        yield job
    finally:
        job.tell(video)


def refused(error: errors.JobError) -> None:
    """Counts it, if it is YouTube's refusal."""
    if isinstance(error, _REFUSALS):
        metrics.emit([Metric("Refusals", 1, by=((), ("Code",)))], Code=error.code)


def _milliseconds(name: str, seconds: float) -> Metric:
    return Metric(name, round(seconds * 1000, 1), "Milliseconds")


def _record(video: Video) -> tuple[str, str, float | None]:
    """What the attempt came to, its error code, and how long the video had waited for its first attempt."""
    tried = Attempt.objects.filter(video_id=video.pk, started_at__gte=video.requested_at, fence__lte=video.fence)
    try:
        attempts = list(tried.order_by("-fence")[:2])
    except DatabaseFailed:  # whoever waited for it has said so already
        return "unknown", "", None
    if not attempts or attempts[0].fence != video.fence:
        return "deleted", "", None
    began = attempts[0].started_at
    waited = max(0.0, (began - video.requested_at).total_seconds() * 1000) if len(attempts) == 1 else None
    return attempts[0].outcome, attempts[0].error_code, waited
