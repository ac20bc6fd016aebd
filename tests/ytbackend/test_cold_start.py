"""What a process of Lambda does not load before it is ready, and that it works all the same."""

import gc
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ytbackend import cold_start

ROOT = Path(__file__).parents[2]

# What only documents, pages, commands, or the first job need.
NOT_THERE = {
    *("boto3", "botocore", "s3transfer", "storages"),
    *("drf_spectacular.openapi", "drf_spectacular.plumbing", "drf_spectacular.views", "ytbackend.documents"),
    *("django.test", "rest_framework.test", "unittest", "xml"),
    *("sentry_sdk", "opentelemetry", "zappa", "werkzeug", "transcripts.worker"),
    *("ytbackend.admin_site", "ytbackend.admin_urls", "unfold.sites", "unfold.admin"),
}

READY = """
import json, sys
import ytbackend.lambda_handler
print(json.dumps({name: type(module).__name__ for name, module in sys.modules.items()}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict[str, str]:
    """The modules of a process that is ready for its first event, with the names of their types."""
    folder = tmp_path_factory.mktemp("data")
    environment = {"PATH": os.environ["PATH"], "DJANGO_DEBUG": "true", "S3_BUCKET": "files", "DATA_DIR": str(folder)}
    command = [sys.executable, "-c", READY]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_it_loads_nothing_that_no_call_of_the_api_needs(loaded):
    assert NOT_THERE.intersection(loaded) == set()


def test_it_leaves_unread_what_libraries_import_and_no_call_uses(loaded):
    assert {name: loaded.get(name) for name in cold_start.LATE} == dict.fromkeys(cold_start.LATE, "_LazyModule")


def test_it_loads_what_is_late_when_it_is_first_used(monkeypatch):
    monkeypatch.setattr(cold_start, "LATE", frozenset({"colorsys"}))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    cold_start.begin()
    colors = importlib.import_module("colorsys")
    cold_start.end()

    assert (type(colors).__name__, colors.rgb_to_hsv(1, 0, 0)) == ("_LazyModule", (0, 1, 1))


def test_it_looks_for_garbage_again_when_it_is_ready():
    cold_start.begin()
    meanwhile = gc.isenabled()
    cold_start.end()

    assert (meanwhile, gc.isenabled()) == (False, True)


@pytest.fixture(autouse=True)
def _thaw():
    yield
    gc.unfreeze()
