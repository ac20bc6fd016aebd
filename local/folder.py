"""The embedded stack's folder: who holds it, its secret, and the settings by which others reach the stack."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("DATA_DIR") or ROOT / "data")
LOCK = "lock"
SETTINGS = "settings.json"


class Taken(Exception):
    """Another stack runs on this folder."""


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Two stacks on one database would each wait for messages in the queue of the other. Raises ``Taken``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Taken from None
        yield


@contextlib.contextmanager
def settings_in(folder: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """While it lasts they lie there for ``settings_of``: the secret key is among them, so for the owner alone."""
    path = folder / SETTINGS
    path.unlink(missing_ok=True)  # of a stack that was killed
    path.touch(mode=0o600)
    path.write_text(json.dumps(settings, indent=1))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def settings_of(folder: Path) -> dict[str, str] | None:
    """The environment variables of the stack that runs on this folder; None where none runs."""
    if not _is_held(folder / LOCK):
        return None
    try:
        found: dict[str, str] = json.loads((folder / SETTINGS).read_text())
    except (FileNotFoundError, json.JSONDecodeError):  # it has just begun
        return None
    return found


def _is_held(lock: Path) -> bool:
    """The system lets go of a lock when its holder dies, however that was."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def kept_secret(path: Path) -> str:
    """A random key of this folder's own, so that an admin's session outlives a restart."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()
