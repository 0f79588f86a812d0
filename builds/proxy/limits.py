"""Limits of the programs behind a proxy, and the account of their use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes in both directions and seconds: of a proxy, of one connection, of a connection without traffic."""

    bytes: int = 4 << 30
    seconds: float = 3600.0
    connection_seconds: float = 900.0
    idle_seconds: float = 60.0
    connections: int = 256


class LimitReached(Exception):
    """Other servers sent more, or took longer, than a build may use."""


class Account:
    """Counts the bytes of a proxy, and remembers the first failure that must end the build."""

    def __init__(self, limits: Limits, spend: Callable[[int], None]) -> None:
        self.limits = limits
        self.bytes = 0
        self.failure: Exception | None = None
        self._spend = spend

    def count(self, size: int) -> None:
        """Add bytes. Raises LimitReached, or what `spend` raises, and remembers it."""
        self.bytes += size
        try:
            self._spend(size)
            if self.bytes > self.limits.bytes:
                raise LimitReached(
                    f"The servers that the definition names sent more than {self.limits.bytes / 1e6:,.0f} MB."
                )
        except Exception as error:
            self.remember(error)
            raise

    def remember(self, failure: Exception) -> None:
        """Keep a failure; later failures follow from the first."""
        self.failure = self.failure or failure
