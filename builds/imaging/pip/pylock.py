"""Read and write `pylock.toml` (PEP 751), the format of the solver's output."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.tags import Tag, compatible_tags, cpython_tags, create_compatible_tags_selector
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builds.imaging.bases.probe import Probe
from builds.imaging.lock import Kind, Lock, LockedPackage
from builds.imaging.pip.lines.hashes import NO_HASHES, Hashes
from builds.imaging.pip.listings import ListedFile, systems_of, uploaded_at
from builds.imaging.reporting import ImageError

_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

File = Mapping[str, Any]
Selector = Callable[[Iterable[tuple[File, AbstractSet[Tag]]]], Iterator[File]]


@dataclass(frozen=True)
class Selection:
    """The choice of files from a solver's lock: `present` packages are left out, `forced` come as source.

    `offered` are files by name and version that were presented to the solver as wheels. Where there are `hashes`,
    a file has one of its package's, and may be any that is `listed`.
    """

    present: Container[str] = ()
    forced: Container[str] = ()
    offered: Mapping[str, Mapping[str, Sequence[ListedFile]]] = field(default_factory=dict)
    hashes: Hashes = NO_HASHES
    listed: Callable[[str], Iterable[ListedFile]] = lambda _: ()
    may_be_source: Callable[[str], bool] = lambda _: True
    check: Callable[[str, str, File], None] = lambda *_: None
    """Raises ImageError for a file that must not be taken, by its package's name and version."""


def packages_of(text: str, probe: Probe, selection: Selection = Selection()) -> tuple[LockedPackage, ...]:
    """Return the packages of a pylock, each with the wheel that fits the base best, by name."""
    select: Selector = create_compatible_tags_selector(target_tags(probe))
    result = []
    for entry in tomllib.loads(text).get("packages", []):
        name, version = str(canonicalize_name(entry["name"])), str(entry.get("version", ""))
        if name in selection.present:
            continue
        offered = selection.offered.get(name, {}).get(version, ())
        if offered:
            sources = [file.as_entry() for file in offered]
            result.append(
                _locked(name, version, selection.hashes.chosen(name, sources)[0], "sdist", selection)
            )
        elif "sdist" in entry and name in selection.forced:
            file = selection.hashes.chosen(name, [entry["sdist"]])[0]
            result.append(_locked(name, version, file, "sdist", selection))
        else:
            result.append(_package(entry, select, probe, selection))
    return tuple(sorted(result, key=lambda package: package.name))


def wheel_of(
    name: str, version: str, files: Iterable[ListedFile], probe: Probe, selection: Selection
) -> LockedPackage | None:
    """Return the wheel among these files that a solver's lock of this version would lead to; None for none."""
    select: Selector = create_compatible_tags_selector(target_tags(probe))
    entry = {"name": name, "version": version, "wheels": [file.as_entry() for file in files if file.tags]}
    with suppress(ImageError):
        package = _package(entry, select, probe, selection)
        return package if package.kind == "wheel" else None
    return None


def versions_of(text: str, probe: Probe) -> dict[str, tuple[str, bool]]:
    """Return the version of each package of a pylock, and whether a wheel of it runs on this base."""
    select: Selector = create_compatible_tags_selector(target_tags(probe))
    entries = tomllib.loads(text).get("packages", [])
    return {
        str(canonicalize_name(entry["name"])): (
            str(entry["version"]),
            bool(_fitting(entry.get("wheels", []), select)),
        )
        for entry in entries
        if "version" in entry
    }


def uploads_of(text: str, probe: Probe) -> dict[str, tuple[str, dt.datetime | None]]:
    """Return of each package of a pylock its version, and when the file was uploaded that fits the base best."""
    select: Selector = create_compatible_tags_selector(target_tags(probe))
    result = {}
    for entry in tomllib.loads(text).get("packages", []):
        files = [*_fitting(entry.get("wheels", []), select), *([entry["sdist"]] if "sdist" in entry else [])]
        if "version" in entry and files:
            uploaded = uploaded_at(files[0].get("upload-time"))
            result[str(canonicalize_name(entry["name"]))] = (str(entry["version"]), uploaded)
    return result


def preference(lock: Lock) -> str:
    """Return a pylock that asks the solver to stay with these versions."""
    parts = ['lock-version = "1.0"\ncreated-by = "environment-studio"\n']
    for package in lock.packages:
        if package.kind in ("wheel", "sdist"):
            url, name, version = (json.dumps(t) for t in (package.url, package.name, package.version))
            file = f'{{ url = {url}, hashes = {{ sha256 = "{package.sha256}" }} }}'
            files = f"wheels = [{file}]" if package.kind == "wheel" else f"sdist = {file}"
            parts.append(f"\n[[packages]]\nname = {name}\nversion = {version}\n{files}\n")
    return "".join(parts)


