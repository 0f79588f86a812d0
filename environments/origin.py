"""Where what is done comes from: a request's address and program, and the token that it came with.

The web process says it at the beginning of each request, `manage.py` of each command; what is done meanwhile
records it. Workers say nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass

LONGEST_ADDRESS, LONGEST_AGENT, LONGEST_TOKEN = 64, 200, 150


@dataclass
class Origin:
    """Where a request comes from; who signs it in adds the token's name."""

    address: str = ""
    agent: str = ""
    token: str = ""

    def as_fields(self) -> dict[str, str]:
        """Return it as an event's columns hold it."""
        longest = {"address": LONGEST_ADDRESS, "agent": LONGEST_AGENT, "token": LONGEST_TOKEN}
        return {name: value.replace("\0", "")[: longest[name]] for name, value in asdict(self).items()}


_ORIGIN: ContextVar[Origin | None] = ContextVar("origin", default=None)


@contextmanager
def coming_from(address: str, agent: str) -> Iterator[Origin]:
    """Let everything that is recorded meanwhile say that it comes from here."""
    mark = _ORIGIN.set(Origin(address, agent))
    try:
        yield here()
    finally:
        _ORIGIN.reset(mark)


def here() -> Origin:
    """Return where what is done now comes from; empty outside of a request."""
    return _ORIGIN.get() or Origin()


def came_by(token: str) -> None:
    """Say which token the request under way was signed in with."""
    origin = _ORIGIN.get()
    if origin is not None:
        origin.token = token
