"""The functions of the local AWS, which really run: their packages are unzipped and driven by the real runtime client.

As on Lambda, an execution environment handles one event at a time, and is kept for the next one; where all are at
work, another one is started. After a change of code or configuration, new ones are.
"""

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
from local.lambda_runtime import InitError, Invocation, LambdaRuntime

ROOT = Path(__file__).resolve().parent.parent
CLIENT = "awslambdaric==4.2.2"  # what Lambda's own images of Python carry


def python_with_client() -> Path:
    """An interpreter of Lambda's version with nothing but the runtime client; made once.

    It lies below ``dist/.cache``: Zappa looks into every folder whose name has no dot in front.
    """
    found = interpreter.find()
    folder = ROOT / "dist" / ".cache" / f"{CLIENT.replace('==', '-')}-{found.version}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([str(found.path), "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", CLIENT]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return python


def unzipped(package: bytes, folder: Path) -> Path:
    """The package's files below ``folder``, under a name of its content; written once."""
    target = folder / hashlib.sha256(package).hexdigest()[:16]
    if not target.exists():
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            archive.extractall(target)
            for entry in archive.infolist():  # which Python's own extraction forgets
                if mode := entry.external_attr >> 16 & 0o777:
                    (target / entry.filename).chmod(mode)
    return target


class Functions:
    """All execution environments, between ``with`` and its end; ``extra`` is what each has beside its variables."""

    def __init__(self, extra: Mapping[str, str]) -> None:
        self.extra = dict(extra)
        self._idle: dict[str, list[LambdaRuntime]] = {}
        self._all: list[LambdaRuntime] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="functions-")
        self._python = python_with_client()
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
            runtime = self._take(key, function)
        except InitError as error:
            problem = {"errorType": "Runtime.InitError", "errorMessage": str(error)}
            return Invocation(None, problem, (time.perf_counter() - began) * 1000, str(error))
        try:
            outcome = runtime.invoke(event)
        finally:
            with self._lock:
                if runtime.alive:
                    self._idle.setdefault(key, []).append(runtime)
        return outcome

    def _take(self, key: str, function: Any) -> LambdaRuntime:
        with self._lock:
            while self._idle.get(key):
                runtime = self._idle[key].pop()
                if runtime.alive:
                    return runtime
            folder = unzipped(function.code_bytes, Path(self._folder.name))
        runtime = LambdaRuntime(
            folder,
            function.handler,
            python=self._python,
            environment={**function.environment_vars, **self.extra, "AWS_LAMBDA_FUNCTION_VERSION": function.version},
            function=function.function_name,
            region=function.region,
            memory_mb=int(function.memory_size),
            timeout_s=float(function.timeout),
        )
        runtime.__enter__()
        with self._lock:
            self._all.append(runtime)
        return runtime


def log_lines(outcome: Invocation, function: Any) -> str:
    """What CloudWatch gets of one invocation, with the platform's own lines."""
    request_id = os.urandom(8).hex()
    wrote = outcome.log if outcome.log.endswith("\n") or not outcome.log else outcome.log + "\n"
    return (
        f"START RequestId: {request_id} Version: {function.version}\n{wrote}END RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: {outcome.milliseconds:.2f} ms"
    )
