"""What differs between what two images hold: their exact packages, and how much there is to download."""

from dataclasses import asdict, dataclass
from typing import Any

from builds.exports import locked_packages
from builds.images.lock import Lock
from builds.models import Image
from environments.definition.difference import MOVED, PackageChange, counted, diff_locks


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


Sizes = dict[tuple[str, str], int]


def _sizes(lock: Lock) -> Sizes:
    kinds = {"pypi": "pip"}
    return {(kinds.get(one.ecosystem, one.ecosystem), one.name): one.size for one in lock.packages}


def _grown(change: PackageChange, before: Sizes, after: Sizes) -> int:
    ecosystem = change.ecosystem
    if change.change == MOVED:
        ecosystem = "conda" if ecosystem == "pip" else "pip"
    return after.get((change.ecosystem, change.name), 0) - before.get((ecosystem, change.name), 0)
