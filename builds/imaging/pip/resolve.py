"""Resolve requirements to a lock with uv, for the base's Python, C library and architecture."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uv
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builds.confinement.confine import Confinement, environment
from builds.imaging import egress
from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.child_process import Ended, run
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.hashes import NO_HASHES, Hashes, hashes_of
from builds.imaging.pip.indexes import indexes_of, shown_to, solver_environment
from builds.imaging.pip.notes import report_left_out, report_older, report_warnings
from builds.imaging.pip.pip_options import kinds_of
from builds.imaging.pip.pylock import packages_of, preference
from builds.imaging.pip.requirement import checked, constraints_of
from builds.imaging.pip.solver_errors import closed, explained
from builds.imaging.pip.sources import MOST_ROUNDS, Sources, endless
from builds.imaging.pip.stand_ins import stand_ins
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.network.credentials import Logins, host_of
from environments.network.masking import masked

TIMEOUT_SECONDS = 600.0
OLDEST_PYTHON = (3, 6)
# Platforms that uv has names for.
_ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")
_ON_MUSL = ("x86_64", "aarch64")
_NEWEST_GLIBC = 40  # the newest 2.x that uv has a name for
_ADDRESS = re.compile(r"https?://\S+")
_VIA = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:==|@)\s*+\S*+[^#]*+(?:#\s*via\s++(?P<via>.*))?$"
)


def resolve(
    base: Base,
    requirements: Sequence[str],
    workshop: Workshop,
    reporter: Reporter,
    previous: Lock | None = None,
    present: Mapping[str, str] | None = None,
    *,
    refresh: bool = False,
) -> Lock:
    """Return the exact packages for these requirements, at the versions of `previous` where they fit.

    Recent listings of the index are reused, unless `refresh` is set.
    `present` are distributions that are installed already, by their normalised names: they stay at their
    versions, and are not among the packages returned.
    """
    empty = Lock(python=base.probe.version, platform=base.probe.platform, base_digest=base.digest)
    lines = checked(requirements)
    if not any(line for line in lines if not line.startswith("-")):
        return empty
    if not base.probe.python:
        raise ImageError(
            "no-python",
            f"The base image {base.reference} holds no Python, so no packages can be put on top.",
            "Take a base image with Python, or ask for no packages.",
        )
    if base.probe.minor < OLDEST_PYTHON:
        raise ImageError(
            "base-too-old",
            f"The base image's Python, {base.probe.version}, is too old for today's packages.",
            "Take a base image with Python 3.6 or newer, or install the packages in a Dockerfile.",
        )
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="resolve-") as name,
        egress.way_out(workshop, reporter) as way_out,
    ):
        solver = _Solver(Path(name), base.probe, lines, workshop, way_out, present)
        packages = solver.solve(previous, refresh=refresh)
        with ThreadPoolExecutor(1, thread_name_prefix="newest") as beside:
            alone = beside.submit(solver.newest)
            why = solver.reasons(packages)
            newest = alone.result()
    locked = [
        package.model_copy(update={"requested": requested, "needed_by": needed_by})
        for package in packages
        for requested, needed_by in [why.get(package.name, (False, ()))]
    ]
    for package in locked:
        reporter.line(f"  {package.name} {package.version}" + ("" if package.requested else "  (needed)"))
    report_older(locked, newest, previous, reporter)
    report_left_out(lines, {*(package.name for package in locked), *(present or ())}, reporter)
    took = time.monotonic() - began
    reporter.line(f"Resolved {len(locked)} packages for Python {base.probe.version} in {took:.1f} s")
    return empty.model_copy(update={"packages": tuple(locked)})


class _Solver:
    """uv, configured for a base and its indexes."""

    def __init__(
        self,
        folder: Path,
        probe: Probe,
        lines: Sequence[str],
        workshop: Workshop,
        reporter: egress.WayOut,
        present: Mapping[str, str] | None,
    ) -> None:
        self._folder = folder
        self._probe = probe
        self._reporter = reporter
        self._present = present or {}
        hashless, self._hashes = hashes_of(lines)
        plain, kinds = kinds_of(hashless, reporter)
        self._sources = Sources(probe, workshop, reporter, kinds)
        requested, constraints = constraints_of(plain)
        rest, self._indexes = indexes_of(requested, workshop.index_url, os.environ)
        self._logins = workshop.logins
        addresses = [address for line in rest for address in _ADDRESS.findall(line)]
        prepared = [_with_login(line, workshop.logins, (*self._indexes.urls, *addresses)) for line in rest]
        folder.joinpath("requirements.in").write_text("".join(f"{line}\n" for line in prepared))
        egress.check((*self._indexes.urls, *addresses), workshop.reach, reporter)
        private = workshop.private("index", (*self._indexes.urls, *addresses))
        self._cache = cache = workshop.folder(f"uv-{private}" if private else "uv").absolute()
        folder.joinpath("constraints.txt").write_text("".join(f"{line}\n" for line in constraints))
        self._pinned = all(_pinned(line) for line in rest)
        self._configure()
        self._always = [
            *(uv.find_uv_bin(), "pip", "compile", "requirements.in", "--no-header"),
            *("--config-file", "uv.toml", "--cache-dir", str(cache)),
            *("--python", sys.executable, "--python-version", probe.version),
            *("--python-platform", uv_platform(probe), "--no-python-downloads"),
            # Nothing of a package may run on the studio's machine: a source distribution would.
            *("--only-binary", ":all:", "--color", "never", "--no-progress"),
            *(("--constraints", "constraints.txt") if constraints else ()),
            *(stand_ins(folder, present) if present else ()),
        ]

    def solve(self, previous: Lock | None, *, refresh: bool = False) -> tuple[LockedPackage, ...]:
        """Return the packages that the requirements come to."""
        pylock = self._folder / "pylock.toml"
        if previous is not None and previous.packages:
            pylock.write_text(preference(previous))
        options = ("--format", "pylock.toml", "--output-file", pylock.name)
        if refresh:
            self._configure(refresh=True)
        ended = self._run(*options, *(["--refresh"] if refresh else []))
        if ended.code != 0 and closed(ended.error):
            raise explained(ended.error, self._probe)
        if not refresh and ended.code != 0 and "No solution found" in ended.error:
            # A missing version may have been published since the index was last queried.
            self._configure(refresh=True)
            ended = self._run(*options, "--refresh")
        if ended.code != 0 and "No solution found" in ended.error and self._indexes.extra:
            # Otherwise only the first index that has a package is queried for it, so that nobody can slip
            # a newer one of that name into a public index.
            self._reporter.line("The first index with a package lacks its version: all are asked, as by pip")
            self._always += ["--index-strategy", "unsafe-best-match"]
            ended = self._run(*options)
        return self._with_sources(ended, options)

    def _with_sources(self, ended: Ended, options: Sequence[str]) -> tuple[LockedPackage, ...]:
        """Go on with source distributions where there is no wheel, as long as more of them turn up."""
        for _ in range(MOST_ROUNDS):
            if ended.code != 0:
                wanted = self._sources.wanted(ended.error)
                if not wanted:
                    raise explained(ended.error, self._probe)
                self._sources.allow(wanted)
            else:
                packages = self._read("pylock.toml", self._hashes)
                if not self._sources.learn(packages):
                    report_warnings(ended.error, self._reporter)
                    return packages
            self._configure()
            ended = self._run(*options)
        raise endless(self._sources.names)

    def _configure(self, *, refresh: bool = False) -> None:
        config = self._indexes.config(self._logins, refresh=refresh) + self._sources.config()
        self._folder.joinpath("uv.toml").write_text(config)

    def _read(self, pylock: str, hashes: Hashes) -> tuple[LockedPackage, ...]:
        text = (self._folder / pylock).read_text()
        sources = self._sources.names
        return packages_of(text, self._probe, present=self._present, sources=sources, hashes=hashes)

    def _run(self, *more: str) -> Ended:
        ended = run(
            [*self._always, *self._sources.options(), *more],
            self._reporter,
            timeout=TIMEOUT_SECONDS,
            env=environment(self._reporter.environment(solver_environment(os.environ)), self._folder),
            folder=self._folder,
            confinement=Confinement(
                writes=(self._folder, self._cache),
                network=(self._reporter.port,),
                processes=4,  # uv asks the interpreter about itself
            ),
        )
        # To the solver, a refusal is an index without the package: it would take it from the next index.
        self._reporter.check()
        return ended

    def reasons(self, packages: Sequence[LockedPackage]) -> dict[str, tuple[bool, tuple[str, ...]]]:
        """Return for each package whether it was requested, and which packages need it."""
        pins = "".join(f"{package.name}=={package.version}\n" for package in packages)
        self._folder.joinpath("pins.txt").write_text(pins)
        # The answers are in uv's cache by now, so that this needs no network and hardly any time.
        prepared = ("--constraints", "pins.txt", "--annotation-style", "line")
        ended = self._run("--offline", "--quiet", *prepared)
        if ended.code != 0:
            # Sources at a URL are requested again.
            ended = self._run("--quiet", *prepared)
        if ended.code != 0:
            self._reporter.line(
                "Why each package is there could not be locked out; the packages are as resolved"
            )
        return dict(result for line in ended.out.splitlines() if (result := _reason(line)))

    def newest(self) -> dict[str, str]:
        """Return the version of each requested package if it were alone, as far as the cache knows."""
        if self._pinned:
            return {}
        pylock = "pylock.alone.toml"
        ended = self._run(
            "--offline", "--quiet", "--no-deps", "--format", "pylock.toml", "--output-file", pylock
        )
        if ended.code != 0:
            return {}
        return {p.name: p.version for p in self._read(pylock, NO_HASHES)}


def _pinned(line: str) -> bool:
    """Return whether a line leaves no choice of a version."""
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return False
    return any(
        item.operator == "===" or (item.operator == "==" and "*" not in item.version)
        for item in wanted.specifier
    )


def _with_login(line: str, logins: Logins, hosts: Sequence[str]) -> str:
    """Return a line as the solver gets it: with the credentials for the address in it, if there are any."""
    match = _ADDRESS.search(line)
    if match is None:
        return line
    if logins.beside("index", match[0]):
        same = {host_of(url) for url in hosts if logins.find("index", url)}
        if host_of(match[0]) in same:
            # The solver shows a password to everything of its host that asks for one.
            raise ImageError(
                "index-refused",
                f"{masked(match[0])} is beside the address that the workspace's connection to"
                f" {host_of(match[0])} is for, and cannot be used together with it.",
                "Correct the connection's address in Settings → Connections, so that both are below it.",
            )
    return line.replace(match[0], shown_to(match[0], logins))


def _reason(line: str) -> tuple[str, tuple[bool, tuple[str, ...]]] | None:
    matched = _VIA.match(line.strip())
    if matched is None:
        return None
    via = [part.strip() for part in (matched["via"] or "").split(",") if part.strip()]
    files = {part for part in via if part.startswith("-")}
    needed_by = tuple(sorted(str(canonicalize_name(part)) for part in via if part not in files))
    requested = any(part.endswith("requirements.in") for part in files)
    return str(canonicalize_name(matched["name"])), (requested, needed_by)


def uv_platform(probe: Probe) -> str:
    """Return uv's name for the newest platform whose wheels run on this base. Raises ImageError for none."""
    if probe.architecture not in _ARCHITECTURES or (probe.libc == "musl" and probe.machine not in _ON_MUSL):
        raise ImageError(
            "base-unfit",
            f"Packages cannot be put on a base image for {probe.architecture} with"
            f" {'musl' if probe.libc == 'musl' else 'glibc'}.",
            "Take a base image for amd64 or arm64, or install the packages in a Dockerfile.",
        )
    if probe.libc == "musl":
        return f"{probe.machine}-unknown-linux-musl"
    major, minor, *_ = (int(part) for part in (probe.libc_version or "2.17").split("."))
    if major != 2 or minor < 17:
        raise ImageError(
            "base-too-old",
            f"The base image's C library, glibc {probe.libc_version}, is too old for today's packages.",
            "Take a base image with glibc 2.17 or newer.",
        )
    known = [17, 28, *range(31, _NEWEST_GLIBC + 1)]
    return f"{probe.machine}-manylinux_2_{max(version for version in known if version <= minor)}"
