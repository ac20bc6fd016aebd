"""``manage.py staff``: who may enter the admin."""

import io
import json
import os
import pty
import subprocess
import sys

import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from tests import builders
from tests.tokens import ALICE
from ytbackend.roles import Role, grant, role_of

pytestmark = pytest.mark.django_db

PASSWORD = "three words long"


@pytest.fixture
def type_password(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))


@pytest.fixture(autouse=True)
def _passwords_are_taken(settings):
    settings.ADMIN_LOCAL_LOGIN = True


def can_enter(client: Client) -> bool:
    client.post("/admin/login/", {"username": "olga", "password": PASSWORD})
    return client.get("/admin/videos/video/").status_code == 200


def staff(*arguments: str) -> None:
    call_command("staff", *arguments)


def refused(code: int, *arguments: str) -> str:
    with pytest.raises(CommandError) as error:
        staff(*arguments)
    assert error.value.returncode == code
    return str(error.value)


@pytest.mark.parametrize("role", ["viewer", "operator", "superuser"])
def test_a_new_local_account_can_sign_in_with_its_role(type_password, role, client: Client):
    staff("add", "olga", "--role", role, "--password-stdin")

    user = User.objects.get(pk="olga")
    assert can_enter(client)
    assert (user.is_staff, user.is_superuser) == (True, role == "superuser")
    assert user.has_perm("videos.delete_video") == (role != "viewer")
    assert user.has_perm("accounts.add_user") == (role == "superuser")


@pytest.mark.parametrize(("role", "group"), [("viewer", "staff"), ("operator", "staff-operators")])
@pytest.mark.parametrize("password", [[], ["--password-stdin"]], ids=["", "password"])
def test_the_pool_s_groups_say_what_a_user_of_cognito_may_do(type_password, role, group, password):
    builders.user(ALICE)

    said = refused(2, "add", ALICE, "--role", role, *password)

    assert "aws cognito-idp admin-add-user-to-group" in said
    assert said.endswith(f"--username {ALICE} --group-name {group}")
    assert not User.objects.get(pk=ALICE).is_staff


def test_a_user_of_cognito_becomes_a_superuser_without_a_password():
    builders.user(ALICE)

    staff("add", ALICE, "--role=superuser")

    user = User.objects.get(pk=ALICE)
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (True, True, False)


def test_who_is_switched_off_is_refused_and_stays_so(type_password):
    staff("add", "olga", "--role=viewer", "--password-stdin")
    User.objects.filter(pk="olga").update(is_active=False)

    assert "olga is switched off" in refused(2, "add", "olga", "--role=operator")
    user = User.objects.get(pk="olga")
    assert (user.is_active, role_of(user)) == (False, "viewer")


def test_a_role_switches_nobody_on():
    user = User.objects.create(id="olga", is_active=False)

    grant(user, Role.VIEWER)

    user.refresh_from_db()
    assert (user.is_staff, user.is_active) == (True, False)


@pytest.mark.parametrize("is_on", [True, False])
def test_it_warns_where_no_password_is_taken(type_password, settings, capsys, is_on):
    settings.ADMIN_LOCAL_LOGIN = is_on

    staff("add", "olga", "--role=viewer", "--password-stdin")

    assert ("ADMIN_LOCAL_LOGIN=true" in capsys.readouterr().err) == (not is_on)


def test_the_pool_s_groups_are_to_be_left_as_well(type_password, capsys):
    staff("add", "root", "--role=superuser", "--password-stdin")
    builders.user(ALICE)
    staff("add", ALICE, "--role=superuser")

    staff("remove", "root")
    local = capsys.readouterr().err
    User.objects.create_superuser("root2", PASSWORD)
    staff("remove", ALICE)

    assert "admin-remove-user-from-group" in capsys.readouterr().err
    assert "admin-remove-user-from-group" not in local


def test_a_role_takes_the_place_of_the_one_before(type_password):
    staff("add", "olga", "--role=operator", "--password-stdin")
    staff("add", "olga", "--role=viewer")

    assert [group.name for group in User.objects.get(pk="olga").groups.all()] == ["viewers"]


def test_who_is_removed_is_signed_out(type_password, client: Client):
    staff("add", "olga", "--role=operator", "--password-stdin")
    entered = can_enter(client)

    staff("remove", "olga")

    assert entered
    assert client.get("/admin/videos/video/").status_code == 302
    assert not can_enter(client)


def test_the_last_superuser_stays(type_password):
    staff("add", "olga", "--role=superuser", "--password-stdin")

    assert "last superuser" in refused(1, "remove", "olga")


def test_the_list_is_for_scripts_too(type_password, capsys):
    assert "There is no staff" in refused(3, "list")
    staff("add", "olga", "--role=operator", "--password-stdin")
    capsys.readouterr()

    staff("list", "--json")

    told = json.loads(capsys.readouterr().out)
    assert [(row["login"], row["role"], row["local"]) for row in told] == [("olga", "operator", True)]


def test_a_dry_run_makes_nobody(type_password):
    staff("add", "olga", "--role=operator", "--password-stdin", "--dry-run")

    assert not User.objects.exists()


def test_a_password_that_is_easily_guessed_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))

    assert "12 characters" in refused(2, "add", "olga", "--role=viewer", "--password-stdin")


@pytest.mark.parametrize(
    "arguments",
    [["add"], ["list", "olga"], ["add", "olga"], ["add", "a b", "--role=viewer"], ["add", "olga", "--role=viewer"]],
    ids=" ".join,
)
def test_wrong_calls_say_what_is_missing(arguments, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    assert refused(2, *arguments)


def test_on_a_terminal_the_password_is_asked_for_and_not_shown(tmp_path):
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "ytbackend.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
    }
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "-v0"], cwd=project.BASE_DIR, env=environment, check=True)
    ours, theirs = pty.openpty()

    process = subprocess.Popen(
        [*manage, "staff", "add", "olga", "--role=viewer"],
        cwd=project.BASE_DIR, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    for _ in range(2):
        while not shown.endswith((b"Password: ", b"Once more: ")):
            shown += os.read(ours, 1024)
        os.write(ours, PASSWORD.encode() + b"\n")
        shown += b"\n"
    assert process.wait(30) == 0
    shown += os.read(ours, 4096)
    os.close(ours)

    assert b"olga: viewer, a new local account." in shown
    assert PASSWORD.encode() not in shown
