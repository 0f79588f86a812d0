"""The origin of a change: the address, the program and the token of its request.

The web process sets it for each request and `manage.py` for each command; events record it. Workers set none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass

MAX_ADDRESS_LENGTH, MAX_AGENT_LENGTH, MAX_TOKEN_LENGTH = 64, 200, 150


@dataclass
class RequestOrigin:
    """The origin of a request; authentication adds the token's name."""

    address: str = ""
    agent: str = ""
    token: str = ""

    def as_fields(self) -> dict[str, str]:
        """Return the values of an event's columns."""
        limits = {"address": MAX_ADDRESS_LENGTH, "agent": MAX_AGENT_LENGTH, "token": MAX_TOKEN_LENGTH}
        return {name: value[: limits[name]] for name, value in asdict(self).items()}


_ORIGIN: ContextVar[RequestOrigin | None] = ContextVar("origin", default=None)


@contextmanager
def recording_origin(address: str, agent: str) -> Iterator[RequestOrigin]:
    """Let the events that are recorded in this block carry the origin."""
    reset_token = _ORIGIN.set(RequestOrigin(address, agent))
    try:
        yield current_origin()
    finally:
        _ORIGIN.reset(reset_token)


def current_origin() -> RequestOrigin:
    """Return the origin of the current request; empty outside of a request."""
    return _ORIGIN.get() or RequestOrigin()


def set_origin_token(token: str) -> None:
    """Set the token that the current request was authenticated with."""
    origin = _ORIGIN.get()
    if origin is not None:
        origin.token = token
