"""``python -m tests.mariadb COMMAND …`` runs a command with ``TEST_DATABASE_URL`` set to a private MariaDB.

The server has its data and its socket in a temporary folder, listens on nothing else, and ends with the command.
A ``Server`` of one's own may also listen on loopback, be killed, and be started again on the same data.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import MySQLdb.connections

SERVER = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
_AS_ROOT = ["--user=root"] if os.geteuid() == 0 else []


class Server:
    """A private MariaDB between ``with`` and its end. ``root`` has no password, and comes by the socket."""

    def __init__(self, *, port: int | None = None, options: tuple[str, ...] = ()) -> None:
        if SERVER is None:
            sys.exit("There is no MariaDB here. On Debian or Ubuntu: apt-get install mariadb-server libmariadb-dev")
        self._program = SERVER
        self._folder = tempfile.TemporaryDirectory(prefix="mariadb-")
        self._data, self.socket, self._log = (Path(self._folder.name) / name for name in ("data", "socket", "log"))
        listen = ["--skip-networking"] if port is None else ["--bind-address=127.0.0.1", f"--port={port}"]
        # A commit outlives the server's process, though not the machine: no waiting for the disk.
        fast = ["--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0", "--skip-log-bin"]
        # Two that begin at once would take the same names in a folder that they share.
        self._environment = os.environ | {"TMPDIR": self._folder.name}
        self._options = [*listen, *fast, *_AS_ROOT, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As root, by the socket."""
        return f"mysql://root@localhost/transcripts?unix_socket={self.socket}"

    def __enter__(self) -> Self:
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={self._data}", "--skip-test-db", *_AS_ROOT]
        install += ["--auth-root-authentication-method=normal"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL, env=self._environment)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()
        self._folder.cleanup()

    def start(self) -> None:
        """Starts on the data that are there, and returns when it answers."""
        self.socket.unlink(missing_ok=True)
        serve = [self._program, "--no-defaults", f"--datadir={self._data}", f"--socket={self.socket}", *self._options]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(serve, stdout=output, stderr=output, env=self._environment)
        for _ in range(600):
            if self.socket.exists():
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        sys.exit(f"MariaDB did not start:\n{self._log.read_text()}")

    def connect(self, database: str = "") -> "MySQLdb.connections.Connection":
        """A connection of root's, which no limit holds back."""
        import MySQLdb

        return MySQLdb.connect(user="root", unix_socket=str(self.socket), database=database, autocommit=True)

    def kill(self) -> None:
        """Ends it at once, in the middle of whatever it was doing."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """Starts the server; gives its URL."""
    with Server() as server:
        yield server.url


if __name__ == "__main__":
    with mariadb() as url:
        sys.exit(subprocess.run(sys.argv[1:], env=os.environ | {"TEST_DATABASE_URL": url}, check=False).returncode)
