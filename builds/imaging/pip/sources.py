"""Packages without wheels: their versions and requirements, read without running any of their code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builds.imaging.bases.probe import Probe
from builds.imaging.download.fetch import fetch_sdists
from builds.imaging.lock import LockedPackage
from builds.imaging.pip.pip_options import Kinds
from builds.imaging.pip.reading import needs_of_sdists
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

MOST_ROUNDS = 20
_NEEDS = "sdist-needs"
_NO_WHEEL = re.compile(r"Wheels are required for `([^`]+)` because building from source is disabled")


class Sources:
    """The packages of one resolution that may be taken as source, and what is known of their needs."""

    def __init__(self, probe: Probe, workshop: Workshop, reporter: Reporter, kinds: Kinds) -> None:
        self.names: set[str] = set(kinds.sources)
        self._kinds = kinds
        self._probe = probe
        self._workshop = workshop
        self._reporter = reporter
        self._needs: dict[tuple[str, str], tuple[str, ...]] = {}

    def wanted(self, message: str) -> set[str]:
        """Return the packages that the solver gave up for want of a wheel, and that were not let in yet."""
        named = {str(canonicalize_name(name)) for name in _NO_WHEEL.findall(message)} - self.names
        return {name for name in named if self._kinds.may_be_source(name)}

    def allow(self, names: set[str]) -> None:
        """Let these packages be taken as source."""
        for name in sorted(names):
            self._reporter.line(f"{name} has no wheel that fits: it is taken as source")
        self.names |= names

    def learn(self, packages: Sequence[LockedPackage]) -> bool:
        """Find out what these packages need; return whether anything was new."""
        new = [p for p in packages if p.kind == "sdist" and (p.name, p.version) not in self._needs]
        files = fetch_sdists(new, self._workshop, self._reporter)[0]
        known = {
            package.sha256: needs_when_built(package.sha256, self._probe, self._workshop) for package in new
        }
        declared = needs_of_sdists([file for file in files if known[file.sha256] is None], self._reporter)
        for package in new:
            built = known[package.sha256]
            needs = declared[package.sha256] if built is None else built
            self._needs[package.name, package.version] = needs
        return bool(new)

    def options(self) -> list[str]:
        """Return the solver's options."""
        return [word for name in sorted(self.names) for word in ("--no-binary", name)]

    def config(self) -> str:
        """Return the part of the solver's configuration that spares it asking the packages themselves.

        The solver would run their code, here. A version that was not looked into yet counts as one that
        needs nothing; when it is chosen, it is looked into, and the solver asked again.
        """
        entries = [_entry(name, "", ()) for name in sorted(self.names)]
        entries += [_entry(name, version, needs) for (name, version), needs in sorted(self._needs.items())]
        return "".join(entries)


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


def _entry(name: str, version: str, needs: Sequence[str]) -> str:
    extras = sorted({extra for need in needs for extra in _extras(need)})
    lines = ["[[dependency-metadata]]", f"name = {json.dumps(name)}"]
    lines += [f"version = {json.dumps(version)}"] if version else []
    lines += [f"requires-dist = {json.dumps(list(needs))}", f"provides-extra = {json.dumps(extras)}"]
    return "\n".join(lines) + "\n"


def _extras(need: str) -> Iterator[str]:
    marker = Requirement(need).marker
    for result in re.finditer(r"""extra == ["']([^"']+)["']""", str(marker or "")):
        yield result[1]
