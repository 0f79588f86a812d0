"""Whether a pixi.lock still holds what the manifest beside it requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from environments.definition.findings.result import Draft, Refused
from environments.definition.formats import toml
from environments.definition.formats.projects.pixi import manifest, settings
from environments.definition.formats.projects.pixi.pyproject import Standard
from environments.definition.formats.projects.pixi.workspace import choose, workspace_of
from environments.definition.formats.source import Source
from environments.definition.model import Selection, Target
from environments.definition.packages.locked import CONDA, LockedPackage, from_conda_url
from environments.definition.packages.pythons import machine_of
from environments.definition.packages.specs import BadSpec, Spec, conda_spec, pip_name, without_options
from environments.definition.packages.versions import is_newer, starts_with
from environments.definition.syntax.text import Placed

if TYPE_CHECKING:
    from environments.definition.formats.projects.pixi.lock import Entry

_COMMAND = "pixi lock"
_PLAIN = re.compile(
    r"([A-Za-z0-9_][A-Za-z0-9_.-]*+) ((?:(?:>=|<=|<|>)?\d{1,9}(?:\.\d{1,9}){0,6}(?:\.\*)?(?:,|$))+)"
)
_BOUND = re.compile(r"(>=|<=|<|>|==|=|)(\d{1,9}(?:\.\d{1,9}){0,6}(?:\.\*)?)")


@dataclass(frozen=True, slots=True)
class Checked:
    """The packages of a lock that the manifest has from a URL or repository, and those that it requests."""

    direct: frozenset[str] = frozenset()
    roots: frozenset[str] = frozenset()


def check(
    draft: Draft, entries: Iterable[Entry], project: tuple[str, str], source: Source, selection: Selection
) -> Checked:
    """Refuse a lock that lacks what its manifest requests, or has it in another version; else take its variables."""
    name, text = project
    scratch = Draft(draft.format, selection=selection, platform=draft.platform, file=name)
    try:
        document = toml.document(scratch, text)
        if scratch.refused:
            raise Refused("bad-toml")
        workspace = workspace_of(document)
        if workspace is None:
            return Checked()
        standard = Standard(document) if workspace.path else None
        environment = choose(scratch, workspace, standard.features if standard else {})
    except Refused:
        _say(draft, scratch, name)
        raise
    requested = manifest.requests(scratch, workspace, environment, standard)
    tables = (*(feature.table for feature in environment.features), workspace.table)
    for table in tables:
        # pixi puts these in the place of what is requested.
        for overridden in toml.table(table, "pypi-options", "dependency-overrides"):
            requested.pip.pop(pip_name(overridden), None)
    _refuse_stale(draft, Contents.of(entries, machine_of(draft.platform)), requested, name)
    outer, draft.file = draft.file, name
    draft.name = draft.name or toml.text(workspace.table, "name")
    settings.variables(draft, workspace, environment)
    if draft.target == Target():
        settings.target(draft, environment)
    draft.file = outer
    direct = {key for key, lines in requested.pip.items() if any(" @ " in line for line in lines)}
    return Checked(frozenset(direct), frozenset((*requested.conda, *requested.pip)))


def _say(draft: Draft, scratch: Draft, name: str) -> None:
    """Pass on why the manifest cannot be read, or does not have the environment."""
    draft.findings += [replace(finding, file=name) for finding in scratch.findings]
    draft.counts += scratch.counts


def _refuse_stale(draft: Draft, contents: Contents, requested: manifest.Requested, name: str) -> None:
    for lines in requested.conda.values():
        for line in lines:
            _unless(draft, contents.lacks_conda(line), line, name)
    for lines in requested.pip.values():
        for line in lines:
            _unless(draft, contents.lacks_pip(line), line, name)


def _unless(draft: Draft, why: str, at: Placed, name: str) -> None:
    if why:
        where = Placed("", at.line, at.column, name)
        outer, draft.file = draft.file, name
        refused = draft.refuse(
            "lock-stale", where, lock=manifest.LOCK, manifest=name, why=why, command=_COMMAND
        )
        draft.file = outer
        raise refused


@dataclass(frozen=True, slots=True)
class Contents:
    """A lock's packages by name."""

    conda: dict[str, LockedPackage]
    pip: dict[str, str]
    local: frozenset[str]
    provided: dict[str, str]
    """What conda's packages are called on PyPI, with their versions."""
    complete: bool
    """Whether the lock says what every conda package is called on PyPI."""
    machine: str = "x86_64"

    @staticmethod
    def of(entries: Iterable[Entry], machine: str) -> Contents:
        """The packages of these entries."""
        conda: dict[str, LockedPackage] = {}
        pip: dict[str, str] = {}
        provided: dict[str, str] = {}
        local: set[str] = set()
        complete = True
        for entry in entries:
            if entry.kind == "pypi":
                pip[pip_name(entry.name)] = entry.version
                continue
            try:
                package = from_conda_url(entry.location)
            except BadSpec:
                local.add(re.split(r"[\[ @]", entry.location, maxsplit=1)[0].lower())
                continue
            conda[package.name] = package
            provided[pip_name(package.name)] = package.version
            complete = complete and entry.purls is not None
            for purl in entry.purls or ():
                if purl.startswith("pkg:pypi/"):
                    provided[pip_name(unquote(re.split(r"[?@#]", purl[9:], maxsplit=1)[0]))] = package.version
        return Contents(conda, pip, frozenset(local), provided, complete, machine)

    def lacks_conda(self, line: str) -> str:
        """Why the lock does not hold what this specification requests; empty where it does, or none can tell."""
        try:
            spec = _spec(line)
        except BadSpec:
            return ""
        if spec.name.startswith("__") or spec.name in self.local:
            return ""
        package = self.conda.get(spec.name)
        if package is None:
            return f"it lacks {spec.name}"
        if _fits(spec, package):
            return ""
        return f"it has {package.name} {package.version}, and {line[:80]!r} is requested"

    def lacks_pip(self, line: str) -> str:
        """Why the lock does not hold what this requirement requests; empty where it does, or none can tell."""
        try:
            requirement = Requirement(without_options(line))
        except (InvalidRequirement, RecursionError):
            return ""
        name = pip_name(requirement.name)
        if not self._meant(requirement):
            return ""
        if name not in self.pip and name not in self.provided:
            return f"it lacks {name}" if self.complete else ""
        version = self.pip.get(name, "")
        try:
            if not version or requirement.url or requirement.specifier.contains(version, prereleases=True):
                return ""
        except InvalidVersion:
            return ""
        return f"it has {name} {version}, and {line[:80]!r} is requested"

    def _meant(self, requirement: Requirement) -> bool:
        """Return whether a requirement's marker holds in the lock's Python on Linux."""
        if requirement.marker is None:
            return True
        python = self.conda["python"].version if "python" in self.conda else "3.12.0"
        minor = ".".join(python.split(".")[:2])
        environment = {
            "python_full_version": python, "python_version": minor, "sys_platform": "linux", "os_name": "posix",
            "platform_system": "Linux", "platform_machine": self.machine, "implementation_name": "cpython",
            "platform_python_implementation": "CPython", "extra": "",
        }  # fmt: skip
        try:
            return requirement.marker.evaluate(environment)
        except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
            return False


