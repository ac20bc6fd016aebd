"""Videos and pending deletions in the admin: to be read and searched; the machine writes them."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html

from videos.models import Attempt, Breaker, Deletion, Usage, UserQuota, Video
from videos.youtube_url import watch_url


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that only the machine writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody: a bare row deletion would leave files behind."""
        return False


class AttemptInline(admin.TabularInline):  # type: ignore[type-arg]
    """What became of each time that a worker took the video."""

    model = Attempt
    fields = ("number", "worker", "started_at", "ended_at", "stage", "outcome", "error_code", "error_detail")
    readonly_fields = fields
    ordering = ("-fence",)
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


@admin.register(Video)
class VideoAdmin(ReadOnlyAdmin):
    """What was submitted and where it stands."""

    list_display = ("name", "user", "status", "progress", "attempt", "error_code", "created_at")
    list_filter = ("status", "source", "mode", "error_code", "language")
    search_fields = ("=id", "=youtube_id", "title", "channel", "=user__id", "user__email")
    search_help_text = "Id, YouTube id, words of title or channel, user's id or e-mail."
    list_select_related = ("user",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    list_per_page = 50
    inlines = (AttemptInline,)

    @admin.display(description="video")
    def name(self, video: Video) -> str:
        """The title, or the link until there is one."""
        return str(video)[:80]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """The columns, and the link to YouTube as one."""
        return ["watch"]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Every column in the model's order."""
        return ["watch", *(field.name for field in Video._meta.fields if field.name != "url")]

    @admin.display(description="on YouTube")
    def watch(self, video: Video) -> str:
        """A link that opens beside the admin; made from the id, so that no row can make it another kind of link."""
        address = watch_url(video.youtube_id)
        return format_html('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>', address)


@admin.register(Deletion)
class DeletionAdmin(ReadOnlyAdmin):
    """Files that are still to go."""

    list_display = ("prefix", "requested_at", "due_at")
    search_fields = ("prefix",)
    ordering = ("due_at",)


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    """Whether YouTube answers, and since when it does not."""

    list_display = ("name", "state", "failures", "code", "opened_at", "retry_at")
    exclude = ("probe_token",)

    @admin.display(boolean=True, description="answers")
    def state(self, breaker: Breaker) -> bool:
        """Closed is how a breaker lets everything through."""
        return not breaker.is_open


@admin.register(UserQuota)
class UserQuotaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What staff grant to one user instead of what the settings say."""

    list_display = ("user", "submissions_per_day", "speech_minutes_per_month", "videos", "gigabytes")
    search_fields = ("=user__id", "user__email")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
    fieldsets = (
        (
            None,
            {
                "fields": ("user", "submissions_per_day", "speech_minutes_per_month", "videos", "gigabytes"),
                "description": "Empty: what the settings say. 0: no limit.",
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Whose it is does not change."""
        return ("user",) if obj else ()


@admin.register(Usage)
class UsageAdmin(ReadOnlyAdmin):
    """What each user has used, day by day and month by month."""

    list_display = ("user", "kind", "period", "amount")
    list_filter = ("kind",)
    search_fields = ("=user__id", "user__email")
    list_select_related = ("user",)
    ordering = ("-period", "-amount")
