"""The database of the local account: a MariaDB where RDS would be, which takes nobody without TLS."""

import re
import tempfile
from pathlib import Path
from typing import Any, Self

import trustme

from local.mariadb import Server

NAME, PORT = "ytbackend", 3306  # as infrastructure.yaml has them


class AccountDatabase:
    """One server between ``with`` and its end, at ``host``, an address of loopback."""

    def __init__(self, host: str) -> None:
        self._host = host

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="account-database-")
        self._authority, certificate, key = (Path(self._folder.name, f"{name}.pem") for name in ("ca", "cert", "key"))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self._authority))
        issued = authority.issue_cert(self._host)
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        tls = (f"--ssl-cert={certificate}", f"--ssl-key={key}", f"--ssl-ca={self._authority}")
        options = ("--require-secure-transport=ON", "--skip-name-resolve")
        self._server = Server(host=self._host, port=PORT, options=(*tls, *options)).__enter__()
        self.tell(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4", database="")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
        self._folder.cleanup()

    def admit(self, username: str, password: str) -> None:
        """Has the user of the account's secret, with the password that is there now."""
        self.tell("CREATE OR REPLACE USER %s@'%%' IDENTIFIED BY %s", username, password)
        self.tell(f"GRANT ALL ON {NAME}.* TO %s@'%%'", username)

    def with_own_authority(self, text: str) -> str:
        """A text with database URLs, which trust this server's authority in place of RDS's."""
        return re.sub(r"ssl-ca=[^&\"'\s]+", f"ssl-ca={self._authority}", text)

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
