"""Named points of the code at which a process of a test can be killed, frozen, delayed or made to fail.

They exist only here: a point wraps a function of the project's when a process of a test is started with a
hook at it. Everything in a ``Hook`` can be pickled, because it travels to that process.
"""

import contextlib
import functools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

# --- What a process may do at a point


def kill() -> None:
    """It ends at once, as by the kernel's OOM killer."""
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """It stops, with all its threads, until somebody sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


class Sleep(NamedTuple):
    """The thread that came by waits; the others go on."""

    seconds: float

    def __call__(self) -> None:
        time.sleep(self.seconds)


class Raise(NamedTuple):
    """Whoever came by gets an exception."""

    error: BaseException

    def __call__(self) -> None:
        raise self.error


class Signal(NamedTuple):
    """The decoder that the process has started gets a signal."""

    number: signal.Signals

    def __call__(self) -> None:
        for child in children(os.getpid()):
            os.kill(child, self.number)


def children(pid: int) -> list[int]:
    """The decoders that a process has started; those that have ended, and were not waited for, too."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for child in " ".join(lists).split()]


_passed: Counter[Path] = Counter()


@dataclass(frozen=True)
class Hook:
    """Does ``action`` at ``point``: the first time that any process with this hook comes by, or each time."""

    point: str
    action: Callable[[], Any]
    marker: Path  # tells all processes, and the test, that somebody has come by
    always: bool = False
    nth: int = 1  # of the times that one process comes by

    def __call__(self) -> None:
        """A process is at the point."""
        _passed[self.marker] += 1
        if _passed[self.marker] < self.nth:
            return
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            if not self.always:
                return
        self.action()

    @property
    def reached(self) -> bool:
        """Whether anybody has come by."""
        return self.marker.exists()

    def install(self) -> None:
        """In this process, from now on."""
        POINTS[self.point](self)


# --- Where the points are


def replace(owner: Any, name: str, value: Any) -> None:
    """Puts something else in the place of an attribute, whatever its type."""
    setattr(owner, name, value)


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Calls ``around(original, *arguments)`` in place of a function, wherever it is looked up by its owner."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    replace(owner, name, wrapped)


def _before(owner: Any, name: str, hook: Hook) -> None:
    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        hook()
        return original(*args, **kwargs)

    wrap(owner, name, around)


def _after(owner: Any, name: str, hook: Hook, when: Callable[..., Any] = lambda result, *args: True) -> None:
    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if when(result, *args):
            hook()
        return result

    wrap(owner, name, around)


def _received(hook: Hook) -> None:
    """Worker: it has a message, and has done nothing with it."""
    from videos import queue

    _after(queue, "receive", hook, when=lambda message, *args: message is not None)


def _claimed(hook: Hook) -> None:
    """Worker: the row is its own, as the database says."""
    from videos import services

    _after(services, "claim_video", hook, when=lambda video, *args: video is not None)


def _extracted(hook: Hook) -> None:
    """Worker: YouTube has said what the video is."""
    from transcripts.worker import youtube

    _after(youtube, "extract", hook)


def _listening(hook: Hook) -> None:
    """Worker: it has the sound, and is about to listen to it."""
    from transcripts.worker import pipeline

    _before(pipeline, "_listen", hook)


def _decoding(hook: Hook) -> None:
    """Worker: its decoder has said something, and has more to say."""
    from transcripts.worker import decoding

    def around(original: Callable[..., Generator[bytes]], what: str, *args: Any, **options: Any) -> Iterator[bytes]:
        with contextlib.closing(original(what, *args, **options)) as pieces:
            for piece in pieces:
                if what == "decode":
                    hook()
                yield piece

    wrap(decoding, "_run", around)


def _worked(hook: Hook) -> None:
    """Worker: it has the transcript, and has stored nothing."""
    from transcripts.worker import pipeline

    _before(pipeline, "_store", hook)


def _put(hook: Hook) -> None:
    """The transcript's file is in storage, and no row names it."""
    from django.core.files.storage import storages

    def is_transcript(path: str, *args: Any) -> bool:
        return path.endswith("transcript.json")

    _after(type(storages["default"]), "save", hook, when=is_transcript)


def _precommit(hook: Hook) -> None:
    """Worker: within the completing transaction, after its first write."""
    from videos.models import Video

    _after(Video, "complete", hook, when=lambda completed, *args: completed)


def _committed(hook: Hook) -> None:
    """Worker: the transcript is there for everybody to see, and nothing has been cleared away."""
    from transcripts.worker import pipeline

    _after(pipeline, "_store", hook)


def _predelete(hook: Hook) -> None:
    """Worker: the row is settled, the message still there."""
    from videos import queue

    _before(queue, "delete", hook)


def _inserted(hook: Hook) -> None:
    """API or sweep: the row is committed, its message not yet sent."""
    from videos import queue

    _before(queue, "send", hook)


def _sent(hook: Hook) -> None:
    """API or sweep: the message is sent, and the row does not say so."""
    from videos import queue

    _after(queue, "send", hook)


def _deleted(hook: Hook) -> None:
    """API or sweep: the row is gone, its files are still there."""
    from videos import files

    _before(files, "delete_below", hook)


POINTS = {
    "received": _received,
    "claimed": _claimed,
    "extracted": _extracted,
    "listening": _listening,
    "decoding": _decoding,
    "worked": _worked,
    "put": _put,
    "precommit": _precommit,
    "committed": _committed,
    "predelete": _predelete,
    "inserted": _inserted,
    "sent": _sent,
    "deleted": _deleted,
}


def skew_clock(seconds: float) -> None:
    """This process's clock is wrong by so much from now on; its stopwatch (``time.monotonic``) is not."""
    from datetime import timedelta

    from django.utils import timezone

    wrap(time, "time", lambda original: original() + seconds)
    wrap(timezone, "now", lambda original: original() + timedelta(seconds=seconds))
