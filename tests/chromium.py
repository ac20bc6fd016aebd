"""A real browser, without a window."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

_PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# It asks nobody for anything by itself, and runs as root in a container.
_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for the tests of a module."""
    if _PROGRAM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not here, and a build must not leave it out: see tests/prepare.sh.")
        pytest.skip("Chromium is not here: see tests/prepare.sh.")
    # Playwright's loop runs in this thread as long as it does, and Django would take it for an asynchronous view.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=_PROGRAM, args=_OPTIONS)
        yield browser
        browser.close()
