"""What a process is told before it begins, beside the hooks: where its temporary files go, how much room there is."""

import contextlib
import errno
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from tests.faults import hooks
from tests.faults.hooks import Hook

_BYTES = 100_000  # less than the sample's sound has


@dataclass(frozen=True)
class TemporaryFolder:
    """All its temporary files go there, as ``TMPDIR`` would have it."""

    path: Path

    def install(self) -> None:
        tempfile.tempdir = str(self.path)


@dataclass(frozen=True)
class FullDisk(TemporaryFolder):
    """There is no room there: on a small disk of its own, or where none may be mounted, as if it were one."""

    is_mounted: bool

    def install(self) -> None:
        super().install()
        if not self.is_mounted:
            from yt_dlp.downloader.http import HttpFD

            hooks.wrap(HttpFD, "sanitize_open", self._open)

    @staticmethod
    def _open(original: Any, *args: Any) -> tuple[Any, str]:
        stream, name = original(*args)
        stream.write = _no_room
        return stream, name


def _no_room(data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@contextlib.contextmanager
def full_disk(path: Path) -> Iterator[FullDisk]:
    """A disk on which nobody's sound has room."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_BYTES}", "tmpfs", str(path)]
    is_mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield FullDisk(path, is_mounted)
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(path)], check=True)


@dataclass(frozen=True)
class Command:
    """It is ``manage.py`` with these words, and ends after it."""

    words: tuple[str, ...]

    def install(self) -> None:
        from django.core.management import call_command

        call_command(*self.words)
        sys.exit()


class WithSound(Hook):
    """A hook where a worker has the sound on its disk, and is about to listen."""

    @classmethod
    def of(cls, hook: Hook) -> Self:
        return cls(**{field.name: getattr(hook, field.name) for field in fields(hook)})

    def install(self) -> None:
        from transcripts.worker import pipeline

        def around(original: Any, *args: Any) -> Any:
            self()
            return original(*args)

        hooks.wrap(pipeline, "_listen", around)
