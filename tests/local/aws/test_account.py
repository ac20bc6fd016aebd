"""The local AWS: functions that really run, and what stands in front of them."""

import io
import json
import ssl
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws.account import LocalAws, NotDeployed
from local.aws.permissions import not_allowed

CODE = """
import json, os
def handler(event, context):
    print("handled")
    if event.get("fail"):
        raise ValueError("on purpose")
    return {"statusCode": 200, "body": os.environ["VERSION"], "seen": sorted(event)}
"""
ROLE = "arn:aws:iam::123456789012:role/runs-functions"


@pytest.fixture(scope="module")
def account(lambdas_python) -> Iterator[LocalAws]:
    with LocalAws() as aws:
        aws.client("iam").create_role(
            RoleName="runs-functions", AssumeRolePolicyDocument=trusting("lambda.amazonaws.com")
        )
        yield aws


def trusting(*services: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allowing(action: str, resource: str = "*") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def package(code: str = CODE) -> bytes:
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        archive.writestr(zipfile.ZipInfo("code.py"), code)  # without the time, so that the same code is the same bytes
    return packed.getvalue()


@pytest.fixture
def function(account, request) -> Iterator[Any]:
    """A function of the test's own; gives its configuration."""
    client = account.client("lambda")
    name = f"f-{abs(hash(request.node.name))}"
    made = client.create_function(
        FunctionName=name,
        Role=ROLE,
        Runtime="python3.13",
        Handler="code.handler",
        Code={"ZipFile": package()},
        Environment={"Variables": {"VERSION": "one"}},
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        Publish=True,
    )
    yield made
    client.delete_function(FunctionName=name)


def invoke(account: LocalAws, name: str, event: Any) -> tuple[Any, str | None]:
    answer = account.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def test_an_uploaded_function_runs(account, function):
    answer, error = invoke(account, function["FunctionName"], {"a": 1})

    assert (answer["body"], answer["seen"], error) == ("one", ["a"], None)


def test_a_function_that_fails_says_so(account, function):
    answer, error = invoke(account, function["FunctionName"], {"fail": True})

    assert (answer["errorType"], answer["errorMessage"], bool(error)) == ("ValueError", "on purpose", True)


def test_new_variables_and_new_code_are_in_force_at_once(account, function):
    client, name = account.client("lambda"), function["FunctionName"]
    invoke(account, name, {})

    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"VERSION": "two"}})
    assert invoke(account, name, {})[0]["body"] == "two"
    client.update_function_code(FunctionName=name, ZipFile=package("def handler(event, context): return 'new'"))
    assert invoke(account, name, {})[0] == "new"


def test_variables_are_not_written_over_somebodys_newer_ones(account, function):
    client, name = account.client("lambda"), function["FunctionName"]
    old = client.get_function_configuration(FunctionName=name)["RevisionId"]
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"VERSION": "newer"}})

    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.update_function_configuration(
            FunctionName=name, RevisionId=old, Environment={"Variables": {"VERSION": "late"}}
        )


def test_the_log_is_kept(account, function):
    invoke(account, function["FunctionName"], {})

    found = account.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function['FunctionName']}")
    assert "handled" in [event["message"] for event in found["events"]]


def test_the_code_of_a_version_can_be_downloaded_as_a_rollback_does(account, function):
    name = f"function:{function['FunctionName']}:{function['Version']}"

    location = account.client("lambda").get_function(FunctionName=name)["Code"]["Location"]

    with urllib.request.urlopen(location, timeout=10) as code:
        assert code.read() == package()


# --- The schedule


