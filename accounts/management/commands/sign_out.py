"""``manage.py sign_out``."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from accounts import cognito, sign_out
from accounts.models import User


def session(text: str) -> str:
    """An argument that is the id of a sign-in."""
    if not text or cognito.origin(text) != text:
        raise ArgumentTypeError("it is the claim origin_jti of one of its tokens, at most 64 characters")
    return text


class Command(BaseCommand):
    """Refuses tokens before they expire."""

    help = (
        "Refuses every token of a user's sign-ins until now, from the next request on; with --session of one sign-in "
        "alone. Signing in again is possible at once. Cognito is not told: to stop it from renewing tokens as well, "
        "run `aws cognito-idp admin-user-global-sign-out`, or `admin-disable-user` to keep the user out. To refuse "
        "a user here whatever the token, take away the tick at `is active` in the admin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sub", metavar="SUB", help="The user's id in the pool, a UUID, as GET /me tells it.")
        parser.add_argument(
            "--session",
            type=session,
            metavar="ORIGIN_JTI",
            help="End this sign-in only: the claim origin_jti, which all its tokens share.",
        )

    def handle(self, *, sub: str, session: str | None, **options: Any) -> None:
        try:
            self._sign_out(sub, session)
        except Error as error:
            raise CommandError(f"The database failed: {error}. Has `manage.py migrate` been run?") from error

    def _sign_out(self, sub: str, session: str | None) -> None:
        user = User.objects.filter(pk=sub).first()
        if user is None:
            raise CommandError(
                f"There is no user {sub!r}. An id is like 0dd0a11c-e000-4000-8000-000000000001, in the case that "
                "Cognito gave it; the admin finds users by e-mail. Who has never called is not known here."
            )
        if session is None:
            moment = sign_out.everywhere(user)
            self.stdout.write(f"{user.pk}: tokens of sign-ins before {moment:%Y-%m-%d %H:%M:%S} UTC are refused.")
        elif sign_out.one(user, session):
            self.stdout.write(f"{user.pk}: tokens of the sign-in {session} are refused.")
        else:
            self.stdout.write(f"{user.pk}: tokens of the sign-in {session} were refused already.")
