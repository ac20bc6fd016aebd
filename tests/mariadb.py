"""``python -m tests.mariadb COMMAND …`` runs a command with ``TEST_DATABASE_URL`` set to a private MariaDB.

The server has its data and its socket in a temporary folder, listens on nothing else, and ends with the command.
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

SERVER = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """Starts the server; gives its URL."""
    if SERVER is None:
        sys.exit("There is no MariaDB here. On Debian or Ubuntu: apt-get install mariadb-server libmariadb-dev")
    with tempfile.TemporaryDirectory(prefix="mariadb-") as folder:
        data, socket, log = (Path(folder) / name for name in ("data", "socket", "log"))
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", *as_root]
        install += ["--auth-root-authentication-method=normal"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        fast = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-log-bin"]
        serve = [SERVER, "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking", *as_root]
        with log.open("wb") as output, subprocess.Popen([*serve, *fast], stdout=output, stderr=output) as server:
            try:
                _wait_for(socket, server, log)
                yield f"mysql://root@localhost/transcripts?unix_socket={socket}"
            finally:
                server.terminate()


def _wait_for(socket: Path, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        if socket.exists():
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"MariaDB did not start:\n{log.read_text()}")


if __name__ == "__main__":
    with mariadb() as url:
        sys.exit(subprocess.run(sys.argv[1:], env=os.environ | {"TEST_DATABASE_URL": url}, check=False).returncode)
