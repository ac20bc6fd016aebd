"""What the one who deploys does first: package, infrastructure, settings; and what becomes of passwords and rights."""

import json
import subprocess
import sys
import zipfile
from typing import Any

from local import speech_model
from local.aws import permissions
from local.aws.database import authority_in
from local.aws.fronts import ACCOUNT
from local.aws.functions import ROOT
from local.rehearsal.scene import FUNCTION, PACKAGE, STACK, Scene, expect, expect_status

ROLES = ("ApiRole", "WorkerRole", "RefresherRole", "DeployerRole")
# What nobody is seen asking for: the last two are CloudFormation's, in the deployer's name.
UNSEEN = ("iam:PassRole", "lambda:ListFunctionUrlConfigs", "apigateway:PUT", "apigateway:DELETE")


def build_package(scene: Scene) -> str:
    """The package, unless the one that is there is made of this source."""
    command = [sys.executable, "-m", "deployment.package"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    expect(done.returncode == 0 and PACKAGE.is_file(), done.stdout + done.stderr)
    return f"{PACKAGE.stat().st_size / 1e6:.1f} MB"


def create_stack(scene: Scene) -> str:
    """Every resource and every output."""
    scene.aws.client("cloudformation").create_stack(**_template())
    _read_stack(scene, "CREATE_COMPLETE")
    secret = scene.aws.client("secretsmanager").get_secret_value(SecretId=scene.outputs["DatabaseSecretArn"])
    scene.database.admit(**json.loads(secret["SecretString"]))
    return f"{len(scene.resources)} resources, {len(scene.outputs)} outputs"


def name_the_api(scene: Scene) -> str:
    """The stack learns which API Zappa has made; then the settings allow its host alone."""
    host = scene.visitor.api.split("/")[2]
    scene.aws.client("cloudformation").update_stack(**_template(ApiId=host.split(".")[0]))
    _read_stack(scene, "UPDATE_COMPLETE")
    expect(scene.outputs["AllowedHosts"] == host, scene.outputs["AllowedHosts"])
    return host


def configure(scene: Scene) -> str:
    """Both files, whole and private. In the package, this database's certificate authority takes the place of RDS's."""
    scene.run(sys.executable, "-m", "deployment.configure", STACK, "--to", str(scene.folder))
    for path in (scene.settings, scene.worker_env):
        expect(path.stat().st_mode & 0o777 == 0o600, f"{path} can be read by others")
        expect("${" not in path.read_text() and "VERIFY_IDENTITY" in path.read_text(), path.read_text())
    authority = authority_in(scene.settings.read_text())
    with zipfile.ZipFile(PACKAGE) as package:
        expect(authority in package.namelist(), f"The database URL names {authority}, which is not in the package")
    scene.aws.functions.replaced[authority] = scene.database.authority
    return f"{scene.settings.name}, {scene.worker_env.name}"


def rotate_password(scene: Scene) -> str:
    """As RDS does it every seven days. The function gets it by its variables, within the refresher's minute."""
    secret = scene.outputs["DatabaseSecretArn"]
    secrets_manager = scene.aws.client("secretsmanager")
    words = json.loads(secrets_manager.get_secret_value(SecretId=secret)["SecretString"])
    words["password"] = f"{words['password'][::-1]}%/@:'é"
    secrets_manager.put_secret_value(SecretId=secret, SecretString=json.dumps(words))
    scene.database.admit(**words)
    before = _variables(scene)
    rule = scene.resources["RefresherSchedule"]
    for outcome in scene.aws.fire(rule):
        expect(outcome.error is None, outcome)
    changed = sorted(name for name, value in _variables(scene).items() if value != before.get(name, ""))
    expect(changed == ["DATABASE_URL"], f"changed: {changed}")
    expect_status(scene.visitor.call("GET", "/health"), 200)
    return "the function has the new one"


def compare_permissions(scene: Scene) -> str:
    """Whatever API, worker, refresher and deployer did is in their roles' policies."""
    roles = [f"arn:aws:iam::{ACCOUNT}:role/{scene.resources[name]}" for name in ROLES]
    missing = {role: found for role in roles if (found := permissions.not_allowed(role, scene.aws.calls))}
    names = {call.who for call in scene.aws.calls}
    silent = [role for role in roles if role.rpartition("/")[2] not in names]
    expect(not missing and not silent, f"not allowed: {json.dumps(missing, indent=1)}; did nothing: {silent}")
    unseen = [action for action in UNSEEN if not permissions.may(scene.outputs["DeployerRoleArn"], action)]
    expect(not unseen, f"the deployer's role does not allow {unseen}")
    return f"{len(scene.aws.calls)} kinds of calls"


def _variables(scene: Scene) -> dict[str, str]:
    found = scene.aws.client("lambda").get_function_configuration(FunctionName=FUNCTION)
    variables: dict[str, str] = found["Environment"]["Variables"]
    return variables


def _template(**parameters: str) -> dict[str, Any]:
    given = {"SpeechModel": str(speech_model.folder())} | parameters
    return {
        "StackName": STACK,
        "TemplateBody": (ROOT / "infrastructure.yaml").read_text(),
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }


def _read_stack(scene: Scene, status: str) -> None:
    cloudformation = scene.aws.client("cloudformation")
    stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    expect(stack["StackStatus"] == status, stack)
    scene.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK):
        for found in page["StackResourceSummaries"]:
            scene.resources[found["LogicalResourceId"]] = found["PhysicalResourceId"]
