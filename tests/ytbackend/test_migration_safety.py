"""What may be changed in the database while the old code still answers."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from ytbackend.migration_safety import OURS, objections, unsafe_migrations

ROOT = Path(__file__).parents[2]


def migration_of(*operations: Operation, **attributes: str) -> migrations.Migration:
    return type("Migration", (migrations.Migration,), {"operations": list(operations), **attributes})("m", "shop")


TABLES = migration_of(
    migrations.CreateModel(
        "Book",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=100)),
            ("note", models.TextField(null=True)),
            ("pages", models.IntegerField(default=0)),
        ],
        {
            "constraints": [
                models.UniqueConstraint(fields=["title"], name="one_of_a_title"),
                models.CheckConstraint(condition=models.Q(pages__gte=0), name="some_pages"),
            ]
        },
    )
)


def objections_to(*operations: Operation, **attributes: str) -> list[str]:
    return [objection for _, objection in objections([TABLES, migration_of(*operations, **attributes)])]


@pytest.mark.parametrize(
    "operation",
    [
        migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("book", "isbn", models.CharField(max_length=13, null=True)),
        migrations.AddField("book", "isbn", models.CharField(max_length=13, null=True, unique=True)),
        migrations.AddField("book", "isbn", models.CharField(max_length=13, db_default="")),
        migrations.AddField("book", "likes", models.ManyToManyField("shop.book", db_constraint=False)),
        migrations.AddField(
            "book", "sequel", models.ForeignKey("self", models.CASCADE, null=True, db_constraint=False)
        ),
        migrations.RemoveConstraint("book", "some_pages"),
        migrations.AddIndex("book", models.Index(fields=["title"], name="book_title")),
        migrations.AlterField("book", "title", models.CharField(max_length=200)),
        migrations.AlterField("book", "title", models.CharField(max_length=100, null=True)),
        migrations.AlterField("book", "title", models.CharField(max_length=100, db_index=True)),
        migrations.AlterField("book", "pages", models.IntegerField(default=1, help_text="All of them.")),
        migrations.AlterField("book", "pages", models.IntegerField(default=0, db_default=0)),
        migrations.AlterModelOptions("book", {"ordering": ["title"]}),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("book", "pages")]),
    ],
    ids=lambda operation: operation.describe(),
)
def test_it_lets_pass_what_old_code_does_not_notice(operation):
    assert objections_to(operation) == []


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        (migrations.DeleteModel("book"), "drops a table"),
        (migrations.RemoveField("book", "pages"), "drops a column"),
        (migrations.RenameField("book", "pages", "leaves"), "renames a column"),
        (migrations.RenameModel("book", "volume"), "renames a table"),
        (migrations.AlterModelTable("book", "volumes"), "renames a table"),
        (migrations.AddField("book", "isbn", models.CharField(max_length=13, default="")), "db_default"),
        (migrations.AddField("book", "isbn", models.CharField(max_length=13, db_default="", unique=True)), "unique"),
        (
            migrations.AddField("book", "parent", models.ForeignKey("self", models.CASCADE, db_constraint=False)),
            "db_default",
        ),
        (migrations.AddField("book", "parent", models.ForeignKey("self", models.CASCADE, null=True)), "could then not"),
        (migrations.AddField("book", "likes", models.ManyToManyField("shop.book")), "could then not delete"),
        (
            migrations.CreateModel("Loan", [("book", models.ForeignKey("shop.book", models.CASCADE))]),
            "could then not delete",
        ),
        (migrations.RemoveConstraint("book", "one_of_a_title"), "get_or_create"),
        (migrations.AlterField("book", "note", models.TextField()), "null"),
        (migrations.AlterField("book", "title", models.CharField(max_length=50)), "max_length"),
        (migrations.AlterField("book", "title", models.CharField(max_length=100, unique=True)), "unique"),
        (migrations.AlterField("book", "title", models.CharField(max_length=100, db_column="name")), "db_column"),
        (migrations.AlterField("book", "pages", models.BigIntegerField(default=0)), "BigIntegerField"),
        (
            migrations.AddConstraint("book", models.UniqueConstraint(fields=["title"], name="one_title")),
            "old code may violate",
        ),
        (migrations.AlterUniqueTogether("book", {("title", "pages")}), "old code may violate"),
        (migrations.RunSQL("DROP TABLE shop_book"), "runs SQL"),
        (migrations.RunPython(migrations.RunPython.noop), "runs code"),
        (
            migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField("book", "pages")]),
            "drops a column",
        ),
        (type("Surprise", (Operation,), {"state_forwards": lambda *_: None})(), "not known"),
    ],
    ids=lambda part: part if isinstance(part, str) else part.describe(),
)
def test_it_refuses_what_old_code_would_trip_over(operation, word):
    found = objections_to(operation)

    assert len(found) == 1
    assert word in found[0]


def test_it_judges_a_change_by_what_stood_there_just_before():
    found = objections_to(
        migrations.AlterField("book", "title", models.CharField(max_length=200)),
        migrations.AlterField("book", "title", models.CharField(max_length=150)),
    )

    assert [objection.partition(": ")[2] for objection in found] == ["it changes max_length from 200 to 150"]


def test_a_migration_may_say_that_no_old_code_is_left():
    gone = migrations.RemoveField("book", "pages")

    assert objections_to(gone, safe_beside_old_code="Since 0.4.0 nothing reads the column.") == []


def test_saying_nothing_is_no_reason():
    assert len(objections_to(migrations.RemoveField("book", "pages"), safe_beside_old_code=" ")) == 1


def test_it_knows_every_app_of_ours_that_has_migrations():
    assert sorted(OURS) == sorted(path.parent.parent.name for path in ROOT.glob("*/migrations/__init__.py"))


def test_our_own_migrations_are_safe():
    assert unsafe_migrations(None) == []


@pytest.fixture
def _planted(tmp_path, monkeypatch, settings) -> Iterator[None]:
    """The migrations of videos, and one more that drops a column."""
    folder = tmp_path / "planted_migrations"
    shutil.copytree(ROOT / "videos/migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(path.stem for path in folder.glob("0*.py"))
    (folder / "9999_drop.py").write_text(
        "from django.db import migrations\n\n\n"
        "class Migration(migrations.Migration):\n"
        f'    dependencies = [("videos", "{last}")]\n'
        '    operations = [migrations.RemoveField("video", "title")]\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {"videos": "planted_migrations"}
    yield
    for name in [name for name in sys.modules if name.startswith("planted_migrations")]:
        del sys.modules[name]


@pytest.mark.usefixtures("_planted")
def test_the_check_names_the_migration_and_what_to_do():
    found = {message.id: message for message in run_checks(tags=["database"], databases=["default"])}["ytbackend.E020"]

    assert found.msg == (
        "videos.9999_drop: Remove field title from video: it drops a column that old code names in every query."
    )
    assert "safe_beside_old_code" in found.hint


@pytest.mark.django_db
@pytest.mark.usefixtures("_planted")
def test_migrate_refuses_before_it_changes_anything():
    with pytest.raises(CommandError, match=r"videos\.9999_drop"):
        call_command("migrate", "--plan", skip_checks=False)
