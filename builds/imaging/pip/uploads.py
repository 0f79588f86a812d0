"""Effects of upload limits on a resolution: versions that were skipped, and files without an upload time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from builds.imaging.cutoffs.messages import bounded, skipped, too_new, undated
from builds.imaging.lock import LockedPackage
from builds.imaging.reporting import ImageError
from environments.network.credentials import host_of

if TYPE_CHECKING:
    from builds.imaging.pip.solver import Solver

UNDATED = re.compile(r"`(?P<file>[^`]+)` is missing an upload date")
_FILTERED = re.compile(r"`(?P<name>[A-Za-z0-9._-]+)` was filtered by `exclude-newer`")


def skipped_versions(
    packages: Sequence[LockedPackage], newest: Mapping[str, str], message: str, solver: Solver
) -> tuple[str, ...]:
    """Return a sentence for each package of which a newer version was uploaded too late.

    A package that others hold to an older version is not among them. `newest` are the versions that each package
    would have alone, and `message` is the solver's output. Raises ImageError where the newer version has no upload
    time: it may be the version that is meant.
    """
    limits = solver.limits
    held = [package for package in packages if newest.get(package.name, package.version) == package.version]
    _refuse_undated({package.name: package.version for package in held}, message, solver)
    unlimited = solver.newest([package.name for package in held])
    sentences = []
    for package in held:
        version, uploaded = unlimited.get(package.name, ("", None))
        limit = limits.of(package.name)
        if (
            limit is None
            or uploaded is None
            or uploaded < limit.before
            or not _newer(version, package.version)
        ):
            continue
        sentences.append(skipped(package.name, version, uploaded, package.version, limit, limits.now))
    return bounded(sentences)


def needed(
    packages: Sequence[LockedPackage], why: Mapping[str, tuple[bool, tuple[str, ...]]]
) -> tuple[LockedPackage, ...]:
    """Return the packages that are requested, or needed by what is: some were requested for their index alone."""
    if not why:
        return tuple(packages)
    reached = {name for name, (requested, _) in why.items() if requested}
    while new := {name for name, (_, by) in why.items() if name not in reached and reached & {*by}}:
        reached |= new
    return tuple(package for package in packages if package.name in reached or package.name not in why)


def cutoff_error(output: str, named: Sequence[str], solver: Solver) -> ImageError | None:
    """Return the error where limits on uploads are why the solver gave up; None where they are not."""
    if not solver.limits or "No solution found" not in output:
        return None
    filtered = [str(canonicalize_name(name)) for name in _FILTERED.findall(output)]
    for name in dict.fromkeys((*filtered, *named)):
        if solver.listings.every(name) and not solver.listings.of(name):
            return _nothing_left(name, solver)
    versions = solver.unlimited()
    for name in dict.fromkeys((*filtered, *sorted(versions))):
        version, uploaded = versions.get(name, ("", None))
        limit = solver.limits.of(name)
        if version and limit is not None and (uploaded is None or uploaded >= limit.before):
            listed = [file for file in solver.listings.every(name) if str(file.version) == version]
            if any(solver.limits.allows(name, file.index, file.uploaded) for file in listed):
                continue
            if uploaded is None:
                return undated(name, version, host_of(listed[0].index) if listed else "Its address", limit)
            return too_new(name, version, uploaded, limit)
    return None


def _nothing_left(name: str, solver: Solver) -> ImageError | None:
    """Return the error for a package of which nothing is early enough."""
    limit = solver.limits.of(name)
    files = sorted(solver.listings.every(name), key=lambda file: file.version)
    if limit is None:
        return None
    if (nobody := next((file for file in reversed(files) if file.uploaded is None), None)) is not None:
        return undated(name, "", host_of(nobody.index), limit)
    times = [(file.uploaded, str(file.version)) for file in files if file.uploaded is not None]
    uploaded, version = min(times)
    return too_new(name, version, uploaded, limit)


def _refuse_undated(versions: Mapping[str, str], message: str, solver: Solver) -> None:
    """Raise ImageError for a newer version without an upload time that the definition allows."""
    for name, version in _undated_in(message):
        limit = solver.limits.of(name)
        used = versions.get(name)
        if used is None or limit is None or version <= Version(used):
            continue
        if not solver.specifier(name).contains(version):
            continue
        listed = [file for file in solver.listings.every(name) if file.version == version]
        nobody = next((file for file in listed if file.uploaded is None), None)
        allowed = any(solver.limits.allows(name, file.index, file.uploaded) for file in listed)
        if nobody is not None and not nobody.withdrawn and not allowed:
            raise undated(name, str(version), host_of(nobody.index), limit)


def _undated_in(message: str) -> Iterator[tuple[str, Version]]:
    for filename in dict.fromkeys(UNDATED.findall(message)):
        with suppress(InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
            if filename.endswith(".whl"):
                name, version, *_ = parse_wheel_filename(filename)
            else:
                name, version = parse_sdist_filename(filename)
            yield str(name), version


def _newer(version: str, before: str) -> bool:
    try:
        return Version(version) > Version(before)
    except InvalidVersion:
        return False
