"""The lock: the exact packages of an image, for a platform and a base.

A lock comes from the solver, never from a log. It is JSON on the outside, stored with the image, and
given back to the solver as its preference when the next version is resolved.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from environments.definition.model import Cutoff

Ecosystem = Literal["pypi", "conda"]
Kind = Literal["wheel", "sdist", "conda"]


class LockedPackage(BaseModel):
    """One package, exactly: where it is, what it weighs, what it hashes to, and why it is there."""

    model_config = ConfigDict(frozen=True)

    ecosystem: Ecosystem
    name: str
    version: str
    url: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    md5: str = Field(
        default="",
        pattern=r"^([0-9a-f]{32})?$",
        description="For tools that want it; nothing is checked by it.",
    )
    size: int = Field(default=0, ge=0, description="Bytes of the file; 0 when the index does not tell.")
    filename: str
    kind: Kind
    requested: bool = False
    needed_by: tuple[str, ...] = ()
    channel: str = Field(default="", description="Where a conda package is from; empty for others.")
    subdir: str = Field(default="", description='Its platform as conda says it, such as "linux-64".')
    build: str = Field(default="", description='Its build string, such as "py311h64a7726_0".')
    distributions: tuple[str, ...] = Field(
        default=(), description="What pip would list of a conda package, as name==version."
    )
    license: str = Field(
        default="", description="Its licence as an SPDX expression, by its own metadata; empty for unknown."
    )


class Lock(BaseModel):
    """The packages that an image holds, and what they were resolved for."""

    model_config = ConfigDict(frozen=True)

    python: str = Field(default="", description='The Python version, such as "3.11.7".')
    platform: str = Field(default="", description='What wheels must fit, such as "manylinux_2_36_x86_64".')
    base_digest: str = Field(default="", description="Digest of the base image's manifest.")
    packages: tuple[LockedPackage, ...] = ()
    warnings: tuple[str, ...] = Field(
        default=(),
        description="Packages that are older than they would be with a Docker Engine, or that are for CPUs"
        " though there are builds for GPUs, as sentences.",
    )
    cutoff: Cutoff = Field(
        default=Cutoff(), description="What limited uploads, with absolute times; empty for no limit."
    )
    skipped: tuple[str, ...] = Field(
        default=(), description="Newer versions that were uploaded too late to be used, as sentences."
    )

    @property
    def digest(self) -> str:
        """The identity of the image: its base and its files, not their reasons or mirrors."""
        files = sorted([p.ecosystem, p.name, p.version, p.filename, p.sha256] for p in self.packages)
        meant = [self.python, self.platform, self.base_digest, files]
        return "sha256:" + hashlib.sha256(json.dumps(meant, separators=(",", ":")).encode()).hexdigest()

    @property
    def requested(self) -> frozenset[str]:
        """The names of the requested pip packages."""
        return frozenset(p.name for p in self.packages if p.requested and p.ecosystem == "pypi")

    @property
    def conda(self) -> bool:
        """Whether the environment is one of conda's."""
        return any(package.ecosystem == "conda" for package in self.packages)

    def named(self, name: str, ecosystem: Ecosystem = "pypi") -> LockedPackage | None:
        """Return the package of that (normalised) name, if it is here."""
        result = (p for p in self.packages if p.name == name and p.ecosystem == ecosystem)
        return next(result, None)

    def to_json(self) -> str:
        """Return the lock as JSON that `from_json` reads back to an equal lock."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote."""
        return cls.model_validate_json(text)
