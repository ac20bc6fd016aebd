"""Room on disk for one job, and the removal of what a killed worker has left of it."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "transcript-"
_LOCK = "lock"


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder below the system's temporary one (``TMPDIR``), gone at the end."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        path = Path(name)
        with (path / _LOCK).open("w") as lock:  # held by the process, so it ends however that ends
            fcntl.flock(lock, fcntl.LOCK_EX)
            inner = path / "job"
            inner.mkdir()
            yield inner


def tidy() -> int:
    """Removes the folders that nobody works in any more; returns how many. Call it when a worker starts."""
    removed = 0
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with (path / _LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, somebody else's, or just being made
            continue
        shutil.rmtree(path, ignore_errors=True)
        removed += 1
    return removed
