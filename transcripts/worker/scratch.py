"""Room on disk for one job, and the removal of what a killed worker has left of it."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "transcript-"
_LOCK = "lock"
_OLD_SECONDS = 3600


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder below the system's temporary one (``TMPDIR``), gone at the end."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        path = Path(name)
        with (path / _LOCK).open("w") as lock:  # held by the process, so it ends however that ends
            fcntl.flock(lock, fcntl.LOCK_EX)
            inner = path / "job"
            inner.mkdir(parents=True)  # also where another worker has just taken the folder for a dead one's
            yield inner


def tidy() -> int:
    """Removes the folders that nobody works in any more; returns how many. Call it when a worker starts."""
    removed = 0
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if _is_left(path):
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed


def _is_left(path: Path) -> bool:
    try:
        with (path / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # just being made, or half removed
        return (path / "job").is_dir() and time.time() - path.stat().st_mtime > _OLD_SECONDS
    except OSError:  # in use, or no folder of ours
        return False
    return True
