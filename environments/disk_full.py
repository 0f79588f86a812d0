"""Tell a full disk from other errors."""

import errno
import sqlite3

from django.db import OperationalError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_full(error: BaseException) -> bool:
    """Return whether an error means that a disk or a quota is full: that of files, or that of SQLite."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    cause = error.__cause__
    return (
        isinstance(error, OperationalError)
        and isinstance(cause, sqlite3.OperationalError)
        and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL
    )
