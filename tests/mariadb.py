"""``python -m tests.mariadb COMMAND …`` runs a command with ``TEST_DATABASE_URL`` set to a private MariaDB.

The server listens on nothing but its socket, and ends with the command.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from local.mariadb import SERVER, Server

__all__ = ["SERVER", "Server", "mariadb"]


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """Starts the server; gives its URL."""
    with Server() as server:
        yield server.url


if __name__ == "__main__":
    with mariadb() as url:
        sys.exit(subprocess.run(sys.argv[1:], env=os.environ | {"TEST_DATABASE_URL": url}, check=False).returncode)
