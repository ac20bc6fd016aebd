"""What must stay true of the infrastructure, whoever changes it."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest
from django.urls import reverse

from tests.deployment.template import PATH, ROOT, actions, properties, resources, statements, template
from videos.metrics import NAMESPACE
from videos.sweeping import Swept
from ytbackend.roles import POOL_GROUPS

EVERYWHERE = "0.0.0.0/0"
ROLES = ("ApiRole", "WorkerRole", "DeployerRole", "RefresherRole")
# Nothing narrower exists for these: https://docs.aws.amazon.com/service-authorization/latest/reference/
WITHOUT_RESOURCE = {
    "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
    "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs",
    "events:ListRuleNamesByTarget", "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes",
    "cloudwatch:GetMetricStatistics",
}  # fmt: skip


def test_cloudformation_would_take_it():
    lint = "from cfnlint.runner import main; main()"
    done = subprocess.run([sys.executable, "-c", lint, str(PATH)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_every_rule_that_is_left_out_says_why():
    skips = [
        rule
        for resource in template()["Resources"].values()
        for rule in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    ]

    assert skips
    assert [rule for rule in skips if len(rule["comment"]) < 20] == []


# --- Network


def routes_of(subnet: str) -> list[dict]:
    """Where a subnet's packets may go beyond the network."""
    tables = [
        association["Properties"]["RouteTableId"]
        for association in resources("AWS::EC2::SubnetRouteTableAssociation").values()
        if association["Properties"]["SubnetId"] == {"Ref": subnet}
    ]
    return [
        route["Properties"]
        for route in resources("AWS::EC2::Route").values()
        if route["Properties"]["RouteTableId"] in tables
    ]


@pytest.mark.parametrize("subnet", ["PrivateSubnetA", "PrivateSubnetB"])
def test_the_apis_subnets_have_no_way_out(subnet):
    assert routes_of(subnet) == []
    assert "MapPublicIpOnLaunch" not in properties(subnet)


@pytest.mark.parametrize("subnet", ["WorkerSubnetA", "WorkerSubnetB"])
def test_the_workers_subnets_reach_the_internet(subnet):
    assert [route["DestinationCidrBlock"] for route in routes_of(subnet)] == [EVERYWHERE]


@pytest.mark.parametrize("pair", [("PrivateSubnetA", "PrivateSubnetB"), ("WorkerSubnetA", "WorkerSubnetB")])
def test_subnets_of_a_kind_lie_in_two_zones(pair):
    zones = [json.dumps(properties(subnet)["AvailabilityZone"]) for subnet in pair]

    assert len(set(zones)) == 2


def test_the_function_and_the_database_lie_in_the_private_subnets():
    private = [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}]
    outputs = template()["Outputs"]

    assert properties("DatabaseSubnets")["SubnetIds"] == private
    assert [outputs[name]["Value"] for name in ("PrivateSubnetA", "PrivateSubnetB")] == private


def test_nothing_comes_in_from_an_address():
    """Only from a security group of ours."""
    rules = [rule["Properties"] for rule in resources("AWS::EC2::SecurityGroupIngress").values()]
    inline = [
        group
        for group in resources("AWS::EC2::SecurityGroup").values()
        if "SecurityGroupIngress" in group["Properties"]
    ]

    assert inline == []
    assert [rule for rule in rules if "CidrIp" in rule or "SourceSecurityGroupId" not in rule] == []


def test_nothing_at_all_comes_in_to_the_worker_and_the_function():
    targets = [rule["Properties"]["GroupId"]["Ref"] for rule in resources("AWS::EC2::SecurityGroupIngress").values()]

    assert sorted(set(targets)) == ["DatabaseFirewall", "EndpointFirewall"]


def test_the_worker_may_ask_the_endpoints_whose_names_it_is_given():
    """Private DNS holds in the whole network, so without this rule the worker could not reach SQS."""
    sources = [
        rule["Properties"]["SourceSecurityGroupId"]["Ref"]
        for rule in resources("AWS::EC2::SecurityGroupIngress").values()
        if rule["Properties"]["GroupId"] == {"Ref": "EndpointFirewall"}
    ]

    assert sorted(sources) == ["ApiFirewall", "WorkerFirewall"]


def test_the_port_of_the_proxy_is_no_second_rule_for_https():
    """Duplicates are taken, but the update that removes one of them removes both:
    https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1534.
    """
    (proxy,) = resources("AWS::EC2::SecurityGroupEgress").values()
    https = [rule for rule in properties("WorkerFirewall")["SecurityGroupEgress"] if rule.get("FromPort") == 443]

    assert len(https) == 1
    assert (proxy["Condition"], proxy["Properties"]["FromPort"]) == ("HasProxyPort", {"Ref": "YouTubeProxyPort"})
    assert template()["Conditions"]["HasProxyPort"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "YouTubeProxyPort"}, str(https[0]["ToPort"])]}]
    }


