"""What deploy_worker.sh says and refuses, and what its units are; nothing here changes the machine.

Each run has a mount namespace of its own, in which the machine may look like another one.
"""

import hashlib
import re
import shutil
import subprocess
import sysconfig
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy_worker.sh"
PARTS = re.search(r'PARTS="(.*)"', SCRIPT.read_text())[1].split()
AMAZON = 'NAME="Amazon Linux"\nVERSION_ID="2023"\nID="amzn"\nID_LIKE="fedora"\n'
DEBIAN = 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
ENVIRONMENT = "DJANGO_SECRET_KEY=x\nDATABASE_URL=mysql://u:p@h/n\nSQS_QUEUE_URL=https://sqs.example.com/1/q\n"


def tool(name: str) -> str:
    """A program of the environment that runs the tests, else of the machine."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert found, f"{name} is not installed: pip install -r requirements-dev.txt"
    return found


def deploy(
    folder: Path, *arguments: str, release: str = DEBIAN, systemd: bool = True, without: str = "", root: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the script where /etc/os-release says ``release``, and where the program ``without`` is missing."""
    (folder / "os-release").write_text(release)
    steps = [f"mount --bind {folder}/os-release $(readlink -f /etc/os-release)", "mount -t tmpfs tmpfs /run"]
    if systemd:
        steps.append("mkdir -p /run/systemd/system")
    if without:
        steps.append(f"mount --bind /dev/null {Path(tool(without)).resolve()}")
    steps.append('exec "$@"' if root else 'exec unshare --user "$@"')
    command = ["unshare", "--map-root-user", "--mount", "sh", "-ec", "\n".join(steps), "sh", str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def env_file(tmp_path) -> Path:
    path = tmp_path / "worker.env"
    path.write_text(ENVIRONMENT)
    return path


def test_it_passes_shellcheck():
    done = subprocess.run([tool("shellcheck"), SCRIPT], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_it_teaches_its_commands():
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True)

    assert set(re.findall(r"--[a-z-]+", done.stdout)) >= {"--source", "--env-file", "--workers", "--dry-run", "--purge"}


@pytest.mark.parametrize(
    ("release", "command", "packages"),
    [
        (AMAZON, "dnf install", {"python3.13", "python3.13-devel", "gcc", "mariadb-connector-c-devel"}),
        (DEBIAN, "apt-get install", {"python3-venv", "python3-dev", "gcc", "libmariadb-dev", "pkg-config"}),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n', "apt-get install", {"python3-venv", "libmariadb-dev"}),
    ],
    ids=["amazon", "debian", "ubuntu"],
)
@pytest.mark.parametrize("missing", ["cc", "pkg-config"])
def test_it_installs_what_the_driver_is_compiled_with(tmp_path, env_file, release, command, packages, missing):
    done = deploy(tmp_path, "--env-file", str(env_file), "--dry-run", release=release, without=missing)

    line = next(line for line in done.stdout.splitlines() if command in line)
    assert packages <= set(line.split())


def test_it_installs_no_package_where_all_are_there(tmp_path, env_file):
    done = deploy(tmp_path, "--env-file", str(env_file), "--dry-run", release=AMAZON)

    assert "dnf" not in done.stdout


def test_a_dry_run_prints_each_step_up_to_the_start(tmp_path, env_file):
    done = deploy(tmp_path, "--env-file", str(env_file), "--dry-run", "--workers", "2")

    steps = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("+ ")]
    assert (done.returncode, done.stderr) == (0, "")
    assert [step for step in steps if step[0] == "useradd"]
    assert [step for step in steps if step[1:3] == ["-m", "venv"]]
    assert [step[2] for step in steps if step[:2] == ["systemctl", "restart"]] == [
        "yt-worker@1.service",
        "yt-worker@2.service",
    ]


def test_a_dry_run_leaves_no_trace(tmp_path, env_file):
    deploy(tmp_path, "--env-file", str(env_file), "--dry-run")

    assert [path for path in ("/opt/yt-worker", "/etc/yt-worker", "/var/lib/yt-worker") if Path(path).exists()] == []


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ("", "DJANGO_SECRET_KEY is not set"),
        (ENVIRONMENT + "export A=b\n", "lines that are not NAME=VALUE: 4"),
        (ENVIRONMENT.replace("mysql://u:p@h/n", ""), "DATABASE_URL is not set"),
        (ENVIRONMENT + "SPEECH_MODEL=/home/me/model\n", "Move it to /opt or /srv"),
        (ENVIRONMENT + "GRACE_SECONDS=soon\n", "GRACE_SECONDS is 'soon'"),
    ],
    ids=["empty", "a shell's", "without a database", "a model at home", "no number"],
)
def test_it_refuses_an_environment_that_cannot_work(tmp_path, env_file, environment, sentence):
    env_file.write_text(environment)

    done = deploy(tmp_path, "--env-file", str(env_file), "--dry-run")

    assert done.returncode == 1
    assert sentence in done.stderr


def test_it_says_where_an_environment_comes_from(tmp_path):
    done = deploy(tmp_path)

    assert done.stderr == (
        "deploy_worker.sh: there is no /etc/yt-worker/worker.env. "
        "Give the environment with --env-file (see .env.example).\n"
    )


@pytest.mark.parametrize(
    ("release", "sentence"),
    [
        ("ID=alpine\n", "this distribution (alpine) is not known here"),
        ('ID="amzn"\nVERSION_ID="2"\n', "Amazon Linux 2 is not known here, but 2023 is"),
        ("", "this distribution (without /etc/os-release) is not known here"),
    ],
    ids=["alpine", "amazon linux 2", "nameless"],
)
def test_it_refuses_a_distribution_that_it_does_not_know(tmp_path, env_file, release, sentence):
    done = deploy(tmp_path, "--env-file", str(env_file), release=release)

    assert done.returncode == 1
    assert sentence in done.stderr


