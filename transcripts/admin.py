"""Transcripts in the admin: to be read and searched."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from transcripts.models import Transcript
from videos.admin import ReadOnlyAdmin
from videos.youtube_url import watch_url


@admin.register(Transcript)
class TranscriptAdmin(ReadOnlyAdmin):
    """What was said."""

    list_display = ("video", "user", "language", "source", "engine", "model", "created_at")
    list_filter = ("source", "engine", "model", "language")
    search_fields = ("=id", "=video__id", "=video__youtube_id", "video__title", "=user__id", "user__email")
    search_help_text = "Id, YouTube id, words of the video's title, user's id or e-mail."
    ordering = ("-created_at",)
    list_per_page = 50
    fields = ("video", "user", "language", "source", "engine", "model", "s3_path", "created_at", "timed_text")
    readonly_fields = ("timed_text",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transcript]:
        """Lists do without the text."""
        transcripts = super().get_queryset(request).select_related("video", "user")
        on_list = (
            request.resolver_match is not None
            and request.resolver_match.url_name == "transcripts_transcript_changelist"
        )
        return transcripts.defer("content", "segment_rows") if on_list else transcripts

    @admin.display(description="what was said")
    def timed_text(self, transcript: Transcript) -> SafeString:
        """Each segment with its time, which opens the video there."""
        url = watch_url(transcript.video.youtube_id)
        return format_html_join(
            "\n",
            '<div><a href="{}&amp;t={}s" target="_blank" rel="noopener noreferrer">{}</a> {}</div>',
            ((url, s.start_ms // 1000, _minutes(s.start_ms // 1000), s.text) for s in transcript.segments),
        )


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"