def target_tags(probe: Probe) -> list[Tag]:
    """Return the tags of wheels that run on this base, the best first."""
    platforms = list(_platforms(probe))
    minor = probe.minor
    interpreter = f"cp{minor[0]}{minor[1]}"
    # Until 3.7 the ABI included the memory allocator.
    abi = f"{interpreter}m" if minor < (3, 8) else interpreter
    return [
        *cpython_tags(minor, platforms=platforms, abis=[abi]),
        *compatible_tags(minor, interpreter, platforms),
    ]


def _platforms(probe: Probe) -> list[str]:
    machine = probe.machine
    newest = int((probe.libc_version or "0.0").split(".")[1])
    if probe.libc == "musl":
        return [f"musllinux_1_{n}_{machine}" for n in range(newest, 0, -1)] + [f"linux_{machine}"]
    names = []
    for minor in range(newest, 4, -1):
        names.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY:
            names.append(f"{_LEGACY[minor]}_{machine}")
    return [*names, f"linux_{machine}"]


def _package(entry: File, select: Selector, probe: Probe, selection: Selection) -> LockedPackage:
    name, version = str(canonicalize_name(entry["name"])), str(entry.get("version", ""))
    files = [*entry.get("wheels", [])]
    if str(entry.get("archive", {}).get("url", "")).split("#")[0].endswith(".whl"):
        files.append(entry["archive"])
    fitting = _fitting(files, select)
    if not fitting:
        raise _unfit(name, version, files, probe)
    if version and not selection.hashes.match(name, fitting):
        # Another index may have the file, or the hash be that of the source.
        others = [file for file in selection.listed(name) if str(file.version) == version]
        wheels = _fitting([file.as_entry() for file in others if file.tags], select)
        if selection.hashes.match(name, wheels):
            fitting = wheels
        elif selection.may_be_source(name):
            sources = [file.as_entry() for file in others if not file.tags]
            if selection.hashes.match(name, sources):
                return _locked(name, version, selection.hashes.chosen(name, sources)[0], "sdist", selection)
    best = selection.hashes.chosen(name, fitting)[0]
    return _locked(name, version or str(parse_wheel_filename(_filename(best))[1]), best, "wheel", selection)


def _unfit(name: str, version: str, files: Sequence[File], probe: Probe) -> ImageError:
    """Return the error for a package whose wheels all are for something else."""
    systems = systems_of(map(_filename, files))
    if systems:
        return ImageError(
            "no-matching-distribution",
            f"The wheel of {name} {version} is for {systems}, and an image is Linux ({probe.platform}).",
            "Give the address of its wheel for Linux, or leave the package out.",
        )
    return ImageError(
        "no-matching-distribution",
        f"{name} {version} has no wheel for Python {probe.version} on {probe.platform}.",
        "Pin a version that has one, or take another Python version or base image.",
    )


def _locked(name: str, version: str, file: File, kind: Kind, selection: Selection) -> LockedPackage:
    selection.check(name, version, file)
    digest = file.get("hashes", {}).get("sha256")
    if "url" not in file or not re.fullmatch("[0-9a-f]{64}", str(digest)):
        raise ImageError(
            "no-matching-distribution",
            f"The index does not say where {name} {version} is, or gives no sha256 for it.",
            "Take the package from an index that does.",
            fault="outside",
        )
    return LockedPackage(
        ecosystem="pypi",
        name=name,
        version=version,
        url=_without_password(file["url"]),
        sha256=digest,
        size=int(file.get("size", 0)),
        filename=_filename(file),
        kind=kind,
    )


def _filename(wheel: File) -> str:
    name = str(wheel.get("name") or unquote(urlsplit(wheel.get("url", "")).path))
    return name.rpartition("/")[2]


def _fitting(files: Iterable[File], select: Selector) -> list[File]:
    """Return the wheels that run on the base, the best first: by their tags, then by the highest build number."""
    wheels = []
    for file in files:
        with suppress(InvalidWheelFilename):
            _, _, build, tags = parse_wheel_filename(_filename(file))
            wheels.append((build, file, tags))
    wheels.sort(key=lambda wheel: wheel[0], reverse=True)
    return list(select((file, tags) for _, file, tags in wheels))


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
