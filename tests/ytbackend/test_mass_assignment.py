"""No body says more than it may: columns, read-only fields and whatever else somebody tries."""

import json
from urllib.parse import quote

import pytest
from django.apps import apps

from tests.guards import document, ownership
from tests.guards.table import BODIES
from tests.tokens import ALICE, BOB

pytestmark = pytest.mark.django_db(transaction=True)

WITH_A_BODY = {operation.name: operation for operation in document.operations() if operation.takes_a_body}

ODD = ["", "__class__", "__proto__", "constructor", "_state", "pk", "url ", "URL", "url\x00", "ur\u200bl", "url.id",
       "url__in", "a" * 5000, "$where", "日本語", "user[id]", "is_admin", "role", "scope"]  # fmt: skip


def columns() -> set[str]:
    """Every column of our tables, by each of its names."""
    ours = (model for model in apps.get_models() if model._meta.app_label in ownership.OURS)
    fields = [field for model in ours for field in model._meta.get_fields()]
    return {name for field in fields for name in (field.name, getattr(field, "attname", None)) if name}


def forbidden(operation: document.Operation) -> list[str]:
    """Every name that its body does not have."""
    everywhere = set(document.read_only())
    for schema in document.document()["components"]["schemas"].values():
        everywhere |= set(schema.get("properties", {}))
    return sorted((everywhere | columns() | set(ODD)) - set(operation.body))


def test_there_are_names_to_try():
    tried = forbidden(WITH_A_BODY["post /analyze"])

    assert {"id", "user_id", "status", "s3_path", "fence", "lease_token", "attempt", "is_staff", "created_at"} <= {
        *tried
    }


@pytest.mark.parametrize("name", WITH_A_BODY)
@pytest.mark.parametrize(
    "value", [BOB, None, 7, {"id": ALICE}, [ALICE]], ids=["text", "null", "number", "object", "list"]
)
def test_a_name_that_a_body_does_not_have_is_refused_and_changes_nothing(world, name, value):
    before = world.state()

    for extra in forbidden(WITH_A_BODY[name]):
        body = BODIES[name] | {extra: value}
        answer = world.clients["alice"].post(WITH_A_BODY[name].path, json.dumps(body), content_type="application/json")

        assert (extra, answer.status_code) == (extra, 400)
        assert [place["pointer"] for place in answer.json()["errors"]] == [pointer(extra)]
    assert world.state() == before


def pointer(name: str) -> str:
    """The place of a name, as far as it is repeated."""
    return "#/" + quote(name[:50].replace("~", "~0").replace("/", "~1"), safe="~") if name else "#"


@pytest.mark.parametrize("name", WITH_A_BODY)
def test_what_is_read_only_is_never_in_a_body(name):
    assert not {key for key, described in WITH_A_BODY[name].body.items() if described.get("readOnly")}
