"""The finding of one check of the studio."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """Severity; also the exit code of `manage.py doctor`."""

    OK = 0
    WARNING = 1
    WRONG = 2

    @property
    def word(self) -> str:
        """The level as it is printed."""
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """One line: the part, how it is, and what to do if it is not well."""

    part: str
    level: Level
    message: str
    help: str = ""


def ok(part: str, message: str) -> Finding:
    """Say that it is well."""
    return Finding(part, Level.OK, message)


def warning(part: str, message: str, help: str) -> Finding:
    """Say that it works, but not as it should."""
    return Finding(part, Level.WARNING, message, help)


def wrong(part: str, message: str, help: str) -> Finding:
    """Say that it does not work."""
    return Finding(part, Level.WRONG, message, help)
