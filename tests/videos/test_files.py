"""Files below a prefix, in a folder and in a bucket: the same contract for both."""

import urllib.request

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages

from videos import files


@pytest.fixture
def folder(tmp_path, settings) -> str:
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "videos.files.SignedFileSystemStorage", "OPTIONS": {"location": tmp_path}}
    }
    return str(tmp_path)


@pytest.fixture(params=["folder", "bucket"])
def storage(request):
    request.getfixturevalue(request.param)
    yield default_storage
    storages["default"].__dict__.pop("_connections", None)


def put(*paths: str) -> None:
    for path in paths:
        default_storage.save(path, ContentFile(b"x"))


def left(prefix: str) -> list[str]:
    folders, names = default_storage.listdir(prefix)
    return sorted(names + [f"{folder}/{name}" for folder in folders for name in left(f"{prefix}{folder}/")])


def test_it_deletes_all_below_a_prefix_and_nothing_else(storage):
    put("videos/a/1/audio.webm", "videos/a/1/transcript.json", "videos/a/2/audio.webm", "videos/ab/1/audio.webm")

    assert files.delete_below("videos/a/")

    assert left("videos/") == ["ab/1/audio.webm"]


def test_it_is_safe_to_repeat(storage):
    put("videos/a/1/audio.webm")

    assert [files.delete_below("videos/a/") for _ in range(2)] == [True, True]


def test_it_leaves_no_empty_folder_behind(folder, tmp_path):
    put("videos/a/1/audio.webm")

    files.delete_below("videos/a/")

    assert list((tmp_path / "videos").iterdir()) == []


def test_it_says_when_the_bucket_cannot_be_reached(bucket, settings):
    settings.STORAGES["default"]["OPTIONS"]["bucket_name"] = "there-is-no-such-bucket"
    settings.STORAGES = dict(settings.STORAGES)

    assert not files.delete_below("videos/a/")


def test_a_bucket_hands_out_signed_addresses_that_expire(bucket):
    put("videos/a/1/audio.webm")

    address = default_storage.url("videos/a/1/audio.webm")

    assert "X-Amz-Expires=300" in address
    assert "X-Amz-Signature=" in address
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"x"
