"""Pages by position, not by number: what ``REST_FRAMEWORK`` names for every list."""

import base64
import binascii
import functools
import json
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from accounts.prepared import Parameter, Prepared, Question

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module


class BadCursor(ValidationError):
    """400: a cursor that we have not made, or made for another order."""

    in_query = True

    def __init__(self) -> None:
        super().__init__({"cursor": "This is no cursor of ours. Follow the links in next and previous as they are."})


class _Position(NamedTuple):
    """A row that was shown, and which way to go from it. Travels as base64 of JSON, in ``?cursor=``."""

    order: str  # the first name of the queryset's order, such as "-created_at"
    value: str  # that column's value in this row
    id: str
    backwards: bool


class KeysetPagination(BasePagination):
    """A page begins where another one ended: no page costs more than the first, and no row is lost or repeated.

    Follows the order that the view gave to the queryset: one column, then ``id`` in the same direction, with
    an index on both. Rows are compared by the database alone, whose collation may take for equal what
    Python does not. DRF's own cursors count rows with equal values instead, up to a thousand.
    """

    page_size = 20
    page_size_query_param = "page_size"

    def paginate_queryset(self, queryset: Any, request: Request, view: "APIView | None" = None) -> list[Any]:
        """The rows of the page that ``?cursor=`` and ``?page_size=`` ask for. Raises ``BadCursor``.

        Takes a queryset, or a :class:`Question`, whose SQL is then written once for each shape.
        """
        self._address = request.build_absolute_uri()
        asked = queryset if isinstance(queryset, Question) else None
        self._order = asked.order if asked else str(queryset.query.order_by[0])
        size = int(request.query_params.get(self.page_size_query_param) or self.page_size)  # checked by the view
        token = request.query_params.get("cursor")
        position = _read(token) if token else None
        backwards = position is not None and position.backwards
        rows = (
            _ask(asked, self._order, position, size + 1) if asked else _rows(queryset, self._order, position, size + 1)
        )
        more, rows = len(rows) > size, rows[:size]
        if backwards:
            rows.reverse()
        self._next = self._link(rows, backwards=False) if rows and (more or backwards) else None
        self._previous = self._link(rows, backwards=True) if rows and (more if backwards else position) else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """The page with its neighbours."""
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def _link(self, rows: Sequence[Any], *, backwards: bool) -> str:
        row = rows[0] if backwards else rows[-1]
        value = getattr(row, self._order.lstrip("-"))
        text = value if isinstance(value, str) else value.isoformat()
        position = json.dumps(_Position(self._order, text, str(row.id), backwards), ensure_ascii=False)
        token = base64.urlsafe_b64encode(position.encode()).rstrip(b"=").decode()
        return str(replace_query_param(self._address, "cursor", token))


def _rows(queryset: "QuerySet[Model]", order: str, position: _Position | None, count: int) -> list[Any]:
    if position is None:
        return list(queryset[:count])
    value, row = _point(queryset.model, order, position)
    return list(_beyond(queryset, order, value, row, backwards=position.backwards)[:count])


def _ask(question: "Question[Any]", order: str, position: _Position | None, count: int) -> list[Any]:
    backwards = None if position is None else position.backwards
    named = (question.model, question.build, question.shape, question.row, question.order_index)
    ask = _statement(*named, order, backwards, count)
    if position is None:
        return ask(**question.values)
    value, row = _point(question.model, order, position)
    return ask(**question.values, beyond=value, beyond_id=row)


@functools.lru_cache(maxsize=64)
def _statement(
    model: type[Model],
    build: Callable[..., "QuerySet[Any, Any]"],
    shape: tuple[Hashable, ...],
    row: Callable[[Sequence[Any]], Any],
    index: str,
    order: str,
    backwards: bool | None,
    count: int,
) -> Prepared[Any]:
    """Of the pages that are asked for most; a rare one is written anew, as Django writes them all."""

    def page() -> "QuerySet[Any, Any]":
        rows = build(*shape).order_by(order, "-id" if order.startswith("-") else "id")
        if backwards is not None:
            beyond = Parameter("beyond", _column(model, order))
            rows = _beyond(rows, order, beyond, Parameter("beyond_id", model._meta.pk), backwards=backwards)
        return rows[:count]

    return Prepared(page, row, index=index)


def _column(model: type[Model], order: str) -> "Field[Any, Any]":
    return model._meta.get_field(order.lstrip("-"))  # type: ignore[return-value]  # no list goes by a relation


def _point(model: type[Model], order: str, position: _Position) -> tuple[Any, Any]:
    """The value and the id of the row where the page begins. Raises ``BadCursor``."""
    if position.order != order:
        raise BadCursor
    try:
        value = _column(model, order).to_python(position.value)
        row = model._meta.pk.to_python(position.id)
    except DjangoValidationError as error:
        raise BadCursor from error
    if hasattr(value, "tzinfo") and (timezone.is_naive(value) or not 1 < value.year < 9999):
        raise BadCursor
    return value, row


def _beyond(queryset: Any, order: str, value: Any, row: Any, *, backwards: bool) -> Any:
    """What comes after this point, or before it, from there on."""
    column = order.lstrip("-")
    side = "lt" if order.startswith("-") != backwards else "gt"
    # The first condition follows from the second; it is what lets MySQL start in the middle of the index.
    queryset = queryset.filter(
        Q((f"{column}__{side}e", value)) & (Q((f"{column}__{side}", value)) | Q((f"id__{side}", row)))
    )
    return queryset.reverse() if backwards else queryset


def _read(token: str) -> _Position:
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        order, value, row, backwards = found
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadCursor from error
    if not (isinstance(order, str) and isinstance(value, str) and isinstance(row, str) and isinstance(backwards, bool)):
        raise BadCursor
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise BadCursor
    return _Position(order, value, row, backwards)
