"""What a key may do: its scopes, and what needs a token in any case."""

import pytest
from django.urls import URLPattern, get_resolver
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts.models import ApiKey
from accounts.permissions import InScope, NeedsToken
from tests import builders, tokens
from tests.accounts.test_keys import made, script
from tests.tokens import ALICE
from videos.models import Video

pytestmark = pytest.mark.django_db

READING = ["get /me", "get /videos", "get /videos/{id}", "head /videos", "options /videos", "get /transcripts"]
WRITING = ["post /analyze", "post /videos/{id}/retry", "post /videos/{id}/cancel", "delete /videos/{id}"]
MANAGING = ["get /keys", "post /keys", "get /keys/{key}", "delete /keys/{key}"]


def called(client, call: str, **ids):
    method, address = call.split()
    return getattr(client, method)(address.format(**ids))


def program(alice, *scopes: str):
    return script(made(alice, scopes=list(scopes))["key"])


@pytest.mark.parametrize("call", READING)
def test_reading_needs_the_scope_read(alice, call):
    video = builders.failed(ALICE)

    assert called(program(alice, "read"), call, id=video.pk).status_code == 200
    assert called(program(alice, "write"), call, id=video.pk).status_code == 403


@pytest.mark.parametrize("call", WRITING)
def test_everything_else_needs_the_scope_write_and_changes_nothing_without(alice, call):
    video = builders.failed(ALICE)
    before = Video.objects.values().get()

    assert called(program(alice, "read"), call, id=video.pk).status_code == 403
    assert Video.objects.values().get() == before
    assert called(program(alice, "write"), call, id=video.pk).status_code != 403


@pytest.mark.parametrize(("has", "lacks", "call"), [("write", "read", "get /me"), ("read", "write", "post /analyze")])
def test_the_refusal_names_the_scope_that_is_missing(alice, has, lacks, call):
    answer = called(program(alice, has), call)

    assert (answer["Content-Type"], answer.json()["code"]) == ("application/problem+json", "insufficient_scope")
    assert f"lacks the scope {lacks}" in answer.json()["detail"]
    assert "WWW-Authenticate" not in answer


@pytest.mark.parametrize("call", MANAGING)
def test_no_key_manages_keys_whatever_its_scopes(alice, call):
    key = made(alice)

    answer = called(script(key["key"]), call, key=key["id"])

    assert (answer.status_code, answer.json()["code"]) == (403, "token_required")
    assert "Send a Cognito token" in answer.json()["detail"]
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("call", MANAGING)
def test_nobody_manages_keys_without_a_token(stranger, call):
    assert called(stranger, call, key="x").status_code == 401


@pytest.mark.parametrize("make", [tokens.id_token, tokens.access_token])
def test_tokens_may_do_everything(make):
    client = script(make(ALICE))

    assert client.get("/videos").status_code == 200
    assert client.post("/analyze").status_code == 400
    assert client.get("/keys").status_code == 200


def test_a_scope_that_a_key_has_not_is_its_use_all_the_same(alice):
    program(alice, "write").get("/me")

    assert ApiKey.objects.get().last_used_at is not None


class Alone(APIView):
    permission_classes = (NeedsToken,)

    def get(self, request):
        return Response({})


def test_a_view_that_names_only_needs_token_is_closed_to_strangers_and_keys(alice):
    def status(**headers) -> int:
        return Alone.as_view()(APIRequestFactory().get("/", **headers)).status_code

    key = made(alice)["key"]

    assert status() == 401
    assert status(HTTP_AUTHORIZATION=f"Bearer {key}") == 403
    assert status(HTTP_AUTHORIZATION=f"Bearer {tokens.id_token(ALICE)}") == 200


def views() -> dict[str, type[APIView]]:
    patterns = [pattern for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)]
    found = {str(pattern.pattern): getattr(pattern.callback, "cls", None) for pattern in patterns}
    return {address: view for address, view in found.items() if view and issubclass(view, APIView)}


def test_no_view_forgets_the_scopes():
    closed = {
        address: view.permission_classes
        for address, view in views().items()
        if not set(view.permission_classes) <= {AllowAny}
    }

    assert len(closed) > 10
    assert [address for address, classes in closed.items() if not {InScope, NeedsToken} & set(classes)] == []
