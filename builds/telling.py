"""Which build a thread works on, for the lines it writes into the log of the studio."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

BUILD: ContextVar[tuple[str, str] | None] = ContextVar("build", default=None)
"""The build's id and its workspace's name."""


@contextmanager
def about(build: object, workspace: str) -> Iterator[None]:
    """Let every line say that it is about this build."""
    token = BUILD.set((str(build), workspace))
    try:
        yield
    finally:
        BUILD.reset(token)
