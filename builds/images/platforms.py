"""The rows of an image's platforms, if it is an index of several: written with the image, and compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from builds.imaging.lock import Lock
from builds.models import Image, ImagePlatform


@dataclass(frozen=True)
class Deviation:
    """A package whose version on a platform is not that of the first platform; empty where it is not installed."""

    platform: str
    name: str
    version: str
    first: str


def save_platforms(image: Image, parts: Iterable[Mapping[str, Any]]) -> None:
    """Replace the rows of an image's platforms, in the transaction that writes the image."""
    ImagePlatform.objects.filter(image=image).delete()
    ImagePlatform.objects.bulk_create([ImagePlatform(image=image, **part) for part in parts])


def copy_platforms(source: Image, target: Image) -> None:
    """Give an image the platforms of another with the same bytes."""
    fields = ("platform", "digest", "size", "base_digest", "python", "packages", "lock")
    save_platforms(target, source.platform_rows.values(*fields))


def locks_of(image: Image) -> dict[str, Lock]:
    """Return the lock of each platform of an image, by its name, the first platform first."""
    rows = list(image.platform_rows.all())
    if not rows:
        return {image.platforms: Lock.model_validate(image.lock or {})}
    return {row.platform: Lock.model_validate(row.lock or {}) for row in rows}


def deviations(image: Image) -> list[Deviation]:
    """Return the packages whose versions differ between the platforms of an image."""
    (_, first), *others = locks_of(image).items()
    before = _versions(first)
    result = []
    for platform, lock in others:
        after = _versions(lock)
        result += [
            Deviation(platform, key[1], after.get(key, ""), before.get(key, ""))
            for key in sorted(before.keys() | after.keys(), key=lambda key: (key[1], key[0]))
            if before.get(key) != after.get(key)
        ]
    return result


def _versions(lock: Lock) -> dict[tuple[str, str], str]:
    return {(package.ecosystem, package.name): package.version for package in lock.packages}
