"""What staff look for among a million videos: each filter and each kind of search has its index, but for words."""

import re
import uuid
from typing import Any

from django.conf import settings
from django.contrib.admin import SimpleListFilter
from django.db.models import Min, Q, QuerySet
from django.http import HttpRequest

from accounts.models import User
from videos import youtube_url
from videos.models import Video

VALUES_OFFERED = 40  # by a filter: each is a question
USERS_A_SEARCH = 50  # that an address begins like
TITLES_A_SEARCH = 200_000  # the newest: a second, where a million would take longer than the database may
HELP = "Id, link, YouTube id, e-mail, user's id; else a part of a title (of the newest 200,000)"

_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")


def videos_matching(term: str) -> Q:
    """What a search means: the first of these kinds that it is and that finds something.

    Only words that are nothing else are looked for in titles, which no index helps with: one row after the other is
    looked at until there are enough for a page.
    """
    term = term.strip()
    for found in (_by_id(term), _by_link(term), _by_address(term), _by_user(term)):
        if found is not None:
            return found
    return Q(title__icontains=term) & _newest()


def _by_id(term: str) -> Q | None:
    """A video's id or a user's, which are alike, with or without hyphens."""
    try:
        found = uuid.UUID(term)
    except ValueError:
        return None
    if Video.objects.filter(pk=found).exists():
        return Q(pk=found)
    return Q(user_id__in=[term, str(found)])


def _by_link(term: str) -> Q | None:
    """A link in any of YouTube's forms, or the eleven characters, unless they are only a word."""
    try:
        return Q(youtube_id=youtube_url.video_id(term))
    except youtube_url.InvalidYouTubeURL:
        pass
    if _YOUTUBE_ID.fullmatch(term) and Video.objects.filter(youtube_id=term).exists():
        return Q(youtube_id=term)
    return None


def _by_address(term: str) -> Q | None:
    if "@" not in term:
        return None
    exact = User.objects.filter(email=term)
    users = exact if exact.exists() else User.objects.filter(email__startswith=term)
    return Q(user_id__in=list(users.values_list("pk", flat=True)[:USERS_A_SEARCH]))


def _newest() -> Q:
    """The newest, as many as are looked through."""
    moments = Video.objects.order_by("-created_at").values_list("created_at", flat=True)
    oldest = next(iter(moments[TITLES_A_SEARCH : TITLES_A_SEARCH + 1]), None)
    return Q(created_at__gt=oldest) if oldest else Q()


def _by_user(term: str) -> Q | None:
    return Q(user_id=term) if User.objects.filter(pk=term).exists() else None


class _IndexedFilter(SimpleListFilter):
    """A column's value, by an index that begins with the column and goes on in the list's order."""

    column: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The values that there are."""
        return [(value, value) for value in _values_of(self.column)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Video]) -> QuerySet[Video]:
        """One value."""
        value = self.value()
        return queryset.filter(**{self.column: value}) if value else queryset


def _values_of(column: str) -> list[str]:
    """Each value of an indexed column once: from one value to the next, each found at once in the index.

    DISTINCT reads all of the index (MariaDB 10.11: a quarter of a second for a million rows), and so does MIN in a
    recursive query.
    """
    found: list[str] = []
    while len(found) < VALUES_OFFERED:
        beyond = Video.objects.filter(**{f"{column}__gt": found[-1] if found else ""})
        value = beyond.aggregate(value=Min(column))["value"]
        if value is None:
            break
        found.append(value)
    return found


class StateFilter(_IndexedFilter):
    """The state, or what is stuck in one."""

    title = "state"
    parameter_name = "state"
    column = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The four, and one more."""
        return [*((state.value, state.value) for state in Video.Status), ("stuck", "stuck: no worker or no message")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Video]) -> QuerySet[Video]:
        """What is stuck, is what a sweep would look at."""
        if self.value() != "stuck":
            return super().queryset(request, queryset)
        lost = Video.objects.abandoned().values("pk")
        unsent = Video.objects.unsent(resend_after=settings.RESEND_AFTER_SECONDS).values("pk")
        return queryset.filter(Q(pk__in=lost) | Q(pk__in=unsent), status__in=["queued", "processing"])


class CodeFilter(_IndexedFilter):
    """The error's code, also of those that are tried again."""

    title = "error code"
    parameter_name = "code"
    column = "error_code"


class SourceFilter(_IndexedFilter):
    """Where the text came from."""

    title = "source"
    parameter_name = "source"
    column = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two."""
        return [(source.value, source.value) for source in Video.Source]


class LanguageFilter(_IndexedFilter):
    """The transcript's language."""

    title = "language"
    parameter_name = "language"
    column = "language"
