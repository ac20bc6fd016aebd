"""``manage.py sign_out``."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandParser

from accounts import cognito, sign_out
from accounts.models import ApiKey, EndedSignIn, User
from accounts.reporting import NothingFound, OperatorCommand, Report


def session(text: str) -> str:
    """An argument that is the id of a sign-in."""
    if not text or cognito.origin(text) != text:
        raise ArgumentTypeError("it is the claim origin_jti of one of its tokens, at most 64 characters")
    return text


class Command(OperatorCommand):
    """Refuses tokens before they expire."""

    changes = True
    help = (
        "Refuses every token of a user's sign-ins until now, from the next request on, and deletes the user's API "
        "keys; with --session refuses one sign-in alone. Signing in again is possible at once. Cognito is not told: to "
        "stop it from renewing tokens as well, run `aws cognito-idp admin-user-global-sign-out`, or "
        "`admin-disable-user` to keep the user out. To refuse a user here whatever the token, take away the tick at "
        "`is active` in the admin."
    )
    examples = """
        sign_out 0dd0a11c-e000-4000-8000-000000000001 --dry-run
        sign_out 0dd0a11c-e000-4000-8000-000000000001
        sign_out 0dd0a11c-e000-4000-8000-000000000001 --session 5c1d8f0a-0000-4000-8000-00000000000a --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sub", metavar="SUB", help="The user's id in the pool, a UUID, as GET /me tells it.")
        parser.add_argument(
            "--session",
            type=session,
            metavar="ORIGIN_JTI",
            help="End this sign-in only: the claim origin_jti, which all its tokens share.",
        )

    def run(self, report: Report, *, sub: str, session: str | None, **options: Any) -> None:
        user = User.objects.filter(pk=sub).first()
        if user is None:
            raise NothingFound(
                f"There is no user {sub!r}. An id is like 0dd0a11c-e000-4000-8000-000000000001, in the case that "
                "Cognito gave it; the admin finds users by e-mail. Who has never called is not known here."
            )
        if session is None:
            _everywhere(report, user)
        else:
            _one(report, user, session)


def _everywhere(report: Report, user: User) -> None:
    keys = ApiKey.objects.for_user(user).count()
    told = {"user": user.pk, "dry_run": report.dry_run, "api_keys": keys}
    if report.dry_run:
        report.document(told | {"before": None})
        report.say(f"{user.pk}: tokens of sign-ins until now would be refused, and {keys} API keys deleted.")
        return
    moment = sign_out.everywhere(user)
    report.document(told | {"before": moment})
    report.say(
        f"{user.pk}: tokens of sign-ins before {moment:%Y-%m-%d %H:%M:%S} UTC are refused, and {keys} API keys deleted."
    )


def _one(report: Report, user: User, session: str) -> None:
    if report.dry_run:
        ends = not EndedSignIn.objects.filter(user=user, origin_jti=session).exists()
    else:
        ends = sign_out.one(user, session)
    report.document({"user": user.pk, "dry_run": report.dry_run, "session": session, "ended_before": not ends})
    if not ends:
        report.say(f"{user.pk}: tokens of the sign-in {session} were refused already.")
    else:
        report.say(f"{user.pk}: tokens of the sign-in {session} {'would be' if report.dry_run else 'are'} refused.")
