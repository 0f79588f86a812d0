"""Every client pulls from the studio's registry: what is tested is a table of clients and cases.

A new client is one more class in `commands.py`.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, ClassVar

from tests.services.studio import Studio


@dataclass(frozen=True)
class Account:
    """A user name and an access token."""

    user: str
    token: str


@dataclass(frozen=True)
class Filled:
    """A running studio with the environments `image` and `index` in the workspaces `square` and `shop`."""

    studio: Studio
    repositories: Mapping[str, str]  # by the environment's name: azureml/azureml_<hash>
    digests: Mapping[str, str]
    layers: tuple[str, ...]  # the layers of both, for this machine, as digests of plain tars
    member: Account
    stranger: Account

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.studio.port}"

    def repository(self, what: str = "image", *, workspace: str = "square") -> str:
        """Return a repository's name for clients."""
        return f"{self.address}/{workspace}/{self.repositories.get(what, what)}"


class Client(ABC):
    """A program that pulls images, with a folder, settings and storage of its own."""

    # As in docs/registry.md, for an IMAGE
    command: ClassVar[str]
    # Whether it goes on where a download was cut. Otherwise the pull fails.
    resumes: ClassVar[bool] = True

    def __init__(self, folder: Path, fixture: Callable[[str], Any]) -> None:
        self.folder = folder
        self.fixture = fixture  # returns a fixture of tests/services by its name

    def arguments(self, image: str, *login: str) -> list[str]:
        """Return the arguments of its command, with the options of an account before the image."""
        words = shlex.split(self.command)[1:]
        at = next(number for number, word in enumerate(words) if "IMAGE" in word)
        return [word.replace("IMAGE", image) for word in (*words[:at], *login, *words[at:])]

    @abstractmethod
    def pull(self, reference: str, account: Account | None = None) -> CompletedProcess[str]:
        """Pull an image into its own storage."""

    @abstractmethod
    def layers(self, reference: str) -> tuple[str, ...]:
        """Return the layers of an image that it has pulled, as digests of plain tars."""

    def shows(self, code: str, message: str, account: Account | None) -> str:
        """Return what it prints of a refusal with this code and message."""
        return message

    @abstractmethod
    def forget(self, reference: str) -> None:
        """Remove an image that it has pulled."""


class Lister(Client):
    """A client that lists tags, too."""

    @abstractmethod
    def tags(self, repository: str, account: Account | None = None) -> list[str]:
        """Return the tags that the registry has for a repository."""
