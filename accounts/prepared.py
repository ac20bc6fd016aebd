"""Questions to the database that are always the same but for their parameters: their SQL is written once a process.

Django builds and compiles a query anew each time it is asked, which takes longer than the database does to answer one
that finds its rows by an index. For what every call of the API asks, that is the largest part of the call.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, OperationalError, connection
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.sql import UpdateQuery

_AT_ONCE_SECONDS = 1
# The connection is not there any more: killed, closed by the server, lost, closed because nobody used it.
# https://dev.mysql.com/doc/mysql-errors/8.4/en/client-error-reference.html
_GONE = {1927, 2006, 2013, 4031}

Row = TypeVar("Row")
Object = TypeVar("Object", bound=Model)


class Parameter(Expression):
    """Stands in a queryset for a value of ``field`` that is named with each call."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """A placeholder, with this object in the place of the value."""
        return "%s", (self,)

    def adapted(self, value: Any) -> Any:
        """The value as the driver wants it."""
        return self.output_field.get_db_prep_value(value, connection)


class Prepared(Generic[Row]):
    """Asks a ``values_list()`` with its parameters: ``Prepared(build, row)(name=value)`` gives rows, made by ``row``.

    What comes out are the Python values that the queryset itself would give. It is built at the first call, when there
    is a database; everything in it but its parameters stays as it was then.
    """

    def __init__(
        self, build: Callable[[], "QuerySet[Any, Any]"], row: Callable[[Sequence[Any]], Row], *, index: str = ""
    ) -> None:
        """``index``: MySQL has to go by this one. Where it picks one itself, it may read all that a page leaves out."""
        self._build, self._row, self._index = build, row, index
        self._sql = ""
        self._parameters: list[Any] = []
        self._converters: list[tuple[int, list[Any], Any]] = []

    def __call__(self, **values: Any) -> list[Row]:
        """Asks. The names are those of the ``Parameter`` objects."""
        if not self._sql:
            self._compile()
        rows = [list(row) for row in _asked(self._sql, _filled(self._parameters, values))]
        for column, converters, expression in self._converters:
            for row in rows:
                for convert in converters:
                    row[column] = convert(row[column], expression, connection)
        return [self._row(row) for row in rows]

    def _compile(self) -> None:
        compiler = self._build().query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        found = compiler.get_converters([expression for expression, _, _ in compiler.select])
        self._converters = [(column, converters, expression) for column, (converters, expression) in found.items()]
        if self._index and connection.vendor == "mysql":  # https://dev.mysql.com/doc/refman/8.4/en/index-hints.html
            table = f"FROM {connection.ops.quote_name(compiler.query.get_initial_alias())}"
            sql = sql.replace(table, f"{table} FORCE INDEX ({connection.ops.quote_name(self._index)})", 1)
        self._parameters = list(parameters)
        self._sql = sql  # last: another thread may look meanwhile


def prepared(model: type[Object], build: Callable[[], "QuerySet[Object]"]) -> Prepared[Object]:
    """Asks for whole rows, which come out as objects of the model."""
    names = [field.attname for field in model._meta.concrete_fields]
    return Prepared(lambda: build().values_list(*names), lambda row: model.from_db(DEFAULT_DB_ALIAS, names, row))


class PreparedUpdate:
    """Changes rows, and answers how many: ``PreparedUpdate(build, column=what)(name=value)``.

    ``build`` is of the rows that are meant, ``what`` a value, an expression or a :class:`Parameter`. It is not repeated
    where the connection was lost, for nobody knows what became of it.
    """

    def __init__(self, build: Callable[[], "QuerySet[Any]"], **changes: Any) -> None:
        self._build, self._changes = build, changes
        self._sql = ""
        self._parameters: Sequence[Any] = ()

    def __call__(self, **values: Any) -> int:
        """Does it. The names are those of the ``Parameter`` objects."""
        if not self._sql:
            query: Any = self._build().query.chain(UpdateQuery)
            query.add_update_values(self._changes)
            sql, self._parameters = query.get_compiler(connection=connection).as_sql()
            self._sql = sql  # last: another thread may look meanwhile
        with connection.cursor() as cursor:
            cursor.execute(self._sql, _filled(self._parameters, values))
            changed: int = cursor.rowcount
        return changed


def _filled(parameters: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
    return [one.adapted(values[one.name]) if isinstance(one, Parameter) else one for one in parameters]


def _asked(sql: str, parameters: list[Any]) -> Sequence[Sequence[Any]]:
    """Rows. A connection that has died meanwhile (they do while a function is frozen) is replaced unseen.

    Django's way, a ping before the first statement of a request, costs as much as the statement. What is only read may
    be read again. A connection that is dead says so at once; one that hangs has used up a caller's patience already.
    """
    began = time.monotonic()
    connection.health_check_done = True  # type: ignore[attr-defined]  # the stubs do not know it
    try:
        return _rows(sql, parameters)
    except OperationalError as error:
        if error.args[0] not in _GONE or connection.in_atomic_block or time.monotonic() - began > _AT_ONCE_SECONDS:
            raise
        connection.close()
        return _rows(sql, parameters)


def _rows(sql: str, parameters: list[Any]) -> Sequence[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: Sequence[Sequence[Any]] = cursor.fetchall()
    return found


class Question(NamedTuple, Generic[Row]):
    """What a page is taken of: a queryset with parameters, and their values.

    ``build`` makes it of ``shape``, which is all that its SQL depends on: two questions of the same shape differ in
    nothing but their values. It is a function of a module, so that it tells questions apart.
    """

    model: type[Model]
    build: Callable[..., "QuerySet[Any, Any]"]
    shape: tuple[Hashable, ...]
    row: Callable[[Sequence[Any]], Row]
    values: Mapping[str, Any]
    order: str  # as ``order_by`` takes it; within equal values it goes by the id
    order_index: str = ""
    """The index that has this order."""
