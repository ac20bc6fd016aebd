"""API keys: what users make for their scripts, how many, for how long, and what each may do."""

import contextlib
import logging
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.contrib.auth import get_user_model
from django.db import Error as DatabaseFailed
from django.db import connection, models, transaction
from django.db.models import Q

from accounts import api_key_text
from accounts.api_key_text import InvalidKey
from accounts.fields import ExactCharField

if TYPE_CHECKING:
    from accounts.models import User  # which imports this module

log = logging.getLogger(__name__)

MOST_PER_USER = 20  # expired ones count, until they are deleted
USUAL_LIFE = timedelta(days=90)
LONGEST_LIFE = timedelta(days=365)
USE_NOTED_EVERY = timedelta(minutes=1)


class Scope(models.TextChoices):
    """What a key may do; neither includes the other."""

    READ = "read", "look at things"
    WRITE = "write", "submit, change and delete things"


class TooManyKeys(Exception):
    """The user has ``MOST_PER_USER`` keys."""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """The questions that are asked about keys, and the one way to make one."""

    def for_user(self, user: "User") -> Self:
        """What this user may see."""
        return self.filter(user=user)

    def issue(self, user: "User", *, name: str, scopes: Collection[str], expires_at: datetime) -> tuple["ApiKey", str]:
        """Makes a key; returns its row and its text, which is nowhere else. Raises ``TooManyKeys``.

        The user's row is locked while the keys are counted: however many ask at once, none is one too many.
        """
        text = api_key_text.made()
        with transaction.atomic():
            get_user_model().objects.select_for_update().get(pk=user.pk)
            if self.for_user(user).count() >= MOST_PER_USER:
                raise TooManyKeys
            key = self.create(
                user=user,
                name=name,
                prefix=text[: api_key_text.SHOWN_CHARACTERS],
                digest=api_key_text.digest(text),
                scope=" ".join(word for word in Scope.values if word in scopes),
                expires_at=expires_at,
            )
        return key, text

    def good(self, text: str, *, now: datetime) -> "ApiKey":
        """The key with this text, and its user, in one query. Raises ``InvalidKey``.

        The unique index compares hashes, and not in constant time. What that could tell is the beginning of a hash,
        from which nobody finds a key: a guess would have to be hashed first, and leads nowhere near the next one.
        """
        api_key_text.check(text)
        key = self.select_related("user").filter(digest=api_key_text.digest(text)).first()
        if key is None:
            raise InvalidKey("unknown")
        if key.expires_at <= now:
            raise InvalidKey("expired")
        if not key.user.is_active:
            raise InvalidKey("user_switched_off")
        return key


class ApiKey(models.Model):
    """A key of a user's. Revoking it deletes the row: then no query can forget to ask whether it was revoked.

    Who deleted which key when stands in the log, and in the admin's history where staff did it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, db_index=False, related_name="api_keys")
    name = models.CharField(max_length=100, help_text="The user's word for it.")
    prefix = models.CharField(max_length=20, help_text="How the key begins.")
    digest = ExactCharField(max_length=64, unique=True, help_text="SHA-256 of the key.")
    scope = models.CharField(max_length=100, help_text="Words with blanks between them, as in OAuth: RFC 6749, 3.3.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")

    objects: ClassVar[models.Manager["ApiKey"]] = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "api_keys"
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(condition=Q(scope__in=["read", "write", "read write"]), name="api_keys_scope")
        ]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="api_keys_newest")]  # GET /keys

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def token_use(self) -> str:
        """In the place of a token's, for whoever looks at ``request.auth``."""
        return "key"

    @property
    def scopes(self) -> list[str]:
        """What it may do, as ``Scope`` orders it."""
        return self.scope.split()

    def note_use(self, now: datetime) -> None:
        """Writes down that the key was used, at most once a minute. If the database won't have it, the log says so.

        One conditional UPDATE: of many requests in the same moment, one writes.
        """
        due = now - USE_NOTED_EVERY
        if self.last_used_at is not None and self.last_used_at > due:
            return
        unnoted = Q(last_used_at=None) | Q(last_used_at__lte=due)
        try:
            ApiKey.objects.filter(unnoted, pk=self.pk).update(last_used_at=now)
        except DatabaseFailed as error:
            log.warning("the use of API key %s could not be noted: %s", self.pk, error)
            if not connection.in_atomic_block:  # it may be dead, and the request is to go on with one that is not
                with contextlib.suppress(DatabaseFailed):
                    connection.close()
