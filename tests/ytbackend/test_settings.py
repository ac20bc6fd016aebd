"""The environment: what is understood, what is refused by name, and what a deployment must not lack."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from ytbackend import env

ROOT = Path(__file__).parents[2]

PRODUCTION = {
    "DJANGO_SECRET_KEY": "k" * 60 + "0123456789",
    "DJANGO_ALLOWED_HOSTS": "api.shri.software",
    "DATABASE_URL": "mysql://api:secret@db.internal:3306/transcripts",
    "SQS_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/transcripts",
    "S3_BUCKET": "transcripts",
    "AWS_REGION": "eu-central-1",
    "COGNITO_USER_POOL_ID": "eu-central-1_AbCdEfGhI",
    "COGNITO_CLIENT_IDS": "7h3cl13nt1d",
}


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``manage.py check`` in nothing but this environment."""
    if importlib.util.find_spec("MySQLdb") is None and "CI" not in os.environ:
        pytest.skip("a deployment has MySQL, and its driver is not installed here")
    return subprocess.run(
        [sys.executable, "manage.py", "check", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def deploy_check(**environment: str) -> subprocess.CompletedProcess[str]:
    return check("--deploy", "--fail-level=WARNING", **environment)


@pytest.mark.parametrize(
    ("value", "meaning"),
    [("true", True), ("1", True), ("YES", True), ("False", False), ("0", False), ("", False)],
)
def test_a_flag_is_what_it_says(monkeypatch, value, meaning):
    monkeypatch.setenv("FLAG", value)

    assert env.flag("FLAG") is meaning


@pytest.mark.parametrize(
    ("read", "value", "hint"),
    [
        (lambda: env.flag("NAME"), "maybe", "true or false"),
        (lambda: env.integer("NAME", 1, least=1, most=5), "6", "from 1 to 5"),
        (lambda: env.integer("NAME", 1, least=1, most=5), "-1", "from 1 to 5"),
        (lambda: env.integer("NAME", 1, least=1, most=5), "two", "from 1 to 5"),
        (lambda: env.integer("NAME", 1, least=1, most=5), "9" * 5000, "from 1 to 5"),
        (lambda: env.names("NAME", choices=["id", "access"]), "id,refresh", "id, access"),
        (lambda: env.choice("NAME", "a", choices=["a", "b"]), "c", "a, b"),
        (lambda: env.database("NAME", "", base=ROOT), "postgres://u:hunter2@h/n", "mysql://"),
        (lambda: env.database("NAME", "", base=ROOT), "mysql://u:hunter2@h:port/n", "mysql://"),
        (lambda: env.database("NAME", "", base=ROOT), "mysql://u:hunter2@h", "mysql://"),
        (lambda: env.database("NAME", "", base=ROOT), "nonsense", "mysql://"),
    ],
)
def test_a_value_that_cannot_be_understood_is_refused_by_name_and_without_secrets(monkeypatch, read, value, hint):
    monkeypatch.setenv("NAME", value)

    with pytest.raises(ImproperlyConfigured, match=r"^NAME ") as refused:
        read()

    assert hint in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_named(monkeypatch):
    monkeypatch.setenv("NAME", "/proc/nowhere")

    with pytest.raises(ImproperlyConfigured, match=r"^NAME is '/proc/nowhere'"):
        env.folder("NAME", Path("/tmp"))


def test_a_password_of_the_proxy_is_not_shown(monkeypatch):
    monkeypatch.setenv("NAME", "user:hunter2@proxy")

    with pytest.raises(ImproperlyConfigured) as refused:
        env.pattern("NAME", "https?://.*", "like http://host")

    assert "hunter2" not in str(refused.value)


def test_a_password_may_have_any_character(monkeypatch):
    monkeypatch.setenv("NAME", "mysql://api:p%40ss%2Fword%23@db:3307/transcripts")

    database = env.database("NAME", "", base=ROOT)

    assert (database["PASSWORD"], database["PORT"], database["NAME"]) == ("p@ss/word#", 3307, "transcripts")


def test_the_authority_of_a_database_may_be_a_file_of_ours(monkeypatch):
    monkeypatch.setenv(
        "NAME", "mysql://api:x@db/transcripts?ssl-ca=ytbackend/rds-ca-bundle.pem&ssl_mode=VERIFY_IDENTITY"
    )

    options = env.database("NAME", "", base=ROOT)["OPTIONS"]

    assert options == {"ssl": {"ca": str(ROOT / "ytbackend/rds-ca-bundle.pem")}, "ssl_mode": "VERIFY_IDENTITY"}


def test_an_authority_that_is_not_there_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("NAME", "mysql://api:hunter2@db/transcripts?ssl-ca=ca.pem")

    with pytest.raises(ImproperlyConfigured, match=r"NAME names the file 'ca\.pem' by ssl-ca, which is not there"):
        env.database("NAME", "", base=ROOT)


def test_the_default_is_taken_where_nothing_is_set(monkeypatch):
    monkeypatch.setenv("NAME", " ")

    assert env.integer("NAME", 3, least=1, most=5) == 3
    assert env.names("NAME", ["a"]) == ["a"]


def test_a_deployment_that_has_everything_is_clean():
    done = deploy_check(**PRODUCTION)

    assert (done.returncode, done.stdout.strip()) == (0, "System check identified no issues (7 silenced).")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SQS_QUEUE_URL", "", "SQS_QUEUE_URL"),
        ("COGNITO_USER_POOL_ID", "", "COGNITO_USER_POOL_ID"),
        ("COGNITO_USER_POOL_ID", "nonsense", "COGNITO_USER_POOL_ID"),
        ("COGNITO_CLIENT_IDS", "", "COGNITO_CLIENT_IDS"),
        ("COGNITO_JWKS", "{}", "COGNITO_JWKS"),
        ("COGNITO_TOKEN_USE", "refresh", "COGNITO_TOKEN_USE"),
        ("DJANGO_ALLOWED_HOSTS", "", "DJANGO_ALLOWED_HOSTS"),
        ("DJANGO_SECRET_KEY", "", "DJANGO_SECRET_KEY"),
        ("DJANGO_SECRET_KEY", "short", "SECRET_KEY"),
        ("DJANGO_DEBUG", "true", "DEBUG"),
        ("DJANGO_DEBUG", "perhaps", "DJANGO_DEBUG"),
        ("S3_BUCKET", "", "S3_BUCKET"),
        ("DATABASE_URL", "", "DATABASE_URL"),
        ("MAX_ATTEMPTS", "0", "MAX_ATTEMPTS"),
        ("QUOTA_VIDEOS", "-1", "QUOTA_VIDEOS"),
        ("QUOTA_GIGABYTES", "0.5", "QUOTA_GIGABYTES"),
        ("SQS_QUEUE_URL", "transcripts", "SQS_QUEUE_URL"),
        ("S3_BUCKET", "s3://transcripts", "S3_BUCKET"),
        ("AWS_REGION", "", "AWS_REGION"),
        ("AWS_REGION", "Frankfurt am Main", "AWS_REGION"),
        ("YOUTUBE_PROXY_URL", "proxy:8080", "YOUTUBE_PROXY_URL"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT"),
        ("METRICS", "true", "METRICS"),
        ("SENTRY_DSN", "https://sentry.example/1", "SENTRY_DSN"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ],
)
def test_a_deployment_that_lacks_something_is_told_what(name, value, said, tmp_path):
    done = deploy_check(**PRODUCTION | {"DATA_DIR": str(tmp_path), name: value})

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


VARIABLES = set(re.findall(r'env\.\w+\(\s*"([A-Z][A-Z0-9_]+)"', (ROOT / "ytbackend/settings.py").read_text()))


@pytest.mark.parametrize("page", [".env.example", "README.md"])
def test_every_variable_is_explained(page):
    text = (ROOT / page).read_text()

    assert len(VARIABLES) > 20
    assert {name for name in VARIABLES if not re.search(rf"\b{name}\b", text)} == set()


def test_the_example_names_no_variable_that_nobody_reads():
    named = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    # these are read by boto3 itself
    assert named - VARIABLES - {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} == set()
