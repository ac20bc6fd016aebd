"""The Python that Lambda runs, on this machine: byte code and compiled modules fit one minor version only."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WANTED = "3.13"
# Without these it cannot build: some interpreters lack what was not there when they were compiled.
_PROBE = """
import ensurepip, platform, ssl, sys, venv, zlib
print(platform.python_version(), platform.machine(), sys.base_prefix, sep="\\n")
"""


class Interpreter(NamedTuple):
    """An interpreter that has been run: ``version`` as in 3.13.0, ``machine`` as in x86_64, where it is installed."""

    path: Path
    version: str
    machine: str
    prefix: str


def find() -> Interpreter:
    """The first that runs, of those that are on the PATH, pyenv's and uv's; ends the program where there is none."""
    for candidate in _candidates():
        if found := _try(candidate):
            return found
    raise SystemExit(
        f"There is no Python {WANTED} here, and the package needs the version that Lambda runs. Install it, for "
        f"example with `uv python install {WANTED}` or `pyenv install {WANTED}`, or put python{WANTED} on the PATH."
    )


def _candidates() -> Iterator[Path]:
    name = f"python{WANTED}"
    if sys.version_info[:2] == tuple(int(part) for part in WANTED.split(".")):
        yield Path(sys.base_prefix, "bin", name)
    for folder in os.get_exec_path():
        yield Path(folder, name)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    with contextlib.suppress(PermissionError):  # another user's
        yield from sorted(pyenv.glob(f"versions/{WANTED}*/bin/{name}"), reverse=True)
    if uv := shutil.which("uv"):
        # --system: not the environment of this project, which is another version as a rule
        command = [uv, "python", "find", "--system", "--no-python-downloads", WANTED]
        yield Path(subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or os.devnull)


def _try(path: Path) -> Interpreter | None:
    """None for what is not there or does not run, such as pyenv's shim of a version that is not chosen."""
    if not os.access(path, os.X_OK) or path.is_dir():
        return None
    try:
        done = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = done.stdout.splitlines()
    if done.returncode or len(said) != 3 or not said[0].startswith(f"{WANTED}."):
        return None
    return Interpreter(path, *said)
