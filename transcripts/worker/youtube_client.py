"""The yt-dlp of ours: what it may ask, load and believe. With :mod:`transcripts.worker.youtube` the only import of it.

It asks nobody but YouTube over HTTPS, wherever an answer sends it; it reads nothing of what lies about on the machine
(plugins, configuration, cookies, netrc), starts no program but Deno, and its answers have an end.
"""

import logging
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import curl_cffi.requests
from django.conf import settings
from yt_dlp import YoutubeDL
from yt_dlp.downloader.http import HttpFD
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking import Request
from yt_dlp.networking._curlcffi import CurlCFFIRH
from yt_dlp.networking._helper import get_redirect_method
from yt_dlp.networking._requests import RequestsRH
from yt_dlp.networking.exceptions import HTTPError, RequestError
from yt_dlp.utils import DownloadError, ExtractorError, Popen, YoutubeDLError

from transcripts.worker import errors
from transcripts.worker.foreign import one_line
from transcripts.worker.refusals import refusal
from transcripts.worker.youtube_hosts import is_youtubes

logger = logging.getLogger(__name__)

# yt-dlp runs whatever it finds in yt_dlp_plugins, in PYTHONPATH, HOME and beside the interpreter, unless told not to,
# when the first client is made (https://github.com/yt-dlp/yt-dlp#plugins). Told twice: the one is for its children.
os.environ["YTDLP_NO_PLUGINS"] = "1"
plugin_dirs.value = []
# Deno, which runs the player's JavaScript without any permission, would otherwise take gigabytes if that wants them
# (https://docs.deno.com/runtime/reference/env_variables/).
os.environ.setdefault("DENO_V8_FLAGS", "--max-old-space-size=1024")

LONGEST_RETRY_AFTER = 3600.0  # seconds; more than that we do not believe
MAX_PAGE_BYTES = 32 * 1024 * 1024  # a watch page or a player's program are about two
MOST_REDIRECTIONS = 6
_PIECE_BYTES = 1 << 20
_TURN_SECONDS = 0.2  # of waiting for Deno in one piece


