"""Secrets by name: read from Secrets Manager and Parameter Store over HTTP, remembered, renewed, and never told."""

import importlib.util
import io
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts.models import User
from tests.ytbackend.test_settings import PRODUCTION, check
from ytbackend import vault
from ytbackend.log_lines import LineFormatter


@pytest.fixture(autouse=True)
def _fresh(aws) -> Iterator[None]:
    """Nothing that another test has read; and what is asked of AWS is closed at the end."""
    vault._made.clear()
    vault._client.cache_clear()
    yield
    for service in ("secretsmanager", "ssm"):
        vault._client(service).close()
    vault._client.cache_clear()
    vault._made.clear()


@pytest.fixture
def manager(aws):
    client = boto3.client("secretsmanager", region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
def parameters(aws):
    client = boto3.client("ssm", region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
def hurry(monkeypatch) -> None:
    """A minute is over at once."""
    monkeypatch.setattr(vault, "REMEMBERED_SECONDS", 0)
    monkeypatch.setattr(vault, "REFUSED_SECONDS", 0)


@pytest.fixture
def kept(manager) -> Callable[[str], str]:
    """Keeps a text under a name of this test's own, anew with each call; gives what a variable has to say."""
    name = f"yt/{uuid.uuid4()}"
    made: list[object] = []

    def keep(text: str) -> str:
        if made:
            manager.put_secret_value(SecretId=name, SecretString=text)
        else:
            made.append(manager.create_secret(Name=name, SecretString=text))
        return f"secretsmanager:{name}"

    return keep


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter())
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


def test_it_reads_a_secret_by_its_name(kept):
    assert str(vault.setting("PROXY", kept("http://user:hunter2@proxy:8080"))) == "http://user:hunter2@proxy:8080"


def test_it_reads_a_secret_by_its_arn(manager):
    arn = manager.create_secret(Name=f"a-{uuid.uuid4()}", SecretString="by its ARN")["ARN"]

    assert str(vault.setting("KEY", f"secretsmanager:{arn}")) == "by its ARN"


def test_it_reads_a_field_of_a_secret(kept):
    reference = kept(json.dumps({"username": "app", "url": "http://proxy"}))

    assert str(vault.setting("PROXY", f"{reference}#url")) == "http://proxy"


def test_it_reads_an_encrypted_parameter(parameters):
    name = f"/yt/{uuid.uuid4()}"
    parameters.put_parameter(Name=name, Value="between us\n", Type="SecureString")

    assert str(vault.setting("KEY", f"ssm:{name}")) == "between us"


def test_a_variable_that_holds_its_value_is_left_alone():
    assert vault.setting("PROXY", "http://proxy:8080") == "http://proxy:8080"
    assert vault.setting("PROXY", "") == ""


def test_nothing_is_asked_before_it_is_needed():
    assert repr(vault.setting("KEY", "secretsmanager:no-such-secret")) == "<Secret KEY>"


def test_it_asks_once_a_minute(kept):
    value = vault.setting("KEY", kept("first"))
    assert str(value) == "first"
    kept("second")

    assert str(value) == "first"


def test_it_asks_anew_after_a_minute(kept, hurry):
    value = vault.setting("KEY", kept("first"))
    assert str(value) == "first"
    kept("second")

    assert str(value) == "second"


@pytest.mark.parametrize("passed", [61, -1])
def test_a_minute_is_one_of_the_wall_clock_and_a_clock_that_was_set_back_counts_as_long_ago(kept, passed):
    moment = [1_000_000.0]
    reference = vault.read("KEY", kept("first"))
    secret = vault.Secret("KEY", reference, now=lambda: moment[0])
    assert secret.value() == "first"
    kept("second")

    moment[0] += passed

    assert secret.value() == "second"


def test_the_clock_that_it_goes_by_runs_on_while_a_lambda_is_frozen():
    assert vault.Secret("KEY", vault.read("KEY", "ssm:key"))._now is time.time


def test_what_was_refused_is_asked_for_at_once(kept, monkeypatch):
    monkeypatch.setattr(vault, "REFUSED_SECONDS", 0)
    secret = vault.secret("DATABASE_SECRET", kept("first"))
    assert secret.value() == "first"
    kept("second")

    assert secret.renewed("first") == "second"
    assert secret.value() == "second"


def test_many_who_are_refused_at_once_ask_once(kept):
    secret = vault.secret("DATABASE_SECRET", kept("first"))
    assert secret.value() == "first"
    kept("second")

    assert secret.renewed("first") == "first"  # asked a moment ago


def test_the_one_of_before_is_used_while_aws_cannot_be_asked(kept, manager, hurry, lines):
    reference = kept("first-and-only")
    value = vault.setting("KEY", reference)
    assert str(value) == "first-and-only"
    manager.delete_secret(SecretId=reference.partition(":")[2], ForceDeleteWithoutRecovery=True)

    assert str(value) == "first-and-only"
    assert "What KEY names cannot be read: ResourceNotFoundException. Check its name" in lines.getvalue()
    assert "first-and-only" not in lines.getvalue()


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("secretsmanager:no-such-secret", "ResourceNotFoundException. Check its name, and AWS_REGION."),
        ("ssm:/no/such/parameter", "ParameterNotFound. Check its name, and AWS_REGION."),
    ],
)
def test_what_is_not_there_is_told_with_what_to_do(reference, said):
    with pytest.raises(vault.SecretUnavailable, match=r"^What KEY names cannot be read: ") as refused:
        str(vault.setting("KEY", reference))

    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"password": 7}', '{"other": "hunter2"}'])