def _spec(line: str) -> Spec:
    """Return the specification; without conda's grammar, which takes long to load, where a name and bounds are all."""
    plain = _PLAIN.fullmatch(line)
    return Spec(line, plain[1].lower(), CONDA, plain[2]) if plain else conda_spec(line)


def _fits(spec: Spec, package: LockedPackage) -> bool:
    if spec.build and not fnmatchcase(package.build, spec.build):
        return spec.build.startswith("^")
    if not spec.constraint or spec.url:
        return True
    bounds = [_BOUND.fullmatch(part) for part in spec.constraint.split(",")]
    if all(bounds):
        return all(_within(package.version, bound[1], bound[2]) for bound in bounds if bound)
    return _matches(spec.constraint, package.version)


def _within(version: str, sign: str, bound: str) -> bool:
    newer = is_newer(version, bound, CONDA)
    if sign == "=" or bound.endswith(".*"):
        return starts_with(version, bound.removesuffix(".*"))
    return {">=": newer is not False, ">": newer is True, "<=": newer is not True, "<": newer is False}.get(
        sign, newer is None
    )


def _matches(constraint: str, version: str) -> bool:
    # Loaded here and not above: few constraints need it.
    from rattler import Version, VersionSpec
    from rattler.exceptions import InvalidVersionError, InvalidVersionSpecError

    try:
        return bool(VersionSpec(constraint).matches(Version(version)))
    except (InvalidVersionError, InvalidVersionSpecError, ValueError):
        return True  # the checks say what is wrong with it
