"""The packaged API under Lambda's own runtime client, with nothing else in reach."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.aws import sandbox
from local.aws.functions import python_with_client
from local.aws.lambda_runtime import LambdaRuntime
from tests import tokens

LAYER = Path(__file__).parent / "layer"
HANDLER = "ytbackend.lambda_handler.handler"


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What ``zappa_settings.json`` gives the function, but for a database that is a file."""
    return {
        "DJANGO_SECRET_KEY": "k" * 60 + "0123456789",
        "DJANGO_ALLOWED_HOSTS": "*",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "S3_BUCKET": "media",
        "SQS_QUEUE_URL": "http://127.0.0.1:9/123456789012/jobs",
        "COGNITO_USER_POOL_ID": tokens.POOL_ID,
        "COGNITO_CLIENT_IDS": tokens.CLIENT_ID,
        "COGNITO_JWKS": tokens.key_set(),
        "API_BASE_PATH": "/yt-backend",
        "CORS_ALLOWED_ORIGINS": "https://shri.software",
    } | more


def observing() -> dict[str, str]:
    """Has the function answer what it sees, too (``layer/observed.py``), as a layer of Lambda would."""
    return {"PYTHONPATH": str(LAYER), "DJANGO_SETTINGS_MODULE": "observed"}


@contextmanager
def running(task: Path, folder: Path, **more: str) -> Iterator[LambdaRuntime]:
    """One execution environment of the unpacked package in ``task``; its database lies in ``folder``."""
    python, variables, prefix = python_with_client(), environment(folder, **more), sandbox.prefix(task)
    with LambdaRuntime(task, HANDLER, python=python, environment=variables, prefix=prefix) as runtime:
        yield runtime
