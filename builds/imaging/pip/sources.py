"""Packages that come as source: their versions and requirements, read without running any of their code."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from builds.imaging.bases.probe import Probe
from builds.imaging.download.fetch import fetch_sdists
from builds.imaging.lock import LockedPackage
from builds.imaging.pip.declared.reading import needs_of_sdists
from builds.imaging.pip.lines.pip_options import Kinds
from builds.imaging.pip.listings import ListedFile, Listings
from builds.imaging.pip.pylock import target_tags
from builds.imaging.pip.stand_ins import empty_wheel, extras_of
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

MOST_ROUNDS = 20
_MOST_VERSIONS = 1_000
_NEEDS = "sdist-needs"
_NO_WHEEL = re.compile(r"Wheels are required for `([^`]+)` because building from source is disabled")

Pins = Collection[tuple[str, str]]
"""Names and versions that a definition asks for exactly."""


class Sources:
    """The packages of one resolution that may be taken as source, and what is known of their needs.

    The solver would run a source's code to ask it what it needs. So a version that comes as source alone is offered
    to it as an empty wheel, which needs nothing until it is chosen; then its source is looked into, and the solver
    asked again. A package that a definition wants as source has no wheels for the solver, and its needs are in the
    solver's configuration.
    """

    def __init__(
        self,
        folder: Path,
        probe: Probe,
        listings: Listings,
        workshop: Workshop,
        reporter: Reporter,
        kinds: Kinds,
        own: Collection[str] = (),
    ) -> None:
        self.forced = frozenset(kinds.sources)
        self._own = own
        self.offered: dict[str, dict[str, tuple[ListedFile, ...]]] = {}
        self.unfit: dict[str, frozenset[str]] = {}  # versions that are not for this Python, by the package
        self._folder = folder
        self._probe = probe
        self._tags = frozenset(target_tags(probe))
        self._listings = listings
        self._workshop = workshop
        self._reporter = reporter
        self._kinds = kinds
        self._needs: dict[tuple[str, str], tuple[str, ...]] = {}
        self._written = 0

    def wanted(self, message: str) -> set[str]:
        """Return the packages that the solver gave up for want of a wheel, and that are not offered yet."""
        named = {str(canonicalize_name(name)) for name in _NO_WHEEL.findall(message)}
        return {name for name in named - self.forced - set(self.offered) if self._kinds.may_be_source(name)}

    def offer(self, names: Iterable[str], pins: Pins = ()) -> None:
        """Let versions of these packages be taken as source that have no wheel for this base."""
        for name in sorted(names):
            self.offered[name] = self._without_wheel(name, pins)
            if name in self._own and self.offered[name]:
                # The solver takes it from its own index only, and from no folder of ours.
                self.forced |= {name}
        self._write()

    def withdraw(self, names: Iterable[str]) -> None:
        """Let these packages come as wheels only."""
        for name in names:
            self.offered.pop(name, None)
            self.forced -= {name} - self._kinds.sources
        self._write()

    def learn(self, packages: Sequence[LockedPackage]) -> bool:
        """Find out what these packages need; return whether anything was new."""
        new = [
            package
            for package in packages
            if package.kind == "sdist"
            and (package.name, package.version) not in self._needs
            and (package.name in self.forced or package.version in self.offered.get(package.name, {}))
        ]
        files = fetch_sdists(new, self._workshop, self._reporter)[0]
        known = {
            package.sha256: needs_when_built(package.sha256, self._probe, self._workshop) for package in new
        }
        declared = needs_of_sdists([file for file in files if known[file.sha256] is None], self._reporter)
        for package in new:
            built = known[package.sha256]
            needs = declared[package.sha256] if built is None else built
            self._needs[package.name, package.version] = needs
        if new:
            self._write()
        return bool(new)

    def options(self) -> list[str]:
        """Return the solver's options."""
        forced = [word for name in sorted(self.forced) for word in ("--no-binary", name)]
        return [*forced, *(("--find-links", self._offers.name) if any(self.offered.values()) else ())]

    def config(self) -> str:
        """Return the part of the solver's configuration that spares it asking the packages themselves."""
        entries = [metadata_entry(name) for name in sorted(self.forced)]
        entries += [
            metadata_entry(name, version, needs)
            for (name, version), needs in sorted(self._needs.items())
            if name in self.forced
        ]
        return "".join(entries)

    def constraints(self) -> list[str]:
        """Return the versions that are not to be taken, as the index says that they are for other Pythons."""
        return [
            f"{name}!={version}" for name, unfit in sorted(self.unfit.items()) for version in sorted(unfit)
        ]

    def learn_pythons(self, name: str) -> None:
        """Take no version of a package that the index says is for other Pythons: the solver reads lower bounds only."""
        files = [file for file in self._listings.of(name) if not file.tags or file.tags & self._tags]
        fit = {file.version for file in files if file.runs_on(self._probe.version)}
        self.unfit[name] = frozenset(str(file.version) for file in files if file.version not in fit)

    @property
    def _offers(self) -> Path:
        return self._folder / f"offered-{self._written}"

    def _without_wheel(self, name: str, pins: Pins) -> dict[str, tuple[ListedFile, ...]]:
        """Return the source distributions of a package by version, where no wheel of that version runs here."""
        self.learn_pythons(name)
        files = [file for file in self._listings.of(name) if file.runs_on(self._probe.version)]
        built = {file.version for file in files if file.tags & self._tags}
        sources: dict[Version, list[ListedFile]] = {}
        for file in files:
            taken = not file.withdrawn or (name, str(file.version)) in pins
            if taken and not file.tags and file.version not in built:
                sources.setdefault(file.version, []).append(file)
        newest = sorted(sources, reverse=True)[:_MOST_VERSIONS]
        return {str(version): tuple(sources[version]) for version in newest}

    def _write(self) -> None:
        """Write the offers in a folder of their own: the solver remembers what was in a file."""
        self._written += 1
        self._offers.mkdir()
        for name, versions in self.offered.items():
            for version in versions:
                empty_wheel(self._offers, name, version, self._needs.get((name, version), ()))


def endless(names: Iterable[str]) -> ImageError:
    """Return the error for packages of which version after version does not fit."""
    return ImageError(
        "conflict",
        f"No version that fits was found of what comes as source alone: {', '.join(sorted(names))}.",
        "Pin the versions that you want of these packages.",
    )


def needs_when_built(sha256: str, probe: Probe, workshop: Workshop) -> tuple[str, ...] | None:
    """Return the requirements of the wheel that was built from a source distribution, if any."""
    known = workshop.recall(_NEEDS, f"{sha256} {probe.version}")
    return tuple(known) if known is not None else None


def remember_needs(sha256: str, probe: Probe, workshop: Workshop, needs: Sequence[str]) -> None:
    """Keep what the wheel needs that was built from a source distribution."""
    workshop.remember(_NEEDS, f"{sha256} {probe.version}", list(needs))


def metadata_entry(name: str, version: str = "", needs: Sequence[str] = ()) -> str:
    """Return the solver's configuration for what a version needs; without one, for every other version."""
    lines = ["[[dependency-metadata]]", f"name = {json.dumps(name)}"]
    lines += [f"version = {json.dumps(version)}"] if version else []
    lines += [
        f"requires-dist = {json.dumps(list(needs))}",
        f"provides-extra = {json.dumps(extras_of(needs))}",
    ]
    return "\n".join(lines) + "\n"
