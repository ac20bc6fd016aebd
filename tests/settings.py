"""The project's own settings, in an environment that points at nothing outside this machine."""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

from local.cognito import CLIENT_ID, POOL_ID

_folder = tempfile.mkdtemp(prefix="tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)

# What a deployment reads, whoever runs the tests may have set; boto3 reads more than .env.example names.
_root = Path(__file__).parents[1]
_known = re.findall(r"^#? ?([A-Z0-9_]+)=", (_root / ".env.example").read_text(), re.MULTILINE)
for _name in list(os.environ):
    if _name in _known or _name.startswith("AWS_"):
        del os.environ[_name]
os.environ |= {
    "DATA_DIR": _folder,
    "DATABASE_URL": os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{_folder}/db.sqlite3",
    "DJANGO_SECRET_KEY": "only-for-tests",
    "DJANGO_ALLOWED_HOSTS": "testserver,127.0.0.1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "COGNITO_USER_POOL_ID": POOL_ID,
    "COGNITO_CLIENT_IDS": CLIENT_ID,
    "LOG_LEVEL": "WARNING",
    "WORKER_JOBS": "1",  # in the tests' own thread; those that are about more, and the processes of faults/, say so
}

from ytbackend.settings import *  # noqa: E402, F403

# Threads of a worker need a database that more than one connection can open.
DATABASES["default"].setdefault("TEST", {})["NAME"] = (  # noqa: F405
    "test_transcripts" if DATABASES["default"]["ENGINE"].endswith("mysql") else f"{_folder}/test.sqlite3"  # noqa: F405
)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
