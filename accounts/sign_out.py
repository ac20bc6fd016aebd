"""Ending sign-ins before their tokens expire. Cognito does not tell us when it ends one: tokens are checked offline.

Beside this, Cognito itself must be told, or it goes on issuing tokens from the refresh token: GlobalSignOut or
RevokeToken by a frontend, AdminUserGlobalSignOut or AdminDisableUser by an operator
(https://docs.aws.amazon.com/cognito/latest/developerguide/token-revocation.html). Where nobody does, what is ended
here stays ended all the same: those tokens carry the same sign-in and the same time of it.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.cognito import LEEWAY_SECONDS, MAX_LIFETIME_SECONDS
from accounts.models import ApiKey, EndedSignIn, User

log = logging.getLogger(__name__)

BATCH = 500  # rows at once, so that nobody waits for the sweep


def everywhere(user: User, *, also: int = 0) -> datetime:
    """Refuse every token of a sign-in until now; ``also`` is the time of one that a clock ahead of ours has told.

    Gives the moment that holds from now on, which never goes back. The user's API keys are deleted as well: whoever
    held a stolen token can have made one, and it would outlive every token.
    """
    moment = max(timezone.now(), datetime.fromtimestamp(also + 1, UTC))
    earlier = Q(tokens_valid_after=None) | Q(tokens_valid_after__lt=moment)
    with transaction.atomic():
        User.objects.filter(earlier, pk=user.pk).update(tokens_valid_after=moment)
        keys, _ = ApiKey.objects.for_user(user).delete()
    log.info("user %s is signed out everywhere, and %d API keys are deleted", user.pk, keys)
    user.refresh_from_db(fields=["tokens_valid_after"])
    return user.tokens_valid_after or moment


def one(user: User, origin_jti: str) -> bool:
    """Refuse every token of one sign-in. False where that was done before."""
    days = timedelta(days=settings.COGNITO_REFRESH_TOKEN_DAYS)
    last_token = days + timedelta(seconds=MAX_LIFETIME_SECONDS + LEEWAY_SECONDS)
    _, ended = EndedSignIn.objects.get_or_create(
        user=user, origin_jti=origin_jti, defaults={"forget_at": timezone.now() + last_token}
    )
    return ended


def forget(stop: Callable[[], bool]) -> int:
    """Remove what no token can need any more, in batches until ``stop()``; gives the number of rows."""
    removed = 0
    while not stop():
        due = list(EndedSignIn.objects.filter(forget_at__lte=timezone.now()).values_list("pk", flat=True)[:BATCH])
        removed += EndedSignIn.objects.filter(pk__in=due).delete()[0]
        if len(due) < BATCH:
            break
    return removed
