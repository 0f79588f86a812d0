"""What differs between what two images hold: their exact packages, and how much there is to download."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from builds.exports import locked_packages
from builds.images.lock import Lock
from builds.models import Image, ImagePackage
from environments.definition.difference import MOVED, PackageChange, counted, diff_locks
from environments.definition.locked import LockedPackage


@dataclass(frozen=True)
class ResolvedChange:
    """A package that differs, and how many bytes more its file has; fewer are below zero."""

    name: str
    ecosystem: str
    change: str
    old: str
    new: str
    size: int


@dataclass(frozen=True)
class ResolvedDifference:
    """What one must know who goes from an old image to a new one."""

    summary: str
    same_image: bool
    size: int
    packages: tuple[ResolvedChange, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self) | {"packages": [asdict(one) for one in self.packages]}


def diff_images(old: Image, new: Image) -> ResolvedDifference:
    """Return what differs between the packages of two images."""
    if (old.digest, old.workspace_id) == (new.digest, new.workspace_id):
        return ResolvedDifference("the same image", True, 0)
    was, now = (Lock.model_validate(image.lock or {}) for image in (old, new))
    before, after = _sizes(was), _sizes(now)
    changes = tuple(
        ResolvedChange(one.name, one.ecosystem, one.change, one.old, one.new, _grown(one, before, after))
        for one in diff_locks(locked_packages(was), locked_packages(now))
    )
    more = sum(after.values()) - sum(before.values())
    phrases = counted(PackageChange(one.name, one.ecosystem, one.change, one.old, one.new) for one in changes)
    return ResolvedDifference(", ".join(phrases) or "exactly the same packages", False, more, changes)


def summaries(pairs: Iterable[tuple[Image, Image]]) -> dict[tuple[int, int], str]:
    """Return how the packages of each pair of images differ in a few words, by the two keys; in one query for all.

    It reads the rows of packages, not the long locks: two that differ in builds of the same versions alone,
    or not at all, have no words.
    """
    wanted = [(old.pk, new.pk) for old, new in pairs if old.pk != new.pk]
    rows = ImagePackage.objects.filter(image__in={key for pair in wanted for key in pair})
    held: dict[int, set[tuple[str, str, str]]] = defaultdict(set)
    columns = ("image_id", "package__ecosystem", "package__name", "package__version")
    for image, *package in rows.exclude(package__ecosystem="python").values_list(*columns):
        held[image].add((*package,))
    return {
        (old, new): ", ".join(
            counted(diff_locks(_as_locked(held[old] - held[new]), _as_locked(held[new] - held[old])))
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
    return {(kinds.get(one.ecosystem, one.ecosystem), one.name): one.size for one in lock.packages}


def _grown(change: PackageChange, before: Sizes, after: Sizes) -> int:
    ecosystem = change.ecosystem
    if change.change == MOVED:
        ecosystem = "conda" if ecosystem == "pip" else "pip"
    return after.get((change.ecosystem, change.name), 0) - before.get((ecosystem, change.name), 0)
