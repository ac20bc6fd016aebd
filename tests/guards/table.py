"""What belongs to alice, and how each parameter of each operation of the API is tried by those who are not her.

A new operation or parameter has no entry here, and that fails the build with a sentence that says what to write.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from accounts.models import ApiKey
from tests import builders
from tests.guards.document import Operation
from tests.tokens import ALICE
from transcripts.models import Transcript
from transcripts.segments import Segment
from videos.models import Video

LINK = "https://youtu.be/AliceDiary1"  # which alice has submitted, and anybody else may submit, too
HER_KEY = "hers-alone"  # the Idempotency-Key that she has sent
SAID = [Segment(0, 1500, "Nobody else may hear this")]


class Ids(NamedTuple):
    """Names one thing: everything of alice's is asked for by it, and is not there for anybody else."""


class Cursors(NamedTuple):
    """A place in a list: each one that alice has been given is used by others."""


class Values(NamedTuple):
    """Selects or says something, and names nobody's thing: whoever says so gets what is their own."""

    values: tuple[Any, ...]


Kind = Ids | Cursors | Values
ID, CURSOR = Ids(), Cursors()


def values(*tried: Any) -> Values:
    return Values(tried)


PAGE: dict[str, Kind] = {"query cursor": CURSOR, "query page_size": values(1, 100)}
FORMAT: dict[str, Kind] = {"query format": values("json", "txt", "srt", "vtt")}

# Each operation of the document with each of its parameters.
TRIED: dict[str, dict[str, Kind]] = {
    "get /": {},
    "get /health": {"query deep": values(1)},
    "get /me": {},
    "post /me/sign-out": {"body everywhere": values(True, False)},
    "get /keys": PAGE,
    "post /keys": {
        "body name": values("backup"),
        "body scopes": values(["read"], ["read", "write"]),
        "body expires_at": values((timezone.now() + timedelta(days=1)).isoformat()),
    },
    "get /keys/{id}": {"path id": ID},
    "delete /keys/{id}": {"path id": ID},
    "post /analyze": {
        "header Idempotency-Key": values(HER_KEY),
        "body url": values(LINK),
        "body language": values("en"),
        "body mode": values("auto", "speech"),
    },
    "get /videos": PAGE
    | {
        "query status": values(*Video.Status.values),
        "query search": values("Alice", "diary", "Wonderland"),
        "query ordering": values("-created_at", "created_at", "title", "-title"),
        "header If-None-Match": values('"of another answer"'),
    },
    "get /videos/{id}": {"path id": ID, "header If-None-Match": values('"of another answer"')},
    "delete /videos/{id}": {"path id": ID},
    "post /videos/{id}/retry": {"path id": ID},
    "post /videos/{id}/cancel": {"path id": ID},
    "get /videos/{id}/attempts": {"path id": ID},
    "get /videos/{id}/audio": {"path id": ID},
    "get /videos/{id}/transcript": {"path id": ID} | FORMAT,
    "get /transcripts": PAGE,
    "get /transcripts/{id}": {"path id": ID} | FORMAT,
}
# A body that is accepted, of each operation that takes one.
BODIES: dict[str, dict[str, Any]] = {
    "post /analyze": {"url": LINK},
    "post /me/sign-out": {},
    "post /keys": {"name": "a key of my own", "scopes": ["read"]},
}


def things_of_alice() -> list[Any]:
    """One of everything that a user can own, in every state that it can be in: rows, each with its primary key."""
    completed = builders.completed(
        ALICE, title="Alice's diary", segments=SAID, s3_path="videos/hers/1/audio.webm", channel="Wonderland"
    )
    key, _ = ApiKey.objects.issue(
        builders.user(ALICE), name="Alice's key", scopes=["read"], expires_at=timezone.now() + timedelta(days=1)
    )
    second, _ = ApiKey.objects.issue(
        builders.user(ALICE), name="Alice's other key", scopes=["write"], expires_at=timezone.now() + timedelta(days=1)
    )
    return [
        builders.queued(ALICE, youtube_id="AliceDiary1", title="Alice's plan", channel="Wonderland"),
        builders.processing(ALICE, title="Alice's work", channel="Wonderland"),
        builders.failed(ALICE, title="Alice's diary, again", channel="Wonderland"),
        completed,
        builders.completed(ALICE, title="Alice's other diary", segments=SAID, channel="Wonderland"),
        *Transcript.objects.all(),
        key,
        second,
    ]


def entry(operation: Operation) -> dict[str, Kind]:
    """How it is tried. Fails with a sentence where ``TRIED`` does not say so."""
    where = "tests/guards/table.py"
    assert operation.name in TRIED, (
        f"`{operation.name}` is in the OpenAPI document, but TRIED in {where} does not say how another user tries it: "
        f"add an entry for it, with its parameters {operation.parameters}."
    )
    found = TRIED[operation.name]
    assert set(found) == set(operation.parameters), (
        f"`{operation.name}` takes {sorted(operation.parameters)}, but TRIED in {where} knows {sorted(found)}: say how "
        "each is tried (ID for what names one thing, CURSOR for a place in a list, values(…) for all else)."
    )
    assert (operation.name in BODIES) == operation.takes_a_body, (
        f"`{operation.name}` takes a body or takes none: BODIES in {where} must say one that is accepted, or nothing."
    )
    return found
