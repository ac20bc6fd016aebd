"""Users in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import sign_out
from accounts.admin_lists import AgeFilter, LargeTableAdmin
from accounts.models import ApiKey, User


@admin.register(User)
class UserAdmin(LargeTableAdmin):
    """Callers, made by their first call, and local staff, made by ``manage.py createsuperuser``."""

    list_display = ("name", "id", "is_active", "is_staff", "created_at", "last_login")
    list_filter = ("is_active", "is_staff", AgeFilter)
    search_fields = ("id",)
    search_help_text = "Cognito's sub, login, or the beginning of an e-mail"
    fields = (
        "id",
        "email",
        "is_active",
        "used",
        "quotas",
        "is_staff",
        "is_superuser",
        "groups",
        "created_at",
        "last_login",
        "tokens_valid_after",
    )
    actions = ("sign_out_everywhere",)
    filter_horizontal = ("groups",)  # permissions come by groups alone

    @admin.display(description="user")
    def name(self, user: User) -> str:
        """The address, or the id."""
        return str(user)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """By id, else by the beginning of the e-mail: both have an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_id = queryset.filter(pk=term)
        return (by_id if by_id.exists() else queryset.filter(email__istartswith=term)), False

    @admin.display(description="videos")
    def used(self, user: User) -> SafeString | str:
        """How many videos in which state, and the way to them."""
        states = dict(user.videos.order_by().values_list("status").annotate(Count("pk")))
        told = ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "none"
        try:
            link = reverse("admin:videos_video_changelist")
        except NoReverseMatch:
            return told
        return format_html('<a href="{}?q={}">{}</a>', link, user.pk, told)

    @admin.display
    def quotas(self, user: User) -> SafeString | str:
        """Whether staff have granted this user other ones, and the way to them."""
        told = "granted to this user" if hasattr(user, "quota") else "those of the settings"
        try:
            link = reverse("admin:videos_userquota_changelist")
        except NoReverseMatch:
            return told
        return format_html('<a href="{}?q={}">{}</a>', link, user.pk, told)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[Any, ...]:
        """What Cognito or the machine writes; and nobody but a superuser makes staff, or switches them off."""
        machine: tuple[Any, ...] = ("id", "email", "used", "quotas", "created_at", "last_login", "tokens_valid_after")
        rights: tuple[Any, ...] = ("is_staff", "is_superuser", "groups")
        if getattr(request.user, "is_superuser", False):
            return machine
        return machine + rights + (("is_active",) if isinstance(obj, User) and _is_above(obj) else ())

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A row without a Cognito user or a password would be of no use."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A user with videos must not vanish from below them."""
        return False

    @admin.action(
        description="Sign out everywhere: refuse all tokens until now, delete all API keys", permissions=["change"]
    )
    def sign_out_everywhere(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """What ``manage.py sign_out`` does, and an entry in each user's history."""
        may_all = getattr(request.user, "is_superuser", False)
        chosen = [user for user in users if may_all or not _is_above(user)]
        for user in chosen:
            moment = sign_out.everywhere(user)
            told = f"Signed out everywhere: tokens before {moment:%F %T} UTC are refused, API keys are deleted."
            self.log_change(request, user, told)
        self.message_user(
            request,
            f"{len(chosen)} signed out: tokens are refused until they sign in again, and their API keys are deleted. "
            "Sessions of this admin go on.",
            messages.SUCCESS if chosen else messages.WARNING,
        )
        if skipped := len(users) - len(chosen):
            self.message_user(
                request,
                f"{skipped} left as they were, because they are staff: ask a superuser to sign them out.",
                messages.WARNING,
            )


def _is_above(user: User) -> bool:
    """Whether only superusers may act on this user."""
    return user.is_staff or user.is_superuser


@admin.register(ApiKey)
class ApiKeyAdmin(LargeTableAdmin):
    """Keys of users' scripts: to be looked at, and to be deleted where one has got into wrong hands."""

    list_display = ("name", "prefix", "user", "scope", "created_at", "expires_at", "last_used_at")
    list_prefetch_related = ("user",)
    search_fields = ("=id", "=prefix", "name", "=user__id", "user__email")
    search_help_text = "Id, how the key begins, its name, user's id or e-mail."
    exclude = ("digest",)  # of no use to people

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only who will use a key may ever see it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A key that may do more than its user wanted is not the user's."""
        return False