def test_a_field_that_is_not_there_is_told_without_what_is(kept, text):
    with pytest.raises(vault.SecretUnavailable, match="no JSON object with a text 'password'") as refused:
        str(vault.setting("KEY", f"{kept(text)}#password"))

    assert "hunter2" not in str(refused.value)


def test_what_is_of_the_wrong_form_is_told_without_what_it_is(kept):
    with pytest.raises(vault.SecretUnavailable, match="not what the variable itself may hold") as refused:
        str(vault.setting("PROXY", kept("hunter2"), form="https?://.+"))

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("value", ["secretsmanager:", "ssm:", "ssm:a b", "secretsmanager:a#", "ssm:ä", "ssm:a#b#c"])
def test_a_reference_that_is_none_stops_the_program(value):
    with pytest.raises(ImproperlyConfigured, match=r"KEY names no secret that can be read\. It must be like "):
        vault.setting("KEY", value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{"username": "app", "password": "p{w}", "host": "db"}', {"user": "app", "password": "p{w}"}),
        ('{"password": "only"}', {"password": "only"}),
        ("the whole text", {"password": "the whole text"}),
        ("{no json", {"password": "{no json"}),
    ],
)
def test_a_databases_secret_is_what_rds_keeps_or_a_password(text, meant):
    assert vault.credentials(text) == meant


def test_nothing_that_was_read_reaches_the_log(kept, hurry, lines):
    secret = vault.secret("DATABASE_SECRET", kept('{"username": "app", "password": "only-between-us"}'))
    secret.value()
    kept('{"username": "app", "password": "the-next-one"}')
    secret.value()

    logging.getLogger("videos").error("refused: %r with only-between-us and the-next-one %s", secret, secret.value())

    assert "between" not in lines.getvalue()
    assert "next-one" not in lines.getvalue()


# --- What is signed with a key


@pytest.fixture
def key(kept, settings) -> Callable[[str], str]:
    reference = kept("k" * 50 + "-the-first-of-all")
    settings.SECRET_KEY = vault.setting("DJANGO_SECRET_KEY", reference)
    settings.SECRET_KEY_FALLBACKS = [vault.setting("DJANGO_SECRET_KEY", reference, version="previous")]
    return kept


def test_a_signed_address_outlives_one_new_key_and_not_two(key, hurry):
    signed = signing.dumps("videos/1/audio.webm", salt="videos.files")

    key("k" * 50 + "-the-second")
    assert signing.loads(signed, salt="videos.files") == "videos/1/audio.webm"
    assert signing.dumps("x") != signed
    key("k" * 50 + "-the-third")
    with pytest.raises(signing.BadSignature):
        signing.loads(signed, salt="videos.files")


@pytest.mark.django_db
def test_who_is_in_the_admin_stays_there(key, hurry):
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", "correct horse battery"))
    assert browser.get("/admin/").status_code == 200

    key("k" * 50 + "-the-second")

    assert browser.get("/admin/").status_code == 200
    key("k" * 50 + "-the-third")
    assert browser.get("/admin/").status_code == 200  # the visit in between has renewed the session


def test_the_version_before_of_a_parameter_is_a_key_as_well(parameters, settings, hurry):
    name = f"/yt/{uuid.uuid4()}"
    parameters.put_parameter(Name=name, Value="first", Type="SecureString")
    settings.SECRET_KEY = vault.setting("DJANGO_SECRET_KEY", f"ssm:{name}")
    settings.SECRET_KEY_FALLBACKS = [vault.setting("DJANGO_SECRET_KEY", f"ssm:{name}", version="previous")]
    signed = signing.dumps("x")

    parameters.put_parameter(Name=name, Value="second", Type="SecureString", Overwrite=True)

    assert (str(settings.SECRET_KEY), signing.loads(signed)) == ("second", "x")


