"""Whose is it: every operation of the OpenAPI document, tried with what belongs to somebody else."""

import pytest
from django.db.models import Q
from django.urls import URLPattern, get_resolver
from rest_framework.exceptions import NotFound

from tests.guards import document, ownership, table
from tests.guards.document import Operation
from tests.guards.ownership import unprepared
from tests.tokens import ALICE, BOB
from transcripts.models import TranscriptQuerySet
from videos import own_videos, queue, views
from videos.models import Video, VideoQuerySet

pytestmark = pytest.mark.django_db(transaction=True)

OPERATIONS = {operation.name: operation for operation in document.operations()}

# Addresses that the document does not describe, and why nobody's things are found there.
UNDESCRIBED = {
    "schema": "the document itself",
    "docs": "its pages",
    "admin": "leads to admin/, which has its own login and tests",
    "files/{token}": "a signed address is itself the permission (tests/videos/test_files.py)",
    "{rest}": "everything that is not there",
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_nobody_else_sees_or_changes_what_is_alices(world, name):
    assert ownership.nothing_is_given_away(world, OPERATIONS[name]) > 0
    assert ownership.alice_gets_it(world, OPERATIONS[name]), (
        f"alice herself gets nothing by {name}, so that it is not known whether others would: give her something that "
        "it works with, in things_of_alice() of tests/guards/table.py."
    )


def test_the_table_knows_no_operation_that_is_gone():
    assert set(table.TRIED) == set(OPERATIONS)


def test_every_address_is_in_the_document_or_says_why_not():
    described = {operation.path.strip("/") for operation in OPERATIONS.values()}
    routes = [
        str(found.pattern) for found in get_resolver("ytbackend.urls").url_patterns if isinstance(found, URLPattern)
    ]
    addresses = {route.replace("<str:", "{").replace("<path:", "{").replace(">", "}") for route in routes}

    assert addresses - described == set(UNDESCRIBED)


# --- who somebody says they are

CLAIMS = {"user": ALICE, "user_id": ALICE, "owner": ALICE, "sub": ALICE}
HEADERS = {
    f"HTTP_{name}": ALICE
    for name in ("X_USER", "X_USER_ID", "X_FORWARDED_USER", "REMOTE_USER", "X_AMZN_OIDC_IDENTITY", "X_COGNITO_SUB")
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_nobody_becomes_alice_by_saying_so(world, name):
    operation = OPERATIONS[name]
    for attempt in ownership.tries(world, operation):
        before = world.state()
        said = attempt._replace(query={**attempt.query, **CLAIMS}, body=attempt.body and {**attempt.body, **CLAIMS})

        for answer in (
            said.by(world.clients["bob"], operation),
            attempt.by(world.clients["bob"], operation, **HEADERS),
        ):
            assert answer.status_code < 500
            assert not world.revealed(answer)
        assert not ownership.changed_of_others(BOB, before, world.state())


# --- teeth: holes that the walk must see


def everything(self, user):
    return self.all()


def nothing_asked():
    return Q()


HOLES = {
    "all videos are everybody's": (own_videos, "let_in", nothing_asked, "get /videos"),
    "each video is everybody's": (own_videos, "let_in", nothing_asked, "get /videos/{id}"),
    "everybody deletes": (VideoQuerySet, "for_user", everything, "delete /videos/{id}"),
    "everybody retries": (VideoQuerySet, "for_user", everything, "post /videos/{id}/retry"),
    "everybody cancels": (VideoQuerySet, "for_user", everything, "post /videos/{id}/cancel"),
    "audio is everybody's": (VideoQuerySet, "for_user", everything, "get /videos/{id}/audio"),
    "all transcripts are everybody's": (TranscriptQuerySet, "for_user", everything, "get /transcripts"),
    "each transcript is everybody's": (TranscriptQuerySet, "for_user", everything, "get /transcripts/{id}"),
}


@pytest.mark.parametrize("hole", HOLES)
def test_the_walk_notices_that(world, monkeypatch, hole):
    where, method, code, name = HOLES[hole]
    monkeypatch.setattr(where, method, code)
    unprepared(monkeypatch)

    with pytest.raises(AssertionError, match="bob, "):
        ownership.nothing_is_given_away(world, OPERATIONS[name])


def test_the_walk_notices_an_answer_that_tells_what_is_there(world, monkeypatch):
    def forbidden(credentials, video_id):
        if Video.objects.filter(pk=video_id).exclude(user=credentials["sub"]).exists():
            raise NotFound("This video is not yours.")
        return find_own_video(credentials, video_id)

    find_own_video = own_videos.find_own_video
    monkeypatch.setattr(views, "find_own_video", forbidden)

    with pytest.raises(AssertionError, match="tells it from nothing"):
        ownership.nothing_is_given_away(world, OPERATIONS["get /videos/{id}"])


def test_the_walk_notices_an_answer_that_takes_longer_for_what_is_there(world, monkeypatch):
    def slower(credentials, video_id):
        if Video.objects.filter(pk=video_id).exists():
            Video.objects.count()
        return find_own_video(credentials, video_id)

    find_own_video = own_videos.find_own_video
    monkeypatch.setattr(views, "find_own_video", slower)

    with pytest.raises(AssertionError, match="that can be measured"):
        ownership.nothing_is_given_away(world, OPERATIONS["get /videos/{id}"])


def test_the_walk_notices_an_answer_that_is_right_and_a_change_all_the_same(world, monkeypatch):
    def careless(credentials, video_id):
        Video.objects.filter(pk=video_id).update(title="seen")
        return find_own_video(credentials, video_id)

    find_own_video = own_videos.find_own_video
    monkeypatch.setattr(views, "find_own_video", careless)

    with pytest.raises(AssertionError, match="has changed"):
        ownership.nothing_is_given_away(world, OPERATIONS["get /videos/{id}"])


def test_the_walk_notices_a_message_that_is_sent_for_somebody_else(world, monkeypatch):
    def careless(credentials, video_id):
        if hers := Video.objects.filter(pk=video_id).first():
            queue.send(hers)
        return find_own_video(credentials, video_id)

    find_own_video = own_videos.find_own_video
    monkeypatch.setattr(views, "find_own_video", careless)

    with pytest.raises(AssertionError, match="messages"):
        ownership.nothing_is_given_away(world, OPERATIONS["get /videos/{id}"])


def test_an_operation_without_an_entry_fails_with_a_sentence():
    new = Operation("post", "/videos/{id}/share", {"parameters": [{"in": "path", "name": "id"}]}, {}, is_open=False)

    with pytest.raises(AssertionError, match=r"`post /videos/\{id\}/share` is in the OpenAPI document, but TRIED"):
        table.entry(new)


def test_a_parameter_without_an_entry_fails_with_a_sentence():
    old = OPERATIONS["get /videos/{id}"]
    new = old._replace(described={"parameters": [*old.described["parameters"], {"in": "query", "name": "as_user"}]})

    with pytest.raises(
        AssertionError, match=r"takes \['header If-None-Match', 'path id', 'query as_user'\], but TRIED"
    ):
        table.entry(new)


def test_a_body_without_an_example_fails_with_a_sentence():
    new = OPERATIONS["get /me"]._replace(described={"requestBody": {}})

    with pytest.raises(AssertionError, match="BODIES in"):
        table.entry(new)
