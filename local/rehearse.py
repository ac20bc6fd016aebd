"""``make rehearse``: a first deployment and its life, on this machine, with nothing of AWS but its interfaces.

The stack of ``infrastructure.yaml`` is created, the settings come from its outputs, Zappa deploys the package, a user
signs in and has two videos transcribed, the schedule runs, the API is updated, rolled back, looked at and taken down.
Every line is a step whose outcome was checked; the first one that fails ends it with exit code 1.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local import permissions, speech_model
from local.account_database import AccountDatabase, authority_in
from local.aws import LocalAws, NotDeployed
from local.fronts import ACCOUNT
from local.functions import ROOT
from local.visitor import Reply, Visitor
from local.youtube import StandIn, sample_videos

STACK, STAGE, FUNCTION = "yt-backend", "default", "yt-backend-default"
ROLES = ("ApiRole", "WorkerRole", "RefresherRole", "DeployerRole")
# What nobody is seen asking for: the last two are CloudFormation's, in the deployer's name.
UNSEEN = ("iam:PassRole", "lambda:ListFunctionUrlConfigs", "apigateway:PUT", "apigateway:DELETE")
PACKAGE = ROOT / "dist" / "yt-backend.zip"
CAPTIONS, VOICE = "https://youtu.be/SampleCapt1", "https://youtu.be/SampleVoice"
NOT_REAL = """
Not real here, and so not shown: AWS itself. IAM (what was done was compared with the policies of who did it, but
without conditions, and for most services without resources); the network, its endpoints and firewalls; RDS and
MySQL 8.4 (a MariaDB with TLS took its place); Amazon Linux (the package ran under its own libraries on this system's
C library); the proof in Cognito's sign-in; the worker's machine, its image and scaling; WAF, alarms and metrics;
CloudFront and certificates; concurrency, throttling and billing; YouTube (a stand-in took its place)."""


class Failed(Exception):
    """A step had another outcome than it should; the text is what was seen."""


class Rehearsal:
    """What the steps share."""

    def __init__(self, folder: Path, aws: LocalAws, database: AccountDatabase, youtube: StandIn) -> None:
        self.folder, self.aws, self.database, self.youtube = folder, aws, database, youtube
        self.settings, self.worker_env = folder / "zappa_settings.json", folder / "worker.env"
        self.outputs: dict[str, str] = {}
        self.resources: dict[str, str] = {}
        self.visitor = Visitor(aws, "")

    # --- The account

    def build_package(self) -> str:
        """The package, unless the one that is there is made of this source."""
        command = [sys.executable, "-m", "deployment.package"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        _expect(done.returncode == 0 and PACKAGE.is_file(), done.stdout + done.stderr)
        return f"{PACKAGE.stat().st_size / 1e6:.1f} MB"

    def create_stack(self) -> str:
        """Every resource and every output."""
        cloudformation = self.aws.client("cloudformation")
        template = (ROOT / "infrastructure.yaml").read_text()
        model = {"ParameterKey": "SpeechModel", "ParameterValue": str(speech_model.folder())}
        cloudformation.create_stack(
            StackName=STACK, TemplateBody=template, Parameters=[model], Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        _expect(stack["StackStatus"] == "CREATE_COMPLETE", stack)
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK):
            for found in page["StackResourceSummaries"]:
                self.resources[found["LogicalResourceId"]] = found["PhysicalResourceId"]
        secret = self.aws.client("secretsmanager").get_secret_value(SecretId=self.outputs["DatabaseSecretArn"])
        self.database.admit(**json.loads(secret["SecretString"]))
        return f"{len(self.resources)} resources, {len(self.outputs)} outputs"

    def configure(self) -> str:
        """Both files, whole and private. In place of RDS's certificate authority, this database's is put."""
        self._run(sys.executable, "-m", "deployment.configure", STACK, "--to", str(self.folder))
        for path in (self.settings, self.worker_env):
            _expect(path.stat().st_mode & 0o777 == 0o600, f"{path} can be read by others")
            _expect("${" not in path.read_text() and "VERIFY_IDENTITY" in path.read_text(), path.read_text())
        authority = authority_in(self.settings.read_text())
        with zipfile.ZipFile(PACKAGE) as package:
            _expect(authority in package.namelist(), f"The database URL names {authority}, which is not in the package")
        self.aws.functions.replaced[authority] = self.database.authority
        self.worker_env.write_text(self.database.with_own_authority(self.worker_env.read_text()))
        return f"{self.settings.name}, {self.worker_env.name}"

    def rotate_password(self) -> str:
        """As RDS does it every seven days. The function gets it by its variables, within the refresher's minute."""
        secret = self.outputs["DatabaseSecretArn"]
        secrets_manager = self.aws.client("secretsmanager")
        words = json.loads(secrets_manager.get_secret_value(SecretId=secret)["SecretString"])
        words["password"] = f"{words['password'][::-1]}%/@:'é"
        secrets_manager.put_secret_value(SecretId=secret, SecretString=json.dumps(words))
        self.database.admit(**words)
        before = self._variables()
        rule = self.resources["RefresherSchedule"]
        for outcome in self.aws.fire(rule):
            _expect(outcome.error is None, outcome)
        changed = sorted(name for name, value in self._variables().items() if value != before.get(name))
        _expect(changed == ["DATABASE_URL"], f"changed: {changed}")
        _expect_status(self.visitor.call("GET", "/health"), 200)
        return "the function has the new one"

    def compare_permissions(self) -> str:
        """Whatever API, worker, refresher and deployer did is in their roles' policies."""
        roles = [f"arn:aws:iam::{ACCOUNT}:role/{self.resources[name]}" for name in ROLES]
        missing = {role: found for role in roles if (found := permissions.not_allowed(role, self.aws.calls))}
        names = {call.who for call in self.aws.calls}
        silent = [role for role in roles if role.rpartition("/")[2] not in names]
        _expect(not missing and not silent, f"not allowed: {json.dumps(missing, indent=1)}; did nothing: {silent}")
        unseen = [action for action in UNSEEN if not permissions.may(self.outputs["DeployerRoleArn"], action)]
        _expect(not unseen, f"the deployer's role does not allow {unseen}")
        return f"{len(self.aws.calls)} kinds of calls"

    # --- Zappa

    def deploy(self) -> str:
        """Zappa touches the API itself, at the address that it prints."""
        done = self._zappa("deploy", STAGE, "-z", str(PACKAGE))
        _expect("Deployment complete" in done.stdout, done.stdout)
        address = next(word for word in done.stdout.split() if ".execute-api." in word and word.startswith("https://"))
        self.visitor.api = address.rstrip("!") + "/yt-backend"
        return address

    def migrate(self) -> str:
        """The tables, through the function."""
        done = self._zappa("manage", STAGE, "migrate --noinput")
        _expect("Applying videos.0001_initial" in done.stdout + self._log(), done.stdout)
        _expect(self.database.ask("SELECT COUNT(*) FROM videos") == 0, "there are videos already")
        return f"{self.database.ask('SELECT COUNT(*) FROM django_migrations')} migrations"  # noqa: S608 - it is no query

    def fail_a_command(self) -> str:
        """A command that fails ends `zappa manage` with an error, so that a script stops."""
        done = self._zappa("manage", STAGE, "migrate videos 9999_never", check=False)
        _expect(done.returncode != 0, done.stdout)
        return f"exit code {done.returncode}"

    def check_settings(self) -> str:
        """What `manage.py check --deploy` finds in the deployed function."""
        self._zappa("manage", STAGE, "check --deploy --fail-level WARNING")
        return "no warnings"

    def update_and_roll_back(self) -> str:
        """A package of another version is deployed, and the one before it comes back."""
        before = self.visitor.call("GET", "").json()["version"]
        self._zappa("update", STAGE, "-z", str(_with_version(self.folder / "next.zip", f"{before}-next")))
        _expect(self.visitor.call("GET", "").json()["version"] == f"{before}-next", "the update is not live")
        self._zappa("rollback", STAGE, "-n", "1")
        _expect(self.visitor.call("GET", "").json()["version"] == before, "the version before is not live")
        return f"{before} → {before}-next → {before}"

    def tail(self) -> str:
        """What the function wrote: of the migration, of the command that failed, of the sweep."""
        shown = self._zappa("tail", STAGE, "--disable-keep-open", "--since", "1h").stdout
        _expect(
            "Applying videos.0001_initial" in shown and "9999_never" in shown and "sent 1, taken back 0" in shown, shown
        )
        return f"{len(shown.splitlines())} lines"

    def undeploy(self) -> str:
        """Nothing of it is left, and the stack is."""
        self._zappa("undeploy", STAGE, "-y")
        _expect(self.visitor.call("GET", "").status == 403, "the API still answers")
        functions = [found["FunctionName"] for found in self.aws.client("lambda").list_functions()["Functions"]]
        rules = [
            found["Name"] for found in self.aws.client("events").list_rules()["Rules"] if FUNCTION in found["Name"]
        ]
        apis = self.aws.client("apigateway").get_rest_apis()["items"]
        _expect(FUNCTION not in functions and not rules and not apis, (functions, rules, apis))
        return "function, API and schedule are gone"

    # --- Users and their videos

    def reach(self) -> str:
        """Through the gateway to the database, and no further without a token."""
        _expect_status(self.visitor.call("GET", "/health"), 200)
        stranger = self.visitor.call("GET", "/me")
        _expect_status(stranger, 401)
        preflight = self.visitor.call(
            "OPTIONS", "/analyze", Origin="https://shri.software", Access_Control_Request_Method="POST"
        )
        _expect(preflight.headers.get("access-control-allow-origin") == "https://shri.software", preflight)
        return str(self.visitor.call("GET", "").json()["docs"])

    def sign_in(self) -> str:
        """With the pool and the client of the stack; the function knows the pool's keys by configuration."""
        self.visitor.sign_up(self.outputs["UserPoolId"], self.outputs["UserPoolClientId"])
        self.visitor.sign_in(self.outputs["UserPoolClientId"])
        me = self.visitor.call("GET", "/me")
        _expect_status(me, 200)
        _expect(me.json()["email"] == self.visitor.email, me)
        return self.visitor.email

    def submit(self) -> str:
        """Rows in the database, messages in the queue."""
        for link in (CAPTIONS, VOICE):
            answer = self.visitor.call("POST", "/analyze", {"url": link})
            _expect_status(answer, 202)
            _expect(answer.json()["status"] == "queued", answer)
        _expect(self._waiting() == 2, f"{self._waiting()} messages are in the queue")
        return "2 messages"

    def work(self) -> str:
        """The real worker, in nothing but its environment file, with YouTube's stand-in."""
        output = self._worker("run_worker", "--max-messages", "2", "--idle-exit", "60")
        _expect("2 messages handled" in output, output)
        _expect(self._waiting() == 0, "messages are left")
        _expect(not self.youtube.leaks, self.youtube.leaks)
        return "2 messages handled"

    def read(self) -> str:
        """Both transcripts, back through the gateway."""
        words = 0
        for video in self._videos():
            _expect(video["status"] == "completed", video)
            transcript = self.visitor.call("GET", f"/videos/{video['id']}/transcript")
            _expect_status(transcript, 200)
            words += len(transcript.json()["content"].split())
            subtitles = self.visitor.call("GET", f"/videos/{video['id']}/transcript?format=srt")
            _expect(subtitles.body.startswith(b"1\n00:00:"), subtitles)
        _expect(words > 50, f"there are only {words} words")
        return f"{words} words"

    def listen(self) -> str:
        """The audio, from the bucket, at an address that the function has signed."""
        heard = next(video for video in self._videos() if video["source"] == "speech")
        answer = self.visitor.call("GET", f"/videos/{heard['id']}/audio")
        _expect_status(answer, 302)
        address = answer.headers["location"]
        _expect("Signature" in address, address)
        with urllib.request.urlopen(address, timeout=30) as audio:  # noqa: S310 - our own bucket
            sound = audio.read()
        _expect(len(sound) > 10_000, f"it has {len(sound)} bytes")
        return f"{len(sound) // 1000} kB"

    def sweep(self) -> str:
        """A job whose message was never sent is sent when the schedule's minute comes."""
        answer = self.visitor.call("POST", "/analyze", {"url": "https://youtu.be/SampleGone1"})
        _expect_status(answer, 202)
        self.aws.client("sqs").purge_queue(QueueUrl=self.outputs["JobsUrl"])
        self.database.tell("UPDATE videos SET enqueued_at = NULL WHERE status = 'queued'")
        rules = self.aws.client("events").list_rules(NamePrefix=FUNCTION)["Rules"]
        _expect([rule["ScheduleExpression"] for rule in rules] == ["rate(1 minute)"], rules)
        for outcome in self.aws.fire(rules[0]["Name"]):
            _expect(outcome.error is None, outcome)
        _expect(self._waiting() == 1, f"{self._waiting()} messages are in the queue")
        return str(rules[0]["Name"])

    def delete(self) -> str:
        """Rows and files, until the bucket is empty."""
        for video in self._videos():
            _expect_status(self.visitor.call("DELETE", f"/videos/{video['id']}"), 204)
        left = self.aws.client("s3").list_objects_v2(Bucket=self.outputs["MediaBucket"]).get("Contents", [])
        _expect(not left and not self._videos(), left)
        return "the bucket is empty"

    # ---

    def _videos(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.visitor.call("GET", "/videos").json()["results"]
        return found

    def _variables(self) -> dict[str, str]:
        found = self.aws.client("lambda").get_function_configuration(FunctionName=FUNCTION)
        variables: dict[str, str] = found["Environment"]["Variables"]
        return variables

    def _waiting(self) -> int:
        url, name = self.outputs["JobsUrl"], "ApproximateNumberOfMessages"
        found = self.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(found[name]) + int(found[f"{name}NotVisible"])

    def _log(self) -> str:
        found = self.aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{FUNCTION}", limit=10_000)
        return "\n".join(event["message"] for event in found["events"])

    def _zappa(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        zappa = Path(sys.executable).with_name("zappa")
        return self._run(str(zappa), *arguments, "-s", str(self.settings), check=check)

    def _run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """With the environment of whoever deploys."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DJANGO_"))}
        deployer = self.outputs["DeployerRoleArn"].rpartition("/")[2]
        environment = (
            kept | self.aws.environment(role=deployer) | {"VIRTUAL_ENV": str(Path(sys.executable).parent.parent)}
        )
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if check and done.returncode:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done

    def _worker(self, *arguments: str) -> str:
        lines = [line.split("=", 1) for line in self.worker_env.read_text().splitlines() if line]
        environment = {name: value.strip("'") for name, value in lines} | self.youtube.environment()
        environment |= {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_ACCESS_KEY_ID": self.resources["WorkerRole"],
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        _expect(done.returncode == 0, done.stdout)
        return done.stdout


def _expect(outcome: object, seen: object) -> None:
    if not outcome:
        raise Failed(str(seen))


def _expect_status(reply: Reply, status: int) -> None:
    _expect(reply.status == status, f"{reply.status} instead of {status}: {reply.body[:2000].decode(errors='replace')}")


def _with_version(target: Path, version: str) -> Path:
    """The package, but for the version that it says it has."""
    with zipfile.ZipFile(PACKAGE) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "ytbackend/settings.py":
                before, _, after = content.decode().partition('VERSION = "')
                content = f'{before}VERSION = "{version}"{after.partition(chr(34))[2]}'.encode()
            new.writestr(entry, content)
    return target


STEPS = (
    ("the package is built", Rehearsal.build_package),
    ("the infrastructure is created", Rehearsal.create_stack),
    ("the settings come from its outputs", Rehearsal.configure),
    ("zappa deploy", Rehearsal.deploy),
    ("zappa manage migrate", Rehearsal.migrate),
    ("a failing command fails", Rehearsal.fail_a_command),
    ("manage.py check --deploy, in the function", Rehearsal.check_settings),
    ("HTTP through the gateway to the database", Rehearsal.reach),
    ("a user signs up and in", Rehearsal.sign_in),
    ("two links are posted", Rehearsal.submit),
    ("the worker takes them from the queue", Rehearsal.work),
    ("the transcripts are read", Rehearsal.read),
    ("the audio is heard", Rehearsal.listen),
    ("the schedule sweeps", Rehearsal.sweep),
    ("the database's password is rotated", Rehearsal.rotate_password),
    ("the settings are written anew", Rehearsal.configure),
    ("zappa update, zappa rollback", Rehearsal.update_and_roll_back),
    ("the videos are deleted", Rehearsal.delete),
    ("zappa tail", Rehearsal.tail),
    ("zappa undeploy", Rehearsal.undeploy),
    ("what was done, and the roles' policies", Rehearsal.compare_permissions),
)


def main() -> int:
    """Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with _surroundings() as rehearsal:
        for title, step in STEPS:
            before = time.monotonic()
            try:
                seen = step(rehearsal)
            except Exception as error:  # noqa: BLE001 - whatever went wrong is what is to be seen
                print(f"FAILED  {title}\n{_account(error, rehearsal.aws)}", flush=True)
                return 1
            print(f"{time.monotonic() - before:6.1f} s  {title}: {seen}", flush=True)
    print(f"{time.monotonic() - began:6.1f} s  in all.\n{NOT_REAL}")
    return 0


@contextlib.contextmanager
def _surroundings() -> Iterator[Rehearsal]:
    with contextlib.ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="rehearsal-")))
        database = parts.enter_context(AccountDatabase())
        aws = parts.enter_context(LocalAws(database_host=database.host))
        youtube = parts.enter_context(StandIn(sample_videos()))
        parts.callback(_sweep_up)
        yield Rehearsal(folder, aws, database, youtube)


def _sweep_up() -> None:
    """Zappa leaves the template of its API behind where it fails."""
    for path in ROOT.glob(f"{FUNCTION}-template-*.json"):
        path.unlink()


def _account(error: Exception, aws: LocalAws) -> str:
    parts = [str(error) if isinstance(error, Failed | NotDeployed) else repr(error)]
    parts += [f"API Gateway: {trouble}" for trouble in aws.rest_apis.troubles[-3:]]
    if aws.names.refused:
        parts.append(f"Asked for, but not here: {', '.join(sorted(set(aws.names.refused)))}")
    parts += [f"The function wrote last:\n{log[-3000:]}" for log in aws.functions.logs()[-1:]]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