@pytest.fixture
def asked() -> Callable[..., list[tuple[str, str]]]:
    """Which operation was asked for, and which version; what ``refused`` names gets that answer instead of AWS's."""

    def listen(**refused: str) -> list[tuple[str, str]]:
        calls: list[tuple[str, str]] = []

        def called(model: Any, params: Any, **_: Any) -> Any:
            stage = json.loads(params["body"]).get("VersionStage", "")
            calls.append((model.name, stage))
            code = refused.get(stage)
            return code and (AWSResponse("", 400, {}, None), {"Error": {"Code": code, "Message": "hunter2"}})

        vault._client("secretsmanager").meta.events.register("before-call.secrets-manager", called)
        return calls

    return listen


def is_taken(signature: str) -> bool:
    try:
        signing.loads(signature)
    except signing.BadSignature:
        return False
    return True


def test_the_key_of_before_is_asked_for_with_the_right_that_the_current_one_needs(key, asked):
    key("k" * 50 + "-the-second")
    calls = asked()

    assert not is_taken("made:up:signature")

    assert sorted(calls) == [("GetSecretValue", "AWSCURRENT"), ("GetSecretValue", "AWSPREVIOUS")]


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException", "InternalServiceError"])
def test_where_the_key_of_before_cannot_be_had_a_wrong_signature_is_a_wrong_signature(key, asked, hurry, lines, code):
    signed = signing.dumps("x")
    asked(AWSPREVIOUS=code)

    assert [is_taken(one) for one in ("made:up:signature", signed, "made:up:signature")] == [False, True, False]
    assert lines.getvalue().count("the version of before cannot be had") == 1
    assert code in lines.getvalue()
    assert "hunter2" not in lines.getvalue()


def test_a_key_of_before_that_may_be_read_later_is_used_from_then_on(key, hurry):
    signed = signing.dumps("x")
    assert not is_taken("made:up:signature")  # there is none yet

    key("k" * 50 + "-the-second")

    assert is_taken(signed)


def test_while_aws_cannot_be_asked_at_all_a_wrong_signature_is_a_wrong_signature(key, asked, hurry):
    signed = signing.dumps("x")
    asked(AWSCURRENT="InternalServiceError", AWSPREVIOUS="InternalServiceError")

    assert [is_taken(one) for one in ("made:up:signature", signed)] == [False, True]


# --- The program as a whole


@pytest.fixture
def by_name(aws, kept) -> dict[str, str]:
    """A production in whose environment no secret stands."""
    if importlib.util.find_spec("MySQLdb") is None and "CI" not in os.environ:
        pytest.skip("a deployment has MySQL, and its driver is not installed here")
    secret = kept(json.dumps({"key": "k" * 40 + "0123456789hunter2", "proxy": "http://u:hunter2@proxy:1"}))
    return PRODUCTION | {
        "DJANGO_SECRET_KEY": f"{secret}#key",
        "DATABASE_URL": "mysql://db.internal:3306/transcripts",
        "DATABASE_SECRET": secret,
        "YOUTUBE_PROXY_URL": f"{secret}#proxy",
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }


def test_a_deployment_whose_environment_names_its_secrets_is_clean(by_name):
    done = check("--deploy", "--fail-level=WARNING", **by_name)

    assert (done.returncode, done.stdout.strip()) == (0, "System check identified no issues (7 silenced)."), done.stderr
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DJANGO_SECRET_KEY", "secretsmanager:no-such-secret", "What DJANGO_SECRET_KEY names cannot be read"),
        ("DJANGO_SECRET_KEY", "secretsmanager:", "DJANGO_SECRET_KEY names no secret"),
        ("DATABASE_SECRET", "hunter2", "DATABASE_SECRET names no secret"),
        ("DATABASE_URL", "sqlite:////tmp/x", "DATABASE_SECRET is set, but DATABASE_URL is not mysql://"),
        ("YOUTUBE_PROXY_URL", "ssm:", "YOUTUBE_PROXY_URL names no secret"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "What DJANGO_SECRET_KEY names cannot be read: Endpoint"),
    ],
)
def test_a_deployment_whose_secrets_are_not_there_is_told_in_a_sentence(by_name, name, value, said):
    done = check("--deploy", **by_name | {name: value})

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
