"""Names of Azure ML environments where a base image belongs: read, resolved by the studio, or explained."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_NAME = re.compile(
    r"azureml:(?://(?:registries/(?P<registry>[^/\s]{1,255})/"
    r"|subscriptions/(?:[^/\s]{1,255}/){1,12}?(?:workspaces/(?P<workspace>[^/\s]{1,255})/)?)?environments/)?"
    r"(?P<name>[^/:@\s]{1,255})(?:(?:/labels/|@)(?P<label>[^/\s]{1,255})|(?:/versions/|:)(?P<version>[^/\s]{1,255}))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NamedEnvironment:
    """An environment by its name, a version or label of it, and where it is if the name says so."""

    name: str
    version: str = ""
    label: str = ""
    registry: str = ""
    workspace: str = ""

    @classmethod
    def parse(cls, text: str) -> NamedEnvironment | None:
        """Return what `azureml:NAME:5`, `azureml:NAME@latest` or a longer form of it names; None for anything else."""
        match = _NAME.match(text)
        return cls(**{key: value or "" for key, value in match.groupdict().items()}) if match else None

    @property
    def advice(self) -> str:
        """The advice on learning which image Azure ML has for it."""
        registry = f" --registry-name {self.registry}" if self.registry else ""
        which = (
            f" --label {self.label}" if self.label else f" --version {self.version}" if self.version else ""
        )
        return (
            f"Write the image that `az ml environment show --name {self.name}{which}{registry}` prints, or build the"
            f" environment {self.name} in the studio: its image is then taken."
        )


ImageOf = Callable[[NamedEnvironment], str]
"""Returns the reference of an environment's image; empty for none."""
_known: ContextVar[ImageOf | None] = ContextVar("images of environments", default=None)


@contextmanager
def resolving(image_of: ImageOf) -> Iterator[None]:
    """Have the names of environments resolved in what is read meanwhile."""
    token = _known.set(image_of)
    try:
        yield
    finally:
        _known.reset(token)


def image_of(named: NamedEnvironment) -> str:
    """Return the reference of an environment's image; empty if it has none, or nobody knows."""
    known = _known.get()
    return known(named) if known else ""
