"""``make rehearse``: a first deployment and its life, on this machine, with nothing of AWS but its interfaces.

The stack of ``infrastructure.yaml`` is created, the settings come from its outputs, Zappa deploys the package, a user
signs in and has two videos transcribed, the schedule runs, the API is updated, rolled back, looked at and taken down.
Every line is a step whose outcome was checked; the first one that fails ends it with exit code 1.
"""

import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from local.aws.account import LocalAws, NotDeployed
from local.aws.database import AccountDatabase
from local.aws.functions import ROOT
from local.rehearsal import account, user, zappa_commands
from local.rehearsal.scene import FUNCTION, Failed, Scene
from local.youtube import StandIn, sample_videos

NOT_REAL = """
Not real here, and so not shown: AWS itself. IAM (what was done was compared with the policies of who did it, but
without conditions, and for most services without resources); the network, its endpoints and firewalls; RDS and
MySQL 8.4 (a MariaDB with TLS took its place); Amazon Linux (the package ran under its own libraries on this system's
C library); the proof in Cognito's sign-in; the worker's machine, its image and scaling; WAF, alarms and metrics;
CloudFront and certificates; concurrency, throttling and billing; YouTube (a stand-in took its place)."""

STEPS = (
    ("the package is built", account.build_package),
    ("the infrastructure is created", account.create_stack),
    ("the settings come from its outputs", account.configure),
    ("zappa deploy migrations", zappa_commands.deploy_migrations),
    ("zappa manage migrations migrate", zappa_commands.migrate),
    ("zappa deploy default", zappa_commands.deploy),
    ("a failing command fails", zappa_commands.fail_a_command),
    ("manage.py check --deploy, in the function", zappa_commands.check_settings),
    ("HTTP through the gateway to the database", user.reach),
    ("a user signs up and in", user.sign_in),
    ("two links are posted", user.submit),
    ("the worker takes them from the queue", user.work),
    ("the transcripts are read", user.read),
    ("the audio is heard", user.listen),
    ("the schedule sweeps", user.sweep),
    ("the database's password is rotated", account.rotate_password),
    ("the stack learns the API's id", account.name_the_api),
    ("the settings are written anew", account.configure),
    ("zappa update, zappa rollback", zappa_commands.update_and_roll_back),
    ("the videos are deleted", user.delete),
    ("zappa tail", zappa_commands.tail),
    ("zappa undeploy", zappa_commands.undeploy),
    ("what was done, and the roles' policies", account.compare_permissions),
)


def main() -> int:
    """Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with _surroundings() as scene:
        for title, step in STEPS:
            before = time.monotonic()
            try:
                seen = step(scene)
            except Exception as error:  # noqa: BLE001 - whatever went wrong is what is to be seen
                print(f"FAILED  {title}\n{_account(error, scene.aws)}", flush=True)
                return 1
            print(f"{time.monotonic() - before:6.1f} s  {title}: {seen}", flush=True)
    print(f"{time.monotonic() - began:6.1f} s  in all.\n{NOT_REAL}")
    return 0


@contextlib.contextmanager
def _surroundings() -> Iterator[Scene]:
    with contextlib.ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="rehearsal-")))
        database = parts.enter_context(AccountDatabase())
        aws = parts.enter_context(LocalAws(database_host=database.host))
        youtube = parts.enter_context(StandIn(sample_videos()))
        parts.callback(_sweep_up)
        yield Scene(folder, aws, database, youtube)


def _sweep_up() -> None:
    """Zappa leaves the template of its API behind where it fails."""
    for path in ROOT.glob(f"{FUNCTION}-template-*.json"):
        path.unlink()


def _account(error: Exception, aws: LocalAws) -> str:
    parts = [str(error) if isinstance(error, Failed | NotDeployed) else repr(error)]
    parts += [f"API Gateway: {trouble}" for trouble in aws.rest_apis.troubles[-3:]]
    if aws.names.refused:
        parts.append(f"Asked for, but not here: {', '.join(sorted(set(aws.names.refused)))}")
    parts += [f"A function wrote last:\n{log[-3000:]}" for log in [log for log in aws.functions.logs() if log][-1:]]
    return "\n".join(parts)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
