"""The world that each row is given, and what its processes wrote where a row fails."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests import tokens
from tests.faults.surroundings import BUCKET, TIMES, Surroundings, surroundings
from tests.faults.world import World
from videos import queue

LOG_CHARACTERS = 8000  # of each process, at most


@pytest.fixture(scope="session")
def _surroundings(aws, django_db_blocker) -> Iterator[Surroundings]:
    with django_db_blocker.unblock(), surroundings(aws) as found:
        yield found


@pytest.fixture
def world(_surroundings, tmp_path, settings, django_db_blocker, request) -> Iterator[World]:
    with django_db_blocker.unblock():
        world = World(_surroundings, tmp_path)
        for name, value in TIMES.items():
            setattr(settings, name, value)
        settings.SQS_QUEUE_URL = world.queue_url
        settings.S3_BUCKET = BUCKET
        bucket = {"bucket_name": BUCKET, "region_name": "us-east-1"}
        storage = {"BACKEND": "videos.s3.BoundedS3Storage", "OPTIONS": bucket}
        settings.STORAGES = settings.STORAGES | {"default": storage}
        settings.COGNITO_JWKS = tokens.key_set()
        queue._client.cache_clear()
        request.node.world = world
        yield world
        world.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """A failing row shows what its processes wrote."""
    outcome = yield
    report = outcome.get_result()
    world = getattr(item, "world", None)
    if report.failed and report.when == "call" and world:
        for process in world.processes:
            report.sections.append((process.plan.log.name, process.log()[-LOG_CHARACTERS:]))
