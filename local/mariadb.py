"""A private MariaDB, whose data and socket lie in a temporary folder; needs the server's programs, but no root."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import MySQLdb.connections

SERVER = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
_AS_ROOT = ["--user=root"] if os.geteuid() == 0 else []


class Server:
    """One server between ``with`` and its end. ``root`` has no password, and comes by the socket.

    With a ``port`` it also listens on ``host``, an address of loopback. It may be killed, and be started again on the
    same data.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int | None = None, options: tuple[str, ...] = ()) -> None:
        if SERVER is None or not shutil.which("mariadb-install-db") or importlib.util.find_spec("MySQLdb") is None:
            sys.exit(
                "MariaDB or its driver is not here. On Debian or Ubuntu: apt-get install mariadb-server libmariadb-dev "
                "pkg-config build-essential; then rm .venv/dev, and make installs the driver."
            )
        self._program = SERVER
        self._folder = tempfile.TemporaryDirectory(prefix="mariadb-")
        self._data, self.socket, self._log = (Path(self._folder.name) / name for name in ("data", "socket", "log"))
        listen = ["--skip-networking"] if port is None else [f"--bind-address={host}", f"--port={port}"]
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

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        if self._process is None:
            raise ProcessLookupError("The server is not running.")
        return self._process.pid

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
        if self._process:
            self._process.kill()
            self._process.wait()
