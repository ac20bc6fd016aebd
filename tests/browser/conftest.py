"""A real browser before the real stack: API, worker and sweep as processes, on loopback alone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from local.stack import Stack
from tests.chromium import chromium

__all__ = ["chromium"]


@pytest.fixture(scope="module")  # its processes are children of this one: tests that count theirs come later
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What ``make run`` starts."""
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        running.start("API", "runserver", "--noreload", running.api_url.removeprefix("http://"), log=True)
        running.start("worker", "run_worker", log=True)
        running.start("sweep", "sweep", "--every", "1", log=True)
        running.wait_for_api()
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab of its own; what its pages may not do, or fail at, fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)
    tab.on("response", lambda got: complaints.append(f"{got.status} {got.url}") if got.status in (404, 500) else None)
    yield tab
    context.close()
    assert complaints == []