def scheduled(account: LocalAws, function: Any, *, permitted: bool = True, state: str = "ENABLED") -> str:
    events, name = account.client("events"), f"rule-of-{function['FunctionName']}"
    arn = events.put_rule(Name=name, ScheduleExpression="rate(1 minute)", State=state)["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function["FunctionArn"].removesuffix(":1")}])
    if permitted:
        account.client("lambda").add_permission(
            FunctionName=function["FunctionName"],
            StatementId="1",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=arn,
        )
    return name


def test_a_rule_invokes_its_function(account, function):
    [outcome] = account.fire(scheduled(account, function))

    assert "detail-type" in outcome.answer["seen"]


def test_a_rule_that_the_functions_policy_does_not_name_invokes_nothing(account, function):
    with pytest.raises(NotDeployed, match=r"does not let events\.amazonaws\.com call it"):
        account.fire(scheduled(account, function, permitted=False))


def test_a_rule_that_is_off_invokes_nothing(account, function):
    with pytest.raises(NotDeployed, match="is off"):
        account.fire(scheduled(account, function, state="DISABLED"))


# --- The REST API


def deployed(account: LocalAws, function: Any, role: str = ROLE, *, binary: bool = True) -> str:
    """As Zappa does it; gives the address."""
    api = account.client("apigateway")
    made = api.create_rest_api(name=function["FunctionName"])
    if binary:
        patch = {"op": "add", "path": "/binaryMediaTypes/*~1*"}
        api.update_rest_api(restApiId=made["id"], patchOperations=[patch])
    where = {"restApiId": made["id"], "resourceId": made["rootResourceId"], "httpMethod": "ANY"}
    arn = function["FunctionArn"].removesuffix(":1")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    api.put_method(**where, authorizationType="NONE")
    api.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri, credentials=role)
    api.create_deployment(restApiId=made["id"], stageName="default")
    return f"https://{made['id']}.execute-api.us-east-1.amazonaws.com/default"


def trouble(account: LocalAws, address: str) -> str:
    """Why a request got no answer of the function."""
    assert get(account, address)[0] == 502
    return account.rest_apis.troubles[-1]


def get(account: LocalAws, address: str) -> tuple[int, bytes]:
    environment = account.environment()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": environment["HTTPS_PROXY"]}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])),
    )
    try:
        with opener.open(address, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture
def role(account, request) -> Iterator[str]:
    """One by which API Gateway may call the functions."""
    iam, name = account.client("iam"), f"r-{abs(hash(request.node.name))}"
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting("apigateway.amazonaws.com"))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allowing("lambda:InvokeFunction"))
    return made["Role"]["Arn"]


def test_a_rest_api_answers_at_its_own_address(account, function, role):
    assert get(account, deployed(account, function, role)) == (200, b"one")


def test_a_rest_api_whose_role_cannot_be_taken_on_answers_nothing(account, function):
    assert "does not name apigateway.amazonaws.com" in trouble(account, deployed(account, function))


def test_a_rest_api_whose_role_may_not_call_the_function_answers_nothing(account, function, role):
    account.client("iam").delete_role_policy(RoleName=role.rpartition("/")[2], PolicyName="p")

    assert "does not allow lambda:InvokeFunction" in trouble(account, deployed(account, function, role))


def test_a_rest_api_without_binary_support_answers_nothing(account, function, role):
    assert "no binary support" in trouble(account, deployed(account, function, role, binary=False))


def test_there_is_nothing_at_other_addresses(account, function, role):
    address = deployed(account, function, role)

    assert get(account, f"{address}s")[0] == 403
    assert get(account, "https://nobody.execute-api.us-east-1.amazonaws.com/default")[0] == 403


def test_hosts_of_others_are_refused_and_written_down(account):
    with pytest.raises(OSError, match="502"):
        get(account, "https://example.com/")

    assert account.names.refused[-1] == "example.com"


# --- Who did what


def test_what_a_function_did_is_compared_with_its_roles_policy(account):
    iam, client = account.client("iam"), account.client("sqs")
    made = iam.create_role(RoleName="sends", AssumeRolePolicyDocument=trusting("lambda.amazonaws.com"))["Role"]["Arn"]
    queue = client.create_queue(QueueName="of-somebody")["QueueUrl"]
    account.client("sqs", role="sends").send_message(QueueUrl=queue, MessageBody="x")

    assert [line.split(" ")[0] for line in not_allowed(made, account.calls)] == ["sqs:SendMessage"]
    iam.put_role_policy(RoleName="sends", PolicyName="p", PolicyDocument=allowing("sqs:Send*"))
    assert not_allowed(made, account.calls) == []
