"""What Zappa is told, and that it reads it so."""

import json
import re
from pathlib import Path

import pytest
from zappa.cli import ZappaCLI

from deployment import configure
from tests.deployment.template import ROOT, properties, resources, template

TEXT = (ROOT / "zappa_settings.json").read_text()
SETTINGS = json.loads(TEXT)["default"]
VARIABLES = SETTINGS["aws_environment_variables"]
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html: Lambda refuses to set these.
RESERVED = {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}


def read_by_zappa(stage: str, folder: Path) -> ZappaCLI:
    """The settings as Zappa's own loader takes them, with some account's values."""
    filled = configure._PLACEHOLDER.sub(lambda match: match[1], TEXT).replace('"Region"', '"eu-central-1"')
    path = folder / "zappa_settings.json"
    path.write_text(filled)
    cli = ZappaCLI()
    cli.api_stage = stage
    cli.load_settings(str(path))
    return cli


@pytest.fixture(scope="module")
def zappa(tmp_path_factory) -> ZappaCLI:
    return read_by_zappa("default", tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def migrations(tmp_path_factory) -> ZappaCLI:
    return read_by_zappa("migrations", tmp_path_factory.mktemp("dist"))


def test_the_stage_is_part_of_the_address_and_the_other_one_has_none():
    stages = json.loads(TEXT)

    assert list(stages) == ["default", "migrations"]
    assert stages["migrations"]["apigateway_enabled"] is False


def test_every_placeholder_is_an_output_or_computed():
    assert configure.placeholders(TEXT) <= template()["Outputs"].keys() | configure.COMPUTED.keys()


def test_no_output_is_named_like_what_is_computed():
    assert not configure.COMPUTED.keys() & template()["Outputs"].keys()


def test_outputs_hold_no_secret():
    """Whoever may describe the stack reads them."""
    said = json.dumps(template()["Outputs"])

    assert "resolve:secretsmanager" not in said
    assert "YouTubeProxyUrl" not in said


@pytest.mark.parametrize("name", ["DATABASE_URL", "DJANGO_SECRET_KEY", "COGNITO_JWKS"])
def test_what_is_secret_or_changes_is_computed(name):
    assert configure.placeholders(VARIABLES[name]) <= configure.COMPUTED.keys()


def test_zappa_names_the_function_as_the_infrastructure_does(zappa):
    assert zappa.lambda_name == "yt-backend-default"
    assert properties("ApiLog")["LogGroupName"] == f"/aws/lambda/{zappa.lambda_name}"
    assert properties("Refresher")["Environment"]["Variables"]["FUNCTION"] == zappa.lambda_name


def test_zappa_runs_our_handler_on_the_newest_runtime(zappa):
    assert (zappa.lambda_handler, zappa.runtime) == ("ytbackend.lambda_handler.handler", "python3.13")


def test_zappa_uses_the_role_of_the_infrastructure_and_makes_none(zappa):
    assert (zappa.manage_roles, zappa.zappa.credentials_arn) == (False, "ApiRoleArn")


def test_zappa_puts_the_function_into_the_private_subnets(zappa):
    assert zappa.vpc_config == {"SubnetIds": ["PrivateSubnetA", "PrivateSubnetB"], "SecurityGroupIds": ["ApiFirewall"]}


def test_zappa_answers_within_the_gateways_time(zappa):
    assert zappa.timeout_seconds <= 29  # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html


def test_zappa_leaves_preflight_to_django(zappa):
    assert not zappa.cors


@pytest.mark.parametrize(("key", "value"), [("debug", False), ("keep_warm", False), ("binary_support", True)])
def test_what_zappa_would_choose_otherwise_is_said(key, value):
    assert SETTINGS[key] is value


def test_variables_are_lambdas_own_and_not_zappas():
    """Zappa's are applied by its own handler alone."""
    assert "environment_variables" not in SETTINGS
    assert "remote_env" not in SETTINGS


def test_no_variable_is_reserved_by_lambda():
    assert not VARIABLES.keys() & RESERVED


def test_every_variable_is_one_that_the_service_reads():
    known = re.findall(r"^#? ?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert VARIABLES.keys() <= set(known)


def test_function_and_worker_are_told_the_same_quotas_whose_defaults_are_the_settings():
    text = properties("WorkerEnvironment")["Value"]
    lines = dict(line.split("=", 1) for line in (text if isinstance(text, str) else text["Fn::Sub"]).splitlines())
    told = {name: value for name, value in VARIABLES.items() if name.startswith("QUOTA_")}
    usual = {name: template()["Parameters"][value.strip("${}")]["Default"] for name, value in told.items()}

    assert told == {name: value for name, value in lines.items() if name.startswith("QUOTA_")}
    assert {value: {"Value": {"Ref": value}} for value in (v.strip("${}") for v in told.values())}.items() <= (
        template()["Outputs"].items()
    )
    assert usual == {
        name: int(value)
        for name, value in re.findall(r"^(QUOTA_\w+)=(\d+)", (ROOT / ".env.example").read_text(), re.MULTILINE)
    }


def test_migrations_have_the_package_the_network_and_the_variables_of_the_api(zappa, migrations):
    same = ("lambda_handler", "runtime", "vpc_config", "aws_environment_variables", "desired_role_arn")

    assert [getattr(migrations, name) for name in same] == [getattr(zappa, name) for name in same]


def test_migrations_may_take_longer_than_a_request(migrations):
    assert migrations.timeout_seconds == 900


def test_migrations_are_called_by_nobody_else(migrations):
    assert (migrations.use_apigateway, migrations.stage_config["events"]) == (False, [])
    assert properties("MigrationsLog")["LogGroupName"] == f"/aws/lambda/{migrations.lambda_name}"


def test_nothing_that_the_deploy_check_asks_for_is_missing():
    needed = {"DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "DATABASE_URL", "SQS_QUEUE_URL", "S3_BUCKET"}

    assert needed | {"COGNITO_USER_POOL_ID", "COGNITO_CLIENT_IDS", "COGNITO_JWKS"} <= VARIABLES.keys()


def test_the_schedule_calls_the_sweep_every_minute():
    assert [(event["function"], event["expression"]) for event in SETTINGS["events"]] == [
        ("ytbackend.lambda_handler.sweep", "rate(1 minute)")
    ]


def test_the_alarm_watches_the_rule_that_zappa_makes(zappa):
    event = SETTINGS["events"][0]
    rule = zappa.zappa.get_scheduled_event_name(event, event["function"], zappa.lambda_name)

    assert properties("SweepMissing")["Dimensions"] == [{"Name": "RuleName", "Value": rule}]


def test_the_deployer_may_touch_the_rule_that_zappa_makes():
    allowed = json.dumps(resources("AWS::IAM::Role")["DeployerRole"])

    assert f":rule/{SETTINGS['project_name']}-default-*" in allowed


def test_the_page_says_why_for_every_key():
    page = (ROOT / "docs/deploy.md").read_text()
    table = page.partition("<!-- zappa_settings.json -->")[2].partition("\n\n#")[0]

    assert sorted(key for key in SETTINGS if f"`{key}`" not in table) == []
