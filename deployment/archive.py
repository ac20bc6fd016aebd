"""A folder as a zip for Lambda: byte code that stays valid there, and the same bytes for the same files."""

import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Literal

from deployment.interpreter import Interpreter

ON_LAMBDA = (
    "/var/task"  # where Lambda unpacks it: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
)
FIRST_YEAR = (1980, 1, 1, 0, 0, 0)  # a zip has no earlier time, and the time of the build must not be in it
Validation = Literal["checked-hash", "unchecked-hash"]


def compile_all(tree: Path, interpreter: Interpreter, validation: Validation = "unchecked-hash") -> None:
    """Byte code beside every module, valid by the hash of its source (PEP 552).

    By its time it would not be: a zip forgets seconds and ours has no times, and as Lambda's folder is read-only, every
    cold start would compile everything anew. ``deployment.inspect_package`` compares the hash once. At each import it
    would make Python read all sources at each cold start, in a folder that nobody can write to.

    One process in a fixed order: marshal writes down which objects were in use elsewhere.
    """
    # Not -I, which would not look at the seed either.
    command = [str(interpreter.path), "-P", "-s", "-m", "compileall", "-q", "-f", "-r", "100"]
    command += ["--invalidation-mode", validation, "-s", str(tree), "-p", ON_LAMBDA, str(tree)]
    environment = {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"Not everything could be compiled:\n{done.stdout}{done.stderr}")


def write(tree: Path, target: Path) -> None:
    """The folder's files as ``target``, in order, without times, owners, or modes of this machine."""
    temporary = target.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in tree.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), FIRST_YEAR)
            entry.create_system = 3  # Unix, so that modes count
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | (0o755 if ".so" in path.suffixes else 0o644)) << 16
            archive.writestr(entry, path.read_bytes())
    temporary.replace(target)
