"""Every client pulls from the studio's registry: what is tested is a table of clients and cases.

A new client is one more class in `commands.py`.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
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
    """A running studio, filled by `tests.builds.fill_for_clients`."""

    studio: Studio
    repositories: Mapping[str, str]  # by the environment's name: azureml/azureml_<hash>
    digests: Mapping[str, str]
    layers: tuple[str, ...]  # the layers of both, for this machine, as digests of plain tars
    accounts: Mapping[str, Account]  # reader and builder are members of `shop`, stranger is not

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.studio.port}"

    def name(self, environment: str = "image", workspace: str = "square", *, by_hash: bool = False) -> str:
        """Return a repository's name for clients."""
        repository = self.repositories[environment] if by_hash else environment
        return f"{self.address}/{workspace}/{repository}"


class Client(ABC):
    """A program that pulls images, with a folder, settings and storage of its own."""

    # As in docs/registry.md, for an IMAGE
    command: ClassVar[str]
    # Whether it goes on where a download was cut. Otherwise the pull fails.
    resumes: ClassVar[bool] = True
    # Whether it takes a version together with a digest.
    pins_versions: ClassVar[bool] = True

    # Fixtures that it needs
    needs: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path, parts: Mapping[str, Any]) -> None:
        self.folder = folder
        self.parts = parts  # the fixtures, by their names

    def arguments(self, image: str, *login: str) -> list[str]:
        """Return the arguments of its command, with the options of an account before the image."""
        argv = shlex.split(self.command)[1:]
        at = next(number for number, argument in enumerate(argv) if "IMAGE" in argument)
        return [argument.replace("IMAGE", image) for argument in (*argv[:at], *login, *argv[at:])]

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
