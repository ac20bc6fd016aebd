"""The decoder's other side: starts it (:mod:`transcripts.worker.decoder`), reads what it says, and sees that it ends.

The child is a stranger as soon as it has read the file: what it writes is counted and checked, and however it ends is
an error of this one job.
"""

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, cast

from transcripts.worker import errors
from transcripts.worker.decoder_answers import LENGTHS, NO_AUDIO, OUT_OF_MEMORY, UNREADABLE
from transcripts.worker.foreign import one_line

log = logging.getLogger(__name__)

# Of the whole address space, of which the libraries alone take 125 MB. Decoding adds little to it, however long.
MEMORY_BYTES = 512 * 1024 * 1024
# Ten hours of Opus take a tenth of either: 5 s an hour to decode, 1 s to measure (benchmarks/decoding.py).
MEASURING_SECONDS = 120
DECODING_SECONDS, DECODING_PART = 60, 1 / 20  # and this part of the sound's length

_PATIENCE = 4  # a machine may be busy: so many seconds for each that the processor is ours
_TURN_SECONDS = 0.2  # of waiting in one piece, because a thread can be got out of it only in between (see alarm)
_PIECE_BYTES = 1 << 18
_PIPE_BYTES = 1 << 20
_ENDING_SECONDS = 10.0  # between its last byte and its end
_COMPLAINT_BYTES = 1000

# Isolated: nothing of the worker's environment, its folder, anybody's home or a .pth file decides what is imported
# (https://docs.python.org/3/using/cmdline.html#cmdoption-I); after Python's own, two folders alone: ours, and PyAV's.
_PROGRAM = (
    "import sys; sys.path += sys.argv[1:3]; del sys.argv[1:3]; from transcripts.worker.decoder import main; main()"
)
_FOLDERS = (Path(__file__).parents[2], Path(cast(str, cast(ModuleSpec, find_spec("av")).origin)).parents[1])
_COMMAND = (sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, *map(str, _FOLDERS))


class Complaint(Exception):
    """What the decoder said as it ended: for the log."""


def lengths(path: Path) -> tuple[int, int]:
    """How many milliseconds of sound a file has: counted, and as its header states it (0 where it does not).

    Raises NoAudio, AudioUnreadable, AudioTooCostly, DecoderFailed, FileNotFoundError.
    """
    with closing(_run("measure", path, seconds=MEASURING_SECONDS)) as pieces:
        said = b""
        for piece in pieces:
            said += piece
            if len(said) > LENGTHS.size:
                break
    if len(said) != LENGTHS.size:
        raise errors.DecoderFailed from Complaint("it has told no length")
    counted, stated = LENGTHS.unpack(said)
    return max(counted, 0), max(stated, 0)


def samples(path: Path, *, length_ms: int) -> Generator[bytes]:
    """Yield the sound of a file that is ``length_ms`` long: 16 kHz, mono, signed 16 bit, in pieces of any length.

    Takes as long for it as the decoder needs, not the caller. Close the generator to end the decoder. Raises as
    :func:`lengths` does.
    """
    return _run("decode", path, seconds=DECODING_SECONDS + round(length_ms / 1000 * DECODING_PART))


def lacking() -> str:
    """What a decoder on this machine is not kept from, in words; empty where everything is in force.

    Raises DecoderFailed where there can be none at all.
    """
    with open(os.devnull, "rb") as nothing, _child("idle", nothing, MEASURING_SECONDS) as child:  # noqa: PTH123
        _settle(child)
        return _complaint(child)


def _run(what: str, path: Path, *, seconds: int) -> Generator[bytes]:
    """Yield what the decoder writes, and raise at last where it did not end well.

    It may use the processor for ``seconds``, and keep us waiting for four times as long in all.
    """
    patience: float = _PATIENCE * seconds
    with path.open("rb") as file, _child(what, file, seconds) as child:
        descriptor = cast(BinaryIO, child.stdout).fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            begun = time.monotonic()
            said = poll.poll(min(max(patience, 0), _TURN_SECONDS) * 1000)
            patience -= time.monotonic() - begun
            if not said and patience > 0:
                continue
            if not said:
                raise errors.DecoderFailed from Complaint(f"it has used up its time and said nothing ({what})")
            piece = os.read(descriptor, _PIECE_BYTES)
            if not piece:
                break
            yield piece
        _settle(child)


def _settle(child: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of a decoder that has said all it will say."""
    try:
        child.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise errors.DecoderFailed from error
    if child.returncode:
        raise _reason(child)


@contextmanager
def _child(what: str, file: BinaryIO, seconds: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A decoder that has ``file`` open, gone at the end, however that comes."""
    try:
        child = subprocess.Popen(  # noqa: S603 - our own program, and no shell
            [*_COMMAND, what, str(os.getpid()), str(MEMORY_BYTES), str(seconds)],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pipesize=_PIPE_BYTES,
            close_fds=True,
            start_new_session=True,
            cwd="/",
            env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
        )
    except OSError as error:
        raise errors.DecoderFailed from error
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()


def _reason(child: "subprocess.Popen[bytes]") -> errors.JobError:
    """What it means that a decoder has ended like this."""
    known: dict[int, type[errors.JobError]] = {
        NO_AUDIO: errors.NoAudio,
        UNREADABLE: errors.AudioUnreadable,
        OUT_OF_MEMORY: errors.AudioTooCostly,
        -signal.SIGXCPU: errors.AudioTooCostly,
    }
    error = known.get(child.returncode, errors.DecoderFailed)()
    error.__cause__ = Complaint(f"{_ending(child.returncode)}: {_complaint(child)}")
    return error


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _complaint(child: "subprocess.Popen[bytes]") -> str:
    """What it has written on its way out, one line of it; it has ended, so nothing more comes."""
    descriptor = cast(BinaryIO, child.stderr).fileno()
    os.set_blocking(descriptor, False)
    try:
        said = os.read(descriptor, _COMPLAINT_BYTES)
    except BlockingIOError:  # somebody else holds it open
        said = b""
    return one_line(said.decode(errors="replace"), _COMPLAINT_BYTES)
