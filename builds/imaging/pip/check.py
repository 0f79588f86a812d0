"""Report what `pip check` would, from the wheels alone, before the image is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builds.imaging.download.fetch import Fetched
from builds.imaging.files import WheelFile
from builds.imaging.lock import Lock
from builds.imaging.pip.declared.foreign_requirements import applies, requirement_of
from builds.imaging.pip.declared.reading import needs_of_wheels
from builds.imaging.reporting import Reporter


def check_lock(
    lock: Lock, fetched: Fetched, reporter: Reporter, facts: Mapping[str, Mapping[str, Any]] | None = None
) -> list[str]:
    """Return a sentence for each package that is missing, or that has a version which another package rejects.

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
    needs_of_each: Iterable[tuple[WheelFile, Sequence[str]]] = (
        needs_of_wheels(fetched.wheels, (major, minor), reporter)
        if facts is None
        else [(file, facts[file.sha256]["needs"]) for file in fetched.wheels]
    )
    for file, needs in needs_of_each:
        for need in needs:
            wanted = requirement_of(need)
            if wanted is None or not applies(wanted, environment):
                continue
            problem = _problem(wanted, versions.get(canonicalize_name(wanted.name)))
            if problem:
                problems.append(f"{file.name} {file.version} needs {wanted}, {problem}.")
    return problems


def _problem(wanted: Requirement, version: str | None) -> str:
    if version is None:
        return "which is not installed"
    if not wanted.specifier.contains(version, prereleases=True):
        return f"but {version} is installed"
    return ""
