"""What the steps of a rehearsal share, and how they are judged."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from local.aws.account import LocalAws
from local.aws.database import AccountDatabase
from local.aws.functions import ROOT
from local.rehearsal.visitor import Reply, Visitor
from local.youtube import StandIn

STACK = PROJECT = "yt-backend"
STAGE, MIGRATIONS = "default", "migrations"  # of zappa_settings.json
FUNCTION = f"{PROJECT}-{STAGE}"
PACKAGE = ROOT / "dist" / "yt-backend.zip"


class Failed(Exception):
    """A step had another outcome than it should; the text is what was seen."""


class Scene:
    """The account, its database, YouTube, a user; and what the steps have learned of them so far."""

    def __init__(self, folder: Path, aws: LocalAws, database: AccountDatabase, youtube: StandIn) -> None:
        self.folder, self.aws, self.database, self.youtube = folder, aws, database, youtube
        self.settings, self.worker_env = folder / "zappa_settings.json", folder / "worker.env"
        self.outputs: dict[str, str] = {}
        self.resources: dict[str, str] = {}
        self.visitor = Visitor(aws, "")

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A command in the role of whoever deploys. Raises ``Failed`` where it fails."""
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

    def zappa(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Zappa, with the settings of this account."""
        program = Path(sys.executable).with_name("zappa")
        return self.run(str(program), *arguments, "-s", str(self.settings), check=check)

    def videos(self) -> list[dict[str, Any]]:
        """The user's, as the API lists them."""
        found: list[dict[str, Any]] = self.visitor.call("GET", "/videos").json()["results"]
        return found

    def waiting(self) -> int:
        """Messages in the queue, also those in somebody's hands."""
        url, name = self.outputs["JobsUrl"], "ApproximateNumberOfMessages"
        found = self.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(found[name]) + int(found[f"{name}NotVisible"])

    def log(self, function: str) -> str:
        """All that a function has written."""
        found = self.aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}", limit=10_000)
        return "\n".join(event["message"] for event in found["events"])


def expect(outcome: object, seen: object) -> None:
    """Raises ``Failed`` with what was seen, unless the outcome is true."""
    if not outcome:
        raise Failed(str(seen))


def expect_status(reply: Reply, status: int) -> None:
    """Raises ``Failed`` unless the API has answered with this status."""
    expect(reply.status == status, f"{reply.status} instead of {status}: {reply.body[:2000].decode(errors='replace')}")
