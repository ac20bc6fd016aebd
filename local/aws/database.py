"""The database of the local account: a MariaDB where RDS would be, which takes nobody without TLS."""

import random
import re
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

import trustme

from local.mariadb import Server

NAME, PORT = "ytbackend", 3306  # as infrastructure.yaml has them
_AUTHORITY = re.compile(r"ssl-ca=([^&\"'\s]+)")


class AccountDatabase:
    """One server between ``with`` and its end, at ``host``: MySQL's usual port, on an address where nobody has it.

    ``authority`` is the file of who issued its certificate.
    """

    def __init__(self) -> None:
        self.host = _free_host()

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="account-database-")
        self.authority, certificate, key = (Path(self._folder.name, f"{name}.pem") for name in ("ca", "cert", "key"))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authority))
        issued = authority.issue_cert(self.host)
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        tls = (f"--ssl-cert={certificate}", f"--ssl-key={key}", f"--ssl-ca={self.authority}")
        options = ("--require-secure-transport=ON", "--skip-name-resolve")
        self._server = Server(host=self.host, port=PORT, options=(*tls, *options)).__enter__()
        try:
            self.tell(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4", database="")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
        self._folder.cleanup()

    def admit(self, username: str, password: str) -> None:
        """Has the user of the account's secret, with the password that is there now."""
        self.tell("CREATE OR REPLACE USER %s@'%%' IDENTIFIED BY %s", username, password)
        self.tell(f"GRANT ALL ON {NAME}.* TO %s@'%%'", username)

    def ask(self, query: str) -> Any:
        """The first value of the first row."""
        return self._run(query, (), NAME)

    def tell(self, statement: str, *values: str, database: str = NAME) -> None:
        """Runs it, and keeps what it does."""
        self._run(statement, values, database)

    def _run(self, statement: str, values: tuple[str, ...], database: str) -> Any:
        connection = self._server.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                row = cursor.fetchone()
                return row[0] if row else None
        finally:
            connection.close()


def authority_in(text: str) -> str:
    """The file that a database URL in the text names as its authority; empty where it names none."""
    found = _AUTHORITY.search(text)
    return found[1] if found else ""


def _free_host() -> str:
    """One of loopback's sixteen million addresses."""
    for _ in range(20):
        host = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"  # noqa: S311
        with socket.socket() as probe:
            try:
                probe.bind((host, PORT))
            except OSError:
                continue
        return host
    sys.exit(f"Port {PORT} is taken on all of loopback. Stop the database that listens there, or bind it to 127.0.0.1.")
