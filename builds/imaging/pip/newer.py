"""Newer versions that come as source alone: taken as by pip, or reported where nothing can build them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from packaging.version import InvalidVersion, Version

from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.solver import Solver
from builds.imaging.reporting import Cancelled, ImageError

Packages = tuple[LockedPackage, ...]
Solve = Callable[..., Packages]
NO_ENGINE = "no Docker Engine is reached that could build it. Start Docker, or set DOCKER_HOST"


class Newer:
    """Packages that were solved for with wheels, and the `newest` version that each would have alone, sources included."""

    def __init__(self, packages: Packages, previous: Lock | None, solver: Solver) -> None:
        self._packages = packages
        self._previous = previous
        self._solver = solver
        versions = solver.alone([package.name for package in packages])
        self.newest = {name: version for name, (version, _) in versions.items()}
        self._versions = {
            package.name: (package.version, *versions[package.name])
            for package in packages
            if package.name in versions and not _stays(package, previous)
        }
        self._names = self._candidates()

    def choose(
        self, solve: Solve, can_build: Callable[[Mapping[str, str]], bool], unable: str = NO_ENGINE
    ) -> tuple[Packages, list[str]]:
        """Return the packages with newer sources where they can be built, else with warnings of them.

        `can_build` gets the versions of the sources by their names; `unable` says why they cannot be built.

        A pre-release that nobody requested gives way in either case: it was taken for want of another wheel.
        """
        names = self._names
        if not names:
            return self._packages, []
        newer = self._attempt(names, solve)
        sources = _taken_as_source(newer, names)
        if not sources:
            self._solver.sources.withdraw(names)
            return self._packages, []
        if can_build(sources):
            return newer, []
        self._solver.sources.withdraw(names - self._early)
        packages = self._attempt(self._early & sources.keys(), solve) if self._early else self._packages
        return packages, _warnings(packages, newer, unable)

    @property
    def _early(self) -> set[str]:
        """Packages of which a pre-release was taken, though there is another version."""
        return {
            name
            for name, (before, alone, _) in self._versions.items()
            if _early(before) and not _early(alone)
        }

    def _candidates(self) -> set[str]:
        """Return the packages that would be newer as source, or let others be newer."""
        kinds = self._solver.options.kinds
        names = {
            name
            for name, (before, alone, has_wheel) in self._versions.items()
            if not has_wheel and (_newer(alone, before) or name in self._early)
        }
        requested = self._solver.requested
        older = {
            name: alone
            for name, (before, alone, has_wheel) in self._versions.items()
            if has_wheel and (name in self._early or (name in requested and _newer(alone, before)))
        }
        if older and not kinds.prefer_wheels:
            names |= self._solver.lacking_wheels(older)
        names = {name for name in names if kinds.may_be_source(name)} - self._solver.sources.forced
        return names & self._early if kinds.prefer_wheels else names

    def _attempt(self, names: set[str], solve: Solve) -> Packages:
        """Return what is solved for where these packages may be sources; as before where nothing fits."""
        if not names:
            return self._packages
        self._solver.sources.offer(names, self._solver.pins)
        self._solver.prefer(self._previous)
        try:
            return solve()
        except Cancelled:
            raise
        except ImageError as error:
            if error.fault == "studio":
                raise
            return self._packages


def _taken_as_source(packages: Packages, names: set[str]) -> dict[str, str]:
    return {p.name: p.version for p in packages if p.kind == "sdist" and p.name in names}


def _warnings(packages: Packages, newer: Packages, unable: str) -> list[str]:
    """Return a sentence for each package that is older than the packages that could be built would be."""
    after = {package.name: package for package in newer}
    sources = {package.name for package in newer if package.kind == "sdist"}
    result = []
    for package in packages:
        wanted = after.get(package.name, package)
        if not _newer(wanted.version, package.version):
            continue
        why = "it comes as source alone"
        if wanted.kind != "sdist":
            why = f"it needs what comes as source alone ({', '.join(sorted(sources))})"
        result.append(
            f"{package.name} {package.version} is installed and not the newer {wanted.version}: {why},"
            f" and {unable};"
            f" or write {package.name}=={package.version} if that version will do."
        )
    return result


def _stays(package: LockedPackage, previous: Lock | None) -> bool:
    before = previous.named(package.name) if previous is not None else None
    return before is not None and before.version == package.version


def _newer(version: str, before: str) -> bool:
    try:
        return Version(version) > Version(before)
    except InvalidVersion:
        return False


def _early(version: str) -> bool:
    try:
        return Version(version).is_prerelease
    except InvalidVersion:
        return False
