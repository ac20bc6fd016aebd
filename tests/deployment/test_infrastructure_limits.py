"""Where the infrastructure's roles, firewalls and alarms end, and the names that it shares with Zappa's settings."""

import json
import re

import pytest

from tests.deployment.template import ROOT, properties, statements, template

SETTINGS = json.loads((ROOT / "zappa_settings.json").read_text())
FUNCTION = SETTINGS["default"]["project_name"] + "-default"


def statement(role: str, sid: str) -> dict:
    return next(found for found in statements(role) if found["Sid"] == sid)


def test_the_functions_code_is_denied_what_lambda_needs_for_its_network():
    deny = statement("ApiRole", "NotFromTheCodeItself")
    functions = [found["Fn::Sub"] for found in deny["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]]

    assert (deny["Effect"], deny["Action"]) == ("Deny", "ec2:*NetworkInterface*")
    assert [name.rpartition(":")[2] for name in functions] == [FUNCTION, "yt-backend-migrations"]


def test_every_function_of_the_apis_role_has_a_log_that_it_may_write():
    logs = statement("ApiRole", "Log")["Resource"]
    names = [properties(found["Fn::GetAtt"][0])["LogGroupName"] for found in logs]

    assert names == [f"/aws/lambda/{SETTINGS['default']['project_name']}-{stage}" for stage in SETTINGS]


def test_the_refresher_changes_the_api_and_no_other_function():
    assert statement("RefresherRole", "TheApisVariables")["Resource"]["Fn::Sub"].endswith(f":function:{FUNCTION}")


def test_the_worker_reads_of_the_artifacts_what_is_its_own():
    assert statement("WorkerRole", "Itself")["Resource"] == {"Fn::Sub": "${Artifacts.Arn}/worker*"}


def test_the_deployer_reaches_apis_and_no_domains_or_keys():
    parts = [found["Fn::Sub"].rpartition("::")[2] for found in statement("DeployerRole", "Gateway")["Resource"]]

    assert parts == ["/restapis", "/restapis/*", "/tags/*"]


def test_nobody_outside_the_account_becomes_the_deployer_unless_named():
    (trust,) = properties("DeployerRole")["AssumeRolePolicyDocument"]["Statement"]
    own = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}

    assert trust["Principal"] == {"AWS": {"Fn::If": ["HasDeployer", {"Ref": "DeployerPrincipal"}, own]}}


@pytest.mark.parametrize("endpoint", ["S3Endpoint", "SqsEndpoint"])
def test_an_endpoint_is_for_this_account_and_its_own_things(endpoint):
    (allowed,) = properties(endpoint)["PolicyDocument"]["Statement"]

    assert allowed["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
    assert "*" not in allowed["Resource"]


def test_the_api_calls_mysql_and_https_alone():
    rules = properties("ApiFirewall")["SecurityGroupEgress"]

    assert [(rule["FromPort"], rule["ToPort"]) for rule in rules] == [(3306, 3306), (443, 443)]


@pytest.mark.parametrize("queue", ["Jobs", "DeadJobs"])
def test_a_queue_is_encrypted(queue):
    assert properties(queue)["SqsManagedSseEnabled"] is True


def test_a_machines_disk_is_encrypted():
    (disk,) = properties("WorkerTemplate")["LaunchTemplateData"]["BlockDeviceMappings"]

    assert disk["Ebs"]["Encrypted"] is True


def test_users_are_not_deleted_by_a_slip():
    assert properties("UserPool")["DeletionProtection"] == "ACTIVE"


def test_a_burst_is_refused_and_not_just_counted():
    rate = next(rule for rule in properties("WebAcl")["Rules"] if rule["Name"] == "rate")

    assert list(rate["Action"]) == ["Block"]
    assert rate["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 429


def test_the_firewall_stands_before_the_stage_that_zappa_deploys():
    assert properties("WebAclOfApi")["ResourceArn"]["Fn::Sub"].endswith("/restapis/${ApiId}/stages/default")


def test_the_alarm_of_the_sweep_watches_the_rule_that_zappa_makes():
    (event,) = SETTINGS["default"]["events"]
    (dimension,) = properties("SweepMissing")["Dimensions"]

    assert dimension["Value"] == f"{FUNCTION}-{event['function']}"


def test_keys_and_password_are_never_older_than_a_minute():
    assert properties("RefresherSchedule")["ScheduleExpression"] == "rate(1 minute)"
    assert properties("RefresherAtRotation")["EventPattern"]["detail"]["eventName"] == ["RotationSucceeded"]


def test_what_is_measured_of_the_jobs_is_what_the_machines_go_by():
    (total,) = [found for found in properties("NothingToDo")["Metrics"] if "Expression" in found]
    measured = {found["Id"] for found in properties("NothingToDo")["Metrics"]} - {total["Id"]}

    assert set(re.findall(r"[a-z]+", total["Expression"])) == measured


def test_no_news_of_machines_means_that_there_are_none():
    (needed,) = [found for found in properties("WorkWithoutWorker")["Metrics"] if "Expression" in found]

    assert needed["Expression"] == "IF(FILL(machines, 0) < 1, waiting, 0)"


def test_a_machine_that_says_nothing_goes_all_the_same():
    assert properties("WorkerLeaves")["DefaultResult"] == "CONTINUE"
    assert template()["Parameters"]["WorkerMaximum"]["MinValue"] == 0
