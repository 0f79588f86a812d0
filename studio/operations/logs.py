"""How the studio's log lines look: plain for people, one JSON object a line for programs.

Either way a line says which build or which request it is about.
"""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

from builds.telling import BUILD

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is being answered."""


def subject() -> dict[str, str]:
    """Return what this thread is at work on."""
    about = {}
    build = BUILD.get()
    if build is not None:
        about = {"build": build[0], "workspace": build[1]}
    if request := REQUEST.get():
        about["request"] = request
    return about


class PlainFormatter(logging.Formatter):
    """Write time, level, logger and message, and at the end what it is about."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = super().formatMessage(record)
        about = [f"{name} {value}" for name, value in subject().items() if value not in line]
        return f"{line} [{', '.join(about)}]" if about else line


class JsonFormatter(logging.Formatter):
    """Write one JSON object a line; a traceback stands in it as one text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"time": time, "level": record.levelname, "logger": record.name}
        entry |= {"message": record.getMessage(), **subject()}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
