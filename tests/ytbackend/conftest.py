"""The world in which every operation is tried."""

import pytest

from tests.chromium import chromium
from tests.guards import ownership

__all__ = ["chromium"]


@pytest.fixture
def world(alice, bob, charlie, stranger, sqs, settings, tmp_path) -> ownership.World:
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "videos.files.SignedFileSystemStorage", "OPTIONS": {"location": tmp_path / "files"}}
    }
    clients = {"alice": alice, "bob": bob, "charlie": charlie, "stranger": stranger}
    filled = ownership.World(sqs, settings.SQS_QUEUE_URL, clients)
    filled.fill()
    return filled
