"""Videos in the admin: found among a million, told as a story, mended by the API's own services."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from accounts.admin_lists import AgeFilter, LargeTableAdmin, ReadOnlyAdmin
from videos import admin_actions, admin_search, admin_story
from videos.models import Breaker, Deletion, Usage, UserQuota, Video


@admin.register(Video)
class VideoAdmin(ReadOnlyAdmin):
    """What was submitted and where it stands."""

    list_display = ("name", "state", "error_code", "user", "source", "language", "attempt", "created_at")
    list_filter = (
        admin_search.StateFilter,
        admin_search.CodeFilter,
        AgeFilter,
        admin_search.SourceFilter,
        admin_search.LanguageFilter,
    )
    search_fields = ("title",)  # so that there is a box: what it does is below
    search_help_text = admin_search.HELP
    list_prefetch_related = ("user",)
    actions = ("reprocess", "cancel", "release", "delete")

    @admin.display(description="video")
    def name(self, video: Video) -> str:
        """The title, or the link until there is one."""
        return str(video)[:80]

    @display(  # type: ignore[untyped-decorator]
        description="state",
        label={"queued": "warning", "processing": "info", "completed": "success", "failed": "danger"},
    )
    def state(self, video: Video) -> str:
        """In a colour."""
        return video.status

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By the first kind that the term is."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(admin_search.videos_matching(search_term)), False

    # --- Actions: each leads to a page that asks

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Operators, by the permission that their group has."""
        return admin_actions.DEEDS["reprocess"].allowed(request)

    def has_erase_permission(self, request: HttpRequest) -> bool:
        """Who may delete, files and all."""
        return admin_actions.DEEDS["delete"].allowed(request)

    def get_actions(self, request: HttpRequest) -> Any:
        """Ours alone: Django's own deletion would leave files behind."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Reprocess …", permissions=["operate"])
    def reprocess(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """Once more."""
        return admin_actions.chosen(admin_actions.DEEDS["reprocess"], request, queryset)

    @admin.action(description="Cancel …", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """No more."""
        return admin_actions.chosen(admin_actions.DEEDS["cancel"], request, queryset)

    @admin.action(description="Release what is stuck …", permissions=["operate"])
    def release(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """On with it."""
        return admin_actions.chosen(admin_actions.DEEDS["release"], request, queryset)

    @admin.action(description="Delete …", permissions=["erase"])
    def delete(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """Gone."""
        return admin_actions.chosen(admin_actions.DEEDS["delete"], request, queryset)

    # --- Pages

    def get_urls(self) -> list[URLPattern]:
        """Django's, and the page that asks."""
        ours = path("do/<str:name>", self.admin_site.admin_view(self.asked), name="videos_video_do")
        return [ours, *super().get_urls()]

    def asked(self, request: HttpRequest, name: str) -> HttpResponse:
        """How many and what, and then it is done."""
        return admin_actions.asked(request, name, self._context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The video's story."""
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        video = self.get_object(request, object_id)
        if video is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        context = self._context(request) | admin_story.of(request, video) | (extra_context or {})
        return TemplateResponse(
            request, "staff/video.html", context | {"title": str(video), "subtitle": None, "original": video}
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Video | None:
        """With its user and its transcript."""
        rows = Video.objects.select_related("user", "transcript")
        try:
            return rows.filter(pk=Video._meta.pk.to_python(object_id)).first()
        except ValidationError:  # no id at all
            return None

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}


@admin.register(Deletion)
class DeletionAdmin(ReadOnlyAdmin):
    """Files that are still to go."""

    list_display = ("prefix", "requested_at", "due_at")
    search_fields = ("prefix__startswith",)
    ordering = ("due_at",)


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    """Whether YouTube answers, and since when it does not."""

    list_display = ("name", "state", "failures", "code", "opened_at", "retry_at")
    ordering = ("name",)
    exclude = ("probe_token",)

    @admin.display(boolean=True, description="answers")
    def state(self, breaker: Breaker) -> bool:
        """Closed is how a breaker lets everything through."""
        return not breaker.is_open


@admin.register(UserQuota)
class UserQuotaAdmin(LargeTableAdmin):
    """What staff grant to one user instead of what the settings say."""

    list_display = ("user", "submissions_per_day", "speech_minutes_per_month", "videos", "gigabytes")
    search_fields = ("=user__id", "user__email")
    list_prefetch_related = ("user",)
    ordering = ("user_id",)
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
    list_prefetch_related = ("user",)
    ordering = ("-pk",)
