"""What is deployed is installed file by file, each by its hash; and the locks are those of the pins."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deployment import lock, mysql_driver, package
from deployment.contents import ROOT
from tests.deployment.test_dockerfile import stages

each_lock = pytest.mark.parametrize("page", lock.LOCKS)

IN_STEP = "run: python -m deployment.lock"


@pytest.fixture(scope="module")
def wanted() -> dict[str, dict[str, str]]:
    return lock.wanted()


@each_lock
def test_it_has_the_pins_of_requirements_and_constraints_and_what_they_pull_in(wanted, page):
    found = {name: block.split()[0].partition("==")[2] for name, block in lock.locked(page).items()}

    assert found == wanted[page], IN_STEP


@each_lock
def test_each_version_has_the_hashes_of_its_files_and_no_other_words(page):
    for block in lock.locked(page).values():
        assert re.fullmatch(r"[\w.-]+==[\w.]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", block), block


@each_lock
def test_it_says_nothing_of_where_files_come_from(page):
    text = (ROOT / page).read_text()
    lines = [line for line in text.splitlines() if not re.match(r"#|[\w.-]+==|    --hash=", line)]

    assert lines == []
    assert not re.search(r"https?:|file:|--(index|extra|find|trusted)", text)


def test_the_worker_has_what_the_api_has_but_what_only_lambda_needs():
    assert lock.locked(lock.LAMBDA).keys() - lock.locked(lock.WORKER).keys() == {
        "durationpy",
        "markupsafe",
        "werkzeug",
        "zappa",
    }


def test_a_name_stands_for_the_same_files_in_every_lock():
    found = [lock.locked(page) for page in lock.LOCKS]
    every = {name: block for blocks in found for name, block in blocks.items()}

    assert [blocks for blocks in found if not blocks.items() <= every.items()] == []


def test_the_database_driver_is_there_as_source_and_compiled_by_what_is_locked():
    assert "mysqlclient" in lock.locked(lock.WORKER)
    assert lock.locked(lock.DRIVER)["setuptools"] == lock.locked(lock.TOOLS)["setuptools"]


def test_a_version_that_is_not_the_installed_one_is_not_locked(monkeypatch):
    monkeypatch.setattr(lock, "pins", lambda *pages: {"django": "5.2.1"})

    with pytest.raises(SystemExit, match=r"django is pinned as 5\.2\.1, but .* Pin it in constraints\.txt"):
        lock._with_what_they_pull_in(["django"])


# --- what installs them


def test_the_worker_machine_installs_nothing_that_is_not_locked():
    commands = re.findall(r"-m pip install(?:.*\\\n)*.*", (ROOT / "deploy_worker.sh").read_text())

    assert len(commands) == 1
    assert {"--require-hashes", "--no-deps", "--no-build-isolation"} <= {*commands[0].split()}


def test_the_image_of_the_worker_installs_nothing_that_is_not_locked():
    (command,) = [run for stage in stages().values() for run in stage.all("RUN") if "pip install" in run]

    assert command.count("pip install") == 1
    assert {"--require-hashes", "--no-deps", "--no-build-isolation"} <= {*command.split()}


@pytest.fixture
def another_file(tmp_path, monkeypatch) -> str:
    """The index has a file of the right name and version, but it is not the one that was locked; gives its pin."""
    block = lock.locked(lock.LAMBDA)["pyjwt"]
    version = block.split()[0].partition("==")[2]
    (tmp_path / f"pyjwt-{version}-py3-none-any.whl").write_bytes(b"not what was locked")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return block


def test_pip_refuses_another_file(another_file, tmp_path):
    page = tmp_path / "locked.txt"
    page.write_text(another_file)
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps"]

    done = subprocess.run([*command, f"--requirement={page}"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr


def test_the_package_is_not_built_of_another_file(another_file, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "locked", lambda page: {"mysqlclient": "", "pyjwt": another_file})
    monkeypatch.setattr(package, "_tools", lambda *_: Path(sys.executable).parent)
    monkeypatch.setattr(mysql_driver, "build", lambda *_: tmp_path / "driver.whl")

    with pytest.raises(SystemExit, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        package.fill(tmp_path / "tree", tmp_path, None, tmp_path)
