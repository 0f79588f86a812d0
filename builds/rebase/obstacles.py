"""The reasons not to put an image on another base: it would not be what a build on that base makes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from builds.imaging.bases.model import Base, Bases
from builds.imaging.bases.probe import Probe
from builds.imaging.lock import Lock
from builds.imaging.oci.index import image_of, manifests_of
from builds.imaging.oci.store import BlobStore
from builds.imaging.rebasing.own_layers import NotOurs, own_layers
from builds.imaging.reporting import ImageError
from builds.models import Image
from builds.worker.install_plan import plan_for_base
from environments.definition import Definition, ImageReference
from environments.definition.model import HOST

MOST_LAYERS = 127  # engines refuse more
_NAMED = 5
_LIBC = re.compile(r"(manylinux|musllinux|linux)(?:_(\d+)_(\d+))?_(.+)")
_OLDER = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


@dataclass(frozen=True)
class Obstacle:
    """Why an image cannot be rebased. `rebuilds` says whether a build of its definition gives it the new base."""

    code: str
    reason: str
    rebuilds: bool = True


def obstacle(
    image: Image,
    definition: Definition | None,
    locks: Mapping[str, Lock],
    target: str,
    bases: Bases,
    store: BlobStore,
) -> Obstacle | None:
    """Return the first reason not to put an image on these bases of the reference `target`; None to go on."""
    if definition is None:
        return Obstacle("nobodys", "No version has this content.", rebuilds=False)
    if definition.image is None:
        return Obstacle("dockerfile", "Its base is built from a Dockerfile.")
    if (refused := _of_reference(definition.image, target)) is not None:
        return refused
    if image.bytecode and image.bytecode.get("provider") == "base":
        return Obstacle("compiled", "The Python of its base compiled its modules.")
    for platform, base in zip(definition.platforms, bases.each, strict=True):
        if (why := _of_platform(definition, locks[platform], image, base)) is not None:
            return why
    return _of_layers(image, bases, store)


def own_reference(image: str) -> str:
    """Return the whole reference of a definition's base, as images have it."""
    return HOST if image.strip() == HOST else str(ImageReference.parse(image))


def _of_reference(own: str, target: str) -> Obstacle | None:
    """A version promises the base that it names: only a patch of it is that base."""
    if own_reference(own) == target or own.strip() == HOST:
        return None
    parsed = ImageReference.parse(own)
    if parsed.digest:
        return Obstacle(
            "pinned", f"Its definition pins the base by digest. Save a version with {target}.", rebuilds=False
        )
    if parsed.floating:
        return Obstacle(
            "floating", f"Its definition follows {parsed}. Save a version with {target}.", rebuilds=False
        )
    return None


def _of_platform(definition: Definition, lock: Lock, image: Image, base: Base) -> Obstacle | None:
    probe = base.probe
    try:
        plan = plan_for_base(base, definition)
    except ImageError as error:
        return Obstacle(error.code, error.message, rebuilds=False)
    if not lock.packages:
        return None if plan.empty and not image.python else _other_python(image.python, probe)
    sources = [package.name for package in lock.packages if package.kind == "sdist"]
    if sources:
        return Obstacle("sources", f"{_listed(sources)}: built from source on its base.")
    if not lock.conda and (other := _other_python(lock.python, probe)) is not None:
        return other
    if bool(plan.conda) != lock.conda:
        return Obstacle("plan", f"{plan.reason} The image was made differently.")
    return _other_system(lock, definition, probe) or (_other_cuda(lock, definition, probe))


def _other_python(before: str, probe: Probe) -> Obstacle | None:
    if not before:
        return None
    if not probe.python:
        return Obstacle("python", "The new base has no Python.", rebuilds=False)
    was = before.split(".")[:2]
    if was == probe.version.split(".")[:2]:
        return None
    return Obstacle("python", f"Python {probe.version} of the new base is not of {'.'.join(was)}.")


def _other_system(lock: Lock, definition: Definition, probe: Probe) -> Obstacle | None:
    """Compare C library and architecture; an older C library is enough if the packages need no more."""
    before, now = _LIBC.fullmatch(lock.platform), _LIBC.fullmatch(probe.platform)
    if before is None or now is None or (before[1], before[4]) != (now[1], now[4]):
        return Obstacle("system", f"The new base is {probe.platform}; the packages are for {lock.platform}.")
    had, has = _version(before), _version(now)
    if has >= had:
        return None
    if lock.conda:
        stated = tuple(int(part) for part in definition.target.glibc.split(".")[:2] if part.isdecimal())
        if stated and has >= stated:
            return None
        return Obstacle(
            "glibc", f"The new base has glibc {probe.libc_version}, older than its conda packages."
        )
    newer = [p.name for p in lock.packages if not _runs_on(p.filename, now[1], has)]
    if newer:
        return Obstacle("glibc", f"{_listed(newer)}: made for a newer C library than {probe.libc_version}.")
    return None


def _version(matched: re.Match[str]) -> tuple[int, int]:
    return int(matched[2] or 0), int(matched[3] or 0)


def _runs_on(filename: str, family: str, version: tuple[int, int]) -> bool:
    """Return whether a wheel is made for this C library or an older one, or for any."""
    try:
        *_, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return False
    for platform in {tag.platform for tag in tags}:
        if platform == "any" or platform.startswith("linux_"):
            return True
        name = platform.split("_", 1)[0]
        matched = _LIBC.fullmatch(platform)
        needed = _OLDER.get(name) or (_version(matched) if matched else None)
        if needed is not None and name.startswith(family) and needed <= version:
            return True
    return False


def _other_cuda(lock: Lock, definition: Definition, probe: Probe) -> Obstacle | None:
    """Conda packages for GPUs were chosen by the CUDA that the base shows, unless the definition states it."""
    if not lock.conda or definition.target.cuda:
        return None
    for package in lock.packages:
        if package.ecosystem == "conda" and package.name == "cuda-version":
            needs = tuple(int(part) for part in package.version.split(".")[:2] if part.isdecimal())
            has = tuple(int(part) for part in probe.cuda.split(".")[:2] if part.isdecimal())
            if has < needs:
                shown = f"CUDA {probe.cuda}" if probe.cuda else "no CUDA"
                return Obstacle(
                    "cuda", f"Its packages need CUDA {package.version}; the new base has {shown}."
                )
    return None


def _of_layers(image: Image, bases: Bases, store: BlobStore) -> Obstacle | None:
    """Look at what the image holds: its documents tell its own layers from those of its base."""
    try:
        each = [own_layers(entry, store) for entry in manifests_of(store, image_of(store, image.digest))]
    except (OSError, NotOurs, ValueError, KeyError, TypeError):
        return Obstacle("unreadable", "The studio's store no longer has what it takes to rebase this image.")
    if any(own.runs_scripts for own in each):
        return Obstacle("post-link", "Its packages ran scripts in a container of its base.")
    deepest = max(len(base.layers) for base in bases.each) + max(len(own.layers) + 1 for own in each)
    if deepest > MOST_LAYERS:
        return Obstacle("layers", f"It would have {deepest} layers; engines take {MOST_LAYERS}.")
    return None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