def test_the_endpoint_of_s3_is_no_way_to_other_peoples_buckets():
    (statement,) = properties("S3Endpoint")["PolicyDocument"]["Statement"]

    assert statement["Resource"] == [{"Fn::GetAtt": ["Media", "Arn"]}, {"Fn::Sub": "${Media.Arn}/*"}]
    assert properties("S3Endpoint")["RouteTableIds"] == [{"Ref": "PrivateRoutes"}]


def test_the_endpoint_of_cognito_is_off_unless_it_is_wanted():
    assert template()["Parameters"]["CognitoEndpoint"]["Default"] == "false"
    assert resources()["CognitoEndpointInside"]["Condition"] == "HasCognitoEndpoint"


# --- What holds data


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("StorageEncrypted", {"Fn::If": ["HasSnapshot", {"Ref": "AWS::NoValue"}, True]}),
        ("PubliclyAccessible", False),
        ("DeletionProtection", True),
        ("ManageMasterUserPassword", True),
        ("BackupRetentionPeriod", 14),
        ("CopyTagsToSnapshot", True),
    ],
)
def test_the_database_is_kept_safe(name, value):
    assert properties("Database")[name] == value


def test_the_database_speaks_tls_only():
    assert properties("DatabaseParameters")["Parameters"]["require_secure_transport"] == "1"


def test_the_addresses_of_the_database_check_whom_they_reach():
    (pattern, _) = template()["Outputs"]["DatabaseUrlPattern"]["Value"]["Fn::Sub"]
    checks = "ssl-ca=ytbackend/rds-ca-bundle.pem&ssl_mode=VERIFY_IDENTITY"

    assert pattern.endswith(f"?{checks}")
    assert f"DATABASE_OPTIONS='{checks}'" in json.dumps(properties("WorkerTemplate"))


