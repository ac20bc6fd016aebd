"""The house itself: what reviewers would otherwise have to look for."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).parents[1]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
MODULES = sorted(
    path
    for folder in ("ytbackend", "accounts", "videos", "transcripts", "local", "deployment")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)


def cases_in(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def asserts(node: ast.FunctionDef) -> bool:
    """An assert, ``pytest.raises``, Playwright's ``expect``, or a helper whose name says that it asserts."""
    return any(
        isinstance(part, ast.Assert)
        or (isinstance(part, ast.Attribute) and part.attr == "raises")
        or (isinstance(part, ast.Name) and part.id.startswith(("assert_", "django_assert_", "expect")))
        for part in ast.walk(node)
    )


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_every_test_asserts_something(path):
    assert [test.name for test in cases_in(path) if not asserts(test)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_fits_in_the_head(path):
    assert len(path.read_text().splitlines()) <= 330


def test_no_room_is_named_after_nothing():
    nameless = {"utils", "common", "core", "helpers", "signals", "selectors", "interfaces", "misc"}

    assert [str(path) for path in MODULES if nameless & set(path.relative_to(ROOT).with_suffix("").parts)] == []


def test_every_dependency_is_pinned_and_says_why_it_is_there():
    for page in (
        "requirements.txt",
        "requirements-worker.txt",
        "requirements-dev.txt",
        "local/requirements.txt",
        "deployment/requirements.txt",
    ):
        for line in (ROOT / page).read_text().splitlines():
            if line and not line.startswith(("#", "-r ", "-c ")):
                assert re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+ +# \S.*", line), f"{page}: {line}"


def test_no_migration_is_missing():
    done = subprocess.run(
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"DJANGO_DEBUG": "true", "DATABASE_URL": "sqlite:////tmp/no-such-file-is-needed.sqlite3"},
    )  # fmt: skip

    assert (done.returncode, done.stdout.strip()) == (0, "No changes detected")


def test_every_make_target_is_listed_by_help():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)

    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert len(targets) <= 10
    assert re.findall(r"make ([a-z]+)", listed) == targets


def test_the_tests_take_nothing_from_the_environment_of_a_deployment():
    variables = re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    script = "import os; from tests import settings; print(vars(settings), dict(os.environ))"

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=dict.fromkeys([*variables, "AWS_ENDPOINT_URL", "AWS_PROFILE"], "far-away"),
    )  # fmt: skip

    assert len(variables) > 20
    assert (done.returncode, "far-away" in done.stdout) == (0, False), done.stderr


@pytest.mark.django_db
def test_the_tests_run_on_the_database_that_was_asked_for():
    asked_for = os.environ.get("TEST_DATABASE_URL", "sqlite:").partition(":")[0]

    assert connection.vendor == asked_for


def rows_of(page: str) -> set[str]:
    """The numbers of rows that a page names, also within a range such as W01–W03."""
    found = set()
    for kind, first, _, last in re.findall(r"\b([ABDMQSTWX])(\d\d)(–[ABDMQSTWX]?(\d\d))?", page):
        found |= {f"{kind}{number:02}" for number in range(int(first), int(last or first) + 1)}
    return found


def test_the_page_on_reliability_names_every_row_and_only_what_is_run():
    page = (ROOT / "docs/reliability.md").read_text().partition("## What was not run")[0]
    names = [case.name for path in TESTS if path.parent.name == "faults" for case in cases_in(path)]

    written = {match[1].upper() for name in names if (match := re.match(r"test_([a-z]\d\d)_", name))}

    assert len(written) > 60
    assert rows_of(page) == written
