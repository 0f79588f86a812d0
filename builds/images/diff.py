"""The difference between two images: their exact packages, and the bytes to download."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from builds.images.exports import locked_packages
from builds.imaging.lock import Lock
from builds.models import Image, ImagePackage
from environments.definition.difference import MOVED, PackageChange, count_changes, counted, diff_locks
from environments.definition.packages.locked import LockedPackage


@dataclass(frozen=True)
class ResolvedChange:
    """A package that differs, with the growth of its file in bytes; negative if it shrank."""

    name: str
    ecosystem: str
    change: str
    old: str
    new: str
    size: int
    level: str = ""  # major, minor or patch, of upgrades and downgrades


@dataclass(frozen=True)
class ResolvedDifference:
    """The changes from an old image to a new image."""

    summary: str
    same_image: bool
    size: int
    packages: tuple[ResolvedChange, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self) | {"packages": [asdict(change) for change in self.packages]}


def diff_images(old: Image, new: Image) -> ResolvedDifference:
    """Return what differs between the packages of two images."""
    if (old.digest, old.workspace_id) == (new.digest, new.workspace_id):
        return ResolvedDifference("same image", True, 0)
    was, now = (Lock.model_validate(image.lock or {}) for image in (old, new))
    before, after = _sizes(was), _sizes(now)
    changes = tuple(
        ResolvedChange(
            change.name,
            change.ecosystem,
            change.change,
            change.old,
            change.new,
            _grown(change, before, after),
            change.level,
        )
        for change in diff_locks(locked_packages(was), locked_packages(now))
    )
    more = sum(after.values()) - sum(before.values())
    phrases = counted(
        PackageChange(change.name, change.ecosystem, change.change, change.old, change.new)
        for change in changes
    )
    return ResolvedDifference(", ".join(phrases) or "same packages", False, more, changes)


def change_counts(pairs: Iterable[tuple[Image, Image]]) -> dict[tuple[int, int], dict[str, int]]:
    """Return how many packages of each pair of images changed, by the two keys and the kind, in one query.

    It reads the rows of packages, not the long locks: images that differ only in builds of the same versions,
    or not at all, have no changes.
    """
    wanted = [(old.pk, new.pk) for old, new in pairs if old.pk != new.pk]
    rows = ImagePackage.objects.filter(image__in={key for pair in wanted for key in pair})
    contents: dict[int, set[tuple[str, str, str]]] = defaultdict(set)
    columns = ("image_id", "package__ecosystem", "package__name", "package__version")
    for image, *package in rows.exclude(package__ecosystem="python").values_list(*columns):
        contents[image].add((*package,))
    return {
        (old, new): count_changes(
            diff_locks(_as_locked(contents[old] - contents[new]), _as_locked(contents[new] - contents[old]))
        )
        for old, new in set(wanted)
    }


def _as_locked(packages: set[tuple[str, str, str]]) -> list[LockedPackage]:
    return [
        LockedPackage(name, version, "conda" if ecosystem == "conda" else "pip")
        for ecosystem, name, version in packages
    ]


Sizes = dict[tuple[str, str], int]


def _sizes(lock: Lock) -> Sizes:
    kinds = {"pypi": "pip"}
    return {
        (kinds.get(package.ecosystem, package.ecosystem), package.name): package.size
        for package in lock.packages
    }


def _grown(change: PackageChange, before: Sizes, after: Sizes) -> int:
    ecosystem = change.ecosystem
    if change.change == MOVED:
        ecosystem = "conda" if ecosystem == "pip" else "pip"
    return after.get((change.ecosystem, change.name), 0) - before.get((ecosystem, change.name), 0)
