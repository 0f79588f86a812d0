"""Resolving for a platform beside others: the same versions where they exist, and nothing that would have to be built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from builds.imaging.bases.probe import Probe
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.listings import ListedFile
from builds.imaging.pip.pylock import target_tags
from builds.imaging.reporting import ImageError

_ANY = "-none-any.whl"


@dataclass(frozen=True)
class Beside:
    """A platform that nothing can be built for here, and the lock of this machine's, whose versions it prefers."""

    platform: str
    lock: Lock

    def can_build(self, sources: Mapping[str, str]) -> bool:
        """Return whether each of these versions is a source on the other platform too, whose wheel may fit both."""
        return all(
            (other := self.lock.named(name)) is not None and (other.kind, other.version) == ("sdist", version)
            for name, version in sources.items()
        )


def for_any_platform(filename: str) -> bool:
    """Return whether a wheel has no part that is for one processor."""
    return filename.endswith(_ANY)


def without_wheel(
    lock: Lock,
    probe: Probe,
    listed: Callable[[str], Sequence[ListedFile]],
    allowed: Callable[[str], SpecifierSet],
) -> list[LockedPackage]:
    """Return the packages of another platform's lock of which no allowed version has a wheel for a base."""
    tags = frozenset(target_tags(probe))
    return [
        package
        for package in lock.packages
        if package.kind == "wheel"
        and not for_any_platform(package.filename)
        and not any(
            file.tags & tags
            and file.runs_on(probe.version)
            and allowed(package.name).contains(file.version, prereleases=True)
            for file in listed(package.name)
        )
    ]


def lacking(packages: Sequence[LockedPackage], platform: str) -> ImageError:
    """Return the error that names every package without a wheel for a platform."""
    names = ", ".join(f"{package.name} {package.version}" for package in packages)
    verb = "has" if len(packages) == 1 else "have"
    return ImageError(
        "no-matching-distribution",
        f"{names} {verb} no wheel for {platform}, and packages for another platform are not built here.",
        f"Take {'it' if len(packages) == 1 else 'them'} out, allow a version with a wheel for each platform,"
        " or build for one platform.",
    )
