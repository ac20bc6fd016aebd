"""The OpenAPI document: valid, complete, and the one that is committed."""

from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command

COMMITTED = Path(settings.BASE_DIR, "openapi.yaml")

OPERATIONS = {
    "get /", "get /health", "get /me", "post /analyze", "get /videos", "get /videos/{id}",
    "delete /videos/{id}", "post /videos/{id}/retry", "post /videos/{id}/cancel",
    "get /videos/{id}/attempts", "get /videos/{id}/transcript", "get /videos/{id}/audio",
    "get /transcripts", "get /transcripts/{id}",
    "get /keys", "post /keys", "get /keys/{id}", "delete /keys/{id}",
    "post /me/sign-out",
}  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> str:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return out.getvalue()


def test_it_is_the_one_that_is_committed(schema):
    assert schema == COMMITTED.read_text(), "run: make format"


def test_it_describes_every_endpoint(schema):
    paths = yaml.safe_load(schema)["paths"]

    assert {f"{method} {path}" for path, methods in paths.items() for method in methods} == OPERATIONS


def test_it_says_which_endpoints_want_a_token(schema):
    paths = yaml.safe_load(schema)["paths"]
    open_to_all = {
        path
        for path, methods in paths.items()
        for operation in methods.values()
        if {} in operation.get("security", [{}])
    }

    assert open_to_all == {"/", "/health"}


def test_it_says_which_endpoints_refuse_an_api_key(schema):
    paths = yaml.safe_load(schema)["paths"]
    token_alone = {
        path
        for path, methods in paths.items()
        for operation in methods.values()
        if operation.get("security") == [{"cognito": []}]
    }

    assert token_alone == {"/keys", "/keys/{id}", "/me/sign-out"}


def test_it_offers_every_format_of_a_transcript(schema):
    answers = yaml.safe_load(schema)["paths"]["/videos/{id}/transcript"]["get"]["responses"]["200"]["content"]

    assert answers.keys() == {"application/json", "text/plain", "application/x-subrip", "text/vtt"}


def test_it_describes_problems(schema):
    described = yaml.safe_load(schema)

    for methods in described["paths"].values():
        for operation in methods.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert "code" in described["components"]["schemas"]["Problem"]["required"]


def test_it_is_served(client):
    answer = client.get("/schema", HTTP_ACCEPT="application/json")

    assert answer.status_code == 200
    assert answer.json()["info"]["title"] == "YouTube transcripts"