def test_the_authorities_of_rds_lie_where_the_addresses_say():
    text = (ROOT / "ytbackend/rds-ca-bundle.pem").read_text()
    regions = re.findall(r"^# Amazon RDS (\S+) Root CA RSA2048 G1$", text, re.MULTILINE)

    assert properties("Database")["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    assert {"eu-central-1", "eu-west-1", "us-east-1", "us-west-2"} <= set(regions)
    assert text.count("BEGIN CERTIFICATE") == len(regions)


@pytest.mark.parametrize("name", ["Database", "Media", "UserPool"])
def test_deleting_the_stack_deletes_no_data(name):
    assert resources()[name]["DeletionPolicy"] in ("Retain", "Snapshot")
    assert resources()[name]["UpdateReplacePolicy"] in ("Retain", "Snapshot")


@pytest.mark.parametrize("bucket", ["Media", "Artifacts"])
def test_a_bucket_is_private_and_encrypted(bucket):
    assert set(properties(bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties(bucket)["BucketEncryption"]


def test_what_is_deleted_from_the_media_is_gone():
    assert "VersioningConfiguration" not in properties("Media")


def test_a_browser_may_follow_the_apis_redirect_to_a_file():
    """It comes with "Origin: null" then: https://fetch.spec.whatwg.org/#http-redirect-fetch."""
    (rule,) = properties("Media")["CorsConfiguration"]["CorsRules"]

    assert rule["AllowedOrigins"] == ["*"]
    assert set(rule["AllowedMethods"]) == {"GET", "HEAD"}


def test_no_transcript_expires():
    rules = properties("Media")["LifecycleConfiguration"]["Rules"]

    assert [set(rule) - {"Id", "Status"} for rule in rules] == [{"AbortIncompleteMultipartUpload"}]


@pytest.mark.parametrize(
    ("policy", "protected"),
    [
        ("QueuesOverTlsOnly", {"Queues": [{"Ref": "Jobs"}, {"Ref": "DeadJobs"}]}),
        ("MediaOverTlsOnly", {"Bucket": {"Ref": "Media"}}),
        ("ArtifactsOverTlsOnly", {"Bucket": {"Ref": "Artifacts"}}),
    ],
)
def test_nobody_asks_without_tls(policy, protected):
    (statement,) = properties(policy)["PolicyDocument"]["Statement"]

    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert protected.items() <= properties(policy).items()


def test_a_job_that_nobody_can_do_is_put_aside_and_kept():
    assert properties("Jobs")["RedrivePolicy"]["maxReceiveCount"] == 10
    assert {properties(queue)["MessageRetentionPeriod"] for queue in ("Jobs", "DeadJobs")} == {14 * 24 * 3600}


def test_a_browser_signs_in_without_sending_its_password():
    client = properties("UserPoolClient")

    assert "ALLOW_USER_SRP_AUTH" in client["ExplicitAuthFlows"]
    assert "ALLOW_USER_PASSWORD_AUTH" not in client["ExplicitAuthFlows"]
    assert client["GenerateSecret"] is False


def test_the_pool_has_the_groups_that_let_staff_in():
    groups = {group["Properties"]["GroupName"] for group in resources("AWS::Cognito::UserPoolGroup").values()}

    assert groups == set(POOL_GROUPS.values())


def test_staff_have_no_page_to_sign_in_at_unless_it_is_wanted():
    client = properties("UserPoolClient")
    wanted = {
        name: client[name]["Fn::If"][1]
        for name in ("AllowedOAuthFlows", "AllowedOAuthFlowsUserPoolClient", "AllowedOAuthScopes")
    }

    assert template()["Parameters"]["AdminSignInDomainPrefix"]["Default"] == ""
    assert resources()["UserPoolDomain"]["Condition"] == "HasAdminSignIn"
    assert wanted == {
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthScopes": ["openid", "email"],
    }


@pytest.mark.parametrize(
    ("name", "page"), [("CallbackURLs", "admin:signed_in"), ("LogoutURLs", "admin:login")], ids=["callback", "logout"]
)
def test_cognito_sends_staff_back_to_pages_that_the_admin_has(name, page):
    condition, wanted, otherwise = properties("UserPoolClient")[name]["Fn::If"]
    separator, (text, values) = wanted["Fn::Split"][0], wanted["Fn::Split"][1]["Fn::Sub"]
    between, addresses = values["Addresses"]["Fn::Join"]
    path = reverse(page).removeprefix("/admin")

    assert (condition, otherwise) == ("HasAdminSignIn", {"Ref": "AWS::NoValue"})
    assert (text, between, addresses) == (f"${{Addresses}}{path}", f"{path}{separator}", {"Ref": "AdminAddresses"})


# --- Who may do what


def calls_to_sqs() -> set[str]:
    """The operations that the code asks for, as IAM names them: it knows no batches, but what they do one by one.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    """
    tree = ast.parse((ROOT / "videos/queue.py").read_text())
    return {
        "sqs:" + str(node.args[0].value).title().replace("_", "").removesuffix("Batch")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_call"
        if isinstance(node.args[0], ast.Constant)
    }


def test_the_worker_may_do_to_the_queue_what_the_code_does():
    assert actions("WorkerRole", resource="Jobs") == calls_to_sqs()


def test_the_api_sends_jobs_and_takes_none():
    taken = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}

    assert actions("ApiRole", resource="Jobs") == calls_to_sqs() - taken


@pytest.mark.parametrize("role", ["ApiRole", "WorkerRole"])
def test_the_sweep_settles_dead_letters_in_both_places(role):
    assert actions(role, resource="DeadJobs") == calls_to_sqs() - {"sqs:SendMessage", "sqs:ChangeMessageVisibility"}


@pytest.mark.parametrize("role", ["ApiRole", "WorkerRole"])
def test_files_are_reached_below_videos_only(role):
    assert actions(role, resource="${Media.Arn}/videos/*") == {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
    assert actions(role, resource="${Media.Arn}/*") == set()


@pytest.mark.parametrize("role", ["ApiRole", "WorkerRole"])
def test_a_missing_file_is_a_404(role):
    """S3 answers 403 to who may not list the bucket, also where a condition on a prefix cannot be met."""
    (listing,) = [statement for statement in statements(role) if statement["Action"] == "s3:ListBucket"]

    assert listing["Resource"] == {"Fn::GetAtt": ["Media", "Arn"]}
    assert "Condition" not in listing


@pytest.mark.parametrize("role", ROLES)
def test_what_is_allowed_everywhere_knows_no_narrower_resource(role):
    everywhere = [
        action
        for statement in statements(role)
        if statement["Effect"] == "Allow" and statement["Resource"] == "*"
        for action in statement["Action"]
    ]

    assert set(everywhere) <= WITHOUT_RESOURCE


@pytest.mark.parametrize("role", ROLES)
def test_nobody_may_do_everything_of_a_kind_but_to_its_own_functions(role):
    wild = [
        statement["Sid"]
        for statement in statements(role)
        if statement["Effect"] == "Allow" and str(statement["Action"]).endswith(":*")
    ]

    assert wild == (["Functions"] if role == "DeployerRole" else [])


def test_the_deployer_hands_on_the_apis_role_alone():
    (passing,) = [statement for statement in statements("DeployerRole") if "iam:PassRole" in statement["Action"]]

    assert passing["Resource"] == {"Fn::GetAtt": ["ApiRole", "Arn"]}


@pytest.mark.parametrize("service", ["lambda", "apigateway", "events"])
def test_everybody_whom_zappa_hands_the_role_to_can_assume_it(service):
    """The gateway's integration calls the function by it, and PutRule refuses one that EventBridge cannot assume:
    https://github.com/zappa/Zappa/issues/906.
    """
    (trust,) = properties("ApiRole")["AssumeRolePolicyDocument"]["Statement"]
    (passing,) = [statement for statement in statements("DeployerRole") if statement["Sid"] == "OnlyItsRole"]

    assert f"{service}.amazonaws.com" in trust["Principal"]["Service"]
    assert f"{service}.amazonaws.com" in passing["Condition"]["StringEquals"]["iam:PassedToService"]


def test_the_gateway_may_call_the_function_and_nothing_else():
    (calling,) = [statement for statement in statements("ApiRole") if statement["Action"] == "lambda:InvokeFunction"]

    assert calling["Resource"]["Fn::Sub"].endswith(":function:yt-backend-default")


def test_neither_the_api_nor_the_worker_reads_djangos_secret_key():
    readers = [role for role in ROLES if "DjangoSecret" in json.dumps(statements(role))]

    assert readers == ["DeployerRole", "RefresherRole"]


# --- What the function does not answer itself


def test_the_frontend_reads_what_the_gateway_answers_by_itself():
    answers = [found["Properties"] for found in resources("AWS::ApiGateway::GatewayResponse").values()]
    frontend = {"Fn::Sub": ["'${Origin}'", {"Origin": {"Fn::Select": [0, {"Ref": "FrontendOrigins"}]}}]}

    assert sorted(answer["ResponseType"] for answer in answers) == ["DEFAULT_4XX", "DEFAULT_5XX"]
    for answer in answers:
        headers = answer["ResponseParameters"]
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == frontend
        assert headers["gatewayresponse.header.Vary"] == "'Origin'"
        assert headers["gatewayresponse.header.X-Content-Type-Options"] == "'nosniff'"
        assert "StatusCode" not in answer
        text = answer["ResponseTemplates"]["application/json"]
        body = json.loads(text.replace("$context.error.messageString", '"said"'))
        assert body.keys() == {"type", "title", "code", "detail"}


def test_nobody_is_let_in_by_an_answer_that_repeats_his_origin():
    assert "method.request.header" not in PATH.read_text()


def test_the_frontend_reads_that_it_asks_too_often():
    (rate,) = [rule for rule in properties("WebAcl")["Rules"] if rule["Name"] == "rate"]
    headers = {entry["Name"]: entry["Value"] for entry in rate["Action"]["Block"]["CustomResponse"]["ResponseHeaders"]}

    assert headers["Access-Control-Allow-Origin"] == {"Fn::Select": [0, {"Ref": "FrontendOrigins"}]}
    assert headers["Retry-After"] == "300"


# --- Machines


def test_a_machines_credentials_are_not_had_by_a_request_that_it_was_tricked_into():
    metadata = properties("WorkerTemplate")["LaunchTemplateData"]["MetadataOptions"]

    assert (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]) == ("required", 1)


def test_a_machine_has_no_key_for_a_shell():
    assert "KeyName" not in properties("WorkerTemplate")["LaunchTemplateData"]


def test_there_is_no_machine_while_there_is_nothing_to_do():
    assert properties("WorkerGroup")["MinSize"] == "0"
    assert "DesiredCapacity" not in properties("WorkerGroup")  # an update of the stack must not set it back


def test_a_new_machine_is_protected_until_it_knows_better():
    assert properties("WorkerGroup")["NewInstancesProtectedFromScaleIn"] is True


def test_a_machine_that_has_to_go_has_longer_than_a_worker_needs():
    grace = int(re.search(r"GRACE_SECONDS=(\d+)", (ROOT / ".env.example").read_text())[1])

    assert properties("WorkerLeaves")["HeartbeatTimeout"] >= 60 + 2 * grace  # up to a minute until it is noticed


def test_the_machines_go_only_after_no_job_was_in_hand_for_long():
    alarm = properties("NothingToDo")
    counted = {metric["MetricStat"]["Metric"]["MetricName"] for metric in alarm["Metrics"] if "MetricStat" in metric}

    assert counted == {f"ApproximateNumberOfMessages{state}" for state in ("Visible", "NotVisible", "Delayed")}
    assert alarm["EvaluationPeriods"] == 15
    assert alarm["TreatMissingData"] == "notBreaching"


# --- Alarms


def test_every_alarm_says_what_to_do_and_to_whom():
    silent = [
        name
        for name, alarm in resources("AWS::CloudWatch::Alarm").items()
        if len(alarm["Properties"]["AlarmDescription"]) < 40 or not alarm["Properties"]["AlarmActions"]
    ]

    assert silent == []


def test_there_is_an_alarm_for_everything_that_has_to_be_watched():
    watched = {
        (alarm["Properties"]["Namespace"], alarm["Properties"]["MetricName"])
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        if "MetricName" in alarm["Properties"]
    }

    assert watched == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/ApiGateway", "5XXError"),
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Events", "Invocations"),
        ("AWS/RDS", "DatabaseConnections"),
        ("AWS/RDS", "FreeStorageSpace"),
        ("yt-backend", "OldestWaiting"),
        ("yt-backend", "SweepTakenBack"),
    }


def test_metrics_of_our_own_are_switched_on_where_an_alarm_needs_them():
    """Both are the sweep's, which runs on Lambda: a worker's log does not reach CloudWatch by itself."""
    ours = {
        alarm["Properties"]["MetricName"]: alarm["Properties"].get("Dimensions")
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("Namespace") == NAMESPACE
    }
    written = (ROOT / "ytbackend/management/commands/sweep.py").read_text() + " ".join(
        "Sweep" + name.title().replace("_", "") for name in Swept._fields
    )

    assert ours == {"OldestWaiting": None, "SweepTakenBack": None}
    assert [name for name in ours if name not in written] == []
    zappa = json.loads((ROOT / "zappa_settings.json").read_text())["default"]
    assert zappa["aws_environment_variables"]["METRICS"] == "emf"


def test_what_needs_the_api_waits_for_it():
    waiting = {name for name, resource in resources().items() if resource.get("Condition") == "HasApi"}

    assert waiting == {"ApiFails", "GatewayFails", "GatewayRefuses", "SweepMissing", "WebAcl", "WebAclOfApi"}


def test_a_link_in_a_body_is_no_attack():
    """It is what the API is for."""
    common = next(rule for rule in properties("WebAcl")["Rules"] if rule["Name"] == "common")
    overrides = common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]

    assert {"GenericRFI_BODY", "EC2MetaDataSSRF_BODY"} <= {rule["Name"] for rule in overrides}


