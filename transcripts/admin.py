"""Transcripts in the admin: to be read and searched."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.admin_lists import AgeFilter, ReadOnlyAdmin
from transcripts.models import Transcript
from videos.admin_search import HELP, videos_matching
from videos.models import Video
from videos.youtube_url import watch_url

SEGMENTS_SHOWN = 2000  # of the longest; its file has all
VIDEOS_A_SEARCH = 1000  # the newest


@admin.register(Transcript)
class TranscriptAdmin(ReadOnlyAdmin):
    """What was said."""

    list_display = ("video", "user", "language", "source", "engine", "model", "created_at")
    list_filter = (AgeFilter,)
    list_prefetch_related = ("video", "user")
    search_fields = ("video__title",)
    search_help_text = HELP
    fields = ("video", "user", "language", "source", "engine", "model", "s3_path", "created_at", "timed_text")
    readonly_fields = ("timed_text",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transcript]:
        """Lists do without the text."""
        transcripts: QuerySet[Transcript] = super().get_queryset(request)
        on_list = (
            request.resolver_match is not None
            and request.resolver_match.url_name == "transcripts_transcript_changelist"
        )
        return transcripts.defer("content", "segment_rows") if on_list else transcripts

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By its own id, or those of the videos that the term means."""
        term = search_term.strip()
        if not term:
            return queryset, False
        videos = Video.objects.filter(videos_matching(term)).order_by("-created_at", "pk")
        found = list(videos.values_list("pk", flat=True)[:VIDEOS_A_SEARCH])
        return (queryset.filter(video__in=found) if found else _by_id(queryset, term)), False

    @admin.display(description="what was said")
    def timed_text(self, transcript: Transcript) -> SafeString:
        """Each segment with its time, which opens the video there."""
        url = watch_url(transcript.video.youtube_id)
        return format_html_join(
            "\n",
            '<div><a href="{}&amp;t={}s" target="_blank" rel="noopener noreferrer">{}</a> {}</div>',
            (
                (url, s.start_ms // 1000, _minutes(s.start_ms // 1000), s.text)
                for s in transcript.segments[:SEGMENTS_SHOWN]
            ),
        )


def _by_id(transcripts: Any, term: str) -> Any:
    try:
        return transcripts.filter(pk=Transcript._meta.pk.to_python(term))
    except ValidationError:
        return transcripts.none()


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"
