"""What must hold once the workers are idle and the sweep finds nothing to do, whatever has happened before."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from transcripts.models import Transcript
from videos.models import Attempt, Deletion, Reservation, Video

Objects = Mapping[str, Callable[[], bytes]]  # what lies in the bucket, by key


@dataclass(frozen=True)
class Peace:
    """What can be seen from outside."""

    objects: Objects
    waiting: int  # messages of the queue: visible, in flight or delayed
    dead_letters: list[str]
    submitted: frozenset[uuid.UUID]
    extractions: Counter[str]  # by YouTube's id: how often it was asked what the video is
    max_attempts: int

    def violations(self) -> list[str]:
        """Each with the name of the invariant that it violates."""
        videos = list(Video.objects.all())
        deleted = self.submitted - {video.pk for video in videos}
        found = [f"{text} ({video.pk})" for video in videos for text in self._of_video(video)]
        found += [f"{text} ({video_id}, deleted)" for video_id in deleted for text in self._of_deleted(video_id)]
        found += [f"I9 speech is set aside, and nobody listens ({row.pk})" for row in Reservation.objects.all()]
        return found + list(self._of_messages()) + list(self._of_objects(videos))

    def _of_video(self, video: Video) -> Iterator[str]:
        if video.status == Video.Status.PROCESSING or (video.status == Video.Status.QUEUED and not video.retry_at):
            yield f"I1 stuck: {video.status} for ever"
        if video.status == Video.Status.COMPLETED:
            yield from self._of_completed(video)
        yield from self._of_attempts(video, list(video.attempts.order_by("fence")))

    def _of_completed(self, video: Video) -> Iterator[str]:
        transcript = Transcript.objects.filter(video=video).first()
        if transcript is None:
            yield "I2 completed without a transcript"
            return
        if transcript.s3_path not in self.objects:
            yield f"I2 the transcript's file is not there: {transcript.s3_path}"
        elif json.loads(self.objects[transcript.s3_path]())["segments"] != _as_stored(transcript):
            yield f"I2 row and file differ: {transcript.s3_path}"
        if video.s3_path and video.s3_path not in self.objects:
            yield f"I2 the audio is not there: {video.s3_path}"

    def _of_attempts(self, video: Video, attempts: list[Attempt]) -> Iterator[str]:
        outcome = Attempt.Outcome
        if any(attempt.fence > video.fence for attempt in attempts):
            yield "I6 the fence went back"
        if [a for a in attempts if a.outcome == outcome.RUNNING] and video.status != Video.Status.PROCESSING:
            yield "I7 an attempt is running, and nobody works"
        if any((a.outcome == outcome.RUNNING) == bool(a.ended_at) for a in attempts):
            yield "I7 an attempt has ended without a time, or the other way round"
        if video.attempt > self.max_attempts:
            yield f"I7 attempt {video.attempt} of {self.max_attempts}"
        now = [a for a in attempts if a.started_at >= video.requested_at]
        counted = [a for a in now if a.outcome not in (outcome.INTERRUPTED, outcome.SUPERSEDED)]
        if len(counted) != video.attempt:
            yield f"I7 attempt is {video.attempt}, but {len(counted)} were counted: {[a.outcome for a in now]}"
        completed = [a for a in now if a.outcome == outcome.COMPLETED]
        if len(completed) != (video.status == Video.Status.COMPLETED):
            yield f"I7 {video.status}, with {len(completed)} attempts that completed it"
        if (asked := self.extractions[video.youtube_id]) > len(attempts):
            yield f"I8 YouTube was asked {asked} times in {len(attempts)} attempts"

    def _of_deleted(self, video_id: uuid.UUID) -> Iterator[str]:
        if Transcript.objects.filter(video_id=video_id).exists() or Attempt.objects.filter(video_id=video_id).exists():
            yield "I3 rows are left"
        if left := [key for key in self.objects if key.startswith(f"videos/{video_id}/")]:
            yield f"I3 files are left: {left}"

    def _of_messages(self) -> Iterator[str]:
        if self.waiting:
            yield f"I5 {self.waiting} messages are still in the queue"
        if ours := [body for body in self.dead_letters if is_ours(body)]:
            yield f"I5 dead letters that are ours: {ours}"

    def _of_objects(self, videos: list[Video]) -> Iterator[str]:
        named = {video.s3_path for video in videos} | set(Transcript.objects.values_list("s3_path", flat=True))
        if orphans := set(self.objects) - named:
            yield f"I4 files that nobody names: {sorted(orphans)}"
        if Deletion.objects.due().exists():
            yield "I4 deletions are due"


def _as_stored(transcript: Transcript) -> list[dict[str, object]]:
    return [segment._asdict() for segment in transcript.segments]


def is_ours(body: str) -> bool:
    """Whether a message names a video."""
    try:
        uuid.UUID(json.loads(body)["video_id"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return True
