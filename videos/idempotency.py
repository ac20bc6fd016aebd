"""Requests that say by an ``Idempotency-Key`` that they are the same one: the second gets the first one's answer.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import json
import re
import uuid
from typing import ClassVar, Self

from django.db import models

from accounts.models import User
from videos.clock import from_now

REMEMBERED_SECONDS = 86_400
MAX_CHARACTERS = 255

# A string of RFC 8941, as the draft wants it; or, as most clients send it, bare.
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
_BARE = re.compile(r"[A-Za-z0-9_.~:/+=-]+")
# Both, as the OpenAPI document says it.
PATTERN = r'^([A-Za-z0-9_.~:/+=-]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$'


class MalformedKey(ValueError):
    """The header is none. ``str()`` is a sentence for the caller."""

    def __init__(self) -> None:
        super().__init__(
            f"The Idempotency-Key must be a text of 1 to {MAX_CHARACTERS} ASCII characters, in double quotes if it "
            'has others than letters, digits and _.~:/+=-, such as "8e03978e-40d5-43dd-bc93-6894a57f9324".'
        )


class KeyReused(Exception):
    """The key came with another body before."""


class VideoDeleted(Exception):
    """What this key has started was deleted since."""


def key_in(header: str) -> str:
    """The key that a header holds. Raises ``MalformedKey``."""
    text = header.strip(" \t")
    quoted = _STRING.fullmatch(text) if len(text) <= 2 * MAX_CHARACTERS + 2 else None
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if len(key) > MAX_CHARACTERS or not (quoted or _BARE.fullmatch(key)):
        raise MalformedKey
    return key


def fingerprint(*body: str) -> str:
    """Of what is asked for, in whatever shape it was written."""
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    """Read and written under the user's lock, in the transaction of the submission."""

    def of(self, user: User, key: str) -> "IdempotencyKey | None":
        """The earlier request with this key, if it is remembered; one that is too old is forgotten here and now."""
        earlier = self.filter(user=user, key_hash=fingerprint(key)).first()
        if earlier and self.outdated().filter(pk=earlier.pk).delete()[0]:
            return None
        return earlier

    def remember(self, user: User, key: str, *, body: str, video_id: uuid.UUID, started: bool) -> None:
        """The request has been answered."""
        self.create(user=user, key_hash=fingerprint(key), body_hash=body, video_id=video_id, started=started)

    def outdated(self) -> Self:
        """What the sweep forgets."""
        return self.filter(created_at__lt=from_now(-REMEMBERED_SECONDS))


class IdempotencyKey(models.Model):
    """A request that was answered. Keys are other people's texts: only their hashes are kept."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="idempotency_keys"
    )
    key_hash = models.CharField(max_length=64)
    body_hash = models.CharField(max_length=64)
    video_id = models.UUIDField()  # no reference: the key outlives the video
    started = models.BooleanField(help_text="Whether the answer was 202.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["IdempotencyKey"]] = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        db_table = "idempotency_keys"
        constraints = [models.UniqueConstraint(fields=["user", "key_hash"], name="idempotency_keys_one_per_user")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_keys_age")]  # sweep: outdated

    def __str__(self) -> str:
        return self.key_hash
