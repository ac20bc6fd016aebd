"""What each measure of the package does for a cold start: from the start of the process to the first answer.

    python -m benchmarks.cold_start --rounds 10

Runs the package under Lambda's real runtime client, with the same event, in variants that lack one measure each. The
variants take turns, so that what else the machine does meets them alike; beside the time on the wall it prints the
processor's, which other work disturbs less. Files have the time that Lambda gives them, and cannot be written.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import layout
from benchmarks.process import processor_ms
from deployment import archive, interpreter, package
from deployment.contents import ROOT
from local.aws.functions import CLIENT, interpreter_with
from local.aws.lambda_runtime import LambdaRuntime

OURS, ZAPPAS = "ytbackend.lambda_handler.handler", "zappa.handler.lambda_handler"
_ENVIRONMENT = {
    "DJANGO_SECRET_KEY": "invented-for-a-measurement",
    "DJANGO_ALLOWED_HOSTS": "*",
    "DATABASE_URL": "mysql://nobody:nothing@127.0.0.1:9/nowhere",  # the root asks no database
    "S3_BUCKET": "nowhere",
    "SQS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/nowhere",
    "COGNITO_USER_POOL_ID": "us-east-1_AbCdEfGhI",
    "COGNITO_CLIENT_IDS": "0123456789abcdefghijklmnop",
    "COGNITO_JWKS": '{"keys": []}',
}
_REST = {
    "resource": "/{proxy+}",
    "path": "/",
    "httpMethod": "GET",
    "headers": {"Host": "abc.execute-api.us-east-1.amazonaws.com", "X-Forwarded-For": "192.0.2.1", "Accept": "*/*"},
    "multiValueHeaders": {"Host": ["abc.execute-api.us-east-1.amazonaws.com"], "X-Forwarded-For": ["192.0.2.1"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "requestContext": {
        "stage": "default",
        "path": "/default/",
        "httpMethod": "GET",
        "domainName": "abc.execute-api.us-east-1.amazonaws.com",
        "identity": {"sourceIp": "192.0.2.1"},
        "resourcePath": "/",
    },
    "body": None,
    "isBase64Encoded": False,
}


class Variant(NamedTuple):
    """``change`` makes it of a copy of the package."""

    name: str
    change: Callable[[Path], None]
    handler: str = OURS


class Start(NamedTuple):
    """Milliseconds: until it waits for events, for the first answer, for both together by the processor, and later."""

    init: float
    first: float
    processor: float
    warm: float

    @property
    def total(self) -> float:
        """From the start of the process to the first answer."""
        return self.init + self.first


def unchanged(tree: Path) -> None:
    """As it is deployed."""


def checked(tree: Path) -> None:
    """Byte code that Python compares with its source at each import."""
    archive.compile_all(tree, interpreter.find(), "checked-hash")


def stale(tree: Path) -> None:
    """Byte code that is valid by time, which the zip then loses: what Zappa's own packages have."""
    _by_time(tree)


def with_requests(tree: Path) -> None:
    """The library requests, which zappa asks for and Django REST framework imports wherever it is."""
    # Of what it asks for, the package has urllib3.
    command = [str(interpreter.find().path), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-compile", f"--constraint={ROOT / 'constraints.txt'}", f"--target={tree}"]
    pins = re.findall(r"^requests==\S+", (ROOT / "requirements-worker.txt").read_text("utf-8"), re.MULTILINE)
    subprocess.run([*command, *pins, "charset-normalizer", "idna", "certifi"], check=True)
    archive.compile_all(tree, interpreter.find())


def without_urls(tree: Path) -> None:
    """The views are loaded with the first request."""
    module = tree / "ytbackend/lambda_handler.py"
    source, removed = re.subn(r'^resolve\("/"\).*$', "", module.read_text("utf-8"), flags=re.MULTILINE)
    if removed != 1:
        sys.exit(f"{module.name} loads the views in another way: mend this benchmark.")
    module.write_text(source, "utf-8")
    archive.compile_all(tree, interpreter.find())


def as_zappa_packs(tree: Path) -> None:
    """With requests, and with byte code that is stale."""
    with_requests(tree)
    _by_time(tree)


VARIANTS = (
    Variant("the package", unchanged),
    Variant("byte code checked", checked),
    Variant("byte code stale", stale),
    Variant("with requests", with_requests),
    Variant("addresses not at init", without_urls),
    Variant("Zappa's handler", unchanged, ZAPPAS),
    Variant("as Zappa packs and handles", as_zappa_packs, ZAPPAS),
)


def _by_time(tree: Path) -> None:
    for path in tree.rglob("*.pyc"):
        path.unlink()
    command = [
        str(interpreter.find().path),
        "-I",
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "timestamp",
        str(tree),
    ]
    subprocess.run(command, check=True)


def prepare(variant: Variant, folder: Path) -> Path:
    """The variant, unpacked as on Lambda."""
    tree = folder / re.sub(r"\W+", "-", variant.name)
    with zipfile.ZipFile(package.PACKAGE) as opened:
        opened.extractall(tree)
    variant.change(tree)
    layout.as_on_lambda(tree)
    return tree


def start(variant: Variant, tree: Path, python: Path) -> Start:
    """One cold start, and twenty requests after it."""
    with LambdaRuntime(tree, variant.handler, python=python, environment=_ENVIRONMENT) as runtime:
        first = runtime.invoke(_REST)
        processor = processor_ms(runtime.pid)
        if first.error or first.answer["statusCode"] != 200:
            sys.exit(f"{variant.name} does not answer: {first}\n{runtime.log()}")
        warm = statistics.median(runtime.invoke(_REST).milliseconds for _ in range(20))
        return Start(runtime.init_milliseconds, first.milliseconds, processor, warm)


def report(variant: Variant, starts: list[Start]) -> str:
    """A line: medians, and of the total the quarters between which half of all lie."""
    middle = [
        statistics.median(getattr(one, name) for one in starts) for name in ("init", "first", "total", "processor")
    ]
    low, _, high = statistics.quantiles([one.total for one in starts], n=4)
    warm = statistics.median(one.warm for one in starts)
    return (
        f"{variant.name:28}{middle[0]:8.0f}{middle[1]:8.0f}{middle[2]:8.0f}{low:8.0f} – {high:<6.0f}"
        f"{middle[3]:8.0f}{warm:8.1f}"
    )


def main() -> None:
    """All variants in turn, a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="cold starts of each variant, two at least")
    rounds = max(2, parser.parse_args().rounds)
    if not package.is_current():
        package.build()
    python = interpreter_with(CLIENT)
    starts: dict[Variant, list[Start]] = {variant: [] for variant in VARIANTS}
    folder = Path(tempfile.mkdtemp(prefix="cold-"))
    try:
        trees = {variant: prepare(variant, folder) for variant in VARIANTS}
        for number in range(rounds + 1):
            for variant, tree in trees.items():
                measured = start(variant, tree, python)
                if number:  # the first reads the files from the disk
                    starts[variant].append(measured)
    finally:
        shutil.rmtree(folder)
    print(f"Medians of {rounds}, in milliseconds. 'total' is from the start of the process to the first answer.")
    print(f"{'':28}{'init':>8}{'first':>8}{'total':>8}{'half of all':>17}{'proc.':>8}{'warm':>8}")
    for variant, found in starts.items():
        print(report(variant, found))


if __name__ == "__main__":
    main()
