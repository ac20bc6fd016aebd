"""The three that are compared: the reference, the floor and ours, unpacked side by side as on Lambda.

All run on the Python that Lambda runs, with the same driver of the database, byte code that is valid, and the same
variables; only ours is stripped as our package is.
"""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import NamedTuple

from benchmarks import layout
from deployment import archive, contents, interpreter, package
from local.aws.functions import CLIENT, interpreter_with

HERE = Path(__file__).parent
_DRIVER = ("MySQLdb", "mysqlclient.libs")


class Stack(NamedTuple):
    """One of them: ``tree`` is what a function has as its folder, ``handler`` its entry there."""

    name: str
    tree: Path
    handler: str


def make(folder: Path) -> tuple[Stack, Stack, Stack]:
    """Reference, floor and ours below ``folder``; the reference's libraries are installed once for their pins."""
    if not package.is_current():
        print("Building our package …", flush=True)
        package.build()
    ours = folder / "ours"
    with zipfile.ZipFile(package.PACKAGE) as opened:
        opened.extractall(ours)
    reference, floor = folder / "reference", folder / "floor"
    shutil.copytree(_installed(), reference)
    shutil.copytree(HERE / "reference" / "src", reference / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("jwt", "cryptography", "cffi", "_cffi_backend*.so", "pycparser"):
        layout.copy(reference, floor, name)
    shutil.copy(HERE / "floor" / "handler.py", floor / "floor.py")
    for tree in (reference, floor):
        for name in _DRIVER:
            layout.copy(ours, tree, name)
        archive.compile_all(tree, interpreter.find())
    for tree in (reference, floor, ours):
        layout.as_on_lambda(tree)
    return (
        Stack("reference", reference, "src.main.handler"),
        Stack("floor", floor, "floor.handler"),
        Stack("ours", ours, "ytbackend.lambda_handler.handler"),
    )


def python() -> Path:
    """The interpreter for all, with the runtime client and nothing else."""
    return interpreter_with(CLIENT)


def _installed() -> Path:
    """The reference's libraries, as pip installs them."""
    wanted = (HERE / "reference" / "requirements.txt").read_text("utf-8")
    pins = re.findall(r"^[\w-]+==\S+", wanted, re.MULTILINE)
    folder = contents.ROOT / "dist" / ".cache" / ("reference-" + "-".join(pin.partition("==")[2] for pin in pins))
    if not folder.exists():
        print("Installing the reference …", flush=True)
        part = folder.with_name("reference.part")
        shutil.rmtree(part, ignore_errors=True)
        command = [str(interpreter.find().path), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        command += ["--only-binary=:all:", "--no-compile", f"--target={part}", *pins]
        subprocess.run(command, check=True)
        part.rename(folder)
    return folder
