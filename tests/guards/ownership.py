"""Whose is it: every way to ask for what alice owns, as ``tests.guards.table`` says, by those who do not own it."""

import base64
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.prepared import Prepared
from tests import builders
from tests.guards.document import Operation
from tests.guards.table import (
    BODIES,
    HER_KEY,
    ID,
    LINK,
    TRIED,
    Cursors,
    Ids,
    Kind,
    Values,
    entry,
    things_of_alice,
    values,
)
from tests.tokens import ALICE, BOB, CHARLIE
from transcripts.models import Transcript
from videos import own_videos
from ytbackend import pagination

OURS = ("accounts", "videos", "transcripts")


# --- the world in which it is tried


@dataclass
class World:
    """Alice with all that she has; bob, who has things of his own; charlie; and who has no token."""

    sqs: Any
    queue_url: str
    clients: dict[str, APIClient]
    ids: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def fill(self) -> None:
        """Everybody has been here before, and each thing is there with its files."""
        things = things_of_alice()
        for name in ("videos/hers/1/audio.webm", *Transcript.objects.values_list("s3_path", flat=True)):
            if name:
                default_storage.save(name, ContentFile(b"what alice has stored"))
        self.ids = [str(thing.pk) for thing in things]
        self.secrets = {*self.ids, ALICE, "alice@", "Alice's", "Wonderland", "Nobody else", "videos/hers"}
        builders.queued(BOB, title="Bob's plan")
        builders.completed(BOB, title="Bob's diary")
        for name in ("alice", "bob", "charlie"):
            assert self.clients[name].get("/me").status_code == 200
        hers: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": HER_KEY}
        assert self.clients["alice"].post("/analyze", {"url": LINK}, **hers).status_code == 200

    def state(self) -> dict[str, Any]:
        """Every row, every file, and how many messages there are."""
        rows = {
            f"{model._meta.label} {row[model._meta.pk.attname]}": row
            for model in apps.get_models()
            if model._meta.app_label in OURS
            for row in model._default_manager.values()
        }
        root = Path(default_storage.path(""))
        files = {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return rows | files | {"messages": sum(int(counts[name]) for name in names)}

    def revealed(self, answer: Any) -> set[str]:
        """What an answer tells of alice's things, in its headers, its body and the cursors within."""
        body = b"".join(answer) if answer.streaming else answer.content
        text = f"{dict(answer.headers)} {body.decode('utf-8', 'replace')}"
        for part in text.replace('"', "&").replace("?", "&").split("&"):
            if part.startswith("cursor="):
                text += _decoded(part.removeprefix("cursor="))
        return {secret for secret in self.secrets if secret in text}


def _decoded(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor.partition("%")[0] + "==").decode("utf-8", "replace")


class Try(NamedTuple):
    """One request: what it is about, and its parts."""

    about: str
    kind: Kind | None
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any] | None
    headers: Mapping[str, str] = MappingProxyType({})

    def by(self, client: APIClient, operation: Operation, **more: Any) -> Any:
        data = json.dumps(self.body) if self.body is not None else ""
        address = operation.address(self.path, self.query)
        sent = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()} | more
        return client.generic(operation.method.upper(), address, data, content_type="application/json", **sent)


def tries(world: World, operation: Operation) -> Iterator[Try]:
    """Every way in which the operation is tried; at least one."""
    kinds = entry(operation)
    body = BODIES.get(operation.name)
    named = [name.removeprefix("path ") for name, kind in kinds.items() if isinstance(kind, Ids)]
    missing = dict.fromkeys(named, str(uuid.uuid4()))
    for one in world.ids if named else []:
        yield Try(f"one of alice's {world.ids.index(one)}", ID, dict.fromkeys(named, one), {}, body)
    if not named:
        yield Try("as it is", None, {}, {}, body)
    for name, kind in kinds.items():
        place, _, key = name.partition(" ")
        tried: list[Any] = []
        if isinstance(kind, Values):
            tried = list(kind.values)
        elif isinstance(kind, Cursors):
            tried = list(cursors(world, operation))
            assert tried, f"alice has not been given a single cursor by {operation.name}: she needs more things"
        for value in tried:
            ids = missing if not named else dict.fromkeys(named, world.ids[0])
            query = value if isinstance(kind, Cursors) else {key: value} if place == "query" else {}
            said = {**(body or {}), key: value} if place == "body" else body
            headers = {key: value} if place == "header" else {}
            yield Try(f"{name}={value!r}", ID if named else kind, ids, query, said, headers)