class Log:
    """Takes what yt-dlp would print. Its warnings are kept: why there are no formats stands only there."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        """Take a line (yt-dlp's name for it)."""
        logger.debug("%s", message)

    def warning(self, message: str) -> None:
        """Take a complaint (yt-dlp's name for it)."""
        self.warnings.append(str(message))
        logger.info("%s", message)

    error = debug  # it is raised as well


def save(client: YoutubeDL, source: Mapping[str, Any], path: Path, watch: Callable[[Mapping[str, Any]], None]) -> None:
    """Write ``source`` (a format or a caption track of yt-dlp's) to ``path``, resumed where it was cut, or nothing.

    ``watch`` is a progress hook of yt-dlp's, and may raise.
    """
    downloader = HttpFD(client, client.params)
    downloader.add_progress_hook(watch)
    try:
        downloader.download(str(path), dict(source))
    except BaseException:
        for leftover in path.parent.glob(f"{path.name}*"):  # yt-dlp leaves its .part behind
            leftover.unlink()
        raise


class DirectRequestsRH(RequestsRH):  # type: ignore[misc]
    """Sends by ``requests``, which would follow a redirection to anywhere."""

    def _create_instance(self, *args: Any, **kwargs: Any) -> Any:
        session = super()._create_instance(*args, **kwargs)
        session.get_redirect_target = lambda answer: None
        return session


class DirectCurlRH(CurlCFFIRH):  # type: ignore[misc]
    """Sends as a browser would, by libcurl, which would follow a redirection to anywhere."""

    def _create_instance(self, cookiejar: Any = None) -> Any:
        return curl_cffi.requests.Session(cookies=cookiejar, allow_redirects=False)


class _YouTube(YoutubeDL):  # type: ignore[misc]
    """A yt-dlp that ends every answer it got; its own leaves those that it does not read to the garbage collector."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._answers = ExitStack()
        self.asked_to_wait = 0.0  # seconds, by the answer that wants the longest
        super().__init__(options)

    def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:
        """Choose who sends requests (yt-dlp's name for it): nobody who reads files or follows a redirection."""
        return super().build_request_director([DirectRequestsRH, DirectCurlRH], preferences)

    def urlopen(self, req: Any) -> Any:
        """Send a request (yt-dlp's name for it), to YouTube and to where YouTube sends us within itself."""
        request = Request(req) if isinstance(req, str) else req
        for _ in range(MOST_REDIRECTIONS):
            if not is_youtubes(request.url):
                raise RequestError(f"This is no address of YouTube's: {one_line(request.url, 200)}")
            try:
                return self._kept(super().urlopen(request))
            except HTTPError as error:
                self._kept(error.response)
                self.asked_to_wait = max(self.asked_to_wait, _retry_after(error))
                request = _redirected(request, error)
        raise RequestError("YouTube sends us round in circles")

    def _kept(self, answer: Any) -> Any:
        self._answers.callback(answer.close)
        _bound(answer)
        return answer

    def close(self) -> None:
        """End what is still open."""
        self._answers.close()
        super().close()


def _communicate(child: Any, sent: str | None = None, *, timeout: float | None = None, **renamed: Any) -> Any:
    """Wait for a child of yt-dlp's in turns: a thread can be got out of it only in between (see ``alarm``)."""
    sent = renamed.get("input", sent)
    end = None if timeout is None else time.monotonic() + timeout
    try:
        while True:
            try:
                return child.communicate(sent, timeout=_TURN_SECONDS)
            except subprocess.TimeoutExpired:
                if end is not None and time.monotonic() > end:
                    raise
                sent = None  # it has it
    except BaseException:
        child.kill(timeout=None)
        raise


Popen.communicate_or_kill = _communicate


def _bound(answer: Any) -> None:
    """Limit what is read of an answer in one piece, as pages and documents are; a download is watched piece by piece.

    It counts what comes out of gzip and the like, not what goes in.
    """
    read = answer.read

    def bounded(amount: int | None = None) -> bytes:
        if amount is not None:
            return bytes(read(amount))
        pieces, received = [], 0
        while piece := read(_PIECE_BYTES):
            pieces.append(piece)
            received += len(piece)
            if received > MAX_PAGE_BYTES:
                raise errors.SourceUnreadable
        return b"".join(pieces)

    answer.read = bounded


def _redirected(request: Any, error: HTTPError) -> Any:
    """The request that an answer wants instead; raises ``error`` where it wants none, or sends us away from YouTube."""
    where = error.response.headers.get("Location")
    if error.status not in (301, 302, 303, 307, 308) or not where:
        raise error
    target = urljoin(request.url, where)
    if not is_youtubes(target):
        error.response.reason = f"redirected to {one_line(urlsplit(target).netloc, 100)}"
        raise HTTPError(error.response) from error
    method = get_redirect_method(request.method, error.status)
    data = request.data if method == request.method else None
    headers = {
        name: value for name, value in request.headers.items() if data or not name.lower().startswith("content-")
    }
    return Request(target, data, headers, request.proxies, extensions=dict(request.extensions), method=method)


def _retry_after(error: HTTPError) -> float:
    """What an answer asks for, if it says so in seconds (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)."""
    asked = error.response.headers.get("Retry-After") or ""
    return min(float(asked), LONGEST_RETRY_AFTER) if asked.isascii() and asked.isdigit() else 0.0


@contextmanager
def opened(log: Log, *, scripts: bool = True, **options: Any) -> Iterator[YoutubeDL]:
    """A yt-dlp of ours, closed at the end; its failures come out as JobError. ``scripts``: it may run YouTube's."""
    retries = settings.YOUTUBE_RETRIES
    youtube = {"skip": ["translated_subs", "hls", "dash"], "player_skip": [] if scripts else ["js"]}
    options |= {
        "logger": log,
        "quiet": True,
        "noprogress": True,
        "color": "no_color",
        "allowed_extractors": ["^youtube$"],  # no generic extractor: nothing but YouTube is ever asked
        "noplaylist": True,
        "cachedir": False,
        "proxy": str(settings.YOUTUBE_PROXY_URL) or None,  # it may stand in for a secret, as it is now
        "socket_timeout": 20,
        "retries": retries,
        "extractor_retries": retries,
        "retry_sleep_functions": dict.fromkeys(("http", "extractor"), lambda n: min(8.0, 0.5 * 2**n)),
        "extractor_args": {"youtube": youtube},
        "writesubtitles": True,  # nothing is written, but yt-dlp then says so if it left out captions
        "continuedl": False,  # what lies there is not ours
    }
    if os.environ.get("SSL_CERT_FILE"):
        options["compat_opts"] = {"no-certifi"}  # OpenSSL's own choice, so that a company's authority counts
    asked_to_wait = 0.0
    try:
        with _YouTube(options) as client:
            try:
                yield client
            finally:
                asked_to_wait = client.asked_to_wait
    except errors.JobError:
        raise
    except Exception as error:
        inner = (error.exc_info or (None, None))[1] if isinstance(error, DownloadError) else error
        said = isinstance(inner, ExtractorError) and inner.expected
        if not isinstance(error, YoutubeDLError):
            logger.exception("yt-dlp failed in a way of its own")
        refused = refusal(str(error), said=said, warnings=log.warnings)
        refused.wait = asked_to_wait
        raise refused from error