# --- The page that leads through it

PAGE = (ROOT / "docs/deploy.md").read_text()


def test_the_page_asks_for_outputs_that_there_are():
    names = set(re.findall(r"\$\(output (\w+)\)", PAGE))

    assert len(names) >= 6
    assert names <= template()["Outputs"].keys()


def test_the_page_sets_parameters_that_there_are():
    lines = re.findall(r"--parameter-overrides (.+)", PAGE)
    names = {name for line in lines for name in re.findall(r"\b([A-Z]\w+)=", line)}

    assert len(names) >= 6
    assert names <= template()["Parameters"].keys()


def test_the_page_says_what_to_do_at_each_alarm_that_is_sent():
    sent = [
        alarm["Properties"]["AlarmName"].removeprefix("yt-backend ")
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["AlarmActions"] == [{"Ref": "Alarms"}]
    ]

    assert [name for name in sent if f"`{name}`" not in PAGE] == []


def test_attributes_of_attributes_are_written_at_length():
    """Stand-ins for CloudFormation read ``!GetAtt A.B.C`` wrongly."""
    assert re.findall(r"!GetAtt \w+\.\w+\.\w+", PATH.read_text()) == []


CHECKOV = "3.3.30"  # in an environment of its own: it wants other versions of boto3 and much else


@pytest.mark.timeout(900)
def test_the_rules_of_others_for_safe_infrastructure_hold():
    """https://www.checkov.io: each rule that is left out stands in the template with its reason."""
    folder = ROOT / f"dist/.cache/checkov-{CHECKOV}"
    if not (folder / "complete").exists():
        if not os.environ.get("CI"):
            pytest.skip(f"python -m venv {folder}, install checkov=={CHECKOV} there and touch {folder}/complete")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, f"checkov=={CHECKOV}"], check=True)
        (folder / "complete").touch()
    check = [str(folder / "bin/checkov"), "--file", str(PATH), "--framework", "cloudformation", "--compact", "--quiet"]
    done = subprocess.run([*check, "--skip-download"], capture_output=True, text=True, check=False)

    assert (done.returncode, "Failed checks: 0" in done.stdout) == (0, True), done.stdout
