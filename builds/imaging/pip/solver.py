"""uv, configured for a base and the indexes of a definition."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import uv
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builds.confinement.confine import Confinement, environment
from builds.imaging import egress
from builds.imaging.bases.probe import Probe
from builds.imaging.child_process import Ended, run
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.indexes import indexes_of, shown_to, solver_environment
from builds.imaging.pip.lines.hashes import hashes_of
from builds.imaging.pip.lines.pip_options import ALL, options_of
from builds.imaging.pip.lines.requirement import constraints_of
from builds.imaging.pip.listings import Listings
from builds.imaging.pip.pylock import Selection, packages_of, preference, versions_of
from builds.imaging.pip.sources import Sources, metadata_entry
from builds.imaging.pip.stand_ins import stand_ins
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Logins, host_of, without_login
from environments.network.masking import masked

TIMEOUT_SECONDS = 600.0
# Platforms that uv has names for.
_ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")
_ON_MUSL = ("x86_64", "aarch64")
_NEWEST_GLIBC = 40  # the newest 2.x that uv has a name for
_ADDRESS = re.compile(r"https?://\S+")
_VIA = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:==|@\s)\s*\S+\s*(?:;[^#]*)?(?:(?<=\s)#\s*via\s++(?P<via>.*))?$"
)
_FIND_LINKS = re.compile(r"--find-links (https?://\S+)$")
_ALL_INDEXES = ("--index-strategy", "unsafe-best-match")
_LOCK = "pylock.toml"
_BY_WHEELS = "had-by-wheels"


class Solver:
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
        self.probe = probe
        self._folder = folder
        self._reporter = reporter
        self._workshop = workshop
        self.present = present or {}
        plain, self.options = options_of(lines, reporter)
        hashless, self._hashes = hashes_of(plain)
        requested, self._constraints = constraints_of(hashless)
        self.requirements, self.indexes = indexes_of(requested, workshop.index_url, os.environ)
        self.logins = workshop.logins
        addresses = [address for line in self.requirements for address in _ADDRESS.findall(line)]
        urls = (*self.indexes.urls, *addresses)
        prepared = [_with_login(line, workshop.logins, urls) for line in self.requirements]
        self._prepared = "".join(f"{line}\n" for line in prepared)
        folder.joinpath("requirements.in").write_text(self._prepared)
        egress.check(urls, workshop.reach, reporter)
        private = workshop.private("index", urls)
        self._cache = cache = workshop.folder(f"uv-{private}" if private else "uv").absolute()
        pages = [page[1] for line in self.requirements if (page := _FIND_LINKS.match(line))]
        self.listings = Listings(self.indexes, pages, workshop, reporter)
        self.sources = Sources(folder, probe, self.listings, workshop, reporter, self.options.kinds)
        self._held: tuple[str, ...] = ()
        self.mixes = self.indexes.mixes(workshop.logins)
        self._base = [
            *(uv.find_uv_bin(), "pip", "compile", "--no-header", "--color", "never", "--no-progress"),
            *("--cache-dir", str(cache), "--python", sys.executable, "--python-version", probe.version),
            *("--python-platform", uv_platform(probe), "--no-python-downloads"),
            *self.options.releases,
            *(stand_ins(folder, present) if present else ()),
        ]

    @property
    def pins(self) -> frozenset[tuple[str, str]]:
        """The names and versions that the definition asks for exactly."""
        read = filter(None, map(requirement_in, (*self.requirements, *self._constraints)))
        return frozenset(
            (str(canonicalize_name(wanted.name)), item.version)
            for wanted in read
            for item in wanted.specifier
            if is_exact(item.operator, item.version)
        )

    @property
    def requested(self) -> set[str]:
        """The normalised names of the packages that the definition asks for."""
        wanted = filter(None, map(requirement_in, self.requirements))
        return {str(canonicalize_name(requirement.name)) for requirement in wanted}

    @property
    def first_index(self) -> str:
        """The host of the index that is queried before others, as it needs a connection; empty for none."""
        first, *others = self.indexes.private_first(self.logins)
        return host_of(first) if others and self.indexes.is_private(first, self.logins) else ""

    def prefer(self, previous: Lock | None) -> None:
        """Stay with the versions of a lock where they fit; without one, with none of what was solved before."""
        if previous is not None and previous.packages:
            self._put(_LOCK, preference(previous))
        else:
            self._folder.joinpath(_LOCK).unlink(missing_ok=True)

    def lock(self, *more: str, refresh: bool = False, constraints: Iterable[str] = ()) -> Ended:
        """Solve; the packages are then there to be read."""
        self.configure(constraints, refresh=refresh)
        strategy = _ALL_INDEXES if self.mixes else ()
        options = (
            "--format",
            "pylock.toml",
            "--output-file",
            _LOCK,
            *strategy,
            *(["--refresh"] if refresh else []),
        )
        return self._run("requirements.in", *options, *more)

    def denied(self) -> str:
        """Return what the solver writes where an index lets nobody in; empty where all indexes answer.

        Of several indexes, it passes over one that denies access, unless it is to take the first that has a name.
        """
        ended = self._run("requirements.in", "--no-deps", "--quiet")
        return ended.error if ended.code != 0 else ""

    def packages(self) -> tuple[LockedPackage, ...]:
        """Return the packages that were solved for last."""
        selection = Selection(
            present=self.present,
            forced=self.sources.forced,
            offered=self.sources.offered,
            hashes=self._hashes,
            listed=self.listings.of,
            may_be_source=self.options.kinds.may_be_source,
        )
        return packages_of((self._folder / _LOCK).read_text(), self.probe, selection)

    def reasons(self, packages: Sequence[LockedPackage]) -> dict[str, tuple[bool, tuple[str, ...]]]:
        """Return for each package whether it was requested, and which packages need it."""
        pins = "".join(f"{package.name}=={package.version}\n" for package in packages)
        self._folder.joinpath("pins.txt").write_text(pins)
        # The answers are in uv's cache by now, so that this needs no network and hardly any time.
        strategy = _ALL_INDEXES if self.mixes else ()
        prepared = ("requirements.in", "--constraints", "pins.txt", "--annotation-style", "line", *strategy)
        ended = self._run("--offline", "--quiet", *prepared)
        if ended.code != 0:
            # Sources at a URL are requested again.
            ended = self._run("--quiet", *prepared)
        if ended.code != 0:
            self._reporter.line(
                "Why each package is there could not be locked out; the packages are as resolved"
            )
        return dict(result for line in ended.out.splitlines() if (result := _reason(line)))

    def alone(self, names: Collection[str]) -> dict[str, tuple[str, bool]]:
        """Return each package's version if it were alone, as far as the cache knows, and whether it has a wheel.

        Sources count here. None is at hand to be run: the solver gets no network, no file, and what each package
        needs from its configuration.
        """
        kinds = self.options.kinds
        if {*names} <= {name for name, _ in self.pins}:
            return {}
        given = {
            str(canonicalize_name(wanted.name)) for wanted in map(requirement_in, self.requirements) if wanted
        }
        names = sorted({*names} - given - set(self.present))
        self._folder.joinpath("alone.in").write_text(self._prepared + "".join(f"{name}\n" for name in names))
        entries = self.indexes.config(self.logins) + "".join(map(metadata_entry, sorted({*names, *given})))
        self._folder.joinpath("alone.toml").write_text(entries)
        wheels = [":all:"] if ALL in kinds.wheels else sorted(kinds.wheels)
        ended = self._run(
            *("alone.in", "--offline", "--quiet", "--no-deps"),
            *("--format", "pylock.toml", "--output-file", "pylock.alone.toml"),
            *(_ALL_INDEXES if self.mixes else ()),
            *(word for name in wheels for word in ("--only-binary", name)),
            config="alone.toml",
            offline=True,
        )
        if ended.code != 0:
            return {}
        return versions_of((self._folder / "pylock.alone.toml").read_text(), self.probe)

    def lacking_wheels(self, pins: Mapping[str, str]) -> set[str]:
        """Return the packages for want of whose wheels these versions cannot be had, looked at by themselves."""
        keys = {f"{name}=={version}": self._key(name, version) for name, version in sorted(pins.items())}
        lines = [line for line, key in keys.items() if not self._workshop.recall(_BY_WHEELS, key)]
        # Together they mostly can be had, and one run is enough.
        for together in filter(None, (lines, *([line] for line in lines if len(lines) > 1))):
            self._folder.joinpath("newer.in").write_text("".join(f"{line}\n" for line in together))
            ended = self._run("newer.in", "--quiet", *(_ALL_INDEXES if self.mixes else ()))
            wanted = self.sources.wanted(ended.error) if ended.code != 0 else set()
            if wanted:
                return wanted
            decided = ended.code == 0 or "No solution found" in ended.error
            if decided and (ended.code == 0 or len(together) == 1):
                # A version stays as it is, and wheels are not taken back: this is looked at once.
                for line in together:
                    self._workshop.remember(_BY_WHEELS, keys[line], value=True)
            if ended.code == 0:
                break
        return set()

    def _key(self, name: str, version: str) -> str:
        urls = [without_login(url) for url in self.indexes.urls]
        private = self._workshop.private("index", self.indexes.urls)
        return json.dumps([name, version, self.probe.version, self.probe.platform, *urls, private])

    def configure(self, constraints: Iterable[str] = (), *, refresh: bool = False) -> None:
        """Write the solver's configuration; `constraints` are beside those of the definition."""
        config = self.indexes.config(self.logins, refresh=refresh) + self.sources.config()
        self._put("uv.toml", config)
        held = (*self._constraints, *self.sources.constraints(), *constraints)
        self._held = ("--constraints", "constraints.txt") if held else ()
        self._put("constraints.txt", "".join(f"{line}\n" for line in held))

    def _put(self, name: str, text: str) -> None:
        """Write a file whole or not at all: another run of the solver may be reading it."""
        beside = self._folder / f".{name}"
        beside.write_text(text)
        beside.replace(self._folder / name)

    def _run(self, *more: str, config: str = "uv.toml", offline: bool = False) -> Ended:
        # Nothing of a package may run on the studio's machine: a source distribution would.
        kinds = () if offline else ("--only-binary", ":all:", *self.sources.options())
        ended = run(
            [*self._base, "--config-file", config, *self._held, *kinds, *more],
            self._reporter,
            timeout=TIMEOUT_SECONDS,
            env=environment(self._reporter.environment(solver_environment(os.environ)), self._folder),
            folder=self._folder,
            confinement=Confinement(
                writes=(self._folder, self._cache),
                network=() if offline else (self._reporter.port,),
                processes=4,  # uv asks the interpreter about itself
            ),
        )
        # To the solver, a refusal is an index without the package: it would take it from the next index.
        self._reporter.check()
        return ended


def requirement_in(line: str) -> Requirement | None:
    """Return the requirement that a line is, if it is one."""
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None


def is_exact(operator: str, version: str) -> bool:
    """Return whether a comparison leaves no choice of a version."""
    return operator == "===" or (operator == "==" and "*" not in version)


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
