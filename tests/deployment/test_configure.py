"""The settings of one account, from the outputs and secrets of its stack."""

import json
import os
import socket
import stat
import subprocess
import sys
import urllib.parse
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import dj_database_url
import pytest

from accounts.keyset import StaticKeySet
from deployment import configure
from tests.deployment.template import ROOT, properties, template

PASSWORD = "p/w:@?#%&{}"
PROXY = "http://user:secret@proxy.example:8080"


class Account:
    """An account whose stack has the outputs of ours. What they name exists."""

    def __init__(self) -> None:
        self.name = f"s-{uuid.uuid4()}"
        secrets = boto3.client("secretsmanager")

        def secret(text: str) -> str:
            arn: str = secrets.create_secret(Name=f"{self.name}-{uuid.uuid4()}", SecretString=text)["ARN"]
            return arn

        self.pool = boto3.client("cognito-idp").create_user_pool(PoolName=self.name)["UserPool"]["Id"]
        self.outputs = {name: name for name in template()["Outputs"]} | {
            "Region": "us-east-1",
            "UserPoolId": self.pool,
            "AllowedHosts": ".execute-api.us-east-1.amazonaws.com,api.example.com",
            "DatabaseUrlPattern": "mysql://{username}:{password}@db.example:3306/ytbackend?ssl-ca=ca.pem&a=b",
            "DatabaseSecretArn": secret(json.dumps({"username": "yt", "password": PASSWORD})),
            "DjangoSecretArn": secret("signs-sessions"),
            "ProxySecretArn": secret(PROXY),
            "WorkerParameter": f"/{self.name}",
        }

    def create(self) -> None:
        parameter = {"Name": f"/{self.name}", "Type": "String", "Value": "SPEECH_MODEL=small\nS3_BUCKET=media"}
        boto3.client("cloudformation").create_stack(
            StackName=self.name,
            TemplateBody=json.dumps(
                {
                    "Resources": {"Worker": {"Type": "AWS::SSM::Parameter", "Properties": parameter}},
                    "Outputs": {name: {"Value": value} for name, value in self.outputs.items()},
                }
            ),
        )


@pytest.fixture
def account(aws, monkeypatch) -> Account:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Account()


