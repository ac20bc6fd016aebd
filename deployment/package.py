"""``python -m deployment.package`` builds ``dist/yt-backend.zip``, which Lambda runs.

It needs no container, no root and no AWS account, but the Python that Lambda runs, a C compiler and MariaDB's client
library. The same source gives the same bytes, on the same versions of those. Below ``dist/.cache`` it keeps what takes
long: the driver, and the programs that build it. (Zappa looks into every folder without a dot in front.)
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from deployment import archive, contents, lock, mysql_driver
from deployment.contents import ROOT
from deployment.interpreter import Interpreter, find

DIST = ROOT / "dist"
PACKAGE = DIST / "yt-backend.zip"
STAGE = "default"
MANIFEST = "package.json"  # at the zip's root: what it was made of
_INPUTS = (lock.LAMBDA, lock.TOOLS, "zappa_settings.json")
# Modules that decide on its bytes.
_BUILDERS = ("archive", "contents", "elf", "interpreter", "lock", "mysql_driver", "package")

# Zappa's own code writes the module that its handler reads. What differs between accounts does not go in: the function
# gets it by its variables, and the handler learns region, domain and base path from each event.
_ZAPPA_SETTINGS = """
import sys, boto3
from zappa.cli import ZappaCLI
cli = ZappaCLI()
cli.api_stage, cli.vargs = sys.argv[2], {}
cli.load_settings(sys.argv[1], session=boto3.Session(region_name="us-east-1"))
cli.aws_region = cli.domain = cli.base_path = None
sys.stdout.write(cli.get_zappa_settings_string())
"""


def fingerprint(interpreter: Interpreter) -> str:
    """Of everything that the package is made of; two trees with the same one give the same bytes."""
    digest = hashlib.sha256(repr((interpreter.version, interpreter.machine, mysql_driver.fingerprint())).encode())
    builders = [Path("deployment", name).with_suffix(".py") for name in _BUILDERS]
    ours = [*map(Path, _INPUTS), *builders, *contents.own_files()]
    for path in sorted(ours):
        digest.update(f"{path}\n".encode() + hashlib.sha256((ROOT / path).read_bytes()).digest())
    return digest.hexdigest()


def is_current(package: Path = PACKAGE) -> bool:
    """Whether the package was made of what is here now."""
    try:
        with zipfile.ZipFile(package) as opened:
            made_of = json.loads(opened.read(MANIFEST))["inputs"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return False
    return bool(made_of == fingerprint(find()))


def build(target: Path = PACKAGE, *, cache: Path | None = None) -> Path:
    """Builds the package; ends the program with a sentence where something is missing.

    ``cache`` is by default beside the target. One build at a time uses it.
    """
    cache = cache or target.parent / ".cache"
    interpreter = find()
    inputs = fingerprint(interpreter)
    with _alone(cache), tempfile.TemporaryDirectory(prefix="package-") as work:
        tree = Path(work, "tree")
        fill(tree, Path(work), interpreter, cache)
        made_of = {"inputs": inputs, "python": interpreter.version, "machine": interpreter.machine}
        (tree / MANIFEST).write_text(json.dumps(made_of, indent=1) + "\n", "utf-8")
        archive.compile_all(tree, interpreter)
        archive.write(tree, target)
    return target


def fill(tree: Path, work: Path, interpreter: Interpreter, cache: Path) -> None:
    """Puts everything but byte code into ``tree``: the dependencies, our applications, Zappa's settings."""
    tools = _tools(interpreter, cache)
    locked = lock.locked(lock.LAMBDA)
    wheel = mysql_driver.build(locked.pop("mysqlclient"), interpreter, tools, cache)
    page = work / "locked.txt"
    page.write_text("".join(locked.values()), "utf-8")
    install = [*_pip(tools), "--only-binary=:all:", "--no-compile", f"--target={tree}"]
    _run(*install, "--require-hashes", f"--requirement={page}")
    _run(*install, wheel)  # of the file that its hash was asked for, compiled here
    contents.leave_out(tree)
    for path in contents.own_files():
        (tree / path.parent).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tree / path)
    (tree / "zappa_settings.py").write_text(zappa_settings(tools, work), "utf-8")


def zappa_settings(tools: Path, work: Path) -> str:
    """The module that Zappa's handler reads; ends the program where it would differ between accounts."""
    stage = json.loads((ROOT / "zappa_settings.json").read_text("utf-8"))[STAGE]
    differs = {key for key, value in stage.items() if "${" in json.dumps(value)}
    if differs & {"events", "environment_variables"}:
        raise SystemExit(
            "In zappa_settings.json, events and environment_variables must not differ between accounts: Zappa writes "
            "them into the package. A variable of the function belongs to aws_environment_variables."
        )
    elsewhere = work / "empty"  # zappa looks through the folder that it runs in
    elsewhere.mkdir()
    same = {key: value for key, value in stage.items() if key not in differs}
    (elsewhere / "settings.json").write_text(json.dumps({STAGE: same}), "utf-8")
    environment = {"PATH": os.environ["PATH"], "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    command: list[str | Path] = [tools / "python", "-I", "-c", _ZAPPA_SETTINGS, "settings.json", STAGE]
    return _run(*command, folder=elsewhere, environment=environment)


def _tools(interpreter: Interpreter, cache: Path) -> Path:
    """The programs of an environment that has what builds the package; made where it is not there yet."""
    wanted = ROOT / lock.TOOLS
    key = hashlib.sha256(repr((interpreter, wanted.read_bytes())).encode()).hexdigest()[:16]
    folder = cache / f"tools-{key}"
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(interpreter.path, "-m", "venv", folder)
        _run(*_pip(folder / "bin"), "--require-hashes", f"--requirement={wanted}")
        complete.touch()
    return folder / "bin"


def _pip(programs: Path) -> list[str | Path]:
    """What installs the files that a lock names, and nothing that they would pull in."""
    quiet = ["--quiet", "--disable-pip-version-check"]
    return [programs / "python", "-m", "pip", "install", *quiet, "--no-deps"]


@contextlib.contextmanager
def _alone(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str | Path, folder: Path | None = None, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"This failed: {' '.join(map(str, command[:6]))} …\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Builds, unless what is there is made of the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--force", action="store_true", help="build although nothing has changed")
    options = parser.parse_args(arguments)
    if is_current() and not options.force:
        print(f"{PACKAGE.relative_to(ROOT)} is up to date.")
        return
    print(f"Building {PACKAGE.relative_to(ROOT)} …", flush=True)
    build()


if __name__ == "__main__":
    main()
