"""The images and addresses that a Dockerfile names, and what the studio answers about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from environments.definition.syntax.reference import ImageReference

HOST = "host"


@dataclass(frozen=True)
class Source:
    """An image that a Dockerfile names: its reference, written out, for a platform, at a line."""

    reference: str
    platform: str
    line: int
    copied: bool = False

    @property
    def floating(self) -> bool:
        """Whether the reference may name another image tomorrow."""
        return self.reference != HOST and ImageReference.parse(self.reference).floating

    @property
    def key(self) -> str:
        """The key to look the image up by."""
        return f"{self.reference} {self.platform}"


@dataclass(frozen=True)
class Addition:
    """Files that ADD fetches: their URLs, the checksum that is demanded, the line."""

    urls: tuple[str, ...]
    checksum: str
    line: int


@dataclass(frozen=True)
class Answers:
    """Answers about a Dockerfile's images and files: names in the engine, variables, triggers."""

    name: Callable[[Source], str] = lambda source: source.reference
    variables: Callable[[Source], Mapping[str, str]] = lambda source: {}
    triggers: Callable[[Source], Sequence[str]] = lambda source: ()
    add: Callable[[Addition], str] | None = None
    """Returns the image that holds the files. Without it, ADD of a URL stays as it is: nothing is built then."""
