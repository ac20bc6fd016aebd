"""The Dockerfile, as far as it can be checked without a container engine (docs/worker.md says what that leaves out)."""

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.deployment.test_deploy_worker import PARTS, tool

ROOT = Path(__file__).parents[2]


class Stage(NamedTuple):
    """What stands between one FROM and the next; each instruction is its name and the rest of its line."""

    base: str
    instructions: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [rest for instruction, rest in self.instructions if instruction == name]


def stages() -> dict[str, Stage]:
    text = (ROOT / "Dockerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    bases: dict[str, str] = {}
    found: dict[str, Stage] = {}
    for name, _, rest in (line.strip().partition(" ") for line in lines if line.strip()):
        if name == "ARG":
            bases["${" + rest.split("=")[0] + "}"] = rest.split("=", 1)[1]
        elif name == "FROM":
            base, stage = rest.split(" AS ")
            found[stage] = Stage(bases.get(base, base), [])
        else:
            list(found.values())[-1].instructions.append((name, re.sub(r"\s+", " ", rest)))
    return found


def copied(stage: Stage) -> list[str]:
    """Names that come from the build's context."""
    return [name for rest in stage.all("COPY") if "--from=" not in rest for name in rest.split()[:-1]]


def test_it_passes_hadolint():
    done = subprocess.run([tool("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", stages())
def test_each_base_is_pinned_by_version_and_digest(name):
    assert re.fullmatch(r"[a-z./]+/python:3\.13[\w.-]*@sha256:[0-9a-f]{64}", stages()[name].base)


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_does_not_run_as_root(target):
    assert stages()[target].all("USER") == ["1000:1000"]


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_has_no_compiler(target):
    assert not re.search(r"\b(gcc|libmariadb-dev|libc6-dev)\b", " ".join(stages()[target].all("RUN")))


def test_the_image_of_the_api_is_the_package_and_nothing_else():
    api, package = stages()["api"], stages()["package"]

    assert copied(package) == ["dist/yt-backend.zip"]
    assert api.all("COPY") == ["--from=package /task ${LAMBDA_TASK_ROOT}"]


def test_the_image_of_the_api_starts_what_the_function_starts():
    assert json.loads(stages()["api"].all("CMD")[0]) == ["ytbackend.lambda_handler.handler"]


def test_the_image_of_the_worker_has_what_a_worker_machine_has():
    assert sorted(copied(stages()["worker"]) + copied(stages()["libraries"])) == sorted(PARTS)


def test_the_build_sees_what_it_copies_and_no_more():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    let_in = {line[1:] for line in lines if line.startswith("!")}

    assert lines[0] == "*"
    assert let_in == {name for stage in stages().values() for name in copied(stage)}


@pytest.mark.parametrize(
    "name", [".env", "data/db.sqlite3", "dist/worker.env", "dist/zappa_settings.json", ".git/config"]
)
def test_the_build_never_sees_a_secret(name):
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert not [
        line for line in lines if line.startswith("!") and (fnmatch(name, line[1:]) or name.startswith(line[1:] + "/"))
    ]


def test_the_worker_gets_signals_through_a_first_process():
    worker = stages()["worker"]

    assert json.loads(worker.all("ENTRYPOINT")[0]) == ["/usr/bin/tini", "--"]
    assert json.loads(worker.all("CMD")[0]) == ["python", "manage.py", "run_worker"]
    assert worker.all("STOPSIGNAL") == ["SIGTERM"]


def test_what_the_worker_writes_is_in_volumes():
    worker = stages()["worker"]
    variables = dict(pair.split("=", 1) for pair in worker.all("ENV")[0].split())
    volumes = json.loads(worker.all("VOLUME")[0])

    written = [variables[name] for name in ("HF_HOME", "TMPDIR", "XDG_CACHE_HOME", "DENO_DIR")]
    assert [path for path in written if not path.startswith(tuple(volumes))] == []


@pytest.mark.parametrize(("signal", "state", "healthy"), [("CONT", "S", True), ("STOP", "T", False)])
def test_the_health_check_sees_a_worker_that_is_frozen(signal, state, healthy):
    check = json.loads(stages()["worker"].all("HEALTHCHECK")[0].split("CMD ", 1)[1])
    # As in a container: the worker is the first process' first child.
    frozen = f"sleep 60 & kill -{signal} $!; until grep -q ^State:.{state} /proc/$!/status; do :; done"
    first = f'{frozen}; "$@"; found=$?; kill -KILL $!; exit $found'
    container = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "sh", "-c", first, "sh"]

    done = subprocess.run([*container, *check], capture_output=True, check=False, timeout=30)

    assert (done.returncode == 0) == healthy
