"""One exact package of a lock or of a list of what is installed."""

from __future__ import annotations

from dataclasses import dataclass

from environments.definition.packages.specs import Spec, conda_spec, pip_name

CONDA, PIP, SYSTEM = "conda", "pip", "system"
PLATFORMS = {
    "linux-64": "linux/amd64",
    "linux-aarch64": "linux/arm64",
    "linux-ppc64le": "linux/ppc64le",
    "linux-s390x": "linux/s390x",
    "linux-32": "linux/386",
    "osx-64": "darwin/amd64",
    "osx-arm64": "darwin/arm64",
    "win-64": "windows/amd64",
    "win-32": "windows/386",
    "win-arm64": "windows/arm64",
}
SUBDIRS = {platform: subdir for subdir, platform in PLATFORMS.items()}


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A wheel or source distribution that a lock names; `sha256` without its algorithm's name."""

    name: str
    url: str = ""
    sha256: str = ""
    size: int | None = None
    uploaded: str = ""


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package in one exact version. `ecosystem` is conda, pip or system (deb, rpm, apk)."""

    name: str
    version: str
    ecosystem: str
    build: str = ""
    url: str = ""
    channel: str = ""
    """Where it is from: conda's channel, or an index other than PyPI."""
    subdir: str = ""
    sha256: str = ""
    md5: str = ""
    size: int | None = None
    requested: bool = False
    requires: tuple[str, ...] = ()
    """Names of the packages that it needs; together with `requested` it says why each is there."""
    marker: str = ""
    """Where it is installed at all (`python_version < "3.11"`); empty for everywhere."""
    files: tuple[LockedFile, ...] = ()
    """All files that the lock allows; `url` and `sha256` are those of the first."""

    license: str = ""
    """Its licence as an SPDX expression; empty for unknown."""

    direct: bool = False
    """Whether it comes from a repository or an address of its own, and from no index."""

    @property
    def spec(self) -> Spec:
        """The package as a specification, for comparing."""
        name = pip_name(self.name) if self.ecosystem == PIP else self.name.lower()
        text = f"{name}={self.version}={self.build}"
        return Spec(text, name, self.ecosystem, f"=={self.version}", self.version, self.build)


def from_conda_url(url: str) -> LockedPackage:
    """The package that a conda package's URL (with `#md5` or `#sha256:…`) names. Raises BadSpec."""
    spec = conda_spec(url)
    address, _, digest = url.partition("#")
    channel, _, subdir = address.partition("?")[0].rpartition("/")[0].rpartition("/")
    sha256 = digest.removeprefix("sha256:") if digest.startswith("sha256:") or len(digest) == 64 else ""
    md5 = digest.removeprefix("md5:") if digest and not sha256 else ""
    return LockedPackage(
        spec.name, spec.exact, CONDA, spec.build, address, channel, subdir, sha256=sha256, md5=md5
    )
