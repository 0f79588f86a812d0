"""Reading and writing `pylock.toml` (PEP 751), which is what the solver speaks."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builds.images.hashes import NO_HASHES, Hashes
from builds.images.lock import Kind, Lock, LockedPackage
from builds.images.probe import Probe
from builds.images.report import ImageError

_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def packages_of(
    text: str,
    probe: Probe,
    *,
    present: Container[str] = (),
    sources: Container[str] = (),
    hashes: Hashes = NO_HASHES,
) -> tuple[LockedPackage, ...]:
    """Return the packages of a pylock, each with the one wheel that fits the base best, by name.

    What is `present` already is left out; what is among `sources` is taken as its source distribution. Where
    there are `hashes`, a file has one of its package's.
    """
    order = _order(probe)
    entries = tomllib.loads(text).get("packages", [])
    entries = [entry for entry in entries if canonicalize_name(entry["name"]) not in present]
    found = [
        _source(entry, hashes)
        if "sdist" in entry and canonicalize_name(entry["name"]) in sources
        else _package(entry, order, probe, hashes)
        for entry in entries
    ]
    return tuple(sorted(found, key=lambda package: package.name))


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
    # Until 3.7 the ABI told how memory is allocated.
    abi = f"{interpreter}m" if minor < (3, 8) else interpreter
    return [
        *cpython_tags(minor, platforms=platforms, abis=[abi]),
        *compatible_tags(minor, interpreter, platforms),
    ]


@lru_cache(maxsize=16)
def _order(probe: Probe) -> Mapping[Tag, int]:
    return {tag: number for number, tag in enumerate(target_tags(probe))}


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


def _source(entry: Mapping[str, Any], hashes: Hashes) -> LockedPackage:
    name = str(canonicalize_name(entry["name"]))
    return _locked(name, entry["version"], hashes.chosen(name, [entry["sdist"]])[0], "sdist")


def _package(
    entry: Mapping[str, Any], order: Mapping[Tag, int], probe: Probe, hashes: Hashes
) -> LockedPackage:
    name, version = str(canonicalize_name(entry["name"])), str(entry.get("version", ""))
    offered = [*entry.get("wheels", [])]
    if str(entry.get("archive", {}).get("url", "")).split("#")[0].endswith(".whl"):
        offered.append(entry["archive"])
    ranked = [(rank, wheel) for wheel in offered if (rank := _rank(_filename(wheel), order)) is not None]
    if not ranked:
        raise ImageError(
            "no-matching-distribution",
            f"{name} {version} has no wheel for Python {probe.version} on {probe.platform}.",
            "Pin a version that has one, or take another Python version or base image.",
        )
    fitting = [wheel for _, wheel in sorted(ranked, key=lambda item: item[0])]
    best = hashes.chosen(name, fitting)[0]
    return _locked(name, version or str(parse_wheel_filename(_filename(best))[1]), best, "wheel")


def _locked(name: str, version: str, file: Mapping[str, Any], kind: Kind) -> LockedPackage:
    digest = file.get("hashes", {}).get("sha256")
    if "url" not in file or not digest:
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


def _filename(wheel: Mapping[str, Any]) -> str:
    name = str(wheel.get("name") or unquote(urlsplit(wheel.get("url", "")).path))
    return name.rpartition("/")[2]


def _rank(filename: str, order: Mapping[Tag, int]) -> tuple[int, tuple[int, str]] | None:
    """Return how well a wheel fits, smaller is better: by its tags, then by its build number."""
    try:
        _, _, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    fitting = [order[tag] for tag in tags if tag in order]
    number, rest = build or (0, "")
    return (min(fitting), (-number, rest)) if fitting else None


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
