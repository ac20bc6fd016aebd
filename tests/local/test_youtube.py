"""The stand-in of YouTube: its own promises; what it answers is tested through yt-dlp."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from local.youtube import StandIn, Video, sample_videos
from transcripts.worker import youtube


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn([Video("abcdefghijk", "A title")]) as running:
        yield running


def ask(stand_in: StandIn, host: str, path: str) -> tuple[int, bytes]:
    port = int(stand_in.proxy_url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(stand_in.ca_file))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
    connection.set_tunnel(host, 443)
    try:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.status, response.read()
    finally:
        connection.close()


def test_it_speaks_for_youtube_with_a_certificate_that_holds(stand_in: StandIn) -> None:
    status, body = ask(stand_in, "www.youtube.com", "/watch?v=abcdefghijk")
    assert (status, b"<title>A title - YouTube</title>" in body) == (200, True)


def test_it_writes_down_what_it_was_asked(stand_in: StandIn) -> None:
    ask(stand_in, "www.youtube.com", "/watch?v=abcdefghijk")
    assert [(r.method, r.host, r.endpoint, r.video_id) for r in stand_in.log] == [
        ("GET", "www.youtube.com", "watch", "abcdefghijk")
    ]


@pytest.mark.parametrize("host", ["example.com", "www.youtube.com.example.com", "evilgooglevideo.com", "youtube.co"])
def test_it_refuses_other_hosts_and_writes_them_down(stand_in: StandIn, host: str) -> None:
    with pytest.raises(OSError, match="502"):
        ask(stand_in, host, "/")
    assert stand_in.leaks == [f"CONNECT {host}:443"]


def test_it_refuses_to_speak_without_tls(stand_in: StandIn) -> None:
    port = int(stand_in.proxy_url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "http://www.youtube.com/")
    with connection.getresponse() as response:
        assert response.status == 502
    connection.close()
    assert stand_in.leaks == ["GET http://www.youtube.com/"]


def test_it_ends_at_once_and_leaves_nothing_behind() -> None:
    others = set(threading.enumerate())  # servers of other tests
    with StandIn() as stand_in:
        port = int(stand_in.proxy_url.rpartition(":")[2])
        idle = socket.create_connection(("127.0.0.1", port))
        began = time.monotonic()
    idle.close()
    assert time.monotonic() - began < 1
    left = set(threading.enumerate()) - others
    assert not [t for t in left if "serve_forever" in t.name or "process_request" in t.name]
    assert not stand_in.ca_file.exists()


def test_it_takes_the_port_that_it_is_given(stand_in: StandIn) -> None:
    taken = int(stand_in.proxy_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        StandIn(port=taken)


def test_its_samples_are_the_same_talk_with_captions_and_without(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with StandIn(sample_videos()) as stand_in:
        for name, value in stand_in.environment().items():
            monkeypatch.setenv(name, value)
        settings.YOUTUBE_PROXY_URL = stand_in.proxy_url
        told, silent = youtube.extract("SampleCapt1"), youtube.extract("SampleVoice")
        assert told.captions("en") is not None
        assert silent.captions(None) is None
        assert silent.audio(tmp_path, lambda done: None).stat().st_size > 1000


def test_it_serves_the_samples_until_it_is_interrupted() -> None:
    # A shell that runs the tests in its background has them ignore the signal, and so would whoever they start.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "local.youtube"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        lines = [serving.stdout.readline() for _ in range(5)]
        os.kill(serving.pid, signal.SIGINT)
        assert serving.wait(10) == 0
    assert "SampleCapt1" in lines[0]
    assert lines[1].startswith("export YOUTUBE_PROXY_URL=http://127.0.0.1:")
