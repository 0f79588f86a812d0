"""References to container images, as `docker pull` understands them (rule 17)."""

from __future__ import annotations

import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
HOST = "host"

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_LONGEST = 255


class BadReference(ValueError):
    """The text is not a reference to an image; the message says why."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """`registry/repository[:tag][@digest]`, with Docker Hub's defaults filled in."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """The reference that this text means. Raises BadReference with the reason."""
        rest = text.strip()
        if not rest:
            raise BadReference("an image reference is empty")
        if "://" in rest:
            raise BadReference(f"{text!r} is a URL; an image reference has no {rest.partition('://')[0]}://")
        rest, _, digest = rest.partition("@")
        if digest and not _DIGEST.fullmatch(digest):
            raise BadReference(f"{digest!r} is not a digest such as sha256:4f5a…")
        head, slash, last = rest.rpartition("/")
        last, colon, tag = last.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise BadReference(f"{tag!r} is not a tag: letters, digits, '_', '.' and '-', up to 128 of them")
        registry, repository = _split(f"{head}{slash}{last}")
        if not _REGISTRY.fullmatch(registry):
            raise BadReference(f"{registry!r} is not the address of a registry")
        if not _REPOSITORY.fullmatch(repository) or len(repository) > _LONGEST:
            raise BadReference(f"{repository!r} is not the name of an image: lower-case words joined by '/'")
        return cls(registry, repository, tag or None, digest or None)

    @property
    def floating(self) -> bool:
        """Whether what it points to may change: no digest, and no tag or `latest` (rule 18)."""
        return self.digest is None and self.tag in (None, "latest")

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = self.tag or ("" if self.digest else "latest")
        return self.name + (f":{tag}" if tag else "") + (f"@{self.digest}" if self.digest else "")


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first.startswith("[")):
        registry = DOCKER_HUB if first in ("index.docker.io", "registry-1.docker.io") else first
    else:
        registry, rest = DOCKER_HUB, name
    if registry == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return registry, rest
