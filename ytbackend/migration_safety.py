"""Migrations run while the old code still answers, so they must leave it everything that it uses.

``manage.py migrate`` refuses a migration that takes something away, unless the migration says that nothing uses it
any more::

    class Migration(migrations.Migration):
        safe_beside_old_code = "Since 0.4.0 nothing reads or writes the column."

docs/deploy.md tells how a change is split into steps that need no such sentence, or earn it. Nothing is asked of a
database: what an operation will do is known from the operation and the state before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.utils import resolve_relation
from django.db.models import Field, GeneratedField, UniqueConstraint

OURS = ("accounts", "videos", "transcripts")  # what others ship, their release notes answer for

# Options of a field that are Python's alone, beside those that Django lists in ``Field.non_db_attrs``.
_NOT_IN_THE_DATABASE = {"default", "auto_now", "auto_now_add", "storage", "upload_to"}
# Nothing that old code does can fail because of these.
_HARMLESS = (
    operations.AddIndex,
    operations.AlterModelOptions,
    operations.AlterModelManagers,
    operations.AlterModelTableComment,
)
_TAKEN_AWAY = {
    operations.RemoveIndex: "drops an index that old code may tell MySQL to go by",
    operations.RenameIndex: "renames an index that old code may tell MySQL to go by",
    operations.DeleteModel: "drops a table that old code may ask",
    operations.RemoveField: "drops a column that old code names in every query",
    operations.RenameModel: "renames a table under old code",
    operations.RenameField: "renames a column under old code",
    operations.AlterModelTable: "renames a table under old code",
    operations.AlterOrderWithRespectTo: "adds a column that old code does not fill",
    operations.AddConstraint: "adds a constraint that old code may violate",
    operations.AlterUniqueTogether: "changes a constraint that old code may violate",
    operations.AlterIndexTogether: "changes indexes in a way that Django has given up",
    operations.RunPython: "runs code, and what it changes cannot be seen here",
    operations.RunSQL: "runs SQL, and what it changes cannot be seen here",
}


@register(Tags.database)  # so that `migrate` runs it, and no command that answers users
def unsafe_migrations(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """One error for each operation of our own migrations that old code would not survive."""
    loader = MigrationLoader(None)
    plan: list[Migration] = []
    for leaf in sorted(loader.graph.leaf_nodes()):
        nodes: list[tuple[str, str]] = loader.graph.forwards_plan(leaf)
        plan += [migration for node in nodes if (migration := loader.graph.nodes[node]) and migration not in plan]
    return [
        Error(
            f"{migration.app_label}.{migration.name}: {objection}.",
            hint="Split it as docs/deploy.md tells, or say in `safe_beside_old_code` why no old code minds.",
            id="ytbackend.E020",
        )
        for migration, objection in objections(plan)
        if migration.app_label in OURS
    ]


def objections(migrations: Iterable[Migration]) -> Iterator[tuple[Migration, str]]:
    """Each migration in its order with what speaks against it, but for those that say that they are safe."""
    state = ProjectState()
    for migration in migrations:
        stated = getattr(migration, "safe_beside_old_code", "")
        for operation in migration.operations:
            for objection in objections_to(operation, migration.app_label, state):
                if not (isinstance(stated, str) and stated.strip()):
                    yield migration, objection
            operation.state_forwards(migration.app_label, state)


def objections_to(operation: Operation, app_label: str, state: ProjectState) -> Iterator[str]:
    """What speaks against an operation on tables as ``state`` has them."""
    if isinstance(operation, operations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from objections_to(inner, app_label, state)
    elif isinstance(operation, operations.CreateModel):
        model = (app_label, operation.name_lower)
        for name, field in operation.fields:
            yield from _to_reference(f"{operation.describe()}: {name}", field, model, state)
    elif isinstance(operation, operations.AddField):
        yield from _to_new_field(operation)
        model = (app_label, operation.model_name_lower)
        yield from _to_reference(f"{operation.describe()}: it", operation.field, model, state)
    elif isinstance(operation, operations.RemoveConstraint):
        constraint = state.models[app_label, operation.model_name_lower].get_constraint_by_name(operation.name)
        if isinstance(constraint, UniqueConstraint):
            yield f"{operation.describe()}: old code relies on it where two do the same at once (get_or_create)"
    elif isinstance(operation, operations.AlterField):
        before = state.models[app_label, operation.model_name_lower].fields[operation.name]
        yield from (f"{operation.describe()}: it {change}" for change in _changes(before, operation.field))
    elif not isinstance(operation, _HARMLESS):
        why = next(
            (why for kind, why in _TAKEN_AWAY.items() if isinstance(operation, kind)), "is not known to this check"
        )
        yield f"{operation.describe()}: it {why}"


def _to_new_field(operation: operations.AddField) -> Iterator[str]:
    field = operation.field
    if field.many_to_many or isinstance(field, GeneratedField) or field.null:
        return
    if not field.has_db_default():
        yield f"{operation.describe()}: old code inserts rows without it, so it needs null=True or a db_default"
    elif field.unique:
        yield f"{operation.describe()}: all rows of old code would have the same value, and it is unique"


def _to_reference(what: str, field: "Field[Any, Any]", model: tuple[str, str], state: ProjectState) -> Iterator[str]:
    """New rows hold the old ones that they refer to: what goes with a row, only code that knows of both can say."""
    if field.remote_field is None or getattr(field.remote_field, "through", None):
        return
    settled: Any = field.remote_field if field.many_to_many else field
    to = resolve_relation(field.remote_field.model, *model)
    if settled.db_constraint and to in state.models:
        yield f"{what} refers to {'.'.join(to)}, and old code could then not delete its rows: db_constraint=False"


def _changes(before: "Field[Any, Any]", after: "Field[Any, Any]") -> Iterator[str]:
    """What an AlterField does to the column that old code may trip over."""
    old, new = _column(before), _column(after)
    if old["type"] != new["type"]:
        yield f"turns {old['type'].rpartition('.')[2]} into {new['type'].rpartition('.')[2]}"
        return
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name) or name in ("db_index", "db_comment"):
            continue
        longer = name == "max_length" and (new.get(name) or 0) > (old.get(name) or 0)
        if longer or (name == "null" and after.null) or (name == "db_default" and after.has_db_default()):
            continue
        yield f"changes {name} from {old.get(name)!r} to {new.get(name)!r}"


def _column(field: "Field[Any, Any]") -> dict[str, Any]:
    """What of a field the database knows."""
    _, path, arguments, options = field.deconstruct()
    unknown = _NOT_IN_THE_DATABASE.union(field.non_db_attrs) - {"db_column"}
    known = {name: value for name, value in options.items() if name not in unknown}
    return {"type": path, "arguments": arguments, "null": field.null} | known
