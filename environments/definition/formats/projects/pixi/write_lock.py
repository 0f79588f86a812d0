"""Exact packages as a pixi.lock of format 6, with one environment for one platform."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from environments.definition.formats.conda.environment_file import scalar
from environments.definition.formats.projects.pixi.specs import NotALine
from environments.definition.packages.lock_lines import PYPI
from environments.definition.packages.locked import CONDA, PIP, SUBDIRS, LockedFile, LockedPackage
from environments.definition.packages.specs import pip_name

_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
_NEWEST_GLIBC = 45
_SOURCES = (".tar.gz", ".zip", ".tar.bz2", ".tgz")


def write(packages: Iterable[LockedPackage], platform: str = "linux/amd64") -> str:
    """A pixi.lock of these packages. Raises NotALine for those that pixi has no place for."""
    listed = list(packages)
    conda = [package for package in listed if package.ecosystem == CONDA]
    pip = [package for package in listed if package.ecosystem == PIP]
    other = next((package for package in listed if package.ecosystem not in (CONDA, PIP)), None)
    if other is not None:
        raise NotALine(f"pixi.lock has no place for {other.ecosystem} packages such as {other.name}")
    if platform not in _MACHINES:
        raise NotALine(f"pixi.lock is not written for the platform {platform}")
    bare = next((package for package in conda if "://" not in package.url), None)
    if bare is not None:
        raise NotALine(f"pixi.lock needs the URL of every package; {bare.name} has none")
    installed = _of_pip(pip, conda, platform)
    references = [f"      - conda: {scalar(package.url)}" for package in conda]
    references += [f"      - pypi: {scalar(file.url)}" for _, file in installed]
    lines = [
        "version: 6",
        "environments:",
        "  default:",
        "    channels:",
        *(f"    - url: {scalar(channel)}" for channel in _channels(conda)),
        *(("    indexes:", f"    - {PYPI}") if installed else ()),
        "    packages:",
        f"      {SUBDIRS[platform]}:",
        *references,
        "packages:",
    ]
    for package in conda:
        lines += _conda(package)
    for package, file in installed:
        lines += _pypi(package, file)
    return "\n".join(lines) + "\n"


def _channels(conda: Iterable[LockedPackage]) -> list[str]:
    # `https://host/channel/linux-64/name.conda`: the channel is what two parts of the path follow.
    return list(dict.fromkeys(package.url.rsplit("/", 2)[0] + "/" for package in conda))


def _conda(package: LockedPackage) -> list[str]:
    lines = [f"- conda: {scalar(package.url)}"]
    lines += [f"  {key}: {digest}" for key, digest in _digests(package.sha256, package.md5)]
    lines += _listed("depends", package.requires)
    return lines + ([f"  size: {package.size}"] if package.size is not None else [])


def _pypi(package: LockedPackage, file: LockedFile) -> list[str]:
    lines = [
        f"- pypi: {scalar(file.url)}",
        f"  name: {scalar(pip_name(package.name))}",
        f"  version: {scalar(package.version)}",
    ]
    lines += [f"  {key}: {digest}" for key, digest in _digests(file.sha256, "")]
    return lines + _listed("requires_dist", map(pip_name, package.requires))


def _digests(sha256: str, md5: str) -> list[tuple[str, str]]:
    # In quotes where YAML would read a number.
    return [(key, scalar(digest)) for key, digest in (("sha256", sha256), ("md5", md5)) if digest]


def _listed(key: str, names: Iterable[str]) -> list[str]:
    items = [f"  - {scalar(name)}" for name in names]
    return [f"  {key}:", *items] if items else []


def _of_pip(
    pip: list[LockedPackage], conda: list[LockedPackage], platform: str
) -> list[tuple[LockedPackage, LockedFile]]:
    """Return the packages of pip that conda's Python installs, each with the file that it takes."""
    if not pip:
        return []
    python = next((package.version for package in conda if package.name == "python"), "")
    if not python:
        raise NotALine("pixi takes Python from conda, and this lock has no Python of conda's")
    meant = [package for package in pip if _holds(package.marker, python, platform)]
    return [(package, _file(package, python, platform)) for package in meant]


def _holds(marker: str, python: str, platform: str) -> bool:
    if not marker:
        return True
    environment = {
        "python_version": ".".join(python.split(".")[:2]), "python_full_version": python, "sys_platform": "linux",
        "os_name": "posix", "platform_system": "Linux", "platform_machine": _MACHINES[platform],
        "implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": "",
    }  # fmt: skip
    try:
        return Marker(marker).evaluate(environment)
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, ValueError):
        return False


def _file(package: LockedPackage, python: str, platform: str) -> LockedFile:
    files = package.files or (LockedFile(package.url.rpartition("/")[2], package.url, package.sha256),)
    located = [file for file in files if "://" in file.url]
    if not package.version or not located:
        raise NotALine(f"pixi.lock needs the version and the URL of every package; {package.name} lacks one")
    if len(located) == 1 and not package.files:
        return located[0]
    tags = _tags(python, _MACHINES[platform])
    ranked = sorted(
        (rank, number) for number, file in enumerate(located) if (rank := _rank(file.name, tags)) is not None
    )
    if not ranked:
        raise NotALine(f"this lock has no file of {package.name} for Python {python} on {platform}")
    return located[ranked[0][1]]


def _rank(name: str, tags: dict[Tag, int]) -> int | None:
    """Return how well a file fits, the best at 0; None for a wheel of another Python or system."""
    if name.endswith(_SOURCES):
        return len(tags)
    try:
        offered = parse_wheel_filename(name)[3]
    except (InvalidWheelFilename, ValueError):
        return None
    return min((tags[tag] for tag in offered if tag in tags), default=None)


@lru_cache(maxsize=8)
def _tags(python: str, machine: str) -> dict[Tag, int]:
    version = tuple(int(part) for part in python.split(".")[:2] if part.isdigit())
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(_NEWEST_GLIBC, 4, -1)]
    old = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}
    platforms += [f"{name}_{machine}" for name in old] + [f"linux_{machine}"]
    interpreter = f"cp{''.join(map(str, version))}"
    tags = [*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}
