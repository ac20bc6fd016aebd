"""Stacks of the local AWS: nothing of a template gets lost unnoticed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws.account import LocalAws


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    with LocalAws(database_host="127.1.2.3") as aws:
        yield aws


@pytest.fixture
def outputs(account, request):
    """Creates a stack of these resources, and gives its outputs."""

    def create(resources: dict[str, Any], outputs: dict[str, Any], **template: Any) -> dict[str, str]:
        name = f"s-{abs(hash(request.node.name))}"
        given = {name: {"Value": value} for name, value in outputs.items()}
        body = json.dumps({"Resources": resources, "Outputs": given, **template})
        cloudformation = account.client("cloudformation")
        cloudformation.create_stack(StackName=name, TemplateBody=body)
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    return create


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def attribute(resource: str, name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [resource, name]}


def test_a_type_that_nobody_knows_is_refused_by_its_name(outputs):
    with pytest.raises(
        ClientError, match=r"AWS::Quantum::Computer is not known here\. Make it in local/aws/cloudformation"
    ):
        outputs({"It": {"Type": "AWS::Quantum::Computer"}}, {})


def test_a_type_that_is_left_out_has_an_id_all_the_same(outputs):
    assert outputs({"It": {"Type": "AWS::CloudWatch::Alarm", "Properties": {}}}, {"Id": ref("It")})["Id"]


def test_a_user_pool_and_its_client_are_made(account, outputs):
    resources = {
        "Pool": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": "people"}},
        "Web": {"Type": "AWS::Cognito::UserPoolClient", "Properties": {"UserPoolId": ref("Pool"), "ClientName": "web"}},
        "Staff": {
            "Type": "AWS::Cognito::UserPoolGroup",
            "Properties": {"UserPoolId": ref("Pool"), "GroupName": "staff"},
        },
    }

    made = outputs(resources, {"Pool": ref("Pool"), "Web": ref("Web"), "Url": attribute("Pool", "ProviderURL")})

    cognito = account.client("cognito-idp")
    client = cognito.describe_user_pool_client(UserPoolId=made["Pool"], ClientId=made["Web"])["UserPoolClient"]
    assert (client["ClientName"], "ClientSecret" in client) == ("web", False)
    assert [group["GroupName"] for group in cognito.list_groups(UserPoolId=made["Pool"])["Groups"]] == ["staff"]
    assert made["Url"] == f"https://cognito-idp.us-east-1.amazonaws.com/{made['Pool']}"


def test_a_secret_is_made_up_as_it_is_asked_for(account, outputs):
    wanted = {"PasswordLength": 40, "ExcludePunctuation": True, "ExcludeCharacters": "aeiou"}
    made = outputs(
        {"It": {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": wanted}}},
        {"Arn": ref("It")},
    )

    text = account.client("secretsmanager").get_secret_value(SecretId=made["Arn"])["SecretString"]
    assert (len(text), text.isalnum(), set(text) & set("aeiou")) == (40, True, set())


def test_a_database_has_its_password_in_a_secret_and_is_where_it_was_said_to_be(account, outputs):
    database = {"Engine": "mysql", "MasterUsername": "owner", "ManageMasterUserPassword": True}
    made = outputs(
        {"Db": {"Type": "AWS::RDS::DBInstance", "Properties": database}},
        {"Host": attribute("Db", "Endpoint.Address"), "Arn": attribute("Db", "MasterUserSecret.SecretArn")},
    )

    secret = json.loads(account.client("secretsmanager").get_secret_value(SecretId=made["Arn"])["SecretString"])
    assert (made["Host"], secret["username"], len(secret["password"])) == ("127.1.2.3", "owner", 28)


def test_no_value_takes_its_place_out_of_a_list(outputs):
    joined = {"Fn::Join": [",", ["a", {"Fn::If": ["Never", "b", {"Ref": "AWS::NoValue"}]}, "c"]]}
    topic = {"It": {"Type": "AWS::SNS::Topic", "Properties": {}}}

    assert outputs(topic, {"All": joined}, Conditions={"Never": {"Fn::Equals": ["x", "y"]}})["All"] == "a,c"


def test_the_default_of_a_list_is_a_list(outputs):
    parameters = {"Origins": {"Type": "CommaDelimitedList", "Default": "https://a.example,https://b.example"}}
    topic = {"It": {"Type": "AWS::SNS::Topic", "Properties": {}}}

    joined = outputs(topic, {"All": {"Fn::Join": [" ", ref("Origins")]}}, Parameters=parameters)["All"]

    assert joined == "https://a.example https://b.example"
