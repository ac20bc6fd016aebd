"""What a machine of the auto-scaling group does, with AWS's command line and metadata played by stand-ins."""

import http.server
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
from functools import partial
from pathlib import Path

import pytest

from tests import mariadb
from tests.deployment.template import ROOT, properties
from ytbackend import vault

SCRIPT = ROOT / "deployment/worker_machine.sh"
PASSWORD = "a\\b\"c'd#e;f=g%h"
AWS = '''#!{python}
"""The aws command: says what the folder beside it has under the operation's name, and writes down how it was called."""
import pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
operation = sys.argv[2]
if operation == "cp":
    pathlib.Path(sys.argv[-1]).write_bytes((here / "worker.tar.gz").read_bytes())
elif (here / operation).exists():
    print((here / operation).read_text())
elif operation.startswith("get-"):
    sys.exit("An error occurred (AccessDenied)")
'''
DEPLOY = '#!/bin/sh\nprintf "%s\\n" "$@" >"$RECORD/arguments"\ncat "$5" >"$RECORD/environment"\n'


class Metadata(http.server.BaseHTTPRequestHandler):
    state = "InService"
    address = ""

    def do_PUT(self) -> None:
        self._say("token" if self.headers["X-aws-ec2-metadata-token-ttl-seconds"] else "")

    def do_GET(self) -> None:
        known = {"instance-id": "i-1", "autoscaling/target-lifecycle-state": self.state}
        found = known.get(self.path.partition("/meta-data/")[2])
        self._say(found if self.headers["X-aws-ec2-metadata-token"] == "token" else None)

    def _say(self, text: str | None) -> None:
        self.send_response(200 if text else 401)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


class Machine:
    """A machine's file system as far as the script touches it, and AWS as far as it asks."""

    def __init__(self, folder: Path, address: str) -> None:
        self.aws, self.worker, self.units = folder / "bin", folder / "yt-worker", folder / "units"
        for path in (self.aws, self.units):
            path.mkdir()
        self._program("aws", AWS.replace("{python}", sys.executable))
        self._program("systemctl", '#!/bin/sh\necho systemctl "$@" >>"$(dirname "$0")/calls"\n')
        self.says("get-secret-value", json.dumps({"username": "yt", "password": PASSWORD}))
        self.says("get-queue-attributes", "0")
        self.says("get-parameter", "AWS_REGION=eu-central-1\nSPEECH_MODEL=small")
        self._environment = {
            "PATH": f"{self.aws}:{os.environ['PATH']}",
            "RECORD": str(folder),
            "YT_MACHINE_ENV": str(folder / "machine.env"),
            "YT_WORKER_FOLDER": str(self.worker),
            "YT_MACHINE_STATE": str(folder / "protected"),
            "YT_UNITS": str(self.units),
            "YT_METADATA": address,
        }
        self.configure(proxy="")

    def _program(self, name: str, text: str) -> None:
        (self.aws / name).write_text(text)
        (self.aws / name).chmod(0o755)

    def configure(self, *, proxy: str) -> None:
        Path(self._environment["YT_MACHINE_ENV"]).write_text(
            "AWS_REGION=eu-central-1\nARTIFACTS=artifacts\nQUEUE_URL=https://sqs/jobs\nDATABASE_HOST=db.example\n"
            f"DATABASE_OPTIONS='ssl-ca=ca.pem&ssl_mode=VERIFY_IDENTITY'\nDATABASE_SECRET=secret\nPROXY_SECRET={proxy}\n"
        )

    def says(self, operation: str, text: str) -> None:
        (self.aws / operation).write_text(text)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        bash = ["bash", str(SCRIPT), command]
        return subprocess.run(bash, env=self._environment, capture_output=True, text=True, check=False)

    def calls(self) -> list[str]:
        return (self.aws / "calls").read_text().splitlines()


@pytest.fixture
def metadata():
    class Handler(Metadata):
        pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    Handler.address = f"http://127.0.0.1:{server.server_port}/latest"
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def machine(tmp_path, metadata) -> Machine:
    return Machine(tmp_path, metadata.address)


def test_it_writes_the_password_for_the_driver(machine):
    assert machine.run("tend").returncode == 0

    text = (machine.worker / "database.cnf").read_text()
    assert text == '[client]\nuser="yt"\npassword="a\\\\b\\"c\'d#e;f=g%h"\n'


def test_the_password_is_for_root_until_the_workers_group_exists(machine):
    machine.run("tend")

    assert stat.S_IMODE((machine.worker / "database.cnf").stat().st_mode) & 0o007 == 0


def test_the_workers_group_can_reach_what_lies_in_the_folder(machine):
    machine.run("tend")

    assert stat.S_IMODE(machine.worker.stat().st_mode) == 0o755


@pytest.mark.skipif(mariadb.SERVER is None, reason="MariaDB is not here")
def test_the_driver_reads_every_password_anew(machine, tmp_path):
    driver = pytest.importorskip("MySQLdb")
    with mariadb.Server() as server:
        root = server.connect().cursor()
        root.execute("CREATE USER yt@localhost IDENTIFIED BY %s", [PASSWORD])
        machine.run("tend")
        options = {"unix_socket": str(server.socket), "read_default_file": str(machine.worker / "database.cnf")}
        driver.connect(**options).close()
        root.execute("SET PASSWORD FOR yt@localhost = PASSWORD('another')")
        with pytest.raises(driver.OperationalError, match="Access denied"):
            driver.connect(**options)

        machine.says("get-secret-value", json.dumps({"username": "yt", "password": "another"}))
        machine.run("tend")
        connection = driver.connect(**options)

    assert connection