def cursors(world: World, operation: Operation) -> Iterator[dict[str, Any]]:
    """The queries behind each link to another page that alice is given, in each order."""
    orders = TRIED[operation.name].get("query ordering", values(None))
    assert isinstance(orders, Values)
    for order in orders.values:
        following: str | None = operation.address({}, {"page_size": 1} | ({"ordering": order} if order else {}))
        while following:
            page = world.clients["alice"].get(following).json()
            for link in filter(None, (page["next"], page["previous"])):
                query = dict(part.split("=", 1) for part in link.partition("?")[2].split("&"))
                yield query | {"cursor": query["cursor"].replace("%3D", "=")}
            following = page["next"]


# --- what must come of it


def nothing_is_given_away(world: World, operation: Operation) -> int:
    """Tries one operation in every way, by everybody whom it is not meant for; returns how often.

    Raises ``AssertionError`` for whatever somebody else sees or changes of alice's.
    """
    asked = 0
    for attempt in tries(world, operation):
        asked += _a_stranger_is_refused(world, operation, attempt)
        for name, sub in (("bob", BOB), ("charlie", CHARLIE)):
            asked += 1
            before = world.state()
            answer, cost = _counted(attempt, world.clients[name], operation)
            seen = f"{name}, {operation.name}, {attempt.about}: {answer.status_code}"
            assert answer.status_code < 500, seen
            assert not (told := world.revealed(answer)), f"{seen} tells {told}"
            after = world.state()
            if isinstance(attempt.kind, Ids):
                _is_as_if_it_were_not_there(world, operation, attempt, (name, answer, cost), seen)
                assert after == before, f"{seen} has changed {_changed(before, after)}"
            assert not (others := changed_of_others(sub, before, after)), f"{seen} has changed {others}"
    return asked


def _a_stranger_is_refused(world: World, operation: Operation, attempt: Try) -> int:
    before = world.state()
    answer = attempt.by(world.clients["stranger"], operation)
    seen = f"without a token, {operation.name}, {attempt.about}: {answer.status_code}"
    if operation.is_open:
        assert answer.status_code < 400 or attempt.query, seen
    else:
        assert answer.status_code == 401, seen
    assert not (told := world.revealed(answer)), f"{seen} tells {told}"
    assert world.state() == before, f"{seen} has changed something"
    return 1


def _is_as_if_it_were_not_there(
    world: World, operation: Operation, attempt: Try, tried: tuple[str, Any, int], seen: str
) -> None:
    name, answer, cost = tried
    missing = attempt._replace(path=dict.fromkeys(attempt.path, str(uuid.uuid4())))
    same, same_cost = _counted(missing, world.clients[name], operation)
    assert answer.status_code == 404, seen
    assert (answer.status_code, answer.content) == (same.status_code, same.content), f"{seen} tells it from nothing"
    headers, others = (_comparable(found.headers) for found in (answer, same))
    assert headers == others, f"{seen} tells it from nothing by its headers"
    assert cost == same_cost, f"{seen} takes {cost} queries, and for nothing {same_cost}: that can be measured"


def _comparable(headers: Mapping[str, str]) -> dict[str, str]:
    """Without what is another one in each answer: its id, and the seconds until a quota begins anew."""
    passing = {"X-Request-Id": "", "RateLimit": re.sub(r";t=\d+", "", headers.get("RateLimit", ""))}
    return dict(headers) | passing


def _counted(attempt: Try, client: APIClient, operation: Operation) -> tuple[Any, int]:
    with CaptureQueriesContext(connection) as queries:
        answer = attempt.by(client, operation)
    return answer, len(queries)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))


def changed_of_others(sub: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What has changed and is not this user's. A message is theirs where a row of theirs has changed with it."""
    changed = _changed(before, after)
    others = [key for key in changed if not _belongs(sub, before.get(key), after.get(key))]
    return others if others != ["messages"] or len(changed) == 1 else []


def _belongs(sub: str, *rows: Any) -> bool:
    """Whether the row names its user, and it is this one, before and after."""
    found = [row.get("user_id", row.get("id")) for row in rows if isinstance(row, dict)]
    return bool(found) and set(found) == {sub}


def alice_gets_it(world: World, operation: Operation) -> bool:
    """Whether one of her ways leads to something; else it shows nothing that others were refused."""
    return any(attempt.by(world.clients["alice"], operation).status_code < 400 for attempt in tries(world, operation))


def unprepared(monkeypatch: Any) -> None:
    """Forgets SQL that was written before a hole was there."""
    monkeypatch.setattr(pagination, "_statement", pagination._statement.__wrapped__)
    monkeypatch.setattr(own_videos, "_with_id", Prepared(own_videos._with_id._build, own_videos._with_id._row))
