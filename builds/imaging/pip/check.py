"""Report what `pip check` would, from the wheels alone, before the image is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from builds.imaging.download.fetch import Fetched
from builds.imaging.files import WheelFile
from builds.imaging.lock import Lock
from builds.imaging.pip.declared.foreign_requirements import applies, requirement_of
from builds.imaging.pip.declared.reading import read_wheels
from builds.imaging.reporting import Reporter


def check_lock(
    lock: Lock, fetched: Fetched, reporter: Reporter, facts: Mapping[str, Mapping[str, Any]] | None = None
) -> list[str]:
    """Return a sentence for each package that is missing, that another package rejects, or that is for other Pythons.

    The last is what pip refuses, and the solver takes where only an upper bound is in the way.
    The wheels are read, unless their `facts` are given: see `facts_of_wheels`.
    """
    if not lock.python:
        return []
    major, minor, *_ = (int(part) for part in lock.python.split("."))
    versions = {package.name: package.version for package in lock.packages if package.ecosystem == "pypi"}
    for package in lock.packages:
        for brought in package.distributions:
            name, _, version = brought.partition("==")
            versions.setdefault(canonicalize_name(name), version)
    environment: dict[str, str | AbstractSet[str]] = {
        **{key: str(value) for key, value in default_environment().items()},
        "python_version": f"{major}.{minor}",
        "python_full_version": lock.python,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "aarch64" if lock.platform.endswith("aarch64") else "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    problems = []
    each: Iterable[tuple[WheelFile, Mapping[str, Any]]] = (
        read_wheels(fetched.wheels, (major, minor), reporter)
        if facts is None
        else [(file, facts[file.sha256]) for file in fetched.wheels]
    )
    for file, declared in each:
        if not _runs_on(declared["python"], lock.python):
            problems.append(
                f"{file.name} {file.version} is for Python {declared['python']}, and the image has Python {lock.python};"
                " pip refuses it. Request another version, or take a base image with such a Python."
            )
        for need in declared["needs"]:
            wanted = requirement_of(need)
            if wanted is None or not applies(wanted, environment):
                continue
            problem = _problem(wanted, versions.get(canonicalize_name(wanted.name)))
            if problem:
                problems.append(f"{file.name} {file.version} needs {wanted}, {problem}.")
    return problems


def _runs_on(requires: str, python: str) -> bool:
    try:
        allowed = SpecifierSet(requires)
    except InvalidSpecifier:
        return True
    # A base may show its minor version only: any micro version of it may be there.
    possible = (python, f"{python}.99") if python.count(".") == 1 else (python,)
    return any(allowed.contains(each, prereleases=True) for each in possible)


def _problem(wanted: Requirement, version: str | None) -> str:
    if version is None:
        return "which is not installed"
    if not wanted.specifier.contains(version, prereleases=True):
        return f"but {version} is installed"
    return ""
