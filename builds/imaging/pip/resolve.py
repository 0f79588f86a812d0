"""Resolve requirements to a lock with uv, for the base's Python, C library and architecture."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from packaging.utils import canonicalize_name

from builds.imaging import egress
from builds.imaging.bases.model import Base
from builds.imaging.child_process import Ended
from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.download.early import fetching_early
from builds.imaging.interruptible import each_of, interruptible
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.lines.requirement import checked
from builds.imaging.pip.newer import Newer
from builds.imaging.pip.notes import report_left_out, report_older, report_warnings
from builds.imaging.pip.pylock import wheel_of
from builds.imaging.pip.solver import Solver, is_exact, requirement_in
from builds.imaging.pip.solver_errors import closed, explained
from builds.imaging.pip.sources import MOST_ROUNDS, endless
from builds.imaging.pip.targets.beside import Beside, lacking, without_wheel
from builds.imaging.pip.targets.pythons import check_lines, check_python
from builds.imaging.pip.targets.systems import for_one_system
from builds.imaging.pip.uploads import needed, skipped_versions
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

OLDEST_PYTHON = (3, 6)
_LISTINGS_AT_A_TIME = 8
# Errors that a platform without a wheel may be the reason of.
_UNFIT = frozenset(("no-matching-distribution", "no-matching-python", "conflict"))


def resolve(
    base: Base,
    requirements: Sequence[str],
    workshop: Workshop,
    reporter: Reporter,
    previous: Lock | None = None,
    present: Mapping[str, str] | None = None,
    *,
    refresh: bool = False,
    requires_python: str = "",
    limits: Limits = NO_LIMITS,
    package_indexes: Mapping[str, str] | None = None,
    beside: Beside | None = None,
    early: bool = False,
) -> Lock:
    """Return the exact packages for these requirements, at the versions of `previous` where they fit.

    Only what was uploaded early enough for `limits` is used. A package of `package_indexes` comes from its index only,
    and that index is used for no other package. `requires_python` are the Pythons that the definition is for.

    Recent listings of the index are reused, unless `refresh` is set.
    With `beside`, versions agree with another platform's, and what only a build could give is no reason for a version.
    `present` are distributions that are installed already, by their normalised names: they stay at their
    versions, and are not among the packages returned.
    With `early`, since all files are fetched next, wheels of pinned packages are fetched and packed meanwhile.
    """
    empty = Lock(python=base.probe.version, platform=base.probe.platform, base_digest=base.digest)
    lines = checked(requirements)
    if not any(line for line in lines if not line.startswith("-")):
        return empty
    if not base.probe.python:
        raise ImageError(
            "no-python",
            f"The base image {base.reference} holds no Python, so no packages can be put on top.",
            "Use a base image with Python, or request no packages.",
        )
    if base.probe.minor < OLDEST_PYTHON:
        raise ImageError(
            "base-too-old",
            f"The base image's Python, {base.probe.version}, is too old for today's packages.",
            "Take a base image with Python 3.6 or newer, or install the packages in a Dockerfile.",
        )
    check_python(base.probe.version, base.reference, requires_python, reporter)
    check_lines(lines, base.probe, "" if present is not None else base.reference)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="resolve-") as name,
        egress.way_out(workshop, reporter) as way_out,
    ):
        solver = Solver(Path(name), base.probe, lines, workshop, way_out, present, limits, package_indexes)
        resolution = _Resolution(solver, workshop, way_out, previous, beside)
        with ExitStack() as stack:
            if early and (pins := _pinned(solver)):
                find = partial(_pinned_wheels, pins, solver)
                stack.enter_context(fetching_early(find, base.probe.version, workshop, reporter))
            packages, warnings = resolution.run(refresh=refresh)
    locked = [
        package.model_copy(update={"requested": requested, "needed_by": needed_by})
        for package in packages
        for requested, needed_by in [resolution.why.get(package.name, (False, ()))]
    ]
    for package in locked:
        reporter.line(f"  {package.name} {package.version}" + ("" if package.requested else "  (dependency)"))
    for sentence in resolution.skipped:
        reporter.line(f"  {sentence}")
    report_older(locked, resolution.newest, previous, reporter)
    report_left_out(lines, {*(package.name for package in locked), *(present or ())}, reporter)
    for warning in warnings:
        reporter.line(f"Warning: {warning}")
    took = time.monotonic() - began
    reporter.line(f"Resolved {len(locked)} packages for Python {base.probe.version} in {took:.1f} s")
    fields = {"packages": tuple(locked), "warnings": tuple(warnings), "skipped": resolution.skipped}
    return empty.model_copy(update={**fields, "cutoff": limits.recorded()})


def _pinned_wheels(pins: Mapping[str, str], solver: Solver, reporter: Reporter) -> list[LockedPackage]:
    """Return the wheels that pinned packages most likely come as; a wrong wheel would only be of no use."""

    def wheel(name: str) -> LockedPackage | None:
        files = solver.listings.of_version(name, pins[name], reporter)
        return wheel_of(name, pins[name], files, solver.probe, solver.selection)

    def wheels() -> list[LockedPackage | None]:
        return each_of(wheel, sorted(pins), _LISTINGS_AT_A_TIME, reporter)

    # An index that stops answering holds up no build that is cancelled.
    return [package for package in interruptible(wheels, reporter) if package is not None]


def _pinned(solver: Solver) -> dict[str, str]:
    """Return the packages that are requested in an exact version, for every Python and platform."""
    requests = filter(None, map(requirement_in, solver.requirements))
    pins = {
        str(canonicalize_name(request.name)): item.version
        for request in requests
        if request.url is None and request.marker is None
        for item in request.specifier
        if item.operator == "==" and is_exact(item.operator, item.version)
    }
    return {name: version for name, version in pins.items() if name not in solver.present}


class _Resolution:
    """One resolution: from requirements to packages, why each is there, and what is newest of each."""

    def __init__(
        self,
        solver: Solver,
        workshop: Workshop,
        reporter: Reporter,
        previous: Lock | None,
        beside: Beside | None = None,
    ) -> None:
        self._solver = solver
        self._workshop = workshop
        self._reporter = reporter
        self._previous = previous
        self._beside = beside
        self.why: dict[str, tuple[bool, tuple[str, ...]]] = {}
        self.newest: dict[str, str] = {}
        self.skipped: tuple[str, ...] = ()
        self._message = ""  # by the solver when it last solved

    def run(self, *, refresh: bool) -> tuple[tuple[LockedPackage, ...], list[str]]:
        """Return the packages that the requirements come to, and what to warn of."""
        self._solver.prefer(self._previous)
        packages = self._first_or_why(refresh=refresh)
        with ThreadPoolExecutor(1, thread_name_prefix="newest") as beside:
            looking = beside.submit(Newer, packages, self._previous, self._solver)
            self.why = self._solver.reasons(packages)
            newer = looking.result()
        self.newest = newer.newest
        if self._beside is not None:
            unable = f"packages for {self._beside.platform} are not built here"
            chosen, warnings = newer.choose(self._solved, self._beside.can_build, unable)
        else:
            chosen, warnings = newer.choose(self._solved, lambda _: self._workshop.builds_sources())
        if chosen is not packages:
            self.why = self._solver.reasons(chosen)
        if self._solver.transitive:
            chosen = needed(chosen, self.why)
        if self._solver.limits:
            self.skipped = skipped_versions(chosen, self.newest, self._message, self._solver)
        return chosen, warnings

    def _first_or_why(self, *, refresh: bool) -> tuple[LockedPackage, ...]:
        """Solve; where nothing fits, raise ImageError with every package that has no wheel for this platform."""
        try:
            return self._first(refresh=refresh)
        except ImageError as error:
            if self._beside is None or error.code not in _UNFIT:
                raise
            solver = self._solver
            missing = without_wheel(self._beside.lock, solver.probe, solver.listings.of, solver.specifier)
            if not missing:
                raise
            raise lacking(missing, self._beside.platform) from error

    def _first(self, *, refresh: bool) -> tuple[LockedPackage, ...]:
        """Solve with wheels, and with sources of what has no wheel."""
        if not self._solver.mixes:
            if host := self._solver.first_index:
                self._reporter.line(
                    f"Each package is taken from the first index that has it, {host} before all others: that index"
                    " needs a connection, and what it has must not come from elsewhere"
                )
            return self._solved(refresh=refresh)
        # Of several indexes, the solver passes over one that lets nobody in; then a package of that index
        # would be taken from another, where anybody may have put it.
        with ThreadPoolExecutor(1, thread_name_prefix="denied") as beside:
            self._solver.configure()
            denied = beside.submit(self._solver.denied)
            try:
                packages = self._solved(refresh=refresh)
            finally:
                denial = denied.result()
                if closed(denial):
                    raise explained(denial, self._solver)
        return packages

    def _solved(self, constraints: Sequence[str] = (), *, refresh: bool = False) -> tuple[LockedPackage, ...]:
        """Solve, and go on with source distributions where there is no wheel, as long as more of them turn up."""
        solver, sources = self._solver, self._solver.sources
        ended = solver.lock(refresh=refresh, constraints=constraints)
        if ended.code != 0 and not closed(ended.error) and not refresh and "No solution found" in ended.error:
            # A missing version may have been published since the index was last queried.
            ended = solver.lock(refresh=True, constraints=constraints)
        for _ in range(MOST_ROUNDS):
            if ended.code != 0:
                if not solver.discover(solver.named_in(ended.error)):
                    self._offer_wanted(ended)
            elif not solver.indexes.own or not solver.discover(solver.names):
                self._message = ended.error
                packages = solver.packages()
                if not sources.learn(packages):
                    report_warnings(ended.error, self._reporter)
                    return packages
            ended = solver.lock(constraints=constraints)
        raise endless(sources.offered)

    def _offer_wanted(self, ended: Ended) -> None:
        """Let packages be taken as source that the solver wants; raise ImageError where that is not the reason."""
        sources = self._solver.sources
        wanted = set() if closed(ended.error) else sources.wanted(ended.error)
        foreign = {name for name in wanted if for_one_system(name) is not None}
        for name in sorted(foreign and foreign | self._solver.requested):
            if (error := for_one_system(name)) is not None:
                raise error
        sources.offer(wanted, self._solver.pins)
        offered = sorted(name for name in wanted if sources.offered[name])
        if not offered:
            raise explained(ended.error, self._solver)
        for name in offered:
            self._reporter.line(f"{name} has no wheel that fits: it is built from source")
