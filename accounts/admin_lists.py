"""Lists of the admin that stay fast with a million rows: nothing counts a table, or sorts one."""

from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

ROWS_A_PAGE = 50
LAST_PAGE = 200  # beyond it a filter leads further; a page costs what lies before it


class OpenEndedPage(Page):  # type: ignore[type-arg]
    """A page that knows whether there is another one, because it has asked for one row more."""

    more = False

    def has_next(self) -> bool:
        """Whether there is one that may be turned to."""
        return self.more and self.number < LAST_PAGE


class OpenEndedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages without a count: as many as there are, up to ``LAST_PAGE``."""

    template_name = "staff/pagination.html"
    shown: OpenEndedPage | None = None

    @cached_property
    def count(self) -> int:
        """No number of rows, but that of all pages that may be turned to: what Django compares page numbers with."""
        return self.per_page * LAST_PAGE

    def page(self, number: int | str) -> Page:  # type: ignore[type-arg]
        """The rows, asked for at once. Raises ``InvalidPage``."""
        number = self.validate_number(number)
        bottom = (number - 1) * self.per_page
        rows = list(self.object_list[bottom : bottom + self.per_page + 1])
        self.shown = OpenEndedPage(rows[: self.per_page], number, self)
        self.shown.more = len(rows) > self.per_page
        return self.shown

    @cached_property
    def estimate(self) -> int | None:
        """About how many rows the whole table has, where the database knows without counting."""
        if connection.vendor != "mysql" or not isinstance(self.object_list, QuerySet):
            return None
        table = self.object_list.model._meta.db_table
        sql = "SELECT table_rows FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
        with connection.cursor() as cursor:
            cursor.execute(sql, [table])
            row = cursor.fetchone()
        return int(row[0]) if row and row[0] is not None else None


class UncountedList(ChangeList):  # type: ignore[misc]
    """A list that claims no number of rows, and joins nothing."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Rows by the list's own index; what they refer to by a question of its own.

        A join has MariaDB begin with the other table, and sort the product: seconds for a million rows.
        """
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        return found.prefetch_related(*self.model_admin.list_prefetch_related)

    def get_results(self, request: HttpRequest) -> None:
        """As many as all, whatever that is: the theme's header would show the number."""
        super().get_results(request)
        self.full_result_count = self.result_count


class LargeTableAdmin(ModelAdmin):  # type: ignore[misc]
    """A list of any length, newest first, by an index on ``created_at``."""

    paginator = OpenEndedPaginator
    list_per_page = ROWS_A_PAGE
    show_full_result_count = False
    list_disable_select_all = True  # an action takes what a page shows at most
    list_select_related: tuple[str, ...] = ()  # an empty one: False would join what the columns show
    list_prefetch_related: tuple[str, ...] = ()
    sortable_by: tuple[str, ...] = ()
    ordering: tuple[str, ...] = (
        "-created_at",
        "pk",
    )  # so that InnoDB's index, which ends with the key, has this very order
    list_fullwidth = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Ours."""
        return UncountedList


class ReadOnlyAdmin(LargeTableAdmin):
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


class AgeFilter(SimpleListFilter):
    """How long ago a row was made, by the index of the list's order."""

    title = "age"
    parameter_name = "age"
    _SPANS = {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
        "month": timedelta(days=30),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """From the last hour on."""
        named = [("hour", "last hour"), ("day", "last 24 hours"), ("week", "last 7 days"), ("month", "last 30 days")]
        return [*named, ("older", "older than 30 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """A range."""
        value = self.value()
        if value in self._SPANS:
            return queryset.filter(created_at__gte=timezone.now() - self._SPANS[value])
        if value == "older":
            return queryset.filter(created_at__lt=timezone.now() - self._SPANS["month"])
        return queryset