def test_it_refuses_a_machine_without_systemd(tmp_path, env_file):
    done = deploy(tmp_path, "--env-file", str(env_file), systemd=False)

    assert done.returncode == 1
    assert "systemd does not run this machine" in done.stderr


def test_it_refuses_whoever_is_not_root(tmp_path, env_file):
    done = deploy(tmp_path, "--env-file", str(env_file), root=False)

    assert done.returncode == 1
    assert "it must be run as root: sudo" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--workers", "many"], "--workers is 'many'"),
        (["--workers", "0"], "--workers is '0'"),
        (["--source"], "--source needs a value"),
        (["--sauce", "x"], "--sauce is not known"),
        (["status"], "the worker is not installed here"),
        (["--source", "/nowhere"], "--source /nowhere is not there"),
        (["--source", "/etc"], "it is not the worker's source"),
        (["pack"], "pack needs the name of a file"),
    ],
    ids=" ".join,
)
def test_it_names_a_wrong_argument(tmp_path, arguments, sentence):
    done = deploy(tmp_path, *arguments)

    assert done.returncode == 1
    assert sentence in done.stderr


def test_nothing_to_remove_is_no_error(tmp_path):
    done = deploy(tmp_path, "uninstall")

    assert (done.returncode, done.stdout, done.stderr) == (0, "Nothing to remove.\n", "")


# --- The source


def test_an_archive_of_something_else_is_refused_and_not_taken_for_this_folder(tmp_path, env_file):
    archive = tmp_path / "other.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(env_file, "worker.env")

    done = deploy(tmp_path, "--source", str(archive), "--env-file", str(env_file), "--dry-run")

    assert done.returncode == 1
    assert f"{archive} has no manage.py: it is not the worker's source" in done.stderr


@pytest.fixture
def copies(tmp_path) -> list[Path]:
    """The worker's source twice: as it is, and with other times, modes and leftovers."""
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
            copy(ROOT / part, folder / part)
        made.append(folder)
    for path in made[1].rglob("*.py"):
        path.touch()
        path.chmod(0o600)
    (made[1] / "videos" / "left.pyc").write_bytes(b"")
    return made


def packed(source: Path) -> Path:
    target = source.with_suffix(".tar.gz")
    subprocess.run([SCRIPT, "pack", target, "--source", source], check=True, capture_output=True)
    return target


def test_the_same_source_is_packed_to_the_same_bytes(copies):
    first, second = (hashlib.sha256(packed(copy).read_bytes()).hexdigest() for copy in copies)

    assert first == second


def test_a_pack_has_the_worker_and_nothing_else(copies):
    with tarfile.open(packed(copies[0])) as archive:
        names = archive.getnames()

    assert {name.split("/")[0] for name in names} == set(PARTS)
    assert "transcripts/worker/loop.py" in names


def test_a_pack_brings_the_script_along(tmp_path):
    target = tmp_path / "dist" / "worker.tar.gz"

    subprocess.run([SCRIPT, "pack", target], check=True, capture_output=True)

    with tarfile.open(target) as archive:
        assert archive.getmember("deploy_worker.sh").mode == 0o755


def release_in(done: subprocess.CompletedProcess[str]) -> str:
    return re.search(r"Building the release (\w+)", done.stdout)[1]


def test_a_release_is_named_after_its_content(tmp_path, env_file, copies):
    def release(source: Path) -> str:
        return release_in(deploy(tmp_path, "--source", str(source), "--env-file", str(env_file), "--dry-run"))

    first, same = release(copies[0]), release(packed(copies[1]))
    (copies[1] / "videos" / "clock.py").write_text("# another one\n")
    assert (first == same, first == release(copies[1])) == (True, False)


# --- The units


@pytest.fixture
def units(tmp_path, env_file) -> dict[str, str]:
    """What would be written, by name."""
    env_file.write_text(ENVIRONMENT + "GRACE_SECONDS=40\n")
    lines = deploy(tmp_path, "--env-file", str(env_file), "--dry-run").stdout.splitlines()
    found: dict[str, str] = {}
    for line in lines:
        if match := re.fullmatch(r"  /etc/systemd/(?:system/)?([\w@.-]+): (.*)", line):
            found[match[1]] = found.get(match[1], "") + match[2] + "\n"
    return found


def test_systemd_understands_the_units(tmp_path, units):
    service = re.sub("ExecStart=.*", "ExecStart=/bin/true", units["yt-worker@.service"])
    for name, text in (("yt-worker@.service", service), ("ytworker.slice", units["ytworker.slice"])):
        (tmp_path / name).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "yt-worker@.service", tmp_path / "ytworker.slice"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert [line for line in done.stderr.splitlines() if str(tmp_path) in line or "ytworker" in line] == []


def test_a_worker_has_more_time_to_stop_than_its_grace(units):
    seconds = int(re.search(r"TimeoutStopSec=(\d+)", units["yt-worker@.service"])[1])

    assert seconds >= 40 + 60  # GRACE_SECONDS and loop.SETTLE_SECONDS


@pytest.mark.parametrize(
    "line",
    [
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "CapabilityBoundingSet=",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        "SystemCallFilter=@system-service",
        "KillMode=mixed",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "EnvironmentFile=/etc/yt-worker/worker.env",
    ],
)
def test_a_worker_is_held_by(units, line):
    assert line in units["yt-worker@.service"].splitlines()


def test_a_worker_says_that_it_has_started_in_the_words_that_are_waited_for():
    words = re.search(r"grep -q '([\w ]+)'; then return", SCRIPT.read_text())[1]

    assert f'log.info("{words}")' in (ROOT / "transcripts/worker/loop.py").read_text()
