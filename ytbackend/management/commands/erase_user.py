"""``manage.py erase_user``."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.models import User
from accounts.reporting import Failed, NothingFound, OperatorCommand, Report, Stopped
from ytbackend import erasure


class Command(OperatorCommand):
    """Erases a user."""

    changes = True
    help = (
        "Erases everything of a user: videos, transcripts, files, keys, usage, and the row of the user. Files that "
        "storage does not delete at once are written down, and the sweep deletes them. The user is switched off first, "
        "so that nothing new comes in meanwhile. Who is switched off already is erased with --forget-ban alone, since "
        "that goes with the row; so goes on an erasure that was stopped. Staff must be removed first; what a former "
        "one did in the admin goes, too. It says what to do in Cognito first, and what is kept."
    )
    examples = """
        erase_user 0dd0a11c-e000-4000-8000-000000000001 --dry-run
        erase_user 0dd0a11c-e000-4000-8000-000000000001
        erase_user 0dd0a11c-e000-4000-8000-000000000001 --yes --json
        erase_user 0dd0a11c-e000-4000-8000-000000000001 --forget-ban
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sub", metavar="SUB", help="The user's id in the pool; `video ID` and the admin show it.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument(
            "--forget-ban", action="store_true", help="Erase also who is switched off: a valid token then comes in."
        )

    def run(self, report: Report, *, sub: str, yes: bool, forget_ban: bool, **options: Any) -> None:
        user = User.objects.filter(pk=sub).first()
        if user is None:
            same = User.objects.filter(email=sub).values_list("pk", flat=True)[:5] if sub else []
            hint = f" With that e-mail there are: {', '.join(same)}." if same else ""
            raise NothingFound(f"There is no user {sub!r}.{hint}")
        _refuse(user, forget_ban=forget_ban)
        found = erasure.holdings(user)
        report.say(f"user {user.pk} {user.email}, since {user.created_at:%Y-%m-%d}")
        for holding in found:
            report.say(f"  {holding.rows:>8,} rows of {holding.table}")
        report.say(erasure.FIRST)
        if not report.dry_run:
            report.confirm("Erase all of it for ever?", yes=yes)
            self._erase(report, user, sum(holding.rows for holding in found if holding.table == "videos"))
        report.say("Kept, and not for this command to erase:")
        for kept in erasure.KEPT:
            report.say(f"  - {kept}")
        rows = {holding.table: holding.rows for holding in found} | {"users": 1}
        told = {"user": sub, "dry_run": report.dry_run, "rows": rows, "first": erasure.FIRST, "kept": erasure.KEPT}
        report.document(told)

    def _erase(self, report: Report, user: User, videos: int) -> None:
        with report.stopping() as stopping, report.progress(videos, "videos") as progress:

            def proceed(number: int) -> bool:
                progress.advance(number)
                return not stopping.requested

            if not erasure.erase(user, proceed=proceed):
                raise Stopped(
                    f"{progress.done:,} videos are erased, and the user is switched off. "
                    "The same call with --forget-ban goes on."
                )
        report.say("Erased.", "SUCCESS")


def _refuse(user: User, *, forget_ban: bool) -> None:
    if user.is_staff:
        raise Failed(f"{user.pk} is staff: `manage.py staff remove {user.pk}` first. Nothing was done.")
    if not user.is_active and not forget_ban:
        raise Failed(
            f"{user.pk} is switched off, by staff or by an erasure that was stopped; nothing was done. The row is what "
            "keeps this user out: without it a token that is still valid makes a new, active one. Disable the user in "
            "Cognito (`aws cognito-idp admin-disable-user`), wait a day until the last token has expired, and call "
            "again with --forget-ban."
        )