def test_the_old_password_stays_where_the_new_one_cannot_be_read(machine):
    machine.run("tend")
    before = (machine.worker / "database.cnf").read_text()
    (machine.aws / "get-secret-value").unlink()

    assert machine.run("tend").returncode != 0
    assert (machine.worker / "database.cnf").read_text() == before


@pytest.mark.parametrize(
    ("in_hand", "option"), [("0", "--no-protected-from-scale-in"), ("2", "--protected-from-scale-in")]
)
def test_it_is_protected_while_a_job_is_in_hand(machine, in_hand, option):
    machine.says("get-queue-attributes", in_hand)
    machine.run("tend")

    assert (
        f"autoscaling set-instance-protection --auto-scaling-group-name yt-backend-worker --instance-ids i-1 {option}"
        in machine.calls()
    )


def test_it_tells_its_group_only_what_is_new(machine):
    for _ in range(3):
        machine.run("tend")

    assert sum("set-instance-protection" in call for call in machine.calls()) == 1


def test_a_queue_that_is_silent_does_not_keep_the_password_from_being_renewed(machine):
    (machine.aws / "get-queue-attributes").unlink()
    machine.run("tend")

    assert (machine.worker / "database.cnf").exists()


def test_a_machine_that_has_to_go_stops_its_workers_first(machine, metadata):
    metadata.state = "Terminated"
    machine.run("tend")

    stop, told = machine.calls()
    assert stop == "systemctl stop yt-worker@*.service"
    assert told == (
        "autoscaling complete-lifecycle-action --auto-scaling-group-name yt-backend-worker --instance-id i-1 "
        "--lifecycle-hook-name yt-backend-worker-leaves --lifecycle-action-result CONTINUE"
    )


def test_its_hook_and_its_group_are_those_of_the_infrastructure():
    text = SCRIPT.read_text()

    assert f"--lifecycle-hook-name {properties('WorkerLeaves')['LifecycleHookName']} " in text
    assert f"GROUP={properties('WorkerGroup')['AutoScalingGroupName']}\n" in text
    assert f"--name {properties('WorkerEnvironment')['Name']} " in text


@pytest.fixture
def installed(machine, tmp_path) -> dict[str, str]:
    """The environment file that deploy_worker.sh was given on a machine's first start."""
    machine.configure(proxy="proxy-secret")
    with tarfile.open(machine.aws / "worker.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("deploy_worker.sh")
        entry.size = len(DEPLOY)
        archive.addfile(entry, io.BytesIO(DEPLOY.encode()))
    done = machine.run("install")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "environment").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_worker_gets_what_the_stack_knows(installed):
    assert installed["SPEECH_MODEL"] == "small"
    assert installed["AWS_REGION"] == "eu-central-1"


def test_the_worker_reads_its_password_from_the_file(installed, machine):
    assert installed["DATABASE_URL"] == (
        "mysql://db.example:3306/ytbackend?ssl-ca=ca.pem&ssl_mode=VERIFY_IDENTITY"
        f"&read_default_file={machine.worker}/database.cnf"
    )


def test_the_worker_gets_a_key_of_its_own(installed):
    assert len(bytes.fromhex(installed["DJANGO_SECRET_KEY"])) == 32


def test_the_worker_is_told_where_its_proxy_is_kept_and_not_what_it_is(installed, machine):
    kept = vault.read("YOUTUBE_PROXY_URL", installed["YOUTUBE_PROXY_URL"])

    assert (kept.service, kept.name, kept.field) == ("secretsmanager", "proxy-secret", "")
    assert (machine.aws / "get-secret-value").read_text() not in str(installed)


def test_the_workers_script_is_called_as_it_wants_to_be(installed, tmp_path):
    arguments = (tmp_path / "arguments").read_text().split()

    assert [argument for argument in arguments if argument.startswith("--") or argument == "install"] == [
        "install",
        "--source",
        "--env-file",
    ]


@pytest.mark.usefixtures("installed")
def test_it_is_tended_every_minute_from_then_on(machine):
    assert "OnUnitActiveSec=60" in (machine.units / "yt-machine.timer").read_text()
    assert "systemctl enable --now yt-machine.timer" in machine.calls()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.usefixtures("installed")
def test_systemd_would_take_the_units(machine):
    text = (machine.units / "yt-machine.service").read_text().replace("/usr/local/sbin/yt-machine", "/bin/true")
    (machine.units / "yt-machine.service").write_text(text)
    verify = ["systemd-analyze", "verify", str(machine.units / "yt-machine.timer")]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)

    assert (done.returncode, "yt-machine" in done.stderr) == (0, False), done.stderr


def test_it_says_how_it_is_used(machine):
    done = machine.run("")

    assert (done.returncode, done.stderr) == (2, "usage: worker_machine.sh install|tend\n")


@pytest.mark.parametrize("what", ["script", "first start"])
def test_shellcheck_finds_nothing(what):
    program = Path(sys.executable).parent / "shellcheck"
    found = program if program.exists() else shutil.which("shellcheck")
    if not found:
        pytest.skip("shellcheck is not here")
    start = properties("WorkerTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"][0]
    text = SCRIPT.read_text() if what == "script" else re.sub(r"\$\{[\w:]+\}", "value", start)
    done = subprocess.run([found, "--shell=bash", "-"], input=text, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")
