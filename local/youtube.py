"""A stand-in for YouTube on loopback: a proxy that ends TLS itself, so that the real yt-dlp talks to it unchanged.

yt-dlp is given it as ``YOUTUBE_PROXY_URL`` and trusts its throw-away authority through ``SSL_CERT_FILE``; TLS is
verified as ever. It knows the hosts of YouTube and the videos it was given. A request to any other host is
refused with 502 and written down in :attr:`StandIn.leaks`. It proves how we use YouTube, not
that YouTube still answers so today.

    python -m local.youtube
"""

import argparse
import contextlib
import json
import re
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

import trustme

from local.youtube_answers import Track, Video, sample_videos

__all__ = ["Request", "Site", "StandIn", "Track", "Video", "sample_videos"]

HOSTS = ("www.youtube.com", "youtube.com", "i.ytimg.com", "*.googlevideo.com")
ENDPOINTS = {
    "/watch": "watch",
    "/youtubei/v1/player": "player",
    "/youtubei/v1/next": "next",
    "/api/timedtext": "timedtext",
}
UNKNOWN = {
    "playabilityStatus": {
        "status": "ERROR",
        "reason": "This stand-in of YouTube has only its samples, and this is none of them",
    }
}


class Request(NamedTuple):
    """One request that reached the stand-in."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    endpoint: str  # watch, player, next, timedtext, media or other
    video_id: str


class StandIn:
    """The stand-in, running between ``with`` and its end; ``videos`` may be changed meanwhile."""

    def __init__(self, videos: Iterable[Video] = (), *, port: int = 0) -> None:
        self.videos = {video.id: video for video in videos}
        self.log: list[Request] = []
        self.leaks: list[str] = []
        self._folder = tempfile.TemporaryDirectory(prefix="youtube-stand-in-")
        self.ca_file = Path(self._folder.name, "ca.pem")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*HOSTS).configure_cert(self.tls)
        try:
            self._server = _Server(("127.0.0.1", port), self)
        except OSError:
            self._folder.cleanup()
            raise
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def proxy_url(self) -> str:
        """What ``YOUTUBE_PROXY_URL`` has to be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to take the stand-in for YouTube.

        The three last name the authority to OpenSSL, requests and curl, which yt-dlp uses in turn.
        """
        trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(self.ca_file))
        return {"YOUTUBE_PROXY_URL": self.proxy_url} | trusted

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()  # waits for the threads, which have nobody to talk to any more
        self._folder.cleanup()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, address: tuple[str, int], stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Tunnel)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.keep(connection)
        return connection, address

    def keep(self, connection: socket.socket) -> None:
        """Remember a connection that :meth:`hang_up` has to end."""
        self._connections.add(connection)

    def forget(self, connection: socket.socket) -> None:
        self._connections.discard(connection)

    def shutdown_request(self, request: Any) -> None:
        self.forget(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection, so that no thread waits for another request on it."""
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave out the traceback: clients that hang up in the middle are part of the game."""


class _Tunnel(BaseHTTPRequestHandler):
    """The proxy: takes CONNECT alone, and speaks for the host that was asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the other side's delayed ACK, 40 ms
    server: _Server

    def do_CONNECT(self) -> None:
        self.close_connection = True
        host = self.path.rpartition(":")[0]
        if not any(host == known or (known[0] == "*" and host.endswith(known[1:])) for known in HOSTS):
            self._refuse()
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        with self.server.stand_in.tls.wrap_socket(self.connection, server_side=True) as encrypted:
            self.server.keep(encrypted)
            try:
                Site(host, encrypted, self.client_address, self.server)
            finally:
                self.server.forget(encrypted)

    def _refuse(self) -> None:
        self.close_connection = True
        self.server.stand_in.leaks.append(f"{self.command} {self.path}")
        self.send_error(502, "The stand-in of YouTube does not know this host")

    do_GET = do_POST = do_HEAD = _refuse  # noqa: N815 - without TLS, nobody at YouTube answers

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Stay silent; ``StandIn.log`` has the requests."""


class Site(BaseHTTPRequestHandler):
    """YouTube's side of one connection. A fault gets it, and says whether it has answered."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1  # head and body in one packet
    server: _Server

    def __init__(self, host: str, *args: Any) -> None:
        self.host = host
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer a page, a file or a part of one."""
        self._route({})

    def do_POST(self) -> None:
        """Answer a call of YouTube's internal API, whose body is JSON."""
        if hasattr(socket, "TCP_QUICKACK"):  # Linux: else the client holds the body back for our delayed ACK, 40 ms
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._route(json.loads(body or b"{}"))

    def reply(self, status: int, body: bytes = b"", kind: str = "text/html", **headers: str) -> None:
        """Answer; the keywords are more headers (``Content_Range="…"``)."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        """End the connection in the middle of whatever was being said."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _route(self, asked: dict[str, Any]) -> None:
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if self.host.endswith(".googlevideo.com"):
            endpoint, video_id = "media", query.get("id", "").removeprefix("o-")
        else:
            endpoint = ENDPOINTS.get(path, "watch" if path.startswith("/embed/") else "other")
            video_id = str(asked.get("videoId") or query.get("v") or path.rpartition("/")[2])
        stand_in = self.server.stand_in
        self.query, self.asked, self.video = query, asked, stand_in.videos.get(video_id)
        stand_in.log.append(Request(self.command, self.host, path, query, endpoint, video_id))
        fault = self.video.faults.get(endpoint) if self.video else None
        if not (fault and fault(self)):
            getattr(self, f"_{endpoint}")(self.video or Video(video_id, player=UNKNOWN))

    def _watch(self, video: Video) -> None:
        self.reply(200, video.page().encode())

    def _player(self, video: Video) -> None:
        self._reply_json(video.answer())

    def _next(self, video: Video) -> None:
        self._reply_json(video.page_data())

    def _timedtext(self, video: Video) -> None:
        wanted = (self.query.get("lang"), self.query.get("kind") == "asr", self.query.get("name", ""))
        track = next((t for t in video.tracks if (t.language, t.automatic, t.name) == wanted), None)
        if track and self.query.get("fmt") == "json3" and "tlang" not in self.query:
            self._reply_json(track.json3())
        else:
            self.reply(404)

    def _media(self, video: Video) -> None:
        media = video.media.read_bytes() if video.media else b""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
        first = int(asked[1]) if asked else 0
        if not asked or first >= len(media):
            self.reply(416, Content_Range=f"bytes */{len(media)}")
            return
        last = min(int(asked[2] or len(media)), len(media) - 1)
        span = f"bytes {first}-{last}/{len(media)}"
        self.reply(206, media[first : last + 1], "audio/webm", Content_Range=span, Accept_Ranges="bytes")

    def _other(self, video: Video) -> None:
        self.reply(204 if self.path == "/generate_204" else 404)

    def _reply_json(self, document: object) -> None:
        self.reply(200, json.dumps(document, ensure_ascii=False).encode(), "application/json; charset=UTF-8")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent; ``StandIn.log`` has the requests."""


def main() -> None:
    """Serve the sample videos until Ctrl-C."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    port = parser.parse_args().port
    with contextlib.suppress(KeyboardInterrupt), StandIn(sample_videos(), port=port) as youtube:
        print("# " + " ".join(f"https://www.youtube.com/watch?v={video_id}" for video_id in youtube.videos))
        for name, value in youtube.environment().items():
            print(f"export {name}={value}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
