"""Transcripts as JSON, and what may be asked of them."""

from typing import Any

from rest_framework import serializers

from accounts.strict import PageQuery, QuerySerializer, WordField
from transcripts.models import Transcript
from videos.models import Video

FORMATS = ("json", "txt", "srt", "vtt")


class FormatQuery(QuerySerializer):
    """The parameters of one transcript."""

    format = WordField(
        choices=FORMATS, required=False, help_text="Instead of `Accept`. Left out: what `Accept` asks for, else json."
    )


class TranscriptListQuery(PageQuery):
    """The parameters of ``GET /transcripts``."""


class SegmentSerializer(serializers.Serializer[Any]):
    """A stretch of speech."""

    start_ms = serializers.IntegerField(help_text="Milliseconds from the start of the video.")
    end_ms = serializers.IntegerField()
    text = serializers.CharField()


class TranscriptSummarySerializer(serializers.ModelSerializer[Transcript]):
    """A transcript in a list: without its text."""

    video_id = serializers.UUIDField(read_only=True)
    source = serializers.ChoiceField(choices=Video.Source.values, read_only=True)  # type: ignore[assignment]

    class Meta:
        model = Transcript
        fields = ["id", "video_id", "language", "source", "engine", "model", "created_at"]
        read_only_fields = fields


class TranscriptSerializer(TranscriptSummarySerializer):
    """A transcript, whole."""

    content = serializers.CharField(read_only=True, help_text="The words, one segment a line.")
    segments = SegmentSerializer(many=True, read_only=True)

    class Meta(TranscriptSummarySerializer.Meta):
        fields = [*TranscriptSummarySerializer.Meta.fields[:-1], "content", "segments", "created_at"]
        read_only_fields = fields


class TranscriptPageSerializer(serializers.Serializer[Any]):
    """A page of transcripts."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = TranscriptSummarySerializer(many=True)
