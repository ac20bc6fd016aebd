"""``manage.py staff``."""

import getpass
import re
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from accounts.models import User
from accounts.reporting import Failed, NothingFound, OperatorCommand, Report, WrongCall, ago
from ytbackend.roles import POOL_GROUPS, Role, grant, role_of

_LOGIN = re.compile(r"[\w.@+-]{1,64}", re.ASCII)


class Command(OperatorCommand):
    """Who may enter the admin."""

    changes = True
    help = (
        "Lists who may enter the admin, adds somebody, or removes somebody. Viewers look at everything, operators also "
        "act on videos, superusers also make staff. A login that is nobody's yet becomes a local account, whose "
        "password is asked for, or read from stdin; it is never an argument, which others could read. It can sign in "
        "where ADMIN_LOCAL_LOGIN is on. Users of Cognito are viewers or operators by the pool's groups alone, which "
        "are read at each sign-in: `aws cognito-idp admin-add-user-to-group`; only superusers are made of them here."
    )
    examples = """
        staff list
        staff add olga --role operator --email olga@example.com
        staff add olga --role operator --password-stdin < password.txt
        staff add 0dd0a11c-e000-4000-8000-000000000001 --role superuser
        staff remove olga
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "add", "remove"], help="What to do.")
        parser.add_argument(
            "login", nargs="?", default="", help="A login name, or Cognito's sub (to add: as superuser)."
        )
        parser.add_argument("--role", choices=[role.value for role in Role], help="What it may do.")
        parser.add_argument("--email", default="", help="Of a new local account.")
        parser.add_argument("--password-stdin", action="store_true", help="Read the password from stdin: one line.")

    def run(self, report: Report, *, action: str, login: str, **options: Any) -> None:
        if (action == "list") == bool(login):
            raise WrongCall("`staff list` takes no login; `staff add` and `staff remove` need one.")
        if action == "list":
            _list(report)
        elif action == "add":
            _add(report, login, options["role"], options["email"], from_stdin=options["password_stdin"])
        else:
            _remove(report, login)


def _list(report: Report) -> None:
    found = [
        {
            "login": user.pk,
            "email": user.email,
            "role": role_of(user),
            "local": user.has_usable_password(),
            "active": user.is_active,
            "last_login": user.last_login,
        }
        for user in User.objects.staff().order_by("pk").prefetch_related("groups")
    ]
    report.document(found)
    for row in found:
        state = "" if row["active"] else "  switched off"
        kind = "local" if row["local"] else "Cognito"
        report.say(
            f"{row['login']:38} {row['role'] or 'no role':10} {kind:8} last here {ago(row['last_login'])}"
            f"  {row['email']}{state}"
        )
    if not found:
        raise NothingFound("There is no staff. `manage.py staff add LOGIN --role superuser` makes the first.")


def _add(report: Report, login: str, role: str | None, email: str, *, from_stdin: bool) -> None:
    if not role:
        raise WrongCall("Say what it may do: --role viewer, operator or superuser.")
    if not _LOGIN.fullmatch(login):
        raise WrongCall("A login has 1 to 64 letters, digits and . @ + - _ of ASCII.")
    user = User.objects.filter(pk=login).first()
    is_new = user is None
    if user is None:
        user = User(id=login, email=email)
    elif not user.is_active:
        raise WrongCall(
            f"{login} is switched off. Switch it on first, in the admin below Users: that is no role's matter."
        )
    elif not user.has_usable_password() and role in POOL_GROUPS:
        raise WrongCall(
            f"{login} signs in by Cognito, whose groups say at each sign-in what it may do. Put it into the group: aws "
            f"cognito-idp admin-add-user-to-group --user-pool-id {settings.COGNITO_USER_POOL_ID or 'POOL'} --username "
            f"{login} --group-name {POOL_GROUPS[Role(role)]}"
        )
    if is_new or from_stdin:
        password = _password(from_stdin=from_stdin)
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise WrongCall(" ".join(error.messages)) from None
        user.set_password(password)
    if not report.dry_run:
        user.save()
        grant(user, Role(role))
    made = "a new local account" if is_new else "known already"
    report.document({"login": login, "role": role, "new": is_new, "dry_run": report.dry_run})
    report.say(f"{login}: {'would be ' if report.dry_run else ''}{role}, {made}.")
    if user.has_usable_password() and not settings.ADMIN_LOCAL_LOGIN:
        report.warn(f"{login} cannot sign in yet: ADMIN_LOCAL_LOGIN is off. Set ADMIN_LOCAL_LOGIN=true for the API.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise WrongCall("A new local account needs a password: on a terminal it is asked for; else --password-stdin.")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise WrongCall("The two are not the same. Nothing was done.")
    return password


def _remove(report: Report, login: str) -> None:
    user = User.objects.staff().filter(pk=login).first()
    if user is None:
        raise NothingFound(f"{login!r} is not among the staff. `manage.py staff list` shows who is.")
    others = User.objects.staff().filter(is_superuser=True, is_active=True).exclude(pk=login)
    if user.is_superuser and not others.exists():
        raise Failed(f"{login} is the last superuser. Make another one first: nobody could make staff any more.")
    is_local = user.has_usable_password()
    if not report.dry_run:
        user.leave_staff()
    report.document({"login": login, "dry_run": report.dry_run})
    report.say(f"{login}: {'would be' if report.dry_run else 'is'} no longer staff, and signed out everywhere.")
    if not is_local:
        pool = settings.COGNITO_USER_POOL_ID or "POOL"
        report.warn(
            f"If {login} is in the pool's groups {' or '.join(POOL_GROUPS.values())}, the next sign-in makes it staff "
            f"again. Take it out: aws cognito-idp admin-remove-user-from-group --user-pool-id {pool} --username "
            f"{login} --group-name …"
        )
