"""Scripts that conda packages want to run once they are installed: which packages have one, in what order."""

from __future__ import annotations

from builds.images.conda.archive import contents
from builds.images.fetch import Fetched
from builds.images.lock import Lock, LockedPackage
from builds.images.segment import WheelFile
from builds.images.workshop import Workshop

_KNOWN = "conda-scripts"


def scripted(lock: Lock, fetched: Fetched, workshop: Workshop) -> tuple[LockedPackage, ...]:
    """Return the packages with a post-link script, each after those that it needs."""
    with_one = {file.sha256 for file in fetched.conda if _has_one(file, workshop)}
    if not with_one:
        return ()
    return tuple(package for package in _in_order(lock) if package.sha256 in with_one)


def _has_one(file: WheelFile, workshop: Workshop) -> bool:
    known = workshop.recall(_KNOWN, file.sha256)
    if known is None:
        known = bool(contents(file).post_link)
        workshop.remember(_KNOWN, file.sha256, known)
    return bool(known)


def _in_order(lock: Lock) -> list[LockedPackage]:
    packages = {package.name: package for package in lock.packages if package.kind == "conda"}
    needs: dict[str, set[str]] = {name: set() for name in packages}
    for package in packages.values():
        for above in package.needed_by:
            if above in needs:
                needs[above].add(package.name)
    order: list[str] = []
    while len(order) < len(packages):
        left = [name for name in packages if name not in order]
        # Packages that need one another come in the order of their names.
        ready = [name for name in left if needs[name] <= {*order, name}] or left[:1]
        order += ready
    return [packages[name] for name in order]
