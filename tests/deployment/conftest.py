"""The package, built once and unpacked once for all tests."""

import os
import zipfile
from pathlib import Path

import pytest

from deployment import package as packing


@pytest.fixture(scope="session")
def package() -> Path:
    """``dist/yt-backend.zip``, made of what is here now."""
    try:
        if not packing.is_current():
            packing.build()
    except SystemExit as lacking:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"Left out, because the package cannot be built here. {lacking}")
    return packing.PACKAGE


@pytest.fixture(scope="session")
def unpacked(package, tmp_path_factory) -> Path:
    """The package in a folder, which no test changes."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package) as opened:
        opened.extractall(folder)
    return folder
