"""Doing a transaction over when the database failed in a way that passes."""

import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)

T = TypeVar("T")

# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
# https://dev.mysql.com/doc/mysql-errors/8.4/en/client-error-reference.html
_PASSING = {
    1040: "too many connections",
    1045: "the password has just been renewed",
    1047: "the server is not ready",
    1053: "the server is shutting down",
    1203: "too many connections of this user",
    1158: "the network failed",
    1159: "the network was too slow",
    1160: "the network failed",
    1161: "the network was too slow",
    1205: "a lock was waited for too long",
    1213: "deadlock",
    1290: "the server is read-only: a failover",
    1836: "the server is read-only",
    1927: "the connection was killed",
    2002: "no connection",
    2003: "no connection",
    2005: "the name of the server is not known: a failover",
    2006: "the connection is gone",
    2013: "the connection was lost during the query",
    2026: "the encrypted connection failed",
    4031: "the server has closed an idle connection",
}
_LONGEST_WAIT_SECONDS = 2.0


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may well succeed when it is run again."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError) or not error.args:
        return False
    return error.args[0] in _PASSING or "database is locked" in str(error.args[0])


def repeated(work: Callable[[], T], *, seconds: float) -> T:
    """Runs ``work`` and, while the database fails in a passing way, runs it again, for so many seconds at most.

    ``work`` must hold whole transactions: after a deadlock all of it was undone, after a lock wait only the
    statement, and after a lost connection nobody knows whether the last commit happened. So it must
    also tell its own earlier success from somebody else's. Within a transaction of the caller's
    it is run once, because a part of that cannot be repeated.

    Raises what the database raised last.
    """
    if connection.in_atomic_block:
        return work()
    end = time.monotonic() + seconds
    wait = 0.05
    while True:
        try:
            return work()
        except Error as error:
            pause = wait * random.uniform(0.5, 1.5)  # noqa: S311 - no secret hangs on it
            if not is_passing(error) or time.monotonic() + pause > end:
                raise
            log.warning("the database failed, and is asked again: %s", error)
        with contextlib.suppress(Error):  # it may be so dead that it cannot even be closed
            connection.close()
        time.sleep(pause)
        wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
