"""uv, configured for a base and the indexes of a definition."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

import uv
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builds.confinement.confine import Confinement, environment
from builds.imaging import egress
from builds.imaging.bases.probe import Probe
from builds.imaging.child_process import Ended, run
from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.cutoffs.messages import too_new, undated
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.indexes import PROJECT, indexes_of, shown_to, solver_environment
from builds.imaging.pip.lines.hashes import hashes_of
from builds.imaging.pip.lines.pip_options import ALL, options_of
from builds.imaging.pip.lines.reasons import reason_in
from builds.imaging.pip.lines.requirement import constraints_of
from builds.imaging.pip.listings import Listings, uploaded_at
from builds.imaging.pip.pylock import Selection, packages_of, preference, uploads_of, versions_of
from builds.imaging.pip.sources import Sources, metadata_entry
from builds.imaging.pip.stand_ins import stand_ins
from builds.imaging.pip.targets.platforms import uv_platform
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Logins, host_of, without_login
from environments.network.masking import masked

TIMEOUT_SECONDS = 600.0
_ADDRESS = re.compile(r"https?://\S+")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_AS_REQUESTED = re.compile(rf"{PROJECT}(?:==0)? depends on")
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
        limits: Limits = NO_LIMITS,
        own_indexes: Mapping[str, str] | None = None,
    ) -> None:
        self.limits = limits
        self.probe = probe
        self._folder = folder
        self._reporter = reporter
        self._workshop = workshop
        self.present = present or {}
        plain, self.options = options_of(lines, reporter)
        hashless, self._hashes = hashes_of(plain)
        requested, self._constraints = constraints_of(hashless)
        own = {name: url for name, url in (own_indexes or {}).items() if name not in self.present}
        self.requirements, self.indexes = indexes_of(requested, workshop.index_url, os.environ, own)
        self.logins = workshop.logins
        addresses = [address for line in self.requirements for address in _ADDRESS.findall(line)]
        urls = (*self.indexes.every_url, *addresses)
        prepared = [_with_login(line, workshop.logins, urls) for line in self.requirements]
        self._prepared = "".join(f"{line}\n" for line in prepared)
        folder.joinpath("requirements.in").write_text(self._prepared)
        self._pinned = [
            line
            for line in self.requirements
            if (wanted := requirement_in(line)) is not None
            and wanted.url is None
            and canonicalize_name(wanted.name) in self.indexes.own
        ]
        self.transitive: set[str] = set()
        egress.check(urls, workshop.reach, reporter)
        private = workshop.private("index", urls)
        self._cache = cache = workshop.folder(f"uv-{private}" if private else "uv").absolute()
        pages = [page[1] for line in self.requirements if (page := _FIND_LINKS.match(line))]
        self.listings = Listings(self.indexes, pages, workshop, reporter, limits)
        self.sources = Sources(
            folder, probe, self.listings, workshop, reporter, self.options.kinds, self.indexes.own
        )
        self._held: tuple[str, ...] = ()
        self.mixes = self.indexes.mixes(workshop.logins)
        self._base = [
            *(uv.find_uv_bin(), "pip", "compile", "--no-header", "--color", "never", "--no-progress"),
            *("--cache-dir", str(cache), "--python", sys.executable, "--python-version", probe.version),
            *("--python-platform", uv_platform(probe), "--no-python-downloads"),
            *self.options.releases,
            *(stand_ins(folder, present) if present else ()),
            *(("--preview-features", "index-exclude-newer") if limits.addresses else ()),
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

    def specifier(self, name: str) -> SpecifierSet:
        """Return the versions that the definition itself allows of a package, by its normalised name."""
        read = filter(None, map(requirement_in, (*self.requirements, *self._constraints)))
        wanted = [
            requirement.specifier for requirement in read if canonicalize_name(requirement.name) == name
        ]
        return reduce(and_, wanted, SpecifierSet())

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
        return packages_of((self._folder / _LOCK).read_text(), self.probe, self.selection)

    @property
    def selection(self) -> Selection:
        """The choice of files from what was solved for."""
        return Selection(
            present=self.present,
            forced=self.sources.forced,
            offered=self.sources.offered,
            hashes=self._hashes,
            listed=self.listings.of,
            may_be_source=self.options.kinds.may_be_source,
            check=self._check_upload,
        )

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
                "Why each package is there could not be determined; the packages are as resolved"
            )
        return dict(result for line in ended.out.splitlines() if (result := reason_in(line)))

    def alone(self, names: Collection[str]) -> dict[str, tuple[str, bool]]:
        """Return each package's version if it were alone, as far as the cache knows, and whether it has a wheel.

        Sources count here.
        """
        text = self._alone(names, self.limits)
        return versions_of(text, self.probe) if text else {}

    def newest(self, names: Collection[str]) -> dict[str, tuple[str, dt.datetime | None]]:
        """Return each package's version if it were alone and nothing limited uploads, and when it was uploaded."""
        text = self._alone(names, NO_LIMITS)
        return uploads_of(text, self.probe) if text else {}

    def unlimited(self) -> dict[str, tuple[str, dt.datetime | None]]:
        """Solve as if nothing limited uploads; return each package's version, and when it was uploaded."""
        self._folder.joinpath("pylock.unlimited.toml").unlink(missing_ok=True)
        self._put("unlimited.toml", self.indexes.config(self.logins) + self.sources.config())
        self._write_project(NO_LIMITS)
        options = ("--quiet", "--format", "pylock.toml", "--output-file", "pylock.unlimited.toml")
        strategy = _ALL_INDEXES if self.mixes else ()
        ended = self._run("requirements.in", *options, *strategy, config="unlimited.toml")
        self._write_project(self.limits)
        if ended.code != 0:
            return {}
        return uploads_of((self._folder / "pylock.unlimited.toml").read_text(), self.probe)

    @property
    def names(self) -> set[str]:
        """The packages that were solved for last, before any of them is looked at."""
        return {*versions_of((self._folder / _LOCK).read_text(), self.probe)}

    def discover(self, names: Iterable[str]) -> bool:
        """Take these packages from their own indexes too, where they have one; return whether any is new."""
        known = {
            str(canonicalize_name(wanted.name)) for wanted in map(requirement_in, self._pinned) if wanted
        }
        new = {*names} & self.indexes.own.keys() - known - self.transitive
        self.transitive |= new
        return bool(new)

    def named_in(self, message: str) -> set[str]:
        """Return the packages with an index of their own that a message names."""
        names = {str(canonicalize_name(word)) for word in _WORD.findall(message)}
        return names & self.indexes.own.keys()

    def _check_upload(self, name: str, version: str, file: Mapping[str, Any]) -> None:
        """Raise ImageError for a file that was uploaded too late, or nobody says when."""
        limit = self.limits.of(name)
        if limit is None:
            return
        uploaded, url = uploaded_at(file.get("upload-time")), without_login(str(file.get("url", "")))
        if self.limits.allows(name, url, uploaded) or any(
            listed.url == url or listed.sha256 == file.get("hashes", {}).get("sha256")
            for listed in self.listings.of(name)
        ):
            return
        if uploaded is None:
            raise undated(name, version, host_of(url), limit)
        raise too_new(name, version, uploaded, limit)

    def _alone(self, names: Collection[str], limits: Limits) -> str:
        """Return the solver's lock of packages as if each were alone; empty where the cache does not suffice.

        No source is at hand to be run: the solver gets no network, no file, and what each package needs from its
        configuration.
        """
        kinds = self.options.kinds
        if {*names} <= {name for name, _ in self.pins}:
            return ""
        given = {
            str(canonicalize_name(wanted.name)) for wanted in map(requirement_in, self.requirements) if wanted
        }
        names = sorted({*names} - given - set(self.present))
        self._folder.joinpath("alone.in").write_text(self._prepared + "".join(f"{name}\n" for name in names))
        entries = self.indexes.config(self.logins, limits) + "".join(
            map(metadata_entry, sorted({*names, *given}))
        )
        self._folder.joinpath("alone.toml").write_text(entries)
        # The solver would stay with the versions of a lock that is there.
        self._folder.joinpath("pylock.alone.toml").unlink(missing_ok=True)
        wheels = [":all:"] if ALL in kinds.wheels else sorted(kinds.wheels)
        ended = self._run(
            *("alone.in", "--offline", "--quiet", "--no-deps"),
            *("--format", "pylock.toml", "--output-file", "pylock.alone.toml"),
            *(_ALL_INDEXES if self.mixes else ()),
            *(word for name in wheels for word in ("--only-binary", name)),
            config="alone.toml",
            offline=True,
        )
        return (self._folder / "pylock.alone.toml").read_text() if ended.code == 0 else ""

    def lacking_wheels(self, pins: Mapping[str, str]) -> set[str]:
        """Return the packages for want of whose wheels these versions cannot be had, looked at by themselves."""
        keys = {f"{name}=={version}": self._key(name, version) for name, version in sorted(pins.items())}
        # A version that is early enough today may have been too late yesterday.
        lines = [
            line for line, key in keys.items() if self.limits or not self._workshop.recall(_BY_WHEELS, key)
        ]
        # Together they mostly can be had, and one run is enough.
        for together in filter(None, (lines, *([line] for line in lines if len(lines) > 1))):
            self._folder.joinpath("newer.in").write_text("".join(f"{line}\n" for line in together))
            ended = self._run("newer.in", "--quiet", *(_ALL_INDEXES if self.mixes else ()))
            wanted = self.sources.wanted(ended.error) if ended.code != 0 else set()
            if wanted:
                return wanted
            decided = ended.code == 0 or "No solution found" in ended.error
            if decided and not self.limits and (ended.code == 0 or len(together) == 1):
                # A version stays as it is, and wheels are not taken back: this is looked at once.
                for line in together:
                    self._workshop.remember(_BY_WHEELS, keys[line], value=True)
            if ended.code == 0:
                break
        return set()

    def _key(self, name: str, version: str) -> str:
        urls = [without_login(url) for url in self.indexes.every_url]
        private = self._workshop.private("index", self.indexes.every_url)
        return json.dumps([name, version, self.probe.version, self.probe.platform, *urls, private])

    def configure(self, constraints: Iterable[str] = (), *, refresh: bool = False) -> None:
        """Write the solver's configuration; `constraints` are beside those of the definition."""
        config = self.indexes.config(self.logins, self.limits, refresh=refresh) + self.sources.config()
        self._put("uv.toml", config)
        self._write_project(self.limits, refresh=refresh)
        held = (*self._constraints, *self.sources.constraints(), *constraints)
        self._held = ("--constraints", "constraints.txt") if held else ()
        self._put("constraints.txt", "".join(f"{line}\n" for line in held))

    def _write_project(self, limits: Limits, *, refresh: bool = False) -> None:
        """Write the project that says which packages come from an index of their own, if any does."""
        if self.indexes.own:
            requests = [*self._pinned, *sorted(self.transitive)]
            self._put("pyproject.toml", self.indexes.project(requests, self.logins, limits, refresh=refresh))

    def _put(self, name: str, text: str) -> None:
        """Write a file whole or not at all: another run of the solver may be reading it."""
        beside = self._folder / f".{name}"
        beside.write_text(text)
        beside.replace(self._folder / name)

    def _run(self, *more: str, config: str = "uv.toml", offline: bool = False) -> Ended:
        # Nothing of a package may run on the studio's machine: a source distribution would.
        kinds = () if offline else ("--only-binary", ":all:", *self.sources.options())
        project = ("pyproject.toml",) if self.indexes.own else ()
        ended = run(
            [*self._base, "--config-file", config, *self._held, *kinds, *project, *more],
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
        return replace(ended, error=_AS_REQUESTED.sub("you require", ended.error))


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
