"""The functions of the local AWS, which really run: their packages are unzipped and driven by the real runtime client.

As on Lambda, an execution environment handles one event at a time, and is kept for the next one; where all are at
work, another one is started. After a change of code or configuration, new ones are.
"""

import fcntl
import hashlib
import io
import json
import os
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from deployment import interpreter
from local.aws import sandbox
from local.aws.lambda_runtime import InitError, Invocation, LambdaRuntime

ROOT = Path(__file__).resolve().parents[2]
CLIENT = "awslambdaric==4.2.2"  # what Lambda's own images of Python carry
SDK = "boto3==1.44.5"  # so do they; only functions that bring no libraries of their own are given it here


def python_with_client() -> Path:
    """An interpreter of Lambda's version with nothing but the runtime client; made once."""
    return interpreter_with(CLIENT)


def interpreter_with(*distributions: str) -> Path:
    """An interpreter of Lambda's version with nothing but these; made once.

    It lies below ``dist/.cache``: Zappa looks into every folder whose name has no dot in front.
    """
    found = interpreter.find()
    name = "-".join([found.version, *(distribution.replace("==", "-") for distribution in distributions)])
    folder = ROOT / "dist" / ".cache" / f"python-{name}"
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "python.lock").open("w") as lock:  # two that begin at once would clear each other's folder
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            subprocess.run([str(found.path), "-m", "venv", "--clear", str(folder)], check=True)
            pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
            subprocess.run([*pip, "install", "-qq", *distributions], check=True)
            subprocess.run([*pip, "uninstall", "-qq", "--yes", "pip"], check=True)
            (folder / "complete").touch()
    return python


def unzipped(package: bytes, folder: Path) -> Path:
    """The package's files below ``folder``, under a name of its content; written once."""
    target = folder / hashlib.sha256(package).hexdigest()[:16]
    if not target.exists():
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            archive.extractall(target)
            for entry in archive.infolist():
                if mode := entry.external_attr >> 16 & 0o777:  # which Python's own extraction forgets
                    (target / entry.filename).chmod(mode)
    return target


class Functions:
    """All execution environments, between ``with`` and its end.

    ``extra`` is what each has beside its own variables; ``outside`` what those have, too, that are in no VPC, and so
    reach the internet. ``replaced`` are files that take the place of a package's, by their paths in it.
    """

    def __init__(self, extra: Mapping[str, str]) -> None:
        self.extra = dict(extra)
        self.outside: dict[str, str] = {}
        self.replaced: dict[str, Path] = {}
        self._idle: dict[str, list[LambdaRuntime]] = {}
        self._all: list[LambdaRuntime] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="functions-")
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for runtime in self._all:
                runtime.close()
        self._folder.cleanup()

    @property
    def started(self) -> int:
        """How many environments there have been."""
        return len(self._all)

    def logs(self) -> list[str]:
        """What each environment has written, in the order of their starts."""
        with self._lock:
            return [runtime.log() for runtime in self._all]

    def invoke(self, function: Any, event: Any) -> Invocation:
        """Runs a function as moto knows it. A module that cannot be loaded is an error of the invocation."""
        variables = sorted(function.environment_vars.items())
        key = json.dumps([function.function_name, function.version, function.code_sha_256, function.handler, variables])
        began = time.perf_counter()
        try:
            runtime = self._taken(key) or self._started(function)
        except InitError as error:
            problem = {"errorType": "Runtime.InitError", "errorMessage": str(error)}
            return Invocation(None, problem, (time.perf_counter() - began) * 1000, str(error))
        try:
            return runtime.invoke(event)
        finally:
            with self._lock:
                if runtime.alive:
                    self._idle.setdefault(key, []).append(runtime)

    def _taken(self, key: str) -> LambdaRuntime | None:
        with self._lock:
            while self._idle.get(key):
                runtime = self._idle[key].pop()
                if runtime.alive:
                    return runtime
        return None

    def _started(self, function: Any) -> LambdaRuntime:
        with self._lock:
            folder = self._with_replaced(unzipped(function.code_bytes, Path(self._folder.name)))
        own = {**function.environment_vars, **self.extra}
        own |= {"AWS_ACCESS_KEY_ID": function.role.rpartition("/")[2], "AWS_LAMBDA_FUNCTION_VERSION": function.version}
        runtime = LambdaRuntime(
            folder,
            function.handler,
            python=python_with_client() if function.vpc_config else interpreter_with(CLIENT, SDK),
            environment=own if function.vpc_config else own | self.outside,
            function=function.function_name,
            region=function.region,
            memory_mb=int(function.memory_size),
            timeout_s=float(function.timeout),
            prefix=sandbox.prefix(folder),
        )
        runtime.__enter__()
        with self._lock:
            self._all.append(runtime)
        return runtime

    def _with_replaced(self, folder: Path) -> Path:
        for path, content in self.replaced.items():
            if (folder / path).exists():
                (folder / path).write_bytes(content.read_bytes())
        return folder


def log_lines(outcome: Invocation, function: Any) -> str:
    """What CloudWatch gets of one invocation, with the platform's own lines."""
    request_id = os.urandom(8).hex()
    wrote = outcome.log if outcome.log.endswith("\n") or not outcome.log else outcome.log + "\n"
    return (
        f"START RequestId: {request_id} Version: {function.version}\n{wrote}END RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: {outcome.milliseconds:.2f} ms"
    )
