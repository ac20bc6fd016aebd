"""Videos as JSON, and what may be asked of them."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.strict import PageQuery, StrictSerializer, TextField, WordField
from videos.models import Attempt, Video
from videos.youtube_url import MAX_CHARACTERS, InvalidYouTubeURL, video_id


@extend_schema_field({"type": "string", "maxLength": MAX_CHARACTERS, "example": "https://youtu.be/dQw4w9WgXcQ"})
class YouTubeURLField(TextField):
    """A link to one video; its value is the 11-character id."""

    default_error_messages = {
        "blank": "This is empty. Paste the link of a YouTube video.",
        "invalid": "This must be a text: the link of a YouTube video.",
    }

    def to_internal_value(self, data: Any) -> str:
        """Raises ``ValidationError`` with the sentence that says what is wrong with the link."""
        try:
            return video_id(super().to_internal_value(data))
        except InvalidYouTubeURL as error:
            raise serializers.ValidationError(str(error)) from error


# The tags that occur: language, script, region, variant (https://www.rfc-editor.org/rfc/rfc5646#section-2.1).
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-[A-Za-z0-9]{5,8})*")


class LanguageField(TextField):
    """A BCP 47 tag in its usual case, such as ``en``, ``pt-BR`` or ``zh-Hans``."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ``ValidationError``."""
        tag = super().to_internal_value(data)
        if len(tag) > 35 or not _LANGUAGE.fullmatch(tag):
            raise serializers.ValidationError('This is no BCP 47 language tag. Write "en" or "pt-BR", for example.')
        first, *rest = tag.lower().split("-")
        cased = [part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part for part in rest]
        return "-".join([first, *cased])


class AnalyzeSerializer(StrictSerializer):
    """The body of ``POST /analyze``."""

    url = YouTubeURLField(help_text="A link to one YouTube video, in any shape that people paste.")
    language = LanguageField(
        required=False,
        default="",
        help_text="The language you want (BCP 47). Where nobody has written captions in it, you get the spoken one.",
    )
    mode = WordField(
        choices=Video.Mode.choices,
        required=False,
        default=Video.Mode.AUTO,
        help_text="`auto` takes captions and, where there are none, listens; the others insist on one of the two.",
    )


class VideoListQuery(PageQuery):
    """The parameters of ``GET /videos``."""

    status = WordField(choices=Video.Status.values, required=False)
    search = serializers.CharField(required=False, max_length=100, help_text="Words of the title or channel.")
    ordering = WordField(
        choices=["-created_at", "created_at", "title", "-title"], required=False, default="-created_at"
    )


class _NullWhenEmpty:
    """A column that is empty until it is known: null in the answer."""

    def get_attribute(self, instance: Any) -> Any:
        """The column's value, or None."""
        return super().get_attribute(instance) or None  # type: ignore[misc]


class KnownChoice(_NullWhenEmpty, serializers.ChoiceField):
    """One of a few words, or null."""


class ErrorSerializer(serializers.Serializer[Any]):
    """Why there is no transcript, or not yet."""

    code = serializers.CharField(help_text="For programs.")
    detail = serializers.CharField(help_text="A sentence for people.")
    retryable = serializers.BooleanField(help_text="Whether trying again later may help.")


class AttemptErrorSerializer(serializers.Serializer[Any]):
    """Why an attempt came to nothing."""

    code = serializers.CharField(help_text="For programs.")
    detail = serializers.CharField(help_text="A sentence for people.")


class VideoSerializer(serializers.ModelSerializer[Video]):
    """A video as the API shows it. Storage keys, leases and fences stay inside."""

    # For the OpenAPI document alone: what is answered is made by videos.shown.

    title = serializers.CharField(allow_null=True, read_only=True)
    channel = serializers.CharField(allow_null=True, read_only=True)
    thumbnail_url = serializers.URLField(read_only=True)
    language = serializers.CharField(
        allow_null=True, read_only=True, help_text="The transcript's; until there is one, the one asked for. BCP 47."
    )
    source = serializers.ChoiceField(choices=Video.Source.values, allow_null=True, read_only=True)  # type: ignore[assignment]
    stage = serializers.ChoiceField(choices=Video.Stage.values, allow_null=True, read_only=True)
    error = ErrorSerializer(
        allow_null=True, read_only=True, help_text="The last failure, until the next attempt begins."
    )

    class Meta:
        model = Video
        fields = [
            "id",
            "url",
            "youtube_id",
            "title",
            "channel",
            "duration_ms",
            "thumbnail_url",
            "language",
            "mode",
            "source",
            "status",
            "stage",
            "progress",
            "attempt",
            "retry_at",
            "error",
            "created_at",
            "updated_at",
            "completed_at",
        ]
        read_only_fields = fields


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One time that a worker took the video into work. Which worker it was stays inside."""

    number = serializers.IntegerField(
        help_text="Counted since the video was last asked for; an interrupted one is not counted."
    )
    stage = KnownChoice(choices=Video.Stage.values, allow_null=True, read_only=True)
    outcome = serializers.ChoiceField(
        choices=Attempt.Outcome.values,
        help_text="`released` is tried again, `interrupted` too and is not counted, `lost` means that its worker was.",
    )
    error = serializers.SerializerMethodField()

    class Meta:
        model = Attempt
        fields = ["number", "started_at", "ended_at", "stage", "outcome", "error"]
        read_only_fields = fields

    @extend_schema_field(AttemptErrorSerializer(allow_null=True))
    def get_error(self, attempt: Attempt) -> dict[str, Any] | None:
        """Why it ended without a transcript."""
        if not attempt.error_code:
            return None
        return {"code": attempt.error_code, "detail": attempt.error_detail}


class AttemptListSerializer(serializers.Serializer[Any]):
    """The newest attempts of a video."""

    results = AttemptSerializer(many=True)


class VideoPageSerializer(serializers.Serializer[Any]):
    """A page of videos."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = VideoSerializer(many=True)