@pytest.fixture
def run(account, tmp_path, capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs the command on the stack; gives its exit status and what it said."""

    def command(*arguments: str) -> tuple[int, str, str]:
        status = configure.main([account.name, "--to", str(tmp_path / "dist"), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return command


@pytest.fixture
def dist(tmp_path) -> Path:
    return tmp_path / "dist"


def settings_in(dist: Path) -> dict[str, Any]:
    return json.loads((dist / "zappa_settings.json").read_text())["default"]


def variables_in(dist: Path) -> dict[str, str]:
    return settings_in(dist)["aws_environment_variables"]


def worker_in(dist: Path) -> dict[str, str]:
    """The worker's variables as a shell reads them."""
    script = (
        f"set -a; . {dist / 'worker.env'}; {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    )
    done = subprocess.run(["sh", "-euc", script], env={}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_it_fills_in_every_placeholder(account, run, dist):
    account.create()
    assert run()[0] == 0

    assert configure.placeholders((dist / "zappa_settings.json").read_text()) == set()


def test_it_takes_outputs_as_they_are(account, run, dist):
    account.create()
    run()

    assert settings_in(dist)["role_arn"] == "ApiRoleArn"
    assert settings_in(dist)["vpc_config"]["SubnetIds"] == ["PrivateSubnetA", "PrivateSubnetB"]


def test_it_brings_the_page_where_staff_sign_in(account, run, dist):
    account.outputs["CognitoDomain"] = "https://staff.auth.us-east-1.amazoncognito.com"
    account.create()
    run()

    assert variables_in(dist)["COGNITO_DOMAIN"] == "https://staff.auth.us-east-1.amazoncognito.com"


def test_a_stack_without_that_page_leaves_it_switched_off(account, run, dist):
    del account.outputs["CognitoDomain"]
    account.create()

    assert run()[0] == 0
    assert variables_in(dist)["COGNITO_DOMAIN"] == ""


def test_it_percent_encodes_the_password(account, run, dist):
    account.create()
    run()

    assert dj_database_url.parse(variables_in(dist)["DATABASE_URL"])["PASSWORD"] == PASSWORD


def test_it_brings_the_keys_of_the_pool(account, run, dist):
    account.create()
    run()

    text = variables_in(dist)["COGNITO_JWKS"]
    published = json.loads(text)["keys"]
    assert published
    assert all(StaticKeySet(text).key(key["kid"]) for key in published)


def test_it_allows_the_hosts_that_the_stack_names(account, run, dist):
    account.create()
    run()

    assert variables_in(dist)["DJANGO_ALLOWED_HOSTS"] == ".execute-api.us-east-1.amazonaws.com,api.example.com"


def test_it_allows_only_the_api_that_is_named(account, run, dist):
    account.create()
    run("--api-id", "abc123")

    assert variables_in(dist)["DJANGO_ALLOWED_HOSTS"] == "abc123.execute-api.us-east-1.amazonaws.com,api.example.com"


def test_the_workers_variables_are_read_by_a_shell(account, run, dist):
    account.create()
    run()

    found = worker_in(dist)
    assert found["SPEECH_MODEL"] == "small"
    assert found["YOUTUBE_PROXY_URL"] == PROXY
    assert dj_database_url.parse(found["DATABASE_URL"])["PASSWORD"] == PASSWORD


def test_the_worker_is_not_told_what_signs_the_admins_sessions(account, run, dist):
    account.create()
    run()

    assert "signs-sessions" not in (dist / "worker.env").read_text()
    assert len(worker_in(dist)["DJANGO_SECRET_KEY"]) == 64


def test_a_stack_without_a_proxy_gives_none(account, run, dist):
    del account.outputs["ProxySecretArn"]
    account.create()
    run()

    assert "YOUTUBE_PROXY_URL" not in worker_in(dist)


def test_its_files_are_for_their_owner_alone(account, run, dist):
    account.create()
    before = os.umask(0)
    try:
        run()
    finally:
        os.umask(before)

    assert {stat.S_IMODE(path.stat().st_mode) for path in dist.iterdir()} == {0o600}


def test_it_makes_a_file_private_that_was_not(account, run, dist):
    dist.mkdir()
    (dist / "worker.env").touch(mode=0o644)
    account.create()
    run()

    assert stat.S_IMODE((dist / "worker.env").stat().st_mode) == 0o600


def test_a_second_run_writes_the_same(account, run, dist):
    account.create()
    run()
    before = {path.name: path.read_bytes() for path in dist.iterdir()}

    assert run()[1].count("is as it was") == 2
    assert {path.name: path.read_bytes() for path in dist.iterdir()} == before


def test_it_says_that_there_is_no_such_stack(account, run):
    status, _, said = run()

    assert status == 1
    assert account.name in said
    assert "not in this account and region" in said


def test_it_says_what_an_older_stack_lacks(account, run):
    del account.outputs["MediaBucket"]
    account.create()

    assert run()[::2] == (
        1,
        f"The stack {account.name} has no output MediaBucket. Update it from this version of infrastructure.yaml.\n",
    )


def test_it_takes_nothing_from_a_stack_that_is_on_the_way(account, run):
    boto3.client("cloudformation").create_change_set(
        StackName=account.name, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody='{"Resources": {}}'
    )
    status, _, said = run()

    assert status == 1
    assert "is in REVIEW_IN_PROGRESS. Wait until it is complete" in said


def test_it_says_that_the_keys_cannot_be_had(account, run, monkeypatch):
    account.create()
    with socket.socket() as taken:  # bound and not listening: whoever calls is refused
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", f"http://127.0.0.1:{taken.getsockname()[1]}")
        status, _, said = run()

    assert status == 1
    assert "jwks.json cannot be had" in said


def test_it_fetches_keys_over_tls_alone(account, run, monkeypatch):
    account.create()
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://cognito.example")

    assert "is not https" in run()[2]


def test_it_says_that_there_are_no_credentials(account, run, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    assert "there are no credentials. Log in first" in run()[2]


def test_it_says_that_the_profile_is_not_there(account, run, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "yt-deployer")

    assert "The config profile (yt-deployer) could not be found" in run()[2]


def test_it_says_that_no_region_is_known(account, run, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)

    assert "no region is known. Name it: --region" in run()[2]


def test_it_says_that_aws_cannot_be_reached(account, run, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

        assert "Check the network, the region and the profile." in run()[2]


def test_it_says_that_a_secret_is_gone(account, run):
    account.outputs["DjangoSecretArn"] = "gone"
    account.create()

    assert "The secret gone cannot be read: ResourceNotFoundException" in run()[2]


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"username": "u"}', "[]", '{"username": 1, "password": 2}'])
def test_it_says_that_the_databases_secret_is_none(account, run, text):
    boto3.client("secretsmanager").put_secret_value(SecretId=account.outputs["DatabaseSecretArn"], SecretString=text)
    account.create()

    assert "The database's secret has no username and password." in run()[2]


def test_it_refuses_more_variables_than_lambda_takes(account, run):
    account.outputs["FrontendOrigins"] = ",".join(f"https://{number}.example.com" for number in range(200))
    account.create()
    status, _, said = run()

    assert status == 1
    assert "Lambda takes 4096. The longest are CORS_ALLOWED_ORIGINS, " in said


def test_it_refuses_what_no_environment_file_takes(account, run):
    boto3.client("secretsmanager").put_secret_value(
        SecretId=account.outputs["ProxySecretArn"], SecretString="http://a'b"
    )
    account.create()

    assert "YOUTUBE_PROXY_URL has a quote" in run()[2]


def test_it_writes_nothing_where_anything_is_missing(account, run, dist):
    account.outputs["WorkerParameter"] = "/gone"  # the last thing that is asked for
    account.create()
    run()

    assert not dist.exists()


def test_its_refusals_tell_no_secret(account, run):
    account.outputs["WorkerParameter"] = "/gone"
    account.create()

    assert not {PASSWORD, urllib.parse.quote(PASSWORD, safe=""), PROXY} & set(run()[2].split())


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "worker.env"
    path.write_text("old")

    with pytest.raises(UnicodeEncodeError):
        configure.write_private(path, "new \ud800")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("worker.env", "old")]


def test_the_password_reaches_both_in_the_same_form():
    pattern = template()["Outputs"]["DatabaseUrlPattern"]["Value"]

    assert properties("Refresher")["Environment"]["Variables"]["DATABASE_URL_PATTERN"] == pattern


def test_the_command_teaches():
    done = subprocess.run(
        [sys.executable, "-m", "deployment.configure", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "docs/deploy.md" in done.stdout
    assert "Example: python -m deployment.configure yt-backend" in " ".join(done.stdout.split())
