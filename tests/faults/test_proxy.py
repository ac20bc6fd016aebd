"""The proxy does what it says: what the rows prove hangs on it."""

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Chunk, Commit, Direction, Loss, Proxy

pytestmark = pytest.mark.faults


class Echo(socketserver.ThreadingTCPServer):
    """Says everything once more. ``heard`` is what reached it, ``hung_up`` whether somebody has gone."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.hung_up = threading.Event()
        super().__init__(("127.0.0.1", 0), _Repeat)


class _Repeat(socketserver.BaseRequestHandler):
    server: Echo

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.request.recv(4096):
                self.server.heard.append(data)
                self.request.sendall(data)
        self.server.hung_up.set()


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo) -> Iterator[Proxy]:
    with Proxy(echo.server_address) as running:
        yield running


@contextlib.contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=2) as client:
        yield client


def says(proxy: Proxy, data: bytes) -> bytes:
    with connected(proxy) as client:
        client.sendall(data)
        return client.recv(4096)


def test_it_passes_everything_in_fine_weather(proxy):
    assert says(proxy, b"hello") == b"hello"


def test_it_refuses_and_keeps_its_port(proxy):
    with connected(proxy) as earlier, proxy.refuse():
        with pytest.raises(ConnectionRefusedError):
            says(proxy, b"hello")
        with pytest.raises(ConnectionResetError):
            earlier.recv(1)
    assert says(proxy, b"hello") == b"hello"


def test_it_resets_newcomers(proxy, echo):
    with proxy.reset(), pytest.raises(ConnectionResetError):
        says(proxy, b"hello")
    assert echo.heard == []


def test_it_swallows_what_is_said_and_breaks_the_connection_when_it_heals(proxy, echo):
    with connected(proxy) as client:
        with proxy.black_hole():
            client.settimeout(0.1)
            client.sendall(b"hello")
            with pytest.raises(TimeoutError):
                client.recv(1)
        client.settimeout(2)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert echo.heard == []


def test_it_delays(proxy):
    begun = time.monotonic()
    with proxy.delay(0.1):
        assert says(proxy, b"hello") == b"hello"
    assert time.monotonic() - begun >= 0.2


def test_it_cuts_in_the_middle(proxy, echo):
    with proxy.cut(after=3, direction=Direction.REQUEST), pytest.raises(ConnectionResetError):
        says(proxy, b"hello")
    assert b"".join(echo.heard) in (b"hel", b"")  # a reset may overtake what was on its way


def test_it_drops_replies(proxy, echo):
    with proxy.drop_replies(), pytest.raises(ConnectionResetError):
        says(proxy, b"hello")
    assert echo.heard == [b"hello"]


def test_it_talks_nonsense(proxy, echo):
    with proxy.talk_nonsense(b"what?"):
        assert says(proxy, b"hello") == b"what?"
    assert echo.heard == []


def test_it_loses_one_request_and_no_other(proxy, echo):
    loss = Loss(lambda chunk: chunk.data == b"hello")
    with proxy.follow(loss):
        assert says(proxy, b"well") == b"well"
        with pytest.raises(ConnectionResetError):
            says(proxy, b"hello")
        assert says(proxy, b"hello") == b"hello"
    assert (loss.count, echo.heard) == (1, [b"well", b"hello"])


def test_it_loses_one_answer_and_no_other(proxy, echo):
    loss = Loss(lambda chunk: chunk.data == b"hello", reply=True)
    with proxy.follow(loss):
        with pytest.raises(ConnectionResetError):
            says(proxy, b"hello")
        assert says(proxy, b"hello") == b"hello"
    assert (loss.count, echo.heard) == (1, [b"hello", b"hello"])


def test_it_passes_on_that_a_side_has_broken_the_connection(proxy, echo):
    with connected(proxy) as client:
        client.sendall(b"hello")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # as when it is killed

    assert echo.hung_up.wait(2)


def test_it_tells_a_commit_from_words_about_commits():
    matches = Commit(after=b"INSERT INTO `transcripts`")

    def said(data: bytes, connection: int = 1) -> bool:
        return matches(Chunk(connection, Direction.REQUEST, data))

    commit = b"\x07\x00\x00\x00\x03COMMIT"
    assert not said(b"\x30\x00\x00\x00\x03SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    assert not said(commit)  # of another transaction
    assert not said(b"\x30\x00\x00\x00\x03INSERT INTO `transcripts` VALUES ('COMMIT')")
    assert not said(commit, connection=2)
    assert said(commit)
    assert not said(commit)  # of the next one
