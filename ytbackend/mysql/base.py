"""The database backend that ``DATABASES`` names where ``DATABASE_SECRET`` is set. Django looks for it by this name.

Each new connection takes user and password from the secret; where the database refuses them, the secret is read
anew and the connection tried once more. Connections that are open go on.
"""

from typing import Any

from django.db.backends.mysql import base
from MySQLdb import InterfaceError, OperationalError

from ytbackend import vault

# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html#error_er_access_denied_error
ACCESS_DENIED = 1045


class DatabaseWrapper(base.DatabaseWrapper):
    """Where to, the settings say; who, the secret."""

    def get_connection_params(self) -> dict[str, Any]:
        """What the driver is given. Raises ``InterfaceError``, which passes, where the secret cannot be read."""
        parameters: dict[str, Any] = super().get_connection_params()
        try:
            return parameters | vault.credentials(self._secret.value())
        except vault.SecretUnavailable as error:
            raise InterfaceError(str(error)) from None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection. Raises what the driver raises."""
        known = self._secret.value()
        try:
            return super().get_new_connection(conn_params | vault.credentials(known))
        except OperationalError as error:
            if error.args[0] != ACCESS_DENIED:
                raise
            renewed = self._secret.renewed(known)
            if renewed == known:
                raise
        return super().get_new_connection(conn_params | vault.credentials(renewed))

    @property
    def _secret(self) -> vault.Secret:
        return vault.secret("DATABASE_SECRET", self.settings_dict["SECRET"])
