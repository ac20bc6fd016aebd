"""A worker with its surroundings: YouTube's stand-in, a queue, the small speech model."""

import signal
from collections.abc import Iterator

import pytest

from local import speech_model
from local.youtube import StandIn, sample_videos
from transcripts.worker import speech


@pytest.fixture
def stand_in(settings, monkeypatch) -> Iterator[StandIn]:
    """YouTube, as far as yt-dlp can tell, with the two sample videos; fails the test if anything else is asked."""
    with StandIn(sample_videos()) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        settings.YOUTUBE_PROXY_URL = running.proxy_url
        settings.YOUTUBE_RETRIES = 0
        yield running
    assert running.leaks == []


@pytest.fixture(scope="session")
def _small_model() -> str:
    return str(speech_model.folder())


@pytest.fixture
def small_model(settings, _small_model) -> None:
    """The real speech engine with the small model, loaded once for all tests."""
    settings.SPEECH_MODEL = _small_model
    speech.engine()


@pytest.fixture
def _signals() -> Iterator[None]:
    """Gives the process its signal handlers back, which a worker takes over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
