"""What was said in a video."""

import json
import uuid
from typing import Any, ClassVar, Self

from django.db import models

from accounts.models import User
from transcripts.segments import Segment
from videos.models import Video


class UTF8Encoder(json.JSONEncoder):
    """JSON that keeps every script in UTF-8: ``\\uXXXX`` would double the size of what is not English."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"ensure_ascii": False})


class TranscriptQuerySet(models.QuerySet["Transcript"]):
    """The questions that are asked about transcripts."""

    def for_user(self, user: User) -> Self:
        """What this user may see."""
        return self.filter(user=user)

    def without_text(self) -> Self:
        """For lists: the text of one may have megabytes."""
        return self.defer("content", "segment_rows")

    def store(self, transcript: "Transcript") -> str:
        """The transcript of a video; it takes the place of an earlier one and keeps its id.

        Returns where the earlier one's file lies, or nothing. Call it in a transaction that has locked the video.
        """
        earlier = self.filter(video_id=transcript.video_id).values_list("pk", "s3_path", "created_at").first()
        if earlier is None:
            transcript.save(force_insert=True)
            return ""
        transcript.pk, replaced, transcript.created_at = earlier
        transcript.save(force_update=True)
        return replaced


class Transcript(models.Model):
    """The words of a video with their times."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    video = models.OneToOneField(Video, on_delete=models.CASCADE, related_name="transcript")
    # The video's owner, who never changes: a user's transcripts are found without a join.
    user = models.ForeignKey(User, on_delete=models.PROTECT, db_index=False, related_name="transcripts")
    language = models.CharField(max_length=35, help_text="BCP 47.")
    source = models.CharField(max_length=10, choices=Video.Source.choices)
    engine = models.CharField(max_length=40, help_text="Who turned speech into text: youtube, faster-whisper …")
    model = models.CharField(max_length=200, help_text="With captions: human or automatic.")
    content = models.TextField(help_text="The words, one segment a line.")
    segment_rows = models.JSONField(
        db_column="segments", encoder=UTF8Encoder, default=list, help_text="[start_ms, end_ms, text] …"
    )
    s3_path = models.CharField(max_length=255, help_text="The transcript's JSON file in storage.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Transcript"]] = TranscriptQuerySet.as_manager()

    class Meta:
        db_table = "transcripts"
        constraints = [
            models.CheckConstraint(condition=models.Q(source__in=["captions", "speech"]), name="transcripts_source")
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="transcripts_newest"),  # GET /transcripts
            models.Index(fields=["-created_at"], name="transcripts_admin"),  # admin: the newest of all users
        ]

    def __str__(self) -> str:
        return f"{self.video_id} ({self.language})"

    @property
    def segments(self) -> list[Segment]:
        """The timed text."""
        return [Segment(*row) for row in self.segment_rows]
