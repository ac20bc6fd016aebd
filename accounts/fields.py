"""A column for identifiers that differ by case alone."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class ExactCharField(models.CharField):  # type: ignore[type-arg]
    """Text compared letter by letter, also on MySQL, whose default collation ignores case and accents.

    Cognito's subs and YouTube's ids are such: ``dQw4w9WgXcQ`` and ``DQW4W9WGXCQ`` are two videos.
    MySQL's binary collation still ignores trailing blanks, so values are validated before they get here
    (https://dev.mysql.com/doc/refman/8.4/en/charset-binary-collations.html).
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """The column's type and, on MySQL, its collation."""
        parameters: dict[str, Any] = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters
